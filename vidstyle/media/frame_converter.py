"""From RGB frames to the pixel formats of encoders, with matrix and range chosen and told, never guessed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from vidstyle.frames import ColourInfo, ImageArray
from vidstyle.media.codecs import is_rgb
from vidstyle.media.colour import SWS_MATRIX, UNSPECIFIED


def output_colour(source: ColourInfo, pixel_format: str, *, assumed_matrix: int | None = None) -> ColourInfo:
    """The colours to encode in and to tag: the film's own, limited range; BT.709 where the film was HDR.

    HDR is tone-mapped to BT.709 when it is read. Limited range, also where the film had full range: what
    ignores the tag, and much does, shows the same picture. RGB formats have no matrix and are full range.
    `assumed_matrix` is what players take for a codec that cannot be tagged; the pixels then follow it.
    """
    rgb = is_rgb(pixel_format)
    full = rgb or pixel_format.startswith("yuvj")
    matrix = 1 if source.is_hdr else {10: 9}.get(source.matrix, source.matrix)
    matrix = assumed_matrix or (matrix if matrix in SWS_MATRIX else 1)
    if source.is_hdr:
        return ColourInfo(matrix=0 if rgb else matrix, full_range=full)
    return ColourInfo(
        matrix=0 if rgb else matrix,
        primaries=1 if source.primaries in UNSPECIFIED else source.primaries,
        transfer=1 if source.transfer in UNSPECIFIED else source.transfer,
        full_range=full,
    )


class FrameConverter:
    """Turns pictures into the encoder's pixel format with the stated matrix and range."""

    def __init__(
        self, *, pixel_format: str, colour: ColourInfo, alpha: bool, size: tuple[int, int] | None = None
    ) -> None:
        """With `alpha` the pictures' transparency is kept, without it they are laid on black.

        `size` is (width, height) to scale to, None for that of the pictures.
        """
        self._format = pixel_format
        self._colour = colour
        self._alpha = alpha
        self._size = size
        # Averaging is what a camera's chroma is made of; the default filter rings at painted edges.
        self._method = Interpolation.BICUBIC if size else Interpolation.AREA
        self._reformatter = VideoReformatter()

    def convert(self, image: ImageArray, alpha: npt.NDArray[np.uint8] | None = None) -> VideoFrame:
        """A picture, (H, W, 3) uint8 RGB with (H, W) uint8 of opacity or none, as FFmpeg's frame without a time."""
        converted = self._reformatter.reformat(
            self._rgb_frame(image, alpha),
            width=self._size[0] if self._size else None,
            height=self._size[1] if self._size else None,
            format=self._format,
            dst_colorspace=SWS_MATRIX.get(self._colour.matrix),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._colour.full_range else ColorRange.MPEG,
            interpolation=self._method,
            threads=1,
        )
        if self._colour.matrix in (0, *SWS_MATRIX):
            converted.colorspace = self._colour.matrix
        converted.color_range = ColorRange.JPEG if self._colour.full_range else ColorRange.MPEG
        return converted

    def _rgb_frame(self, image: ImageArray, alpha: npt.NDArray[np.uint8] | None) -> VideoFrame:
        if alpha is None and not self._alpha:
            return VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
        alpha = np.full(image.shape[:2], 255, np.uint8) if alpha is None else alpha
        if self._alpha:
            rgba = np.concatenate([image, alpha[..., None]], axis=2)
            return VideoFrame.from_numpy_buffer(rgba, format="rgba")
        # 16 bits hold 255 * 255; adding half of the divisor rounds.
        on_black = (image.astype(np.uint16) * alpha[..., None] + 127) // 255
        return VideoFrame.from_numpy_buffer(on_black.astype(np.uint8), format="rgb24")
