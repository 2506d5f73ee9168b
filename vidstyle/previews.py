"""Previews of styles: the scene that vidstyle draws itself, painted."""

from __future__ import annotations

from io import BytesIO

import av
from av.video.reformatter import ColorRange, Colorspace

from vidstyle.frames import ImageArray
from vidstyle.media.scale import resize
from vidstyle.media.synthetic import scene
from vidstyle.painter import Look, Painter
from vidstyle.styles import Library

FILE = "preview.jpg"
WIDTH, HEIGHT = 320, 180

_PAINTED = 2
"""The scene is painted at this many times the preview's size, so that its strokes are as fine as a film's."""


def paint_preview(library: Library, name: str) -> bytes:
    """A JPEG of the style called `name`, always the same: fp32 on the processor.

    Raises StyleError, or BackendError where its network cannot be run.
    """
    network = library.network()
    look = Look(mix=library.mix([(name, 1.0)], network))
    picture = scene(_PAINTED * WIDTH, _PAINTED * HEIGHT)
    with Painter(network, backend="openvino", precision="fp32") as painter:
        painted = painter.paint(picture[None], look)[0]
    return _jpeg(resize(painted, width=WIDTH, height=HEIGHT))


def _jpeg(picture: ImageArray) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    buffer = BytesIO()
    with av.open(buffer, "w", format="mjpeg") as file:
        stream = file.add_stream("mjpeg", rate=1, options={"huffman": "optimal", "qmin": "3", "qmax": "3"})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_range = ColorRange.JPEG
        levels = frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.JPEG
        )  # ITU-T T.871
        file.mux([*stream.encode(levels), *stream.encode(None)])
    return buffer.getvalue()
