"""Opening what the user named, by its content and never by its name: a file, or standard input.

Names are handed to FFmpeg as `file:NAME` with every other protocol switched off, so that neither a name
(`concat:a|b`, `http://...`) nor the content of a playlist makes it open anything but files: an HLS playlist opens
the pieces that it names.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError

from vidstyle.errors import InputError
from vidstyle.media.heif import HEAD, is_heif_picture
from vidstyle.media.mp4_boxes import outer_boxes
from vidstyle.media.notes import Notes
from vidstyle.media.through_pillow import as_png, is_ink, is_photoshop
from vidstyle.media.tiff import directories_of, is_beyond_ffmpeg, is_raw_photograph, pages_of
from vidstyle.media.webp import as_film, is_moving_webp

STDIN = "-"
MAX_PIXELS = 2**27
"""Largest picture that is decoded unless told otherwise: 134 million pixels, 400 MB as RGB."""

# How far to look for sound that is declared and does not come where the film begins: microseconds and bytes.
_LOOK_FURTHER = {"analyzeduration": "60000000", "probesize": str(2**26)}


def spoken_name(source: str | Path) -> str:
    """`source` as messages call it: quoted, or "standard input"."""
    return "standard input" if str(source) == STDIN else f"'{source}'"


def open_container(
    source: str | Path,
    *,
    max_pixels: int = MAX_PIXELS,
    hwaccel: HWAccel | None = None,
    notes: Notes | None = None,
) -> InputContainer:
    """Open a local file, or standard input for `-`, with decoders that refuse pictures above `max_pixels`.

    Films are decoded by `hwaccel` where it can; what a picture loses before it is decoded goes to `notes`. Raises
    InputError, naming the file and the reason, if it is absent or nothing that FFmpeg reads.
    """
    name = spoken_name(source)
    # FFmpeg's image reader would take a '%' in a file's name for a pattern; pattern_type says it is a plain name.
    options = {"max_pixels": str(max_pixels), "pattern_type": "none"}
    try:
        if str(source) == STDIN:
            if os.isatty(0):
                raise InputError("standard input is a terminal; pipe a film into it or name a file")
            if _stdin_is_empty():
                raise InputError("standard input is empty; pipe a film into it or name a file")
        else:
            _refuse_unreadable(source)
        if picture := _through_pillow(source, max_pixels, Notes() if notes is None else notes):
            return _open(picture, options, hwaccel)
        if str(source) == STDIN:
            return _open("fd:", options | {"fd": "0", "protocol_whitelist": "fd"}, hwaccel)
        return _open_file(source, name, options | {"protocol_whitelist": "file"}, hwaccel)
    except (FFmpegError, OSError, ValueError, UnicodeError) as error:
        raise InputError(f"cannot read {name}: {_reason(source, error)}") from error


def _stdin_is_empty() -> bool:
    """Whether standard input ends before its first byte, as far as the system tells; waits for a pipe's first byte."""
    found = os.fstat(0)
    if stat.S_ISCHR(found.st_mode):  # Windows numbers pipes as it numbers NUL
        return os.path.samestat(found, os.stat(os.devnull))
    if stat.S_ISREG(found.st_mode):
        return os.lseek(0, 0, os.SEEK_CUR) >= found.st_size
    if not stat.S_ISFIFO(found.st_mode) or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return not any(event & select.POLLIN for _, event in poll.poll())  # only POLLHUP: nobody writes, nothing is there


def _open(url: str | BytesIO, options: dict[str, str], hwaccel: HWAccel | None) -> InputContainer:
    # Old files have tags in old encodings: what is not UTF-8 in them is no reason to refuse the film.
    return av.open(url, "r", options=options, metadata_errors="replace", hwaccel=hwaccel)


def _path(source: str | Path) -> Path:
    """Where the source can be read from its beginning; of Linux also a file that is standard input."""
    return Path("/proc/self/fd/0") if str(source) == STDIN else Path(source)


def _through_pillow(source: str | Path, max_pixels: int, notes: Notes) -> BytesIO | None:
    """A picture of which FFmpeg reads only a part, or nothing, as a file that it reads whole; None for all else.

    Raises InputError, OSError.
    """

    def check_size(width: int, height: int) -> None:
        refuse_above(max_pixels, width=width, height=height, source=source)

    path = _path(source)
    if not (path.is_file() and os.access(path, os.R_OK)):
        return None
    try:
        with path.open("rb") as file:
            convert = _converter(file, notes)
            file.seek(0)
            return None if convert is None else BytesIO(convert(file.read(), check_size=check_size, notes=notes))
    except ValueError as error:
        raise InputError(f"cannot read {spoken_name(source)}: {error}") from error


