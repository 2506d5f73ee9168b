"""The films and pictures that can be painted: the scene that vidstyle draws itself, and what was uploaded."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from vidstyle.errors import InputError, OutputError, UsageError
from vidstyle.frames import ImageArray
from vidstyle.media.reader import open_reader
from vidstyle.media.scale import resize
from vidstyle.media.synthetic import scene, write_film
from vidstyle.painter import working_size
from vidstyle.web.exchange import NothingThere
from vidstyle.web.seeking import frame_at, seconds_of

LARGEST_UPLOAD = 16 << 30
"""Bytes of one uploaded file."""

_SPARE_ROOM = 256 << 20
"""Bytes that an upload leaves free on the disk."""

_PIECE = 1 << 20
"""Bytes of an upload that are in memory at once."""

_TOLD_BY_NAME = (".tga",)
"""Suffixes that uploads keep: nothing in such a file says what it is. With others, playlists would lead elsewhere."""

_KEPT_PICTURES = 12
"""Frames that stay decoded, so that a slider that moves back and forth need not decode them again."""

_INACCURACY = Fraction(1)
"""Seconds by which a film may be longer than it says."""

_PATIENCE = 5.0
"""Seconds that a frame may take to be decoded when the shelf closes."""

SCENE = "scene"
SCENE_WIDTH, SCENE_HEIGHT, SCENE_SECONDS, SCENE_RATE = 960, 540, 6, 25

Read = Callable[[int], bytes]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A film or picture on the shelf. `name` is what its owner calls it, never a path; `aspect` is width over
    height as it is shown (its pixels need not be square); `seconds` is how long it lasts and `rate` its frames
    a second, None where it does not say or, as a picture, has none."""

    id: str
    name: str
    kind: Literal["film", "picture"]
    width: int
    height: int
    aspect: float
    seconds: float | None
    rate: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


_SCENE = Source(
    id=SCENE,
    name="scene.mp4",
    kind="film",
    width=SCENE_WIDTH,
    height=SCENE_HEIGHT,
    aspect=SCENE_WIDTH / SCENE_HEIGHT,
    seconds=SCENE_SECONDS,
    rate=SCENE_RATE,
)


class Shelf:
    """Keeps uploads in `folder` under names of its own. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources: dict[str, Source] = {SCENE: _SCENE}
        self._pictures: OrderedDict[tuple[str, Fraction], ImageArray] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding: dict[str, threading.Lock] = {}
        self._drawing = threading.Lock()
        self._closed = False

    def sources(self) -> list[Source]:
        """Everything on the shelf, the scene first."""
        with self._lock:
            return list(self._sources.values())

    def find(self, source_id: str) -> Source:
        """Raises NothingThere."""
        with self._lock:
            if source_id not in self._sources:
                raise NothingThere("this film or picture is no longer here; open it again")
            return self._sources[source_id]

    def receive(self, name: str, *, length: int, read: Read) -> Source:
        """Take an upload of `length` bytes, which `read(n)` gives, from somebody who calls it `name`.

        Raises UsageError if it is too large, OutputError if there is no room, InputError if it is no film or
        picture or broke off; then nothing is kept.
        """
        if length > LARGEST_UPLOAD:
            raise UsageError(f"{name} has {length / 2**30:.1f} GiB; the page takes up to {LARGEST_UPLOAD >> 30} GiB")
        if shutil.disk_usage(self._folder).free < length + _SPARE_ROOM:
            raise OutputError(f"there is no room for {name} on the disk of {self._folder}; free some space")
        suffix = Path(name).suffix.lower()
        source_id = secrets.token_hex(8) + (suffix if suffix in _TOLD_BY_NAME else "")
        path = self._folder / source_id
        try:
            _save(path, length, read)
            source = _look_at(path, source_id, name)
        except InputError as error:
            path.unlink(missing_ok=True)
            raise InputError(_in_their_words(error, path, name)) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._sources[source_id] = source
        return source

    def file(self, source: Source) -> Path:
        """The source as a file; the scene is drawn when it is first asked for, which takes some seconds."""
        if source.id != SCENE:
            return self._folder / source.id
        path = self._folder / source.name
        with self._drawing:
            if not path.exists():
                draft = self._folder / f"draft-{source.name}"
                write_film(draft, width=source.width, height=source.height, seconds=SCENE_SECONDS, rate=SCENE_RATE)
                draft.rename(path)
        return path

    def in_their_words(self, error: Exception, source: Source) -> str:
        """The message of an error about a source's file, with the name that its owner knows."""
        return _in_their_words(error, self._folder / source.id, source.name)

    def picture(self, source: Source, at: Fraction) -> ImageArray:
        """The frame that is shown `at` seconds, at the size at which it is painted: (H, W, 3) uint8 RGB.

        Raises InputError, UsageError, NothingThere.
        """
        key = source.id, at
        with self._lock:
            decoding = self._decoding.setdefault(source.id, threading.Lock())
        with decoding:  # each film for itself: one in which a frame is hard to find holds up no other
            self._check_open()
            with self._lock:
                if key in self._pictures:
                    self._pictures.move_to_end(key)
                    return self._pictures[key]
            image = self._decode(source, at)
            with self._lock:
                self._pictures[key] = image
                while len(self._pictures) > _KEPT_PICTURES:
                    self._pictures.popitem(last=False)
            return image

    def close(self) -> None:
        """Wait for the frames that are being decoded, and forget all."""
        self._closed = True
        with self._lock:
            locks = list(self._decoding.values())
        for decoding in locks:
            if decoding.acquire(timeout=_PATIENCE):
                decoding.release()
        with self._lock:
            self._pictures.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise NothingThere("the studio is closing")

    def _decode(self, source: Source, at: Fraction) -> ImageArray:
        if source.id == SCENE:
            return scene(source.width, source.height, seconds=float(at))
        path = self._folder / source.id
        at = Fraction(0) if source.kind == "picture" else at
        if source.seconds is not None:  # beyond it, a reader searches the whole film in vain
            at = min(at, Fraction(source.seconds) + _INACCURACY)
        try:
            image = frame_at(path, at, self._check_open)
        except InputError as error:
            raise InputError(_in_their_words(error, path, source.name)) from error
        width, height = working_size(source.width, source.height)
        return resize(image, width=width, height=height)


def _in_their_words(error: Exception, path: Path, name: str) -> str:
    return str(error).replace(str(path), name)


def _save(path: Path, length: int, read: Read) -> None:
    left = length
    try:
        with path.open("xb") as file:
            while left:
                piece = read(min(left, _PIECE))
                if not piece:
                    raise InputError("the upload broke off; try again")
                file.write(piece)
                left -= len(piece)
    except TimeoutError as error:
        raise InputError("the upload stood still for too long; try again") from error
    except OSError as error:
        raise OutputError(f"the upload cannot be kept: {error.strerror or error}") from error


def _look_at(path: Path, source_id: str, name: str) -> Source:
    """Open it, and decode what the page shows first. Raises InputError."""
    with open_reader(path) as reader:
        info = reader.info
        if next(iter(reader), None) is None:
            raise InputError(f"cannot read '{path}': no frame of it can be decoded")
        still = info.frames == 1 and info.rate is None
        seconds = None if still else seconds_of(path, info.duration)
    return Source(
        id=source_id,
        name=name,
        kind="picture" if still else "film",
        width=info.width,
        height=info.height,
        aspect=float(info.width * info.pixel_aspect / info.height),
        seconds=None if seconds is None else float(seconds),
        rate=None if still or info.rate is None else float(info.rate),
    )
