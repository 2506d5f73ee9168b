"""JPEG pictures in memory: written for previews and pages, and whether one is whole."""

from __future__ import annotations

import re
from io import BytesIO

from vidstyle.frames import ImageArray

_QUALITY = 85  # of 0 to 100
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not what a coded picture itself may hold: 0xFF 0x00, and restarts


def encode_jpeg(picture: ImageArray) -> bytes:
    """(H, W, 3) uint8 RGB as JPEG, for looking at: a picture that is kept is a `PictureWriter`'s."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


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
