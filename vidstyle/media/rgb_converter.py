"""From decoded frames of any pixel format to full-range 8-bit RGB, as their colours say."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vidstyle.errors import InputError
from vidstyle.frames import ColourInfo, ImageArray
from vidstyle.media import tonemap
from vidstyle.media.colour import SWS_MATRIX, holds_rgb, is_light, is_mapped, source_colour
from vidstyle.media.notes import Notes
from vidstyle.media.side_data import side_data

_CURVES_LIKE_709 = (14, 15)  # BT.2020's SDR curves are BT.709's, with more digits
# Interpolated chroma and exact rounding: swscale's quick path is several times faster, but rounds so coarsely that
# a picture does not survive the way to RGB and back.
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_SCALED = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_PLANAR = "gbrp"


@dataclass(frozen=True)
class Picture:
    """`image`: (H, W, 3) uint8 RGB, full range; `alpha`: (H, W) uint8, 255 opaque, or None."""

    image: ImageArray
    alpha: npt.NDArray[np.uint8] | None


class RgbConverter:
    """Turns decoded frames of any format into RGB of one size.

    `width` and `height` are those of every picture given; frames of another size are scaled, and that is noted.
    `alpha` says whether transparency is given beside the picture. Without `to_bt709` colours keep their primaries and
    curve: a colour profile, which says more, is to follow.
    """

    def __init__(self, *, width: int, height: int, alpha: bool, notes: Notes, to_bt709: bool = True) -> None:
        self._size = (width, height)
        self._alpha = alpha
        self._to_bt709 = to_bt709
        self._notes = notes
        formats = ("rgb24", "rgba", _PLANAR, _CubeFilter.PIXEL_FORMAT)
        self._reformatters = {name: VideoReformatter() for name in formats}
        self._interleaver = VideoReformatter()
        self._cube: _CubeFilter | None = None

    def convert(self, frame: VideoFrame) -> Picture:
        """One decoded frame as RGB; the array is the converted frame's own memory where its rows have no padding."""
        if (frame.width, frame.height) != self._size:
            self._notes.count(f"frames of another size, scaled to the first frame's {self._size[0]}x{self._size[1]}")
        source = source_colour(frame)
        if source.matrix not in SWS_MATRIX:
            self._notes.add(f"colour matrix {source.matrix} (H.273) is not known; read as BT.709")
            source = replace(source, matrix=1)
        if self._to_bt709 and is_light(frame):
            frame = _code_values(frame)
        image: ImageArray | None = None
        if self._to_bt709 and is_mapped(source):
            image = self._through_cube(frame, source)
        if self._alpha:
            pixels = _rows(self._to(frame, source, "rgba"), 4)
            return Picture(pixels[..., :3].copy() if image is None else image, pixels[..., 3].copy())
        if image is None:
            converted = self._to(frame, source, "rgb24") if holds_rgb(frame) else self._through_planes(frame, source)
            image = np.ascontiguousarray(_rows(converted, 3))
            if converted is frame:  # it was RGB already: its memory may be what the decoder predicts from
                image = image.copy()
        return Picture(image, None)

    def _to(self, frame: VideoFrame, source: ColourInfo, pixel_format: str) -> VideoFrame:
        """The frame in an RGB format and the converter's size."""
        width, height = self._size
        same_size = (frame.width, frame.height) == self._size
        reformatter = self._reformatters[pixel_format]
        matrix = SWS_MATRIX[source.matrix]
        try:
            return reformatter.reformat(
                frame,
                width=width,
                height=height,
                format=pixel_format,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG if source.full_range else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=_EXACT if same_size else _SCALED,
                threads=1,
            )
        except FFmpegError as error:
            raise InputError(f"pictures in the format {frame.format.name} cannot be turned into RGB") from error

    def _through_planes(self, frame: VideoFrame, source: ColourInfo) -> VideoFrame:
        """The same RGB in three quarters of the time: swscale's exact path has vector code for planes only."""
        return self._interleaver.reformat(self._to(frame, source, _PLANAR), format="rgb24", threads=1)

    def _through_cube(self, frame: VideoFrame, source: ColourInfo) -> ImageArray:
        if self._cube is None or self._cube.key != (source.primaries, source.transfer):
            self._cube = _CubeFilter(source, size=self._size, peak=_peak(frame))
            self._notes.add(f"{_transfer_name(source)} was mapped to BT.709")
        mapped = self._cube.map(self._to(frame, source, _CubeFilter.PIXEL_FORMAT))
        return np.ascontiguousarray(_rows(mapped, 3))


