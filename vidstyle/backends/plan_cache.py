"""Compiled TensorRT plans on disk, so that the minute a build takes is spent once.

A plan fits one graph, one TensorRT version, one kind of GPU and one system only; all of it is the key.
A file is a line of JSON (the key and the plan's checksum) and the plan. It is written under a temporary
name and renamed, so a reader sees a whole plan or none; a lock keeps two processes from building the
same one at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from vidstyle.backends.protocol import Say
from vidstyle.errors import BackendError


@dataclass(frozen=True, kw_only=True)
class PlanKey:
    """Everything that a plan depends on.

    `graph` is the sha256 of the ONNX file as TensorRT parses it, `capability` the GPU's compute
    capability, `profile` the range of shapes, `workspace` in bytes.
    """

    graph: str
    tensorrt: str
    system: str
    gpu: str
    capability: str
    precision: str
    profile: str
    optimization_level: int
    workspace: int

    @property
    def digest(self) -> str:
        """The key as a file name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


class PlanCache:
    """Plans in a folder, by default in the user's cache (`VIDSTYLE_CACHE_DIR`)."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _user_cache() / "plans"

    def path(self, key: PlanKey) -> Path:
        """Where the plan for `key` lies, or would."""
        return self.folder / f"{key.digest}.plan"

    @contextmanager
    def lock(self, key: PlanKey, say: Say) -> Iterator[None]:
        """Keep other processes from building the plan for `key`; waits for one that does.

        Raises BackendError if the folder cannot be made or written.
        """
        lock = FileLock(self.path(key).with_suffix(".lock"))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                say("another process is building the same TensorRT plan: waiting for it")
                lock.acquire()
        except OSError as error:
            raise BackendError(
                f"{self.folder}: compiled plans cannot be kept here ({error.strerror}); set VIDSTYLE_CACHE_DIR"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def read(self, key: PlanKey, say: Say) -> bytes | None:
        """The plan for `key`; None if there is none, or a damaged one, which is said and removed."""
        try:
            header, _, plan = self.path(key).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackendError(f"{self.path(key)}: unreadable ({error.strerror}); remove it") from error
        if header != _header(key, plan):
            self.discard(key, "it is damaged", say)
            return None
        return plan

    def write(self, key: PlanKey, plan: bytes, say: Say) -> None:
        """Keep `plan`. A full disk costs the next start a build, not this run its engine: it is said."""
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                temporary = Path(file.name)
                file.write(_header(key, plan) + b"\n" + plan)
            os.replace(temporary, self.path(key))
        except OSError as error:
            say(f"the TensorRT plan could not be kept in {self.folder} ({error.strerror}); it will be built again")
            if temporary:
                temporary.unlink(missing_ok=True)

    def discard(self, key: PlanKey, reason: str, say: Say) -> None:
        """Remove the plan for `key`, saying why it is built again."""
        say(f"the cached TensorRT plan is not used: {reason}")
        with contextlib.suppress(FileNotFoundError):
            self.path(key).unlink()


def _header(key: PlanKey, plan: bytes) -> bytes:
    card = asdict(key) | {"sha256": hashlib.sha256(plan).hexdigest()}
    return json.dumps(card, sort_keys=True).encode()


def _user_cache() -> Path:
    return Path(os.environ.get("VIDSTYLE_CACHE_DIR") or platformdirs.user_cache_dir("vidstyle", appauthor=False))
