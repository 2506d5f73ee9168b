"""The TensorRT backend against a fake that enforces the documented order of calls."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

import vidstyle.backends
from tests.backends.fake_cuda import FakeCuda, cudaError_t
from tests.backends.fake_tensorrt import FakeTensorRT
from vidstyle.backends.protocol import Engine, EngineSpec
from vidstyle.backends.tensorrt import TensorRT
from vidstyle.cache import cache_folder
from vidstyle.errors import BackendError, Interrupted, OutOfMemory
from vidstyle.frames import ImageArray
from vidstyle.networks.network import Network, sha256_of
from vidstyle.styles import Library

WIDTH, HEIGHT = 40, 24
_OURS = ("cuda_runtime", "tensorrt_log", "tensorrt_build", "tensorrt_engine")


@dataclass
class Nvidia:
    """The fake machine: its CUDA, its TensorRT, a network to load, packages that are missing, what was said."""

    cuda: FakeCuda
    trt: FakeTensorRT
    network: Network
    missing: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def load(self, **spec: Any) -> Engine:
        """An engine for frames of 40x24."""
        full = EngineSpec(**({"width": WIDTH, "height": HEIGHT} | spec))
        return TensorRT().load(self.network, full, self.said.append)


def _forget() -> None:
    """Let the backend's modules be imported anew: they bind NVIDIA's packages when they are."""
    for name in _OURS:
        sys.modules.pop(f"vidstyle.backends.{name}", None)
        vars(vidstyle.backends).pop(name, None)


@pytest.fixture
def nvidia(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nvidia]:
    monkeypatch.setenv("VIDSTYLE_CACHE_DIR", str(tmp_path / "cache"))
    cuda = FakeCuda()
    trt = FakeTensorRT(cuda)
    bindings = ModuleType("cuda.bindings")
    bindings.runtime = cuda  # type: ignore[attr-defined]
    fakes = {"tensorrt": trt, "cuda": ModuleType("cuda"), "cuda.bindings": bindings, "cuda.bindings.runtime": cuda}
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    machine = Nvidia(cuda, trt, library.network("live"))
    monkeypatch.setattr("vidstyle.backends.tensorrt._installed", lambda name: name not in machine.missing)
    _forget()
    yield machine
    _forget()


def pictures(count: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def style(network: Network, first: float = 3.0) -> Any:
    vector = np.zeros(network.style_size, np.float32)
    vector[0] = first
    return vector


def painted(images: ImageArray, shift: int = 3) -> ImageArray:
    """What the fake paints."""
    return ((255 - images.astype(int) + shift) % 256).astype(np.uint8)


@pytest.mark.parametrize("batch", [1, 2, 5, 8, 16, 40])
def test_paints_every_frame_in_its_place(nvidia: Nvidia, batch: int) -> None:
    engine = nvidia.load(batch=batch)
    info = engine.info
    assert (info.backend, info.device, info.precision, info.batch) == ("tensorrt", "cuda:0", "fp16", batch)
    for count, shift in ((batch, 3), (max(1, batch - 1), 7), (1, 0)):
        images = pictures(count, seed=count)
        result = engine.run(images, style(nvidia.network, shift))
        assert result.dtype == np.uint8
        assert np.array_equal(result, painted(images, shift))
    assert nvidia.cuda.launches > 0, "the network is replayed as a CUDA graph"


def test_parts_of_a_batch_overlap(nvidia: Nvidia) -> None:
    """Three parts are on their way before the first is waited for; a single frame needs no second lane."""
    waits = []
    engine = nvidia.load(batch=16)
    synchronize = nvidia.cuda.cudaStreamSynchronize
    nvidia.cuda.__dict__["cudaStreamSynchronize"] = lambda on: waits.append(nvidia.cuda.launches) or synchronize(on)
    engine.run(pictures(16), style(nvidia.network))
    assert waits == [3, 4, 4, 4]
    engine.close()
    nvidia.load(batch=1)
    assert len(nvidia.cuda.streams) == 1


def test_result_is_the_callers_own(nvidia: Nvidia) -> None:
    engine = nvidia.load()
    first = engine.run(pictures(1, seed=1), style(nvidia.network))
    engine.run(pictures(1, seed=2), style(nvidia.network))
    assert np.array_equal(first, painted(pictures(1, seed=1)))


def test_strided_frames(nvidia: Nvidia) -> None:
    mirrored = pictures(2)[:, :, ::-1]
    assert np.array_equal(nvidia.load(batch=2).run(mirrored, style(nvidia.network)), painted(mirrored))


def test_close_gives_everything_back(nvidia: Nvidia) -> None:
    engine = nvidia.load(batch=8)
    assert nvidia.cuda.taken > 0
    engine.close()
    engine.close()
    assert nvidia.cuda.taken == 0
    with pytest.raises(BackendError, match="closed"):
        engine.run(pictures(1), style(nvidia.network))


def test_wrong_shapes(nvidia: Nvidia) -> None:
    engine = nvidia.load(batch=2)
    with pytest.raises(ValueError, match="1 to 2 frames of 40x24"):
        engine.run(pictures(3), style(nvidia.network))
    with pytest.raises(ValueError, match="1 to 2 frames of 40x24"):
        engine.run(pictures(1)[:, 1:], style(nvidia.network))
    with pytest.raises(ValueError, match="the style is"):
        engine.run(pictures(1), style(nvidia.network)[1:])


def test_plan_is_built_once(nvidia: Nvidia) -> None:
    nvidia.load().close()
    assert any("step 2 of 2" in line for line in nvidia.said)
    nvidia.said.clear()
    for spec in ({"batch": 16}, {"width": 24, "height": 17}, {"width": 640, "height": 360}):
        nvidia.load(**spec).close()
    assert nvidia.trt.builds == 1
    assert nvidia.said == []


@pytest.mark.parametrize("spec", [{"precision": "fp32"}, {"width": 24, "height": 40}, {"width": 1280, "height": 720}])
def test_other_plans_for_other_work(nvidia: Nvidia, spec: dict[str, Any]) -> None:
    nvidia.load().close()
    nvidia.load(**spec).close()
    assert nvidia.trt.builds == 2


def test_configuration(nvidia: Nvidia) -> None:
    nvidia.load()
    nvidia.load(precision="fp32")
    fp16, fp32 = nvidia.trt.configs
    assert fp16.pools == {"workspace": 2 << 30}
    assert fp16.builder_optimization_level == 3
    assert (fp16.cleared, fp32.cleared) == (set(), {"tf32"})
    assert fp16.profiles[0].shapes == {"frames": ((1, 16, 16, 3), (1, 360, 640, 3), (4, 360, 640, 3))}


def test_plan_of_another_version_is_built_again(nvidia: Nvidia) -> None:
    """A plan that TensorRT refuses although the key fits."""
    nvidia.load().close()
    (plan,) = cache_folder("tensorrt").glob("*.plan")
    nvidia.trt.refuse.add("deserialize")
    with pytest.raises(BackendError, match="could not be loaded"):
        nvidia.load()
    assert nvidia.trt.builds == 2, "it was tried once"
    assert not plan.exists()
    nvidia.trt.refuse.clear()
    nvidia.load()
    assert any("removed" in line for line in nvidia.said)


def test_plan_with_wrong_types(nvidia: Nvidia) -> None:
    nvidia.trt.painted_type = "FLOAT"
    with pytest.raises(BackendError, match=r"wrong inputs or outputs: .*painted FLOAT"):
        nvidia.load()
    assert nvidia.cuda.taken == 0


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("parse", "could not be parsed: Conv head: because"),
        ("profile", "was refused: profile: because"),
        ("build", "could not be built: build: because"),
        ("deserialize", "could not be loaded: deserialize: because"),
        ("context", "no execution context could be made: context: because"),
        ("shape", "were refused: shape: because"),
        ("address", "address of 'frames' was refused: address: because"),
        ("enqueue", "could not be started: enqueue: because"),
    ],
)
def test_each_failing_step_is_one_clear_error(nvidia: Nvidia, step: str, message: str) -> None:
    nvidia.trt.refuse.add(step)
    with pytest.raises(BackendError, match=message) as caught:
        nvidia.load()
    assert caught.value.exit_code == 6
    assert "\n" not in str(caught.value)
    assert nvidia.cuda.taken == 0, "what was taken before is given back"


def test_out_of_memory_keeps_the_plan(nvidia: Nvidia) -> None:
    """So that the half batch that is tried next builds nothing."""
    nvidia.cuda.fails["cudaMalloc"] = cudaError_t.cudaErrorMemoryAllocation
    with pytest.raises(OutOfMemory, match="cudaMalloc"):
        nvidia.load(batch=16)
    assert nvidia.cuda.taken == 0
    with pytest.raises(OutOfMemory):
        nvidia.load(batch=8)
    nvidia.cuda.fails.clear()
    nvidia.load(batch=4)
    assert nvidia.trt.builds == 1


def test_out_of_memory_of_tensorrt(nvidia: Nvidia) -> None:
    nvidia.trt.refuse.add("build")
    nvidia.trt.reason = "Error Code 2: OutOfMemory (no further information)"
    with pytest.raises(OutOfMemory):
        nvidia.load()


def test_failure_on_the_device_while_running(nvidia: Nvidia) -> None:
    engine = nvidia.load()
    nvidia.cuda.fails["cudaStreamSynchronize"] = cudaError_t.cudaErrorIllegalAddress
    with pytest.raises(BackendError, match="cudaStreamSynchronize failed: cudaErrorIllegalAddress"):
        engine.run(pictures(1), style(nvidia.network))


@pytest.mark.parametrize("broken", ["enqueue", "instantiate"])
def test_without_cuda_graphs(nvidia: Nvidia, broken: str) -> None:
    """A network that cannot be recorded runs all the same, and that is said."""
    if broken == "enqueue":
        nvidia.trt.refuse.add("record")
    else:
        nvidia.cuda.fails["cudaGraphInstantiate"] = cudaError_t.cudaErrorInvalidValue
    engine = nvidia.load(batch=8)
    assert any("without CUDA graphs" in line for line in nvidia.said)
    assert np.array_equal(engine.run(pictures(8), style(nvidia.network)), painted(pictures(8)))
    assert nvidia.cuda.launches == 0
    engine.close()
    assert nvidia.cuda.taken == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("stop")])
def test_stopping_a_build(nvidia: Nvidia, stop: BaseException) -> None:
    """TensorRT would swallow the exception: the build is cancelled and the exception comes out of it."""

    def say(line: str) -> None:
        if "step 1" in line:
            raise stop

    with pytest.raises(type(stop)):
        TensorRT().load(nvidia.network, EngineSpec(width=WIDTH, height=HEIGHT), say)
    assert list(cache_folder("tensorrt").glob("*.plan")) == []


def test_network_of_one_style(nvidia: Nvidia, tmp_path: Path) -> None:
    """An imported network has no style input."""
    model = onnx.load(str(nvidia.network.graph))
    del model.graph.input[1]
    value = np.full(nvidia.network.style_size, 0.5, np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(value, "style"))
    onnx.save(model, str(tmp_path / "one.onnx"))
    network = Network(
        name="one",
        graph=tmp_path / "one.onnx",
        sha256=sha256_of(tmp_path / "one.onnx"),
        style_size=0,
        architecture=None,
    )
    engine = TensorRT().load(network, EngineSpec(width=WIDTH, height=HEIGHT), nvidia.said.append)
    assert np.array_equal(engine.run(pictures(1), np.zeros(0, np.float32)), painted(pictures(1), 0))


def test_device_by_name(nvidia: Nvidia) -> None:
    nvidia.cuda.devices.append(SimpleNamespace(name=b"Second GPU", major=8, minor=6))
    assert nvidia.load(device="cuda:1").info.device == "cuda:1"
    assert nvidia.cuda.current == 1
    with pytest.raises(BackendError, match="no device 'cuda:2'; there are: cuda:0, cuda:1"):
        nvidia.load(device="cuda:2")


def test_what_it_cannot_do(nvidia: Nvidia) -> None:
    with pytest.raises(BackendError, match="fp16 and fp32, not int8"):
        nvidia.load(precision="int8")
    with pytest.raises(BackendError, match="9000x100 are too large"):
        nvidia.load(width=9000, height=100)


def test_available(nvidia: Nvidia) -> None:
    availability = TensorRT().available()
    assert availability.ok
    assert availability.reason == "Fake GPU, TensorRT 11.4.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n: n.missing.add("tensorrt"), "tensorrt not installed.*pip install"),
        (lambda n: setattr(n.trt, "__version__", "10.9.0"), "10.9.0 is older than 10.12"),
        (lambda n: n.cuda.devices.clear(), "no NVIDIA GPU is visible"),
        (lambda n: n.cuda.fails.update(cudaGetDeviceCount=cudaError_t.cudaErrorNoDevice), "cudaErrorNoDevice"),
    ],
)
def test_not_available(nvidia: Nvidia, change: Any, reason: str) -> None:
    change(nvidia)
    availability = TensorRT().available()
    assert not availability.ok
    assert re.search(reason, availability.reason)


def test_importing_the_backend_imports_nothing_of_nvidia() -> None:
    program = "import sys, vidstyle.backends.tensorrt; print({'tensorrt', 'onnx', 'cuda', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
