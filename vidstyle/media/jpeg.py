"""JPEG pictures in memory, without OpenCV: written for previews and pages, and whether one is whole."""

from __future__ import annotations

import re
from io import BytesIO

import av
from av.video.reformatter import ColorRange, Colorspace

from vidstyle.frames import ImageArray

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not what a coded picture itself may hold: 0xFF 0x00, and restarts


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


def has_more_behind(picture: bytes) -> bool:
    """Whether a file's first picture, with all up to the next one, is a photograph with more behind it.

    Phones' tell in their heads of a gain map, which FFmpeg takes for a second picture (CIPA DC-007, 5.1), or have a
    film behind their ends. Pictures of films, end to end, have neither.
    """
    ends_early = not is_cut_short(picture) and not picture.rstrip(b"\0").endswith(_END)
    return ends_early or b"MPF\0" in picture


def is_cut_short(encoded: bytes) -> bool:
    """Whether a file is JPEG and ends before its end-of-image marker; FFmpeg fills up what is missing without a word.

    Marker by marker (ITU-T T.81, B.1.1): the small picture in a photograph's Exif data has such a marker of its own.
    """
    if not encoded.startswith(b"\xff\xd8"):
        return False
    end = 2
    while marker := _MARKER.search(encoded, end):
        if marker[0] in (_END, b"\xff\xf7"):  # or JPEG-LS, whose coded pictures hold such bytes themselves
            return False
        length = int.from_bytes(encoded[marker.end() : marker.end() + 2])
        end = marker.end() + length
    return True
