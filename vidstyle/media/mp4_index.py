"""Puts right what FFmpeg leaves wrong in a finished mp4 or QuickTime file, and adds covers and text subtitles.

FFmpeg's muxer writes fragments, which keep a killed run's film playable, but cannot write a cover beside them,
and with subtitles among them it moves texts or aborts the process. So both are added once the film is complete:
subtitles from small files of their own, covers as an item of the tags. The index (`moov`) stands at the end of
the film and nothing in it depends on its own place, so samples and a new index are appended and the old one is
renamed to `free`, four bytes at once. At no moment is the file without a valid index.
Box layout: ISO/IEC 14496-12; the `covr` item is Apple's.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import BinaryIO

from vidstyle.media.part_file import sync

_PICTURE_KINDS = {"mjpeg": 13, "png": 14}
_FULL_BOX_HEADER = 4  # version and flags


def complete_index(path: Path, *, covers: Sequence[tuple[str, bytes]], tracks: Sequence[tuple[bytes, bool]]) -> None:
    """Add pictures, each (codec "mjpeg" or "png", file contents), and the one track of each of the files in `tracks`,
    which say beside it whether players are to show that track unasked.

    Raises ValueError where a file has no index of the expected form, OSError where it cannot be written.
    """
    with path.open("r+b") as file:
        start, size, _ = _find(file, b"moov")
        file.seek(start)
        moov = file.read(size)
        file.seek(0, os.SEEK_END)
        for track, is_default in tracks:
            moov = _append_track(file, moov, track, is_default=is_default)
        if covers:
            moov = _edit(moov, (b"udta", b"meta", b"ilst"), lambda items: _with_child(items, _cover_item(covers)))
        file.write(moov)
        file.flush()
        sync(path)
        file.seek(start + 4)
        file.write(b"free")


def mend_duration(path: Path, duration: Fraction) -> None:
    """Have the index say that the film lasts `duration` seconds.

    Between fragments FFmpeg takes the next packet's pts for the film's end, also where that is a B-frame that is
    shown before what has been written; if it was the last, players cut as many frames off. Errors as above.
    """
    with path.open("r+b") as file:
        start, size, _ = _find(file, b"moov")
        file.seek(start)
        mended = _lasting(file.read(size), duration)
        file.seek(start)
        file.write(mended)


def _lasting(moov: bytes, duration: Fraction) -> bytes:
    children = _children(moov)
    head = next(i for i, box in enumerate(children) if box[4:8] == b"mvhd")
    film = next(i for i, box in enumerate(children) if box[4:8] == b"trak" and _handler(box) == b"vide")
    edited = ceil(duration * _time_scale(children[head]))  # in milliseconds: rounded down, it may lose a frame
    trak = children[film]
    if any(box[4:8] == b"edts" for box in _children(trak)):
        trak = _edit(trak, (b"edts", b"elst"), lambda elst: _ending_after(elst, edited))
        edited = sum(_segments(next(box for box in _children(trak) if box[4:8] == b"edts")))
    trak = _edit(trak, (b"mdia", b"mdhd"), lambda mdhd: _timed(mdhd, 24, 32, round(duration * _time_scale(mdhd))))
    children[film] = _edit(trak, (b"tkhd",), lambda tkhd: _timed(tkhd, 28, 36, edited))
    longest = max(edited, _duration(children[head]))
    children[head] = _timed(children[head], 24, 32, longest)
    return _box(b"moov", b"".join(children))


def _handler(trak: bytes) -> bytes:
    mdia = next(box for box in _children(trak) if box[4:8] == b"mdia")
    return next(box[16:20] for box in _children(mdia) if box[4:8] == b"hdlr")


def _time_scale(box: bytes) -> int:
    """Ticks a second of an mvhd or mdhd box."""
    return int.from_bytes(box[20:24] if box[8] == 0 else box[28:32], "big")


def _duration(mvhd: bytes) -> int:
    return int.from_bytes(mvhd[24:28] if mvhd[8] == 0 else mvhd[32:40], "big")


def _timed(box: bytes, place: int, wide_place: int, ticks: int) -> bytes:
    """A box with its duration set, which is at `place`, or in version 1, with 64 bits, at `wide_place`."""
    if box[8] == 0:
        return box[:place] + struct.pack(">I", ticks) + box[place + 4 :]
    return box[:wide_place] + struct.pack(">Q", ticks) + box[wide_place + 8 :]


def _segments(edts: bytes) -> list[int]:
    """How long each edit lasts, in ticks of the movie's time scale."""
    elst = _children(edts)[0]
    (count,) = struct.unpack(">I", elst[12:16])
    form, step = (">I", 12) if elst[8] == 0 else (">Q", 20)
    return [int(struct.unpack_from(form, elst, 16 + i * step)[0]) for i in range(count)]


