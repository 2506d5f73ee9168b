"""TensorRT's messages and progress: what it says is kept, and becomes part of our errors."""

# mypy: allow-subclassing-any
# TensorRT comes without types; where it is absent its classes are Any.

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsInt

import tensorrt as trt

from vidstyle.backends.protocol import Say
from vidstyle.errors import BackendError, Interrupted, OutOfMemory


class Log(trt.ILogger):  # called from TensorRT's own threads; appending to a deque is atomic
    """Keeps the last errors, because TensorRT's calls return only False or None."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: deque[str] = deque(maxlen=5)

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
            self.errors.append(" ".join(msg.split()))

    def failure(self, what: str) -> BackendError:
        """The error to raise when `what` failed, with TensorRT's reasons; it forgets them."""
        reasons = "; ".join(self.errors) or "TensorRT gave no reason"
        self.errors.clear()
        memory = "OutOfMemory" in reasons or "out of memory" in reasons
        return (OutOfMemory if memory else BackendError)(f"TensorRT: {what}: {reasons}")

    @contextmanager
    def made(self, what: str) -> Iterator[None]:
        """Within it TensorRT makes one of its objects, of which the bindings say in a TypeError that it got none."""
        try:
            yield
        except TypeError as error:
            raise self.failure(f"{what} could not be made") from error


class Progress(trt.IProgressMonitor):
    """Says how far a build is, and stops it when the user does."""

    def __init__(self, say: Say) -> None:
        trt.IProgressMonitor.__init__(self)
        self.stopped_by: BaseException | None = None
        self._say = say
        self._steps: dict[str, int] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: SupportsInt) -> None:
        if not parent_phase:  # those within are many and short
            self._steps[phase_name] = int(num_steps)

    def step_complete(self, phase_name: str, step: SupportsInt) -> bool:
        """Whether to go on. An exception would be lost in TensorRT, so it is kept for the caller."""
        try:
            if phase_name in self._steps:
                self._say(f"TensorRT: {phase_name}, step {int(step) + 1} of {self._steps[phase_name]}")
        except (KeyboardInterrupt, Interrupted) as stop:
            self.stopped_by = stop
        return self.stopped_by is None

    def phase_finish(self, phase_name: str) -> None:
        self._steps.pop(phase_name, None)
