"""What a decoded picture's code values mean.

Tags are believed. Where a stream says nothing:

- matrix: BT.709 from 1280 pixels wide or 720 high on, else BT.601 (what players do);
- range: full for RGB and for JPEG's formats, limited for everything else;
- primaries: those that belong to the matrix; transfer: BT.709's curve.

Floating point is light and gets sRGB's curve, as OpenEXR, Radiance's HDR and PFM hold no code values; so is RGB or grey
that is tagged as linear, as PNG files may be.

Pictures of BT.709 and BT.601 keep their own primaries and curve, only matrix and range are undone. PQ, HLG and
wider primaries are mapped to BT.709 (`tonemap`). So a reader's frames are always RGB as `ColourInfo` of
`frames_colour` says.
"""

from __future__ import annotations

from dataclasses import replace

from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from vidstyle.frames import ColourInfo
from vidstyle.media import tonemap

UNSPECIFIED = (0, 2, 3)
"""H.273's code points that tell nothing: 0 is "reserved" or, for matrices, RGB; 3 is "reserved"."""

SWS_MATRIX = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""swscale's names of H.273's matrices, whose numbers it does not know."""

_FULL_BY_FORMAT = ("yuvj", "mono")
_FLOATS = ("f16", "f32")
_LINEAR, _SRGB_CURVE = 8, 13
_DECODED_WITH_ALPHA = ("gif", "webp")


def source_colour(frame: VideoFrame) -> ColourInfo:
    """What the code values of a decoded frame mean, by its tags and, where it has none, by the rule above."""
    name = _format(frame).name
    light = is_light(frame)
    full_range = frame.color_range == ColorRange.JPEG or name.startswith(_FULL_BY_FORMAT) or holds_rgb(frame) or light
    hd = frame.width >= 1280 or frame.height >= 720
    matrix = frame.colorspace
    untagged = matrix in UNSPECIFIED
    if untagged:
        matrix = 1 if hd else 6
    primaries = frame.color_primaries
    if primaries in UNSPECIFIED:
        # JFIF means BT.601's matrix over the primaries of a computer screen.
        primaries = 1 if full_range or matrix not in (5, 6, 9, 10) else {10: 9}.get(matrix, matrix)
    transfer = frame.color_trc if frame.color_trc not in UNSPECIFIED else 1
    return ColourInfo(
        matrix=matrix,
        primaries=primaries,
        transfer=_SRGB_CURVE if light else transfer,
        full_range=full_range,
        assumed=untagged and not holds_rgb(frame) and len(_format(frame).components) >= 3,
    )


def frames_colour(source: ColourInfo) -> ColourInfo:
    """What the RGB frames made from such a source mean, and how they are best coded again."""
    if is_mapped(source):
        return replace(source, matrix=1, primaries=1, transfer=1)
    return source if source.matrix in (1, 5, 6) else replace(source, matrix=1)


def is_mapped(source: ColourInfo) -> bool:
    """Whether pictures of such a source are mapped to BT.709, because it cannot hold their colours."""
    return source.is_hdr or tonemap.convertible(source.primaries)


def holds_rgb(frame: VideoFrame) -> bool:
    """Whether its pixels are red, green and blue, in a palette or not, so that no matrix applies."""
    return _format(frame).is_rgb or _format(frame).has_palette


def is_light(frame: VideoFrame) -> bool:
    """Whether its numbers are light, where others hold code values."""
    without_matrix = holds_rgb(frame) or len(_format(frame).components) < 3
    return any(kind in _format(frame).name for kind in _FLOATS) or (frame.color_trc == _LINEAR and without_matrix)


def _format(frame: VideoFrame) -> VideoFormat:
    """How its pixels are stored, also where they lie in a GPU's memory."""
    return frame.sw_format or frame.format


def has_alpha(frame: VideoFrame, *, codec: str) -> bool:
    """Whether the frame carries transparency; of what is decoded to such a format in any case, whether any is seen."""
    if frame.format.has_palette:
        return _shows_through(frame)
    carries = any(component.is_alpha for component in _format(frame).components)
    return carries and (codec not in _DECODED_WITH_ALPHA or _shows_through(frame))


def _shows_through(frame: VideoFrame) -> bool:
    """Whether any of the frame's pixels is not opaque."""
    return bool(frame.reformat(format="rgba", threads=1).to_ndarray()[..., 3].min() < 255)


def bit_depth(frame: VideoFrame) -> int:
    """Bits of the widest component."""
    return max(component.bits for component in _format(frame).components)