def _ending_after(elst: bytes, ticks: int) -> bytes:
    """The edit list with its last edit, the film itself, lasting so many ticks."""
    (count,) = struct.unpack(">I", elst[12:16])
    place = 16 + (count - 1) * (12 if elst[8] == 0 else 20)
    return _timed(elst, place, place, ticks)


def _append_track(file: BinaryIO, moov: bytes, track: bytes, *, is_default: bool) -> bytes:
    """Append the samples of a file with one track; `moov` with that track."""
    source = io.BytesIO(track)
    start, size, header = _find(source, b"mdat")
    samples = track[start + header : start + size]
    shift = file.tell() + 8 - (start + header)
    file.write(_box(b"mdat", samples))
    index, length, _ = _find(source, b"moov")
    trak = next(box for box in _children(track[index : index + length]) if box[4:8] == b"trak")
    mvhd = next(box for box in _children(moov) if box[4:8] == b"mvhd")
    number = mvhd[-4:]  # the next track's
    trak = _edit(trak, (b"tkhd",), lambda tkhd: _with_number(_enabled(tkhd, is_default), number))
    trak = _edit(trak, (b"mdia", b"minf", b"stbl", b"stco"), lambda stco: _moved_chunks(stco, shift))
    following = struct.pack(">I", struct.unpack(">I", number)[0] + 1)
    return _with_child(_edit(moov, (b"mvhd",), lambda box: box[:-4] + following), trak)


def _with_number(tkhd: bytes, number: bytes) -> bytes:
    place = 20 if tkhd[8] == 0 else 28  # after two times of 32 or, in version 1, 64 bits
    return tkhd[:place] + number + tkhd[place + 4 :]


def _enabled(tkhd: bytes, on: bool) -> bytes:
    """The flag that players take for "default": alone in its file, every track has it."""
    return tkhd[:11] + bytes([tkhd[11] & ~1 | on]) + tkhd[12:]


def _moved_chunks(stco: bytes, shift: int) -> bytes:
    """The chunks' positions moved, with 64 bits: the film before them may be larger than 4 GB."""
    count = struct.unpack(">I", stco[12:16])[0]
    moved = [position + shift for position in struct.unpack(f">{count}I", stco[16 : 16 + 4 * count])]
    return _box(b"co64", stco[8:16] + struct.pack(f">{count}Q", *moved))


def _cover_item(covers: Sequence[tuple[str, bytes]]) -> bytes:
    data = b"".join(_box(b"data", struct.pack(">II", _PICTURE_KINDS[codec], 0) + blob) for codec, blob in covers)
    return _box(b"covr", data)


def _box(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 8) + name + payload


def _find(file: BinaryIO, wanted: bytes) -> tuple[int, int, int]:
    """Position and size of a box of the outermost level, and the length of its header."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    while position + 8 <= end:
        file.seek(position)
        size, name = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            (size,), header = struct.unpack(">Q", file.read(8)), 16
        if name == wanted:
            return position, size, header
        position += max(size, 8)
    raise ValueError(f"no {wanted.decode()} box")


def _children(box: bytes) -> list[bytes]:
    position = 8 + (_FULL_BOX_HEADER if box[4:8] == b"meta" else 0)
    found = []
    while position + 8 <= len(box):
        size = max(8, struct.unpack(">I", box[position : position + 4])[0])
        found.append(box[position : position + size])
        position += size
    return found


def _edit(box: bytes, names: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """`box` with the first box that the nested `names` lead to replaced. Raises ValueError where one is missing."""
    if not names:
        return change(box)
    children = _children(box)
    for index, child in enumerate(children):
        if child[4:8] == names[0]:
            children[index] = _edit(child, names[1:], change)
            head = box[8 : 8 + _FULL_BOX_HEADER] if box[4:8] == b"meta" else b""
            return _box(box[4:8], head + b"".join(children))
    raise ValueError(f"no {names[0].decode()} box in {box[4:8].decode()}")


def _with_child(box: bytes, child: bytes) -> bytes:
    return _box(box[4:8], box[8:] + child)
