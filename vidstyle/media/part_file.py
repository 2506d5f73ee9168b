"""The target's name holds a complete file or nothing: what is being written is called `<target>.part`."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av

from vidstyle.errors import OutputError, UsageError
from vidstyle.media.containers import PICTURE_SUFFIXES, container_for
from vidstyle.media.numbered import numbered_name

if sys.platform != "win32":
    import fcntl

STDOUT = "-"


def is_sequence(target: str | Path) -> bool:
    """Whether the name is a pattern for numbered pictures, such as out_%04d.png."""
    path = Path(target)
    return path.suffix.lower() in PICTURE_SUFFIXES and numbered_name(path) is not None


def is_picture(target: str | Path) -> bool:
    """Whether the name is that of a single picture."""
    return Path(target).suffix.lower() in PICTURE_SUFFIXES and not is_sequence(target)


def part_path(target: Path) -> Path:
    """Where `target` is written until it is complete: beside the file itself where `target` is a link."""
    real = target.resolve() if target.is_symlink() else target
    return real.with_name(f"{real.name}.part")


def check_target(
    source: str | Path | None, target: str | Path, *, overwrite: bool = False, advice: str = "-y overwrites it"
) -> None:
    """Refuse, before any work is done, a target that cannot or must not be written.

    `source` is the input's path, None or `-` where it has none. Raises UsageError where input and output
    are the same file or the suffix means nothing, OutputError where the target exists and `overwrite` is
    not set (with `advice` on what to do), or its folder is missing or cannot be written to.
    """
    if str(target) == STDOUT:
        if sys.stdout is None:  # so Python has it where the shell closed it (>&-)
            raise OutputError("standard output is closed; redirect it or name a file")
        if sys.stdout.isatty():
            raise UsageError("stdout is a terminal; redirect it or name a file")
        return
    path = Path(target)
    _check_name(path)
    if not (is_picture(path) or is_sequence(path)):
        container_for(str(path))
    _check_not_source(source, path)
    _check_place(path, overwrite=overwrite, advice=advice)


def check_file(path: Path, *, overwrite: bool) -> None:
    """Refuse, as `check_target` does, the name of a file that is no film or picture: its suffix is the caller's."""
    _check_name(path)
    _check_place(path, overwrite=overwrite, advice="-y overwrites it")


def _check_place(path: Path, *, overwrite: bool, advice: str) -> None:
    """Refuse a folder that is missing or cannot be written to, and what exists already."""
    check_writable(part_path(path).parent, made=is_sequence(path))  # pictures' writer makes what is missing
    if not overwrite and (existing := _existing(path)) and not _is_special(existing):
        raise OutputError(f"{existing} exists already; {advice}")
    if not (is_sequence(path) or _is_special(path)):
        _check_unclaimed(path)


def _existing(path: Path) -> Path | None:
    """The file of this name, or the first of a sequence's."""
    if is_sequence(path) and (name := numbered_name(path)):
        return next((picture for _, picture in name.existing()), None) if path.parent.is_dir() else None
    return path if path.exists() else None


def _check_name(path: Path) -> None:
    """Refuse what is no file's name, or one that the system cannot have, or links that lead back to themselves."""
    if not path.name:  # Path("") is Path(".")
        raise UsageError("the output's name is empty or only a folder's; name a file, such as out.mp4")
    try:
        for name in (path, part_path(path)):
            _is_special(name)  # `exists` keeps such errors to itself, ever more of them from Python 3.13 on
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path} cannot be written: {reason(error)}; choose another name") from error
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file in it")


def _check_not_source(source: str | Path | None, path: Path) -> None:
    if source is None or str(source) == STDOUT:
        return
    origin = Path(source)
    for written in (path, part_path(path)):
        if written.exists() and origin.exists() and written.samefile(origin):
            raise UsageError(f"{origin} would be written over while it is read; give the output another name")
    if is_sequence(path) and origin.parent.resolve() / origin.name == path.parent.resolve() / path.name:
        raise UsageError(f"the pictures {origin} would be written over while they are read; use another pattern")


def check_writable(folder: Path, *, made: bool = False) -> None:
    """Raise OutputError if nothing can be written to `folder`, or, where it will be `made`, if it cannot be."""
    if made:
        with writing(folder):
            folder = nearest_existing(folder)
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder}; create it or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {folder} cannot be written to; choose another")


def nearest_existing(folder: Path) -> Path:
    """`folder`, or the nearest above it that exists. Raises OSError where that cannot be seen."""
    while True:
        try:
            folder.stat()
        except (FileNotFoundError, NotADirectoryError):
            folder = folder.parent
        else:
            return folder


