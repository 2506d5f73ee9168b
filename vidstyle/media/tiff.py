"""TIFF files (TIFF 6.0) of which FFmpeg makes a black picture, or shows something else, without a word."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

SIGNATURES = (b"II*\0", b"MM\0*")
_BIG_SIGNATURES = (b"II+\0", b"MM\0+")  # BigTIFF, whose files may be larger than 4 GB
_NEW_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _TILE_WIDTH, _SUB_IFDS, _DNG_VERSION = 254, 259, 262, 322, 330, 50706
_REDUCED = 1
_NO_PAGES = (1, 3, 4, 5, 6, 7)  # sums of flags, with 1 for a smaller copy or 4 for a mask
_CIELAB = 8
_READ_BY_FFMPEG = (1, 2, 3, 4, 5, 8, 32773, 32946)  # none, faxes, LZW, Deflate, PackBits, Deflate's old number


def is_raw_photograph(head: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether a file that begins so is a camera's, as DNG, NEF, ARW and CR2: a preview, and the sensor's values."""
    is_preview = tags.get(_NEW_SUBFILE_TYPE) == _REDUCED and _SUB_IFDS in tags
    is_cr2 = head.startswith(SIGNATURES) and head[8:10] == b"CR"
    return is_preview or is_cr2 or _DNG_VERSION in tags


def is_beyond_ffmpeg(head: bytes, tags: Mapping[int, Any]) -> bool:
    """Whether it is a BigTIFF file, in CIELAB, or its pixels lie in tiles or are compressed in another way."""
    if head.startswith(_BIG_SIGNATURES) or tags.get(_PHOTOMETRIC) == _CIELAB or _TILE_WIDTH in tags:
        return True
    return tags.get(_COMPRESSION, 1) not in _READ_BY_FFMPEG


def pages_of(directories: Sequence[Mapping[int, Any]]) -> int:
    """How many of a file's pictures are pages, not smaller copies or masks of another."""
    return sum(tags.get(_NEW_SUBFILE_TYPE) not in _NO_PAGES for tags in directories)


def directories_of(file: BinaryIO) -> list[Mapping[int, Any]]:
    """The tags of each picture in a file, without its pixels, up to the first damaged one; none for other files.

    Reads from where the file stands, its beginning. Raises OSError.
    """
    found: dict[int, Mapping[int, Any]] = {}
    header = file.read(8)
    if header.startswith(_BIG_SIGNATURES):
        header += file.read(8)
    elif not header.startswith(SIGNATURES):
        return []
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damage, which whoever decodes the picture reports
            tags = ImageFileDirectory_v2(header)
            while tags.next and tags.next not in found:
                place = file.seek(tags.next)
                tags.load(file)
                found[place] = dict(tags)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error):
        pass
    return list(found.values())
