"""TIFF files (TIFF 6.0) of which FFmpeg makes a black picture, or shows something else, without a word."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIGNATURES = (b"II*\0", b"MM\0*")
_NEW_SUBFILE_TYPE, _COMPRESSION, _TILE_WIDTH, _SUB_IFDS, _DNG_VERSION = 254, 259, 322, 330, 50706
_REDUCED = 1
_READ_BY_FFMPEG = (1, 2, 3, 4, 5, 8, 32773, 32946)  # none, faxes, LZW, Deflate, PackBits, Deflate's old number


def is_raw_photograph(head: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether a file that begins so is a camera's, as DNG, NEF, ARW and CR2: a preview, and the sensor's values."""
    is_preview = tags.get(_NEW_SUBFILE_TYPE) == _REDUCED and _SUB_IFDS in tags
    is_cr2 = head.startswith(SIGNATURES) and head[8:10] == b"CR"
    return is_preview or is_cr2 or _DNG_VERSION in tags


def is_beyond_ffmpeg(tags: Mapping[int, Any]) -> bool:
    """Whether the pixels lie in tiles or are compressed in a way that FFmpeg does not know."""
    return _TILE_WIDTH in tags or tags.get(_COMPRESSION, 1) not in _READ_BY_FFMPEG


def tags_of(path: Path) -> Mapping[int, Any]:
    """The first picture's tags, without its pixels; none for other files and damaged ones. Raises OSError."""
    with path.open("rb") as file:
        header = file.read(8)
        if header[:4] not in SIGNATURES:
            return {}
        from PIL.TiffImagePlugin import ImageFileDirectory_v2

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of damage, which whoever decodes the picture reports
                tags = ImageFileDirectory_v2(header)
                file.seek(tags.next)
                tags.load(file)
                return dict(tags)
        except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
            return {}
