"""How large pictures are stored, and how wide their pixels are shown."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from vidstyle.frames import VideoInfo

# Their streams carry the shape of a pixel themselves; mp4 and QuickTime carry it for all.
_ASPECT_INSIDE = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"})


@dataclass(frozen=True, kw_only=True)
class Shape:
    """`frame` is (width, height) of the frames to encode, `coded` that of the pictures stored."""

    frame: tuple[int, int]
    coded: tuple[int, int]
    pixel_aspect: Fraction

    @property
    def made_square(self) -> bool:
        """Whether pictures are scaled because the target cannot say how wide its pixels are shown."""
        return self.frame != self.coded


def output_shape(info: VideoInfo, size: tuple[int, int] | None, *, codec: av.Codec, muxer: str) -> Shape:
    """The shape of a film of `size` (width, height; None for its own) that is shown as wide as `info` was.

    Where neither the codec's stream nor the container has a place for the shape of pixels (PyAV cannot set
    Matroska's), the pictures are widened or heightened to square pixels.
    """
    frame = size or (info.width, info.height)
    aspect = pixel_aspect(info, frame)
    if aspect == 1 or codec.canonical_name in _ASPECT_INSIDE or muxer in ("mp4", "mov"):
        return Shape(frame=frame, coded=frame, pixel_aspect=aspect)
    width, height = frame
    coded = (_even(width * aspect), height) if aspect > 1 else (width, _even(height / aspect))
    return Shape(frame=frame, coded=coded, pixel_aspect=Fraction(1))


def pixel_aspect(info: VideoInfo, size: tuple[int, int]) -> Fraction:
    """How wide a pixel is to be shown once the film is scaled to `size` (width, height).

    A size that is off only by the rounding to whole pixels keeps the film's own.
    """
    stretch = Fraction(info.width * size[1], info.height * size[0])
    rounding = Fraction(1, min(size)) + Fraction(1, 100)
    return info.pixel_aspect if abs(stretch - 1) <= rounding else info.pixel_aspect * stretch


def _even(length: Fraction) -> int:
    return max(2, 2 * round(length / 2))
