"""Puts right what FFmpeg leaves wrong in a finished mp4 or QuickTime file, and adds covers and text subtitles.

FFmpeg's muxer writes fragments, which keep a killed run's film playable, but cannot write a cover beside them,
and with subtitles among them it moves texts or aborts the process. So both are added once the film is complete:
subtitles from small files of their own, covers as an item of the tags. The index (`moov`) stands at the end of
the film and nothing in it depends on its own place, so samples and a new index are appended and the old one is
renamed to `free`, four bytes at once. At no moment is the file without a valid index.
Boxes: ISO/IEC 14496-12, clause 8; the `covr` item is Apple's.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import BinaryIO

from vidstyle.media.mp4_boxes import child, children, edited, find, make_box, with_child
from vidstyle.media.part_file import sync

_PICTURE_KINDS = {"mjpeg": 13, "png": 14}


def complete_index(path: Path, *, covers: Sequence[tuple[str, bytes]], tracks: Sequence[tuple[bytes, bool]]) -> None:
    """Add pictures, each (codec "mjpeg" or "png", file contents), and the one track of each of the files in `tracks`,
    which say beside it whether players are to show that track unasked.

    Raises ValueError where a file has no index of the expected form, OSError where it cannot be written.
    """
    with path.open("r+b") as file:
        start, moov = _read(file, b"moov")
        file.seek(0, os.SEEK_END)
        for track, is_default in tracks:
            moov = _append_track(file, moov, track, is_default=is_default)
        if covers:
            moov = edited(moov, (b"udta", b"meta", b"ilst"), lambda items: with_child(items, _cover_item(covers)))
        file.write(moov)
        file.flush()
        sync(path)
        file.seek(start + 4)
        file.write(b"free")


def mend_duration(path: Path, duration: Fraction) -> None:
    """Have the index say that the film, its first track, lasts `duration` seconds.

    Between fragments FFmpeg takes the next packet's pts for the film's end, also where that is a B-frame that is
    shown before what has been written; if it was the last, players cut as many frames off. Errors as above.
    """
    with path.open("r+b") as file:
        start, moov = _read(file, b"moov")
        file.seek(start)
        file.write(_lasting(moov, duration))


def _read(file: BinaryIO, kind: bytes) -> tuple[int, bytes]:
    """Where the first box of this kind stands, and the whole of it."""
    box = find(file, kind)
    file.seek(box.start)
    return box.start, file.read(box.size)


def _lasting(moov: bytes, duration: Fraction) -> bytes:
    film = child(moov, b"trak")
    shown = ceil(duration * _time_scale(child(moov, b"mvhd")))  # in milliseconds: rounded down, it may lose a frame
    if any(box[4:8] == b"edts" for box in children(film)):
        film = edited(film, (b"edts", b"elst"), lambda elst: _ending_after(elst, shown))
        shown = sum(_segments(child(child(film, b"edts"), b"elst")))
    film = edited(film, (b"mdia", b"mdhd"), lambda mdhd: _timed(mdhd, 24, 32, round(duration * _time_scale(mdhd))))
    film = edited(film, (b"tkhd",), lambda tkhd: _timed(tkhd, 28, 36, shown))
    moov = edited(moov, (b"trak",), lambda _: film)
    return edited(moov, (b"mvhd",), lambda mvhd: _timed(mvhd, 24, 32, max(shown, _duration(mvhd))))


def _time_scale(box: bytes) -> int:
    """Ticks a second of an mvhd or mdhd box."""
    return int.from_bytes(box[20:24] if box[8] == 0 else box[28:32])


def _duration(mvhd: bytes) -> int:
    return int.from_bytes(mvhd[24:28] if mvhd[8] == 0 else mvhd[32:40])


def _timed(box: bytes, place: int, wide_place: int, ticks: int) -> bytes:
    """A box with its duration set, which is at `place`, or in version 1, with 64 bits, at `wide_place`."""
    if box[8] == 0:
        return box[:place] + struct.pack(">I", ticks) + box[place + 4 :]
    return box[:wide_place] + struct.pack(">Q", ticks) + box[wide_place + 8 :]


def _segments(elst: bytes) -> list[int]:
    """How long each edit lasts, in ticks of the movie's time scale."""
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
    media = find(source, b"mdat")
    first_sample = media.start + media.header
    shift = file.tell() + 8 - first_sample
    file.write(make_box(b"mdat", track[first_sample : media.start + media.size]))
    number = child(moov, b"mvhd")[-4:]  # the next track's
    trak = child(_read(source, b"moov")[1], b"trak")
    trak = edited(trak, (b"tkhd",), lambda tkhd: _with_number(_enabled(tkhd, is_default), number))
    trak = edited(trak, (b"mdia", b"minf", b"stbl", b"stco"), lambda stco: _moved_chunks(stco, shift))
    following = (int.from_bytes(number) + 1).to_bytes(4)
    return with_child(edited(moov, (b"mvhd",), lambda mvhd: mvhd[:-4] + following), trak)


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
    return make_box(b"co64", stco[8:16] + struct.pack(f">{count}Q", *moved))


def _cover_item(covers: Sequence[tuple[str, bytes]]) -> bytes:
    data = b"".join(make_box(b"data", struct.pack(">II", _PICTURE_KINDS[codec], 0) + blob) for codec, blob in covers)
    return make_box(b"covr", data)
