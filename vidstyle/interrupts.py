"""Turns SIGINT and SIGTERM into requests that a running job can finish properly on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from vidstyle.errors import Interrupted, Terminated


class StopRequest:
    """What the user or the system asked for: `error` is the exception to end with, None while nobody asked."""

    def __init__(self) -> None:
        self.error: Interrupted | None = None


@contextmanager
def stop_requests(on_first: Callable[[], None]) -> Iterator[StopRequest]:
    """Within it, the first SIGINT or SIGTERM calls `on_first`; the second raises Interrupted at once.

    Signals belong to the main thread: in any other the request is never set.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        again = request.error is not None
        request.error = Terminated("terminated") if number == signal.SIGTERM else Interrupted("interrupted")
        if again:
            raise request.error
        on_first()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
