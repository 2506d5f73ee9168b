"""Puts a cover picture into a finished mp4 file.

FFmpeg's muxer cannot write fragments, which keep a killed run's film playable, and a cover in one file.
So the cover is added once the file is complete: the index (`moov`) stands at its end and holds no
positions that depend on its own size, so a new one with the picture is appended and the old one is
renamed to `free`, four bytes at once. At no moment is the file without a valid index.
Box layout: ISO/IEC 14496-12; the `covr` item is Apple's.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from vidstyle.media.part_file import sync

_PICTURE_KINDS = {"mjpeg": 13, "png": 14}
_FULL_BOX_HEADER = 4


def add_covers(path: Path, covers: list[tuple[str, bytes]]) -> None:
    """Add pictures, each (codec "mjpeg" or "png", file contents), to the mp4 file at `path`.

    Raises ValueError where the file has no index of the expected form, OSError where it cannot be written.
    """
    with path.open("r+b") as file:
        start, size = _find_index(file, path.stat().st_size)
        file.seek(start)
        moov = file.read(size)
        changed = _with_child(moov, (b"udta", b"meta", b"ilst"), _cover_item(covers))
        file.seek(0, os.SEEK_END)
        file.write(changed)
        file.flush()
        sync(path)
        file.seek(start + 4)
        file.write(b"free")


def _cover_item(covers: list[tuple[str, bytes]]) -> bytes:
    data = b"".join(_box(b"data", struct.pack(">II", _PICTURE_KINDS[codec], 0) + blob) for codec, blob in covers)
    return _box(b"covr", data)


def _box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + name + payload


def _find_index(file: BinaryIO, end: int) -> tuple[int, int]:
    """Position and size of the file's `moov` box."""
    position = 0
    while position + 8 <= end:
        file.seek(position)
        size, name = struct.unpack(">I4s", file.read(8))
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
        if name == b"moov":
            return position, size
        if size < 8:
            break
        position += size
    raise ValueError("no moov box")


def _with_child(box: bytes, names: tuple[bytes, ...], child: bytes) -> bytes:
    """`box` with `child` appended inside the nested boxes `names`. Raises ValueError where one is missing."""
    if not names:
        return _box(box[4:8], box[8:] + child)
    position = 8 + (_FULL_BOX_HEADER if box[4:8] == b"meta" else 0)
    while position + 8 <= len(box):
        size, name = struct.unpack(">I4s", box[position : position + 8])
        if name == names[0]:
            inner = _with_child(box[position : position + size], names[1:], child)
            return _box(box[4:8], box[8:position] + inner + box[position + size :])
        position += max(size, 8)
    raise ValueError(f"no {names[0].decode()} box in {box[4:8].decode()}")
