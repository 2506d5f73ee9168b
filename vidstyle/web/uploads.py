"""The folder of one studio's uploads: gone when the studio closes or, if it was killed, when the next one starts."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from vidstyle.locks import take

_PREFIX = "studio-"


class UploadFolder:
    """A new folder `path` below `root`, held by a lock that the system gives back when the process ends, however.

    Several studios may run at once: the lock, which is taken before the folder is made, tells whose owner lives.
    """

    def __init__(self, root: Path) -> None:
        """Remove what no living studio holds, then make the folder. Raises OSError if that cannot be made."""
        for left in root.glob(f"{_PREFIX}*"):
            if left.is_dir():
                _remove_if_free(left)
        self.path = root / f"{_PREFIX}{secrets.token_hex(8)}"
        self._lock = _lock(self.path)
        take(self._lock)
        self.path.mkdir(mode=0o700)

    def close(self) -> None:
        """Remove the folder. What the system does not let go (Windows keeps open files) is left to the next studio."""
        _remove(self.path, self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"), thread_local=False)


def _remove_if_free(folder: Path) -> None:
    lock = _lock(folder)
    with suppress(Timeout, OSError, NotImplementedError):  # it is in use, or not ours to remove
        lock.acquire(timeout=0)
        _remove(folder, lock)


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    if not folder.exists():
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
