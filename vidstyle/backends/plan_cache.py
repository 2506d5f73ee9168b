"""Compiled TensorRT plans on disk, so that the minute a build takes is spent once.

A plan fits one graph, one TensorRT version, one kind of GPU and one system only; all of it is the key.
A file is a line of JSON (the key and the plan's checksum) and the plan. It is written under a temporary
name and renamed, so a reader sees a whole plan or none; a lock keeps two processes from building the
same one at once.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from vidstyle.backends import engine_cache
from vidstyle.backends.protocol import Say
from vidstyle.cache import cache_folder


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


class PlanFile:
    """The place of one plan in the user's cache. Raises BackendError if the cache cannot be used."""

    def __init__(self, key: PlanKey, say: Say) -> None:
        self._key = key
        self._say = say
        with engine_cache.needed():
            self.path = cache_folder("tensorrt") / f"{key.digest}.plan"

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from building this plan meanwhile; waits for one that does."""
        return engine_cache.locked(
            self.path.with_suffix(".lock"),
            waiting=lambda: self._say("another process is building the same TensorRT plan: waiting for it"),
        )

    def read(self) -> bytes | None:
        """The plan; None if there is none, or a damaged or foreign one, which is said and removed."""
        with engine_cache.needed():
            try:
                header, _, plan = self.path.read_bytes().partition(b"\n")
            except FileNotFoundError:
                return None
        if header != _header(self._key, plan):
            self.discard("the file is damaged")
            return None
        return plan

    def write(self, plan: bytes) -> None:
        """Keep `plan`."""
        engine_cache.keep(self.path, _header(self._key, plan) + b"\n" + plan, self._say)

    def discard(self, reason: str) -> None:
        """Remove the plan, saying why."""
        self._say(f"the cached TensorRT plan is removed: {reason}")
        self.path.unlink(missing_ok=True)


def _header(key: PlanKey, plan: bytes) -> bytes:
    card = asdict(key) | {"sha256": hashlib.sha256(plan).hexdigest()}
    return json.dumps(card, sort_keys=True).encode()
