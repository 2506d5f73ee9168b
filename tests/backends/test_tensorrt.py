"""From a network to an engine, against a fake TensorRT that enforces the documented order of calls."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.backends.fake_cuda import cudaError_t
from tests.backends.fake_nvidia import GOOD, HEIGHT, WIDTH, Nvidia, style
from vidstyle.backends import fidelity
from vidstyle.backends.protocol import Engine, EngineSpec
from vidstyle.backends.tensorrt import TensorRT
from vidstyle.cache import cache_folder
from vidstyle.errors import BackendError, Interrupted, OutOfMemory


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


def test_no_tensor_is_larger_than_convolutions_take(nvidia: Nvidia) -> None:
    """2^31 - 1 values; `classic`, the widest network of ours, makes 32 of every pixel and of a border of four."""
    images = np.zeros((16, 16, 4000, 3), np.uint8)
    assert nvidia.load(width=4000, height=16, batch=16).run(images, style(nvidia.network)).shape == images.shape
    for width, height in ((640, 360), (3840, 2160)):
        nvidia.load(width=width, height=height)
    largest = [config.profiles[0].shapes["frames"][2] for config in nvidia.trt.configs]
    assert [shape[0] for shape in largest] == [1, 4, 4]
    assert all(32 * n * (h + 8) * (w + 8) < 2**31 for n, h, w, _ in largest)


def test_plan_of_another_version_is_built_again(nvidia: Nvidia) -> None:
    """A plan that TensorRT refuses although the key fits."""
    nvidia.load().close()
    nvidia.trt.refuse.add("deserialize")
    with pytest.raises(BackendError, match="could not be loaded"):
        nvidia.load()
    assert nvidia.trt.builds == 2, "it was built again, once"
    assert any("removed: TensorRT: the plan could not be loaded" in line for line in nvidia.said)


@pytest.mark.usefixtures("real_trial")
def test_wrong_pictures_are_passed_over(nvidia: Nvidia) -> None:
    """What the fake paints is not what OpenVINO paints: fp16 is tried once and not used."""
    assert nvidia.load().info.precision == "fp32"
    assert nvidia.trt.builds == 2
    assert any("fp16 passed over, not faithful" in line for line in nvidia.said)
    assert nvidia.load().info.precision == "fp32"
    assert nvidia.trt.builds == 2, "the verdict and the plan are kept"


@pytest.mark.usefixtures("real_trial")
def test_wrong_pictures_that_were_asked_for(nvidia: Nvidia) -> None:
    assert nvidia.load(precision="fp16").info.precision == "fp16"
    assert any("fp16 is not faithful" in line for line in nvidia.said)


@pytest.mark.usefixtures("real_trial")
def test_trial_is_of_the_plan_itself(nvidia: Nvidia, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is small frames through the plan for large ones, against OpenVINO, once for each plan."""
    asked = []

    def compare(candidate: Engine, reference: Engine, styles: list[Any]) -> fidelity.Verdict:
        asked.append((candidate.info, reference.info))
        return GOOD

    monkeypatch.setattr(fidelity, "compare", compare)
    for spec in ({"batch": 8}, {"batch": 2}, {"width": 1280, "height": 720}):
        nvidia.load(**spec).close()
    assert nvidia.trt.builds == len(asked) == 2
    for candidate, reference in asked:
        assert (candidate.backend, candidate.precision, candidate.batch) == ("tensorrt", "fp16", 1)
        assert (reference.backend, reference.precision) == ("openvino", "fp32")
        assert (candidate.width, candidate.height) == (reference.width, reference.height)
    assert nvidia.cuda.taken == 0


def test_plan_with_wrong_types(nvidia: Nvidia) -> None:
    nvidia.trt.painted_type = "FLOAT"
    with pytest.raises(BackendError, match=r"wrong inputs or outputs: .*painted FLOAT"):
        nvidia.load()
    assert nvidia.cuda.taken == 0


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("builder", "a builder could not be made: builder: because"),
        ("runtime", "a runtime could not be made: runtime: because"),
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


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("stop")])
def test_stopping_a_build(nvidia: Nvidia, stop: BaseException) -> None:
    """TensorRT would swallow the exception: the build is cancelled and the exception comes out of it."""

    def say(line: str) -> None:
        if "step 1" in line:
            raise stop

    with pytest.raises(type(stop)):
        TensorRT().load(nvidia.network, EngineSpec(width=WIDTH, height=HEIGHT), say)
    assert list(cache_folder("tensorrt").glob("*.plan")) == []


def test_device_by_name(nvidia: Nvidia) -> None:
    nvidia.cuda.devices.append(SimpleNamespace(name=b"Second GPU", major=8, minor=6))
    assert nvidia.load(device="cuda:1").info.device == "cuda:1"
    assert nvidia.cuda.current == 1
    assert nvidia.load(device="CUDA:1").info.device == "cuda:1"
    with pytest.raises(BackendError, match="no device 'cuda:2'; there are: cuda:0, cuda:1"):
        nvidia.load(device="cuda:2")


def test_what_it_cannot_do(nvidia: Nvidia) -> None:
    with pytest.raises(BackendError, match="fp16 and fp32 here, not int8"):
        nvidia.load(precision="int8")
    with pytest.raises(BackendError, match="9000x100 are too large"):
        nvidia.load(width=9000, height=100)
    with pytest.raises(BackendError, match="40x12 are too small; the smallest are 16x16"):
        nvidia.load(width=40, height=12)
    assert nvidia.trt.builds == 0


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
