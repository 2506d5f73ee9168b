"""An engine and a look make painted pictures: used by the file loop and the live loop alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from vidstyle.backends.protocol import DeviceEngine, Engine, EngineInfo, EngineSpec, Say
from vidstyle.compositing import blend, cross_fade, keep_chroma
from vidstyle.errors import BackendError, OutOfMemory, UsageError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.media.scale import resize
from vidstyle.networks.network import Network
from vidstyle.settings import PrecisionChoice, check_choice
from vidstyle.styles import MixPart, StyleMix

if TYPE_CHECKING:
    from torch import Tensor

WORKING_SIDE = 720
"""Short side, in pixels, at which films of this size and above are painted, before `stroke`."""

SMALLEST_SIDE, LARGEST_SIDE = 128, 2160
STEP = 8
"""Scaled working sides are multiples of this: the stride of the networks, so that nothing is padded."""

FADE_IN = 0.1
"""Up to this strength the film is cross-faded with the painting: the identity style is near, not exact."""

KEPT_ENGINES = 3
"""How many engines stay compiled, or as many as a look needs; a hand on the stroke slider passes many sizes."""

OpenEngine = Callable[[Network, EngineSpec, str, Say], tuple[Engine, list[str]]]
"""`(network, spec, backend, say) -> (engine, notes)`: how the painter gets an engine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """How to paint: the styles, whether the film keeps its own colours, and the size of the strokes.

    `stroke` is relative to the picture, whatever its resolution: 2 gives strokes twice as large.
    """

    mix: StyleMix
    keep_colors: bool = False
    stroke: float = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.stroke <= 10:
            raise UsageError(f"stroke is {self.stroke}; it runs from 0.1 (fine) to 10 (coarse)")


