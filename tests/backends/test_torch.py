"""The torch backend's own behaviour; what it paints is compared with OpenVINO in test_openvino."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pytest

from vidstyle.backends import cpu
from vidstyle.backends import torch as backend
from vidstyle.backends.protocol import DeviceEngine, EngineInfo, EngineSpec, Precision
from vidstyle.errors import BackendError, OutOfMemory
from vidstyle.networks.network import Network
from vidstyle.style_library import Library


def say(line: str) -> None:
    raise AssertionError(f"unexpected message: {line}")


def test_any_number_of_frames_up_to_the_batch(library: Library) -> None:
    network = library.network("live")
    engine = backend.Torch().load(network, EngineSpec(width=20, height=12, batch=3, precision="fp32"), say)
    frames = np.random.default_rng(0).integers(0, 256, (3, 12, 20, 3), dtype=np.uint8)
    frames.flags.writeable = False
    vector = np.ones(network.style_size, np.float32)
    whole = engine.run(frames, vector)
    assert np.abs(engine.run(frames[:1], vector).astype(int) - whole[:1]).max() <= 1
    with pytest.raises(ValueError, match="1 to 3 frames of 20x12"):
        engine.run(frames[:, :8], vector)
    engine.close()
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine.run(frames, vector)


def test_tensors_are_painted_as_arrays_are(library: Library) -> None:
    import torch

    network = library.network("live")
    engine = backend.Torch().load(network, EngineSpec(width=20, height=12, batch=3, precision="fp32"), say)
    assert isinstance(engine, DeviceEngine)
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 20, 3), dtype=np.uint8)
    vector = np.ones(network.style_size, np.float32)
    assert np.array_equal(engine.run_on_device(torch.from_numpy(frames), vector), engine.run(frames, vector))
    with pytest.raises(ValueError, match="1 to 3 frames of 20x12"):
        engine.run_on_device(torch.zeros((4, 12, 20, 3), dtype=torch.uint8), vector)


def test_refusals_say_what_to_do(library: Library) -> None:
    network = library.network("live")
    with pytest.raises(BackendError, match="no device 'cuda:99' here"):
        backend.Torch().load(network, EngineSpec(width=8, height=8, device="cuda:99"), say)
    imported = Network(name="foreign", graph=network.graph, sha256="0", style_size=0, architecture=None)
    with pytest.raises(BackendError, match="use --backend openvino"):
        backend.Torch().load(imported, EngineSpec(width=8, height=8), say)


@pytest.mark.parametrize("precision", ["int8", "fp16", "bf16"])
def test_precisions_that_a_processor_only_emulates_are_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    monkeypatch.setattr(cpu, "processor", lambda cpuinfo=None: cpu.Processor(
        model="old", threads=1, amx=False, bf16=False, hidden_tiles=False, limit=None))  # fmt: skip
    spec = EngineSpec(width=8, height=8, precision=precision, device="cpu")
    with pytest.raises(BackendError, match=f"no {precision} on cpu here; use --precision auto"):
        backend.Torch().load(library.network("live"), spec, say)


def test_norms_get_the_memory_that_pytorch_takes_on_gpus(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Group norm there refuses channels last, which it takes on processors, where this runs."""
    import torch

    norm, to = torch.native_group_norm, torch.nn.Module.to

    def norm_of_a_gpu(x: torch.Tensor, *rest: object) -> object:
        assert x.is_contiguous(), "Expected X.is_contiguous(memory_format) to be true, but got false"
        return norm(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(torch, "native_group_norm", norm_of_a_gpu)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device, kind: to(self, kind))
    for network in (library.network("live"), library.network("classic")):
        info = EngineInfo(backend="torch", device="cuda:0", precision="fp32", width=40, height=24, batch=2)
        frames = torch.zeros((2, 24, 40, 3), dtype=torch.uint8)
        painted = backend._painting(network, info)(frames, torch.ones(network.style_size))
        assert painted.shape == frames.shape


def test_a_recording_is_alone_and_of_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of TF32, to which the kernels that are chosen here would round. What CUDA would do is left out."""
    import torch

    empty, seen = torch.empty, []

    def painting(frames: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        seen.append((torch.backends.cudnn.allow_tf32, backend._recording.locked()))
        return frames

    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory, **options: empty(*shape, **options))
    for name in ("Stream", "device", "stream", "graph", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    info = EngineInfo(backend="torch", device="cpu", precision="fp32", width=4, height=4, batch=1)
    backend._Recording(painting, info, 1)  # type: ignore[arg-type]
    assert seen == [(False, True)] * 4
    assert torch.backends.cudnn.allow_tf32
    assert not backend._recording.locked()


def test_a_gpu_that_cannot_be_used_is_passed_over(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that is too old shows when PyTorch first asks the GPU something."""
    import torch

    def name(device: str) -> str:
        raise RuntimeError("The NVIDIA driver on your system is too old")

    monkeypatch.setattr(backend, "find_device", lambda wanted: "cuda:0")
    monkeypatch.setattr(torch.cuda, "get_device_name", name)
    with pytest.raises(BackendError, match="cannot use cuda:0: The NVIDIA driver on your system is too old"):
        backend.Torch().load(library.network("live"), EngineSpec(width=8, height=8), say)


@pytest.mark.parametrize(
    "text",
    [
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "CUDA error: out of memory",  # of pinned memory, and of CUDA's own
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 9 GB)",
    ],
)
def test_memory_errors_are_told_from_others(text: str) -> None:
    with pytest.raises(OutOfMemory), backend.translated_errors("x"):
        raise RuntimeError(text)
    with pytest.raises(BackendError, match="shape mismatch"), backend.translated_errors("x"):
        raise RuntimeError("shape mismatch")
