"""What engines share of the cache: its folders, writing to it, and keeping what was compiled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from vidstyle.backends.protocol import Say
from vidstyle.cache import cache_folder
from vidstyle.errors import BackendError

MOST = 32
"""So many compiled engines of a kind are kept, those used last: some megabytes each, one for each size of picture."""


def folder(part: str) -> Path:
    """The cache's folder for `part`. Raises BackendError if it cannot be used."""
    try:
        return cache_folder(part)
    except OSError as error:
        raise BackendError(
            f"the cache for compiled engines cannot be used ({error}); set VIDSTYLE_CACHE_DIR"
        ) from error


def keep(file: Path, content: bytes, say: Say) -> None:
    """Write `file` through a temporary name, so that several processes may do so at once.

    Where that cannot be done, on a full disk for instance, it is said: the next start has the work again, but this
    one its engine. Whoever may read the folder may read the file: one user may build for others.
    """
    part = file.with_name(f"{uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        say(f"the cache for compiled engines cannot be written to ({error}): the next start does the same again")
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


class KeptEngine:
    """The place in the cache of one compiled engine, of which `key` is all that it depends on.

    A file is a line of JSON (the key and the engine's checksum) and the engine. It is written under a temporary name
    and renamed, so a reader sees a whole engine or none. Raises BackendError if the cache cannot be used.
    """

    def __init__(self, key: Mapping[str, str | int], *, part: str, suffix: str, name: str, say: Say) -> None:
        self._key, self._name, self._say = key, name, say
        self.path = folder(part) / f"{_sha256(_line(key))[:32]}{suffix}"

    def read(self) -> bytes | None:
        """The engine; None without one that can be read. A damaged or foreign one is said and removed."""
        try:
            header, _, engine = self.path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if header != self._header(engine):
            self.discard("the file is damaged")
            return None
        with suppress(OSError):  # another user's, or a read-only disk's
            os.utime(self.path)
        return engine

    def write(self, engine: bytes) -> None:
        """Keep `engine`, and of the others of its kind those that were used last (`MOST`)."""
        keep(self.path, self._header(engine) + b"\n" + engine, self._say)
        with suppress(OSError):  # another process clears as well
            kept = sorted(self.path.parent.glob(f"*{self.path.suffix}"), key=lambda file: file.stat().st_mtime)
            for file in kept[:-MOST]:
                file.unlink(missing_ok=True)

    def discard(self, reason: str) -> None:
        """Remove the engine, saying why."""
        self._say(f"the cached {self._name} is removed: {reason}")
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from making this engine meanwhile; waits for one that does.

        Without a lock where none can be had: that costs a second making at most.
        """
        from filelock import FileLock, Timeout  # here, as OpenVINO's engines, which start at once, need no lock

        from vidstyle.locks import take

        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            take(lock)
        except Timeout:
            self._say(f"another process is building the same {self._name}: waiting for it")
            take(lock, timeout=-1)
        try:
            yield
        finally:
            lock.release()

    def _header(self, engine: bytes) -> bytes:
        return _line({**self._key, "sha256": _sha256(engine)})


def _line(values: Mapping[str, str | int]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