class Painter:
    """Paints batches of any size, compiling the network for each working size when it first comes.

    Styles that bring a network along are painted by it, and the pictures blended.

    Not thread-safe: one thread paints. `engine_info` is that of the engine last used (None before),
    `engine_infos` that of each network's last one by the network's sha256,
    `notes` say why other backends were passed over, `warnings` what had to be changed on the way.
    `tile` paints in tiles from the start, for pictures larger than the memory; otherwise that is done
    where not even one frame fits.
    """

    def __init__(
        self,
        network: Network,
        *,
        backend: str = "auto",
        device: str = "auto",
        precision: PrecisionChoice = "auto",
        batch: int = 1,
        latency: bool = False,
        tile: bool = False,
        say: Say = lambda line: None,
        open_engine: OpenEngine | None = None,
    ) -> None:
        if batch < 1:
            raise UsageError(f"batch is {batch}; it must be 1 or more")
        check_choice("precision", precision)
        self.network = network
        self.batch = batch
        self.engine_info: EngineInfo | None = None
        self.engine_infos: dict[str, EngineInfo] = {}
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._backend, self._device, self._precision, self._latency = backend, device, precision, latency
        self._tile = tile
        self._say = say
        self._open_engine = open_engine or _open_from_registry
        self._engines: OrderedDict[tuple[str, int, int], Engine] = OrderedDict()
        self._kept = KEPT_ENGINES

    def prepare(self, width: int, height: int, *, look: Look) -> EngineInfo | None:
        """Compile for frames of this size now; None where the look needs no engine.

        Raises BackendError, or OutOfMemory where not even a tile fits.
        """
        if look.mix.strength > 0:
            width, height = working_size(width, height, stroke=look.stroke)
            for part in self._parts(look):
                self._engine(part.network or self.network, width, height)
        return self.engine_info

    def paint(self, images: ImageArray, look: Look) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB; the result has the same shape.

        At strength 0 it is `images` itself. Raises ValueError for other arrays, BackendError, or OutOfMemory where
        not even a tile fits.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(f"pictures to paint are (N, H, W, 3) uint8, not {images.shape} {images.dtype}")
        strength = look.mix.strength
        if strength == 0 or not len(images):
            return images
        height, width = images.shape[1:3]
        working = working_size(width, height, stroke=look.stroke)
        scaled = _scale(images, *working)
        pictures = [(self._run(scaled, part), part.share * self._opacity(part, strength)) for part in self._parts(look)]
        painted = _scale(blend(pictures), width, height)
        if look.keep_colors:
            painted = keep_chroma(images, painted)
        bare = self._bare(look)
        return cross_fade(images, painted, 1 - bare) if bare else painted

    def paint_on_device(self, images: Sequence[Tensor], look: Look) -> ImageArray:
        """Paint `images`, each (H, W, 3) uint8 RGB in the engine's GPU, where `host_work` has nothing against it.

        The result is (N, H, W, 3) in host memory. Raises as `paint`, and BackendError for an engine without such ways.
        """
        import torch

        from vidstyle.backends.torch import translated_errors
        from vidstyle.media.device_pictures import shrunk

        height, width = images[0].shape[:2]
        working = working_size(width, height, stroke=look.stroke)
        with translated_errors("PyTorch cannot gather a batch"):
            scaled = shrunk(torch.stack(list(images)), width=working[0], height=working[1])
        return _scale(blend([(self._run(scaled, part), part.share) for part in self._parts(look)]), width, height)

    def host_work(self, look: Look, *, width: int, height: int) -> str | None:
        """Why painting frames of this size needs them in host memory; None where only the engine reads them."""
        working = working_size(width, height, stroke=look.stroke)
        shrinks_little = width // 2 < working[0] <= width and height // 2 < working[1] <= height
        if self._bare(look):
            return f"strength {look.mix.strength:g} cross-fades the film with the painting"
        if look.keep_colors:
            return "--keep-colors adds the film's colours to the painting"
        if not shrinks_little:
            return f"{width}x{height} is scaled to {working[0]}x{working[1]} to be painted, which only the host does"
        return None

    def close(self) -> None:
        """Give back all engines; a second call does nothing."""
        while self._engines:
            self._engines.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _parts(self, look: Look) -> tuple[MixPart, ...]:
        parts = look.mix.parts
        self._kept = max(KEPT_ENGINES, len(parts))
        return parts

    def _opacity(self, part: MixPart, strength: float) -> float:
        """How much of the film the part's picture covers, 0..1.

        An imported network has no identity to start from: its strength is a cross-fade all the way.
        """
        return min(1.0, strength / FADE_IN) if (part.network or self.network).style_size else strength

    def _bare(self, look: Look) -> float:
        """How much of the film no picture covers, 0..1; exactly 0 at full strength, however the shares add up."""
        return sum(part.share * (1 - self._opacity(part, look.mix.strength)) for part in look.mix.parts)

    def _run(self, images: ImageArray | Tensor, part: MixPart) -> ImageArray:
        """Through the engine, at most `batch` at a time; a batch that does not fit is halved for good."""
        parts: list[ImageArray] = []
        done = 0
        while done < len(images):
            engine = self._engine(part.network or self.network, images.shape[2], images.shape[1])
            try:
                parts.append(_run_engine(engine, images[done : done + self.batch], part.vector))
            except OutOfMemory as error:
                self._halve_batch(error)
                continue
            done += self.batch
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _engine(self, network: Network, width: int, height: int) -> Engine:
        """The network's engine for this working size, compiled if it is new."""
        key = network.sha256, width, height
        engine = self._engines.get(key)
        while engine is None:
            try:
                engine = self._engines[key] = self._compile(network, width, height)
            except OutOfMemory as error:
                self._halve_batch(error)
        self._engines.move_to_end(key)
        while len(self._engines) > self._kept:
            self._engines.popitem(last=False)[1].close()
        self.engine_info = self.engine_infos[network.sha256] = engine.info
        return engine

    def _compile(self, network: Network, width: int, height: int) -> Engine:
        spec = EngineSpec(
            width=width,
            height=height,
            batch=self.batch,
            precision=self._precision,
            device=self._device,
            latency=self._latency,
            tile=self._tile,
        )
        engine, notes = self._open_engine(network, spec, self._backend, self._say)
        self.notes.extend(note for note in notes if note not in self.notes)
        return engine

    def _halve_batch(self, error: OutOfMemory) -> None:
        """Forget all engines (they hold memory for the old batch); go on with half of it, at last in tiles."""
        self.close()
        if self._tile:
            raise OutOfMemory(
                f"{error}; not even a tile fits: use a smaller --size, a larger --stroke or another --device"
            ) from error
        if self.batch > 1:
            self.batch //= 2
            self.warnings.append(f"the device ran out of memory: going on with batches of {self.batch}")
        else:
            self._tile = True
            self.warnings.append("the device ran out of memory for one frame: going on in tiles")


def _run_engine(engine: Engine, images: ImageArray | Tensor, style: StyleVector) -> ImageArray:
    if isinstance(images, np.ndarray):
        return engine.run(images, style)
    if not isinstance(engine, DeviceEngine):
        raise BackendError(f"{engine.info.backend} takes no frames from a GPU's memory; use --decode cpu")
    return engine.run_on_device(images, style)


def working_size(width: int, height: int, *, stroke: float = 1.0) -> tuple[int, int]:
    """The (width, height) at which a picture is painted.

    The network's strokes are a fixed number of pixels, so a picture is painted at `WORKING_SIDE` over
    `stroke` and scaled back: then a film in 4K gets the strokes of its 720p copy, not finer ones.
    Smaller films are painted at their own size (over `stroke`), very small ones never scaled down.
    """
    short = min(width, height)
    wanted = min(short, WORKING_SIDE) / stroke
    wanted = min(max(wanted, min(short, SMALLEST_SIDE)), LARGEST_SIDE)
    if round(wanted) == short:
        return width, height
    scale = wanted / short
    return max(STEP, round(width * scale / STEP) * STEP), max(STEP, round(height * scale / STEP) * STEP)


def _scale(images: ImageArray, width: int, height: int) -> ImageArray:
    if images.shape[1:3] == (height, width):
        return images
    return np.stack([resize(image, width=width, height=height) for image in images])


def _open_from_registry(network: Network, spec: EngineSpec, backend: str, say: Say) -> tuple[Engine, list[str]]:
    from vidstyle.backends.registry import open_engine

    return open_engine(network, spec, backend=backend, say=say)
