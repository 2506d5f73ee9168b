"""The types that travel through vidstyle: what a film is, one frame of it, a batch of frames.

Time is exact: a frame carries the integer presentation stamp and the time base of the stream it
came from, as a `Fraction` of a second, from the demuxer to the muxer. Nothing here is a float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

ImageArray = npt.NDArray[np.uint8]
"""A picture: (H, W, 3) uint8 RGB, full range 0..255; a batch of them is (N, H, W, 3)."""

StyleVector = npt.NDArray[np.float32]
"""What conditional instance norm needs of a style: (S,) float32; `Architecture.style_size` says in which order."""


@dataclass(frozen=True, kw_only=True)
class ColourInfo:
    """How code values mean colours (ITU-T H.273 numbers), as tagged or, for untagged material, as assumed.

    `matrix`, `primaries`, `transfer` are H.273 code points (1 is BT.709, 5/6 BT.601, 9 BT.2020;
    transfer 16 is PQ, 18 is HLG). `full_range` is True for 0..255, False for 16..235.
    `assumed` is True where the file said nothing and vidstyle's rule was applied.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    full_range: bool = False
    assumed: bool = False

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer function is PQ (16) or HLG (18)."""
        return self.transfer in (16, 18)


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a reader knows of its film before the first frame is decoded.

    `width` and `height` are those of the frames that the reader gives: upright, in pixels as stored
    (`pixel_aspect` says how wide a pixel is shown). `rate` is frames a second where the stream has
    one, `frames` the count where the container says it, `duration` seconds where known. `colour` is
    what the given frames mean: of a film that was mapped to BT.709, that; its range is the film's own.
    `first_number` is that of the picture at 0 s, where they are numbered.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None = None
    frames: int | None = None
    duration: Fraction | None = None
    pixel_aspect: Fraction = Fraction(1)
    colour: ColourInfo = field(default_factory=ColourInfo)
    bit_depth: int = 8
    has_alpha: bool = False
    orientation: str = "upright"
    interlaced: bool = False
    codec: str = ""
    container: str = ""
    first_number: int | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture at its moment.

    `image` is (H, W, 3) uint8 RGB, full range; `alpha`, where the film has it, (H, W) uint8.
    It is shown from `pts * time_base` seconds on; `duration` is in time-base units where known.
    `index` counts the frames that the reader gave, from 0.
    """

    image: ImageArray
    pts: int
    time_base: Fraction
    index: int
    duration: int | None = None
    alpha: npt.NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"a frame's image is (H, W, 3) uint8, not {self.image.shape} {self.image.dtype}")
        if self.alpha is not None and (self.alpha.dtype != np.uint8 or self.alpha.shape != self.image.shape[:2]):
            raise ValueError(f"alpha is {self.image.shape[:2]} uint8, not {self.alpha.shape} {self.alpha.dtype}")

    @property
    def time(self) -> Fraction:
        """When the frame is shown, in seconds."""
        return self.pts * self.time_base

    def with_image(self, image: ImageArray) -> Frame:
        """The same moment with another picture."""
        return replace(self, image=image)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceFrame:
    """A frame that was decoded into a GPU's memory: `image` is (H, W, 3) uint8 RGB there, all else as in `Frame`.

    Only a painter takes it; what it paints is a `Frame`.
    """

    image: Tensor
    pts: int
    time_base: Fraction
    index: int
    duration: int | None = None

    def with_image(self, image: ImageArray) -> Frame:
        """The same moment with a picture in host memory."""
        return Frame(image=image, pts=self.pts, time_base=self.time_base, index=self.index, duration=self.duration)


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameBatch:
    """Frames of one size, stacked for the network: `images` is (N, H, W, 3) uint8 RGB."""

    frames: tuple[Frame, ...]
    images: ImageArray

    @classmethod
    def stack(cls, frames: Sequence[Frame]) -> FrameBatch:
        """Stack frames of equal size. Raises ValueError if there are none or their sizes differ."""
        if not frames:
            raise ValueError("a batch needs at least one frame")
        if len({f.image.shape for f in frames}) > 1:
            raise ValueError(f"frames of several sizes in one batch: {sorted({f.image.shape for f in frames})}")
        if len(frames) == 1:
            images = frames[0].image[None]  # a view: the common case of batch 1 copies nothing
        else:
            images = np.stack([f.image for f in frames])
        return cls(frames=tuple(frames), images=images)

    def with_images(self, images: ImageArray) -> tuple[Frame, ...]:
        """The batch's frames with `images` (N, H, W, 3) in place of their own."""
        if len(images) != len(self.frames):
            raise ValueError(f"{len(images)} images for {len(self.frames)} frames")
        return tuple(f.with_image(i) for f, i in zip(self.frames, images, strict=True))
