"""One picture as JPEG in memory, without OpenCV: for previews and pages."""

from __future__ import annotations

from io import BytesIO

import av
from av.video.reformatter import ColorRange, Colorspace

from vidstyle.frames import ImageArray


def encode_jpeg(picture: ImageArray) -> bytes:
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
