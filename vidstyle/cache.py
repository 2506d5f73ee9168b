"""Where vidstyle keeps what it can make again: compiled engines, fetched weights, verdicts."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass
class _StandIn:
    """The folder of this process in the default one's place, what there is to say of it, and whether it was said."""

    folder: Path
    text: str
    told: bool = False


_stand_in: _StandIn | None = None
_lock = threading.Lock()


def cache_folder(part: str) -> Path:
    """The cache's folder for `part`, made if it is missing: below `VIDSTYLE_CACHE_DIR` or the system's place.

    Everything in it may be deleted at any time. Where the system's place cannot be written to, as in a container or a
    service, a temporary folder takes its place until this process ends. One that was named is used or nothing is:
    raises OSError if it cannot be made.
    """
    if named := os.environ.get("VIDSTYLE_CACHE_DIR"):
        return _made(Path(named) / part)
    root = Path(platformdirs.user_cache_dir("vidstyle", appauthor=False))
    try:
        return _writable(root, part)
    except OSError as error:
        return _made(_take_place_of(root, error) / part)


def stand_in() -> str | None:
    """That a temporary folder is the cache, and why, in a line; None where none had to take its place so far."""
    return _stand_in.text if _stand_in else None


def tell_stand_in(say: Callable[[str], None]) -> None:
    """Say that line, once in a process."""
    if _stand_in and not _stand_in.told:
        _stand_in.told = True
        say(_stand_in.text)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _writable(root: Path, part: str) -> Path:
    """The folder, found fit to be written to. Raises OSError."""
    folder = _made(root / part)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return folder


def _take_place_of(root: Path, error: OSError) -> Path:
    """The one temporary folder of this process, whichever thread asks first. Raises OSError if that cannot be made."""
    global _stand_in
    with _lock:
        if _stand_in is None:
            folder = Path(tempfile.mkdtemp(prefix="vidstyle-cache-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            text = (
                f"the cache {root} cannot be used ({error.strerror or error}): engines are kept until this process "
                "ends, in a temporary folder; set VIDSTYLE_CACHE_DIR to one that can be written to"
            )
            _stand_in = _StandIn(folder, text)
        return _stand_in.folder