class _CubeFilter:
    """FFmpeg's lut3d with our cube, RGB of 16 bits in, RGB of 8 bits out."""

    PIXEL_FORMAT = "gbrp16le"

    def __init__(self, source: ColourInfo, *, size: tuple[int, int], peak: float) -> None:
        self.key = (source.primaries, source.transfer)
        transfer = 1 if source.transfer in _CURVES_LIKE_709 else source.transfer
        primaries = source.primaries if tonemap.convertible(source.primaries) else 1
        cube = tonemap.bt709_cube(primaries=primaries, transfer=transfer, peak=peak)
        self._graph = Graph()
        buffer = self._graph.add(
            "buffer",
            f"video_size={size[0]}x{size[1]}:pix_fmt={self.PIXEL_FORMAT}:time_base=1/1:colorspace=gbr:range=pc",
        )
        with tonemap.cube_file(cube) as path:  # the filter reads the file when it is made
            lut = self._graph.add("lut3d", file=str(path), interp="tetrahedral")
        to_rgb = self._graph.add("format", "pix_fmts=rgb24")
        sink = self._graph.add("buffersink")
        self._graph.link_nodes(buffer, lut, to_rgb, sink).configure()

    def map(self, frame: VideoFrame) -> VideoFrame:
        pts, frame.pts = frame.pts, None  # the graph's clock is not ours
        self._graph.vpush(frame)
        frame.pts = pts
        return self._graph.vpull()


def _rows(frame: VideoFrame, channels: int) -> ImageArray:
    """A packed RGB frame's pixels as (H, W, channels), a view of its buffer."""
    plane = frame.planes[0]
    stride = plane.line_size
    rows = _bytes(plane).reshape(frame.height, abs(stride))
    if stride < 0:  # stored from the bottom up
        rows = rows[::-1]
    return rows[:, : frame.width * channels].reshape(frame.height, frame.width, channels)


def _bytes(plane: VideoPlane) -> npt.NDArray[np.uint8]:
    """A plane's memory, row padding included; a view."""
    return np.frombuffer(cast(memoryview, plane), np.uint8)  # PyAV's stubs do not say that it is a buffer


def _peak(frame: VideoFrame) -> float:
    """Brightest cd/m2 of an HDR frame: its MaxCLL, else the mastering display's peak, else the usual 1,000."""
    try:
        level = side_data(frame, Type.CONTENT_LIGHT_LEVEL)
        display = side_data(frame, Type.MASTERING_DISPLAY_METADATA)
    except ValueError:  # PyAV gives none where there is side data of a kind that it does not know
        return tonemap.DEFAULT_PEAK
    if level is not None:
        (max_cll,) = struct.unpack_from("I", level)
        if max_cll:
            return float(max_cll)
    if display is not None:
        # AVMasteringDisplayMetadata: eight rationals of primaries and white, then darkest and brightest
        numerator, denominator = struct.unpack_from("ii", display, 72)
        if numerator > 0 and denominator > 0:
            return float(numerator / denominator)
    return tonemap.DEFAULT_PEAK


def _transfer_name(source: ColourInfo) -> str:
    return {tonemap.PQ: "HDR (PQ)", tonemap.HLG: "HDR (HLG)"}.get(source.transfer, "wide colour")


def _code_values(light: VideoFrame) -> VideoFrame:
    """Light as sRGB's code values (IEC 61966-2-1), cut off at white."""
    if light.format.has_palette:  # which swscale would bring to 16 bits by way of YUV of 8
        light = light.reformat(format="rgba", threads=1)
    elif len(light.format.components) == 1:  # grey, which swscale would turn to RGB as if it had the limited range
        grey = np.asarray(light.reformat(format="grayf32le", threads=1).to_ndarray(), np.float32)
        light = VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="gbrpf32le")
    levels = light.reformat(format="rgba64le", threads=1).to_ndarray()
    levels[..., :3] = _srgb_curve()[levels[..., :3]]
    return VideoFrame.from_ndarray(levels, format="rgba64le")


@cache
def _srgb_curve() -> npt.NDArray[np.uint16]:
    """Light in 16 bits to code values in 16 bits."""
    light = np.linspace(0, 1, 2**16)
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((code * (2**16 - 1)).round(), np.uint16)
