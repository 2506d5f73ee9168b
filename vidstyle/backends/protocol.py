"""What every engine looks like from outside, whatever compiles it.

A backend turns a network's ONNX graph into an engine for the machine at hand. The engine takes
uint8 frames and one style vector and gives uint8 frames; everything else is inside the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network
from vidstyle.settings import PrecisionChoice

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["fp32", "fp16", "bf16", "int8"]
Say = Callable[[str], None]
"""Where a backend tells of something slow or noteworthy: one line of text."""


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here; `reason` says why not and how to get it, or which device it found."""

    ok: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """What is asked of a backend: frames of one size, at most `batch` at a time.

    `device` is the backend's own name for a device ("CPU", "GPU.0", "cuda:1") or "auto".
    `latency` prefers one frame soon (live) over many frames per second (files). `tile` paints in tiles,
    for frames larger than the memory (`vidstyle.backends.tiles`).
    """

    width: int
    height: int
    batch: int = 1
    precision: PrecisionChoice = "auto"
    device: str = "auto"
    latency: bool = False
    tile: bool = False

    def built(self, *, backend: str, device: str, precision: Precision) -> EngineInfo:
        """What an engine for these frames is."""
        return EngineInfo(
            backend=backend,
            device=device,
            precision=precision,
            width=self.width,
            height=self.height,
            batch=self.batch,
        )


@dataclass(frozen=True, kw_only=True)
class EngineInfo:
    """What was really built: never "auto"."""

    backend: str
    device: str
    precision: Precision
    width: int
    height: int
    batch: int

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the engine takes images of this shape."""
        if shape[1:] != (self.height, self.width, 3) or not 1 <= shape[0] <= self.batch:
            expected = f"1 to {self.batch} frames of {self.width}x{self.height}"
            raise ValueError(f"images are {tuple(shape)}; this engine takes {expected}")


class Engine(Protocol):
    """A compiled network. Not thread-safe: one thread runs it."""

    @property
    def info(self) -> EngineInfo: ...

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB, N at most `info.batch`, in the style (S,) float32.

        Returns a new array of the same shape. Raises OutOfMemory, or BackendError for anything else.
        """
        ...

    def close(self) -> None:
        """Give back memory and devices; a second call does nothing."""
        ...


@runtime_checkable
class DeviceEngine(Engine, Protocol):
    """An engine that also takes frames that lie in its GPU's memory already."""

    def run_on_device(self, images: Tensor, style: StyleVector) -> ImageArray:
        """As `run`, of a tensor (N, H, W, 3) uint8 RGB made in the default stream; the result is in host memory."""
        ...


class Backend(Protocol):
    """One way to compile and run a network."""

    name: str

    def available(self) -> Availability:
        """Whether it can run on this machine, found out without loading more than is needed."""
        ...

    def load(self, network: Network, spec: EngineSpec, say: Say) -> Engine:
        """Compile `network`. Raises BackendError if this machine cannot do what `spec` asks."""
        ...
