"""What engines share of the cache: one way to say that it cannot be used, to write to it, and to lock it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from vidstyle.backends.protocol import Say
from vidstyle.errors import BackendError


@contextmanager
def needed() -> Iterator[None]:
    """An OSError within it, which is for what touches the cache, becomes a BackendError."""
    try:
        yield
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


@contextmanager
def locked(file: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Within it no other thread or process is within the same lock `file`; `waiting` is called if one is at first.

    Raises BackendError if the file cannot be used. Where the file system has no locks there is none.
    """
    lock = FileLock(file)
    with needed(), suppress(NotImplementedError):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
