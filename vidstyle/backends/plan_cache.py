"""Compiled TensorRT plans on disk, so that the minute a build takes is spent once.

A plan fits one graph, one TensorRT version, one kind of GPU and one system only; all of it is the key.
A lock keeps two processes from building the same one at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from filelock import FileLock, Timeout

from vidstyle.backends.engine_cache import KeptEngine
from vidstyle.backends.protocol import Say


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


class PlanFile(KeptEngine):
    """The place of one plan in the user's cache. Raises BackendError if the cache cannot be used."""

    def __init__(self, key: PlanKey, say: Say) -> None:
        super().__init__(asdict(key), part="tensorrt", suffix=".plan", name="TensorRT plan", say=say)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from building this plan meanwhile; waits for one that does.

        Without a lock where none can be had, as in a folder that may only be read: that costs a second build at most.
        """
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._say("another process is building the same TensorRT plan: waiting for it")
            lock.acquire()
        except (OSError, NotImplementedError):
            pass
        try:
            yield
        finally:
            lock.release()