def _is_special(path: Path) -> bool:
    """Whether the name belongs to a pipe or device, which is written to and never replaced."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


class PartFile:
    """One target while it is being written."""

    def __init__(self, target: str | Path) -> None:
        self.target = Path(target)
        self.direct = str(target) == STDOUT or _is_special(self.target)
        self.path = self.target if self.direct else part_path(self.target)
        self._descriptor: int | None = None

    @property
    def url(self) -> str:
        """The name to open in FFmpeg, which takes a bare `a:b.mp4` for a protocol."""
        return "pipe:1" if str(self.target) == STDOUT else f"file:{self.path}"

    def create(self) -> None:
        """Make the empty file, for this run alone, not to be read by anybody who cannot read what it will replace.

        Waits for whoever reads a named pipe. Raises OSError, and OutputError where another run writes the same target.
        """
        if self.direct:
            if str(self.target) != STDOUT and stat.S_ISFIFO(self.path.stat().st_mode):
                # FFmpeg would wait for the reader as well, but with all of Python held up, signals too.
                self._descriptor = os.open(self.path, os.O_WRONLY)
            return
        self._claim(0o666)
        final = self.path.with_suffix("")
        if final.exists():
            self.discard()  # an earlier run's, which may be open to all
            self._claim(0o600)
            self.path.chmod(stat.S_IMODE(final.stat().st_mode) | 0o600)

    def _claim(self, mode: int) -> None:
        """Make the file if it is missing, and lock it for this run, as far as the system can."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, mode)
        if sys.platform == "win32":
            os.close(descriptor)  # an open file could not be renamed there
            return
        # Another run has it, or had it and gave it its name at this moment.
        if not (_lock(descriptor) and os.path.samestat(os.fstat(descriptor), self.path.stat())):
            os.close(descriptor)
            raise _taken(self.target)
        if _keeps_all_out(self.path):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._descriptor = descriptor

    def commit(self) -> None:
        """Give the complete file its name, once it is on the disk. Raises OutputError."""
        if not self.direct:
            with writing(self.path):
                sync(self.path)
                final = self.path.with_suffix("")
                if final.exists():
                    shutil.copymode(final, self.path)  # a film that was private stays it
                self.path.replace(final)
                sync(self.path.parent)
        self.release()

    def discard(self) -> None:
        """Remove what was written, for a file that nobody could use; another run's is left alone."""
        if not self.direct and (self._descriptor is not None or sys.platform == "win32"):
            self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the file, as it is; the end of the process does it as well."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def write_file(target: Path, data: bytes) -> None:
    """Write a file that is complete at once, such as a picture. Raises OutputError, and then leaves nothing."""
    part = PartFile(target)
    try:
        with writing(target):
            part.create()
            part.path.write_bytes(data)
        part.commit()
    except BaseException:
        part.discard()
        raise


def _lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where another run has locked it."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a network's file system without locks
    return True


def _keeps_all_out(path: Path) -> bool:
    """Whether a locked file cannot be written to by its own process: on Windows' shares (SMB) locks are for files."""
    try:
        with path.open("r+b", buffering=0) as file:
            file.write(b"\0")
            file.truncate(0)
    except OSError:
        return True
    return False


def _check_unclaimed(target: Path) -> None:
    """Raise OutputError if another run is writing `target`."""
    with suppress(OSError):
        descriptor = os.open(part_path(target), os.O_RDWR)
        try:
            if not _lock(descriptor):
                raise _taken(target)
        finally:
            os.close(descriptor)


def _taken(target: Path) -> OutputError:
    return OutputError(f"{target} is being written by another run; wait for it, or choose another name")


def sync(path: Path) -> None:
    """Have the system put a file, or a folder's list of names, on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: Exception) -> str:
    """What went wrong, in one line: the encoder's own words where FFmpeg has kept them."""
    log = getattr(error, "log", None)
    if log:
        return str(log[2]).strip().splitlines()[0]
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip().splitlines()[0]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Has the system's refusal to write `path` be an OutputError."""
    try:
        yield
    except OSError as error:
        raise output_error(error, path) from error


def output_error(error: Exception, path: Path | str) -> OutputError:
    """The one-line error for a write that failed."""
    if isinstance(error, av.error.BrokenPipeError | BrokenPipeError):
        return OutputError("whoever read the output has gone (broken pipe)")
    code = getattr(error, "errno", None)
    name = "standard output" if str(path) == STDOUT else path
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"no room left for {name}; free some space or choose another folder")
    return OutputError(f"{name} cannot be written: {reason(error)}")