def _converter(file: BinaryIO, notes: Notes) -> Callable[..., bytes] | None:
    """What makes of a picture one that FFmpeg reads whole; None where it reads it itself. Raises ValueError."""
    head = file.read(HEAD)
    if is_moving_webp(head):
        return as_film
    if is_heif_picture(head) or is_photoshop(head):
        return as_png
    file.seek(0)
    if directories := directories_of(file):
        if is_raw_photograph(head, directories[0]):
            raise ValueError("it is a camera's raw photograph; develop it to TIFF, PNG or JPEG first")
        if (pages := pages_of(directories)) > 1:
            notes.add(f"the file has {pages} pages: only the first one is read")
        if is_beyond_ffmpeg(head, directories[0]):
            return as_png
    file.seek(0)
    return as_png if is_ink(head, file) else None


def _open_file(source: str | Path, name: str, options: dict[str, str], hwaccel: HWAccel | None) -> InputContainer:
    url = f"file:{source}"
    container = _refuse_text(_open(url, options, hwaccel), name)
    contexts = [sound.codec_context for sound in container.streams.audio]
    if is_searchable(source) and any(context and not context.sample_rate for context in contexts):
        container.close()
        return _open(url, options | _LOOK_FURTHER, hwaccel)
    return container


def is_searchable(source: str | Path) -> bool:
    """Whether reading can start anywhere: true of files, also as standard input, not of pipes."""
    return length_of(source) is not None


def length_of(source: str | Path) -> int | None:
    """A file's length in bytes, also as standard input; None for pipes."""
    status = os.fstat(0) if str(source) == STDIN else os.stat(source)
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def refuse_above(max_pixels: int, *, width: int, height: int, source: str | Path) -> None:
    """Raise InputError if a picture of this size is larger than the limit."""
    if width * height > max_pixels:
        raise InputError(
            f"cannot read {spoken_name(source)}: {width}x{height} is {width * height / 1e6:.0f} million pixels, "
            f"more than the limit of {max_pixels / 1e6:.0f} million; scale it down first"
        )


def declared_size(source: str | Path) -> tuple[int, int] | None:
    """Width and height from a PNG file's header, without decoding; None for anything else.

    FFmpeg, told to refuse large pictures, reports no size for a PNG that it refused.
    """
    if str(source) == STDIN:
        return None
    head = _head(source)
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _refuse_unreadable(source: str | Path) -> None:
    mode = os.stat(source).st_mode
    if stat.S_ISDIR(mode):
        raise InputError(
            f"cannot read {spoken_name(source)}: it is a folder; name a film, or a pattern like f_%04d.png"
        )
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise InputError(f"cannot read {spoken_name(source)}: it is a device, not a file; cameras belong to 'webcam'")
    with_content = not stat.S_ISREG(mode) or os.stat(source).st_size > 0
    if not with_content:
        raise InputError(f"cannot read {spoken_name(source)}: the file is empty")


def _refuse_text(container: InputContainer, name: str) -> InputContainer:
    """FFmpeg would show a text file as a film of a terminal."""
    if container.format.name == "tty":
        container.close()
        raise InputError(f"cannot read {name}: it is text, not a film")
    return container


def _reason(source: str | Path, error: Exception) -> str:
    """Why opening failed, in the user's words."""
    if isinstance(error, FileNotFoundError):
        hint = "; addresses are no files: download it first" if "://" in str(source) else ""
        return f"there is no such file{hint}"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if str(source) == STDIN:
        return (
            "nothing that can be read from a pipe; an mp4 with its index at the end, or a phone's HEIC picture, "
            "must be given as a file"
        )
    if isinstance(error, ValueError) and not isinstance(error, FFmpegError):
        return "not a usable file name"
    return _diagnosis(Path(source)) or getattr(error, "strerror", None) or str(error)


def _diagnosis(path: Path) -> str:
    """What a file that FFmpeg refuses seems to be, from its first bytes; empty if nothing can be told."""
    head = _head(path)
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page (HTML), not a film; was it downloaded from behind a login?"
    if head[4:8] == b"ftyp" and not _has_index(path):
        return "its index (the moov box) is missing: the recording was cut off before it was finished"
    return "it is no film or picture that FFmpeg knows, or its beginning is damaged"


def _head(path: str | Path) -> bytes:
    """The first bytes of a regular file; of anything else none, because reading a pipe would consume them."""
    if not Path(path).is_file():
        return b""
    with Path(path).open("rb") as file:
        return file.read(HEAD)


def _has_index(path: Path) -> bool:
    with path.open("rb") as file:
        return any(box.kind == b"moov" for box in outer_boxes(file))
