"""PyTorch: CUDA, Apple's MPS, and the processor; the reference that every other engine is compared with.

It takes only the weights from a network's graph file and computes with `TransformNetwork`, the module
that was trained: fp16 and a replayed CUDA graph on NVIDIA, fp16 on MPS, bf16 on a processor with AMX,
else fp32.
"""

from __future__ import annotations

import importlib.util
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from vidstyle.backends import cpu, fidelity, gpu
from vidstyle.backends.protocol import Availability, Engine, EngineInfo, EngineSpec, Precision, Say
from vidstyle.errors import BackendError, OutOfMemory
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_INSTALL = "pip install 'vidstyle[torch]'"
_OUT_OF_MEMORY = ("out of memory", "allocate memory", "alloc_failed")

_recording = threading.Lock()
"""Held while a CUDA graph is recorded: what waits for the whole GPU, in any thread, is an error meanwhile."""


class Torch:
    """The backend."""

    name = "torch"

    def available(self) -> Availability:
        """Whether the packages are here; the reason names the kind of device."""
        missing = [name for name in gpu.NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            return Availability(ok=False, reason=f"{', '.join(missing)} not installed; install it with: {_INSTALL}")
        return Availability(ok=True, reason=f"on {gpu.accelerator() or f'cpu; {gpu.missing_cuda()}'}")

    def load(self, network: Network, spec: EngineSpec, say: Say) -> Engine:
        """Put the weights of `network` on the device. Raises BackendError or OutOfMemory."""
        if network.architecture is None:
            raise BackendError(
                f"{network.name} was imported as a graph, which torch cannot run; use --backend openvino"
            )
        cpu.guard()
        import torch

        device = find_device(spec.device)

        def open_at(precision: Precision, width: int, height: int) -> Engine:
            size = EngineSpec(width=width, height=height)
            return _open(network, size, device="cpu" if precision == "fp32" else device, precision=precision)

        with translated_errors(f"PyTorch cannot use {device}"):  # which is when it meets the driver
            name = torch.cuda.get_device_name(device) if device.startswith("cuda") else str(cpu.processor())
        subject = fidelity.Subject(
            network=network, backend=self.name, device=device, versions=f"{torch.__version__} {name}"
        )
        if spec.precision == "auto":
            precision = fidelity.choose(subject, _candidates(device), open_at, say)
        else:
            precision = _checked(device, spec.precision)
            fidelity.warn_if_unfaithful(subject, precision, open_at, say)
        return _open(network, spec, device=device, precision=precision)


def _open(network: Network, spec: EngineSpec, *, device: str, precision: Precision) -> Engine:
    assert network.architecture is not None
    info = spec.built(backend=Torch.name, device=device, precision=precision)
    with translated_errors(f"PyTorch cannot load {network.name} on {device}"):
        return TorchEngine(_painting(network, info), info, network.architecture)


class TorchEngine:
    """A network on a device; on CUDA its whole computation is one recorded graph, replayed for each batch."""

    def __init__(self, painting: nn.Module, info: EngineInfo, architecture: Architecture) -> None:
        import torch

        self._info = info
        self._style_size = architecture.style_size
        self._painting: nn.Module | None = painting
        self._replay: Callable[[Tensor, Tensor], Tensor] | None = None
        with torch.inference_mode():
            if info.device.startswith("cuda"):
                self._replay = _Recording(painting, info, architecture.style_size).replay

    @property
    def info(self) -> EngineInfo:
        return self._info

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB in the style (S,) float32; N is at most `info.batch`."""
        import torch

        return self.run_on_device(torch.from_numpy(np.require(images, requirements=["C", "W"])), style)

    def run_on_device(self, images: Tensor, style: StyleVector) -> ImageArray:
        """The same of a tensor, made in its device's default stream; on the engine's device nothing is uploaded."""
        import torch

        if self._painting is None:
            raise BackendError("this engine is closed")
        self._info.check(images.shape)
        vector = torch.from_numpy(np.require(style, np.float32, requirements=["C", "W"]))
        with translated_errors("PyTorch failed to run"), torch.inference_mode():
            if self._replay is not None:
                painted = self._replay(images, vector)
            else:
                device = self._info.device
                painted = self._painting(images.to(device), vector.to(device)).cpu()
            result: ImageArray = painted.numpy()
            return result

    def close(self) -> None:
        """Give back the device's memory; a second call does nothing."""
        import torch

        if self._painting is None:
            return
        self._painting = self._replay = None
        if self._info.device.startswith("cuda"):
            with _recording, suppress(RuntimeError):  # after a failure CUDA repeats it in every later call
                torch.cuda.empty_cache()


class _Recording:
    """The computation for one batch size, recorded as a CUDA graph, with buffers that never move."""

    def __init__(self, painting: nn.Module, info: EngineInfo, style_size: int) -> None:
        import torch

        self.stream = torch.cuda.Stream(info.device)
        shape = (info.batch, info.height, info.width, 3)
        self.host_in = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self.host_out = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self.frames = torch.zeros(shape, dtype=torch.uint8, device=info.device)
        self.style = torch.ones(style_size, device=info.device)
        self.device = torch.device(info.device)
        # fp32 is fp32: by default PyTorch lets convolutions round its factors to ten bits (TF32).
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with _recording, torch.cuda.device(self.device), exact:
            with torch.cuda.stream(self.stream):
                for _ in range(3):  # libraries choose their kernels and reserve memory before the recording
                    painting(self.frames, self.style)
            self.stream.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            # Another thread may be decoding into this GPU's memory, which must not spoil the recording.
            with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
                self.painted = painting(self.frames, self.style)

    def replay(self, frames: Tensor, style: Tensor) -> Tensor:
        """Paint `frames` (N, H, W, 3) uint8, of the host or the device; a batch not full leaves the rest as it was."""
        import torch

        n = len(frames)
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            if frames.is_cuda:
                self.stream.wait_stream(torch.cuda.default_stream(self.device))  # where the frames were made
                self.frames[:n].copy_(frames)
            else:
                self.host_in[:n].copy_(frames)
                self.frames[:n].copy_(self.host_in[:n], non_blocking=True)
            self.style.copy_(style)
            self.graph.replay()
            self.host_out[:n].copy_(self.painted[:n], non_blocking=True)
        self.stream.synchronize()
        return self.host_out[:n].clone()


def _painting(network: Network, info: EngineInfo) -> nn.Module:
    """The network with its ends, as a module from uint8 frames and a style vector to uint8 frames."""
    import torch
    from torch.nn import functional as F

    from vidstyle.networks.graph import read_weights
    from vidstyle.networks.transform import TransformNetwork

    assert network.architecture is not None
    stride = network.architecture.stride
    kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[info.precision]
    network_module = TransformNetwork(network.architecture)
    network_module.load_state_dict({name: torch.from_numpy(w) for name, w in read_weights(network.graph).items()})
    # Not channels last, which convolutions would like on CUDA: PyTorch's group norm refuses that on GPUs.
    network_module = network_module.eval().requires_grad_(False).to(info.device, kind)

    class Painting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network_module

        def forward(self, frames: Tensor, style: Tensor) -> Tensor:
            """(N, H, W, 3) uint8 RGB in the style (S,) float32 to the same; sides are padded to the stride inside."""
            height, width = frames.shape[1:3]
            missing = [max(2 * stride, -(-side // stride) * stride) - side for side in (height, width)]
            pictures = frames.permute(0, 3, 1, 2).to(kind, memory_format=torch.contiguous_format) / 255
            if any(missing):
                pictures = F.pad(pictures, (0, missing[1], 0, missing[0]), mode="replicate")
            painted = self.network(pictures, style.expand(len(frames), -1))[:, :, :height, :width]
            levels: Tensor = (painted.float() * 255).round().to(torch.uint8)
            return levels.permute(0, 2, 3, 1).contiguous()

    return Painting()


def find_device(wanted: str) -> str:
    """PyTorch's full name of a device, "cuda:0" for "cuda" or, if that is best, "auto". Raises BackendError."""
    import torch

    name = (gpu.accelerator() or "cpu") if wanted == "auto" else wanted.lower()
    kind, _, index = name.partition(":")
    number = int(index or 0) if index.isdecimal() or not index else None
    if kind == "cuda" and number is not None and number < torch.cuda.device_count():
        return f"cuda:{number}"
    if name == "cpu" or (name == "mps" and torch.backends.mps.is_available()):
        return name
    raise BackendError(f"PyTorch {torch.__version__} has no device {wanted!r} here; see `vidstyle doctor`")


def _candidates(device: str) -> list[Precision]:
    """What `auto` tries, finest first."""
    if device == "cpu":
        return ["fp32", "bf16"] if cpu.processor().amx else ["fp32"]
    return ["fp32", "fp16"]


def _checked(device: str, wanted: Precision) -> Precision:
    """The precision asked for. Raises BackendError for one that is none here, or only a slow way to write fp32.

    On a processor PyTorch takes four to fifteen times as long in fp16, and in bf16 without instructions for it.
    """
    slow = device == "cpu" and (wanted == "fp16" or (wanted == "bf16" and not cpu.processor().bf16))
    if wanted == "int8" or slow:
        raise BackendError(f"PyTorch runs no {wanted} on {device} here; use --precision auto")
    return wanted


@contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """PyTorch's errors as ours; it reports memory as a class of its own where it manages it, else as text."""
    import torch

    try:
        yield
    except RuntimeError as error:
        text: Any = " ".join(str(error).split())[:300]
        short = isinstance(error, torch.cuda.OutOfMemoryError) or any(sign in text.lower() for sign in _OUT_OF_MEMORY)
        raise (OutOfMemory if short else BackendError)(f"{what}: {text}") from error
