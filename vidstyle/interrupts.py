"""Turns SIGINT and SIGTERM into requests that a running job can finish properly on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from vidstyle.errors import Interrupted, Terminated

T = TypeVar("T")

TICK = 0.1
"""Seconds between two looks at a thread: signals are handled in between."""


TOGETHER = 0.1
"""Seconds within which a second signal is the first once more: `timeout` sends it to the program and to its group, and
what wraps a program passes on a Ctrl-C that the terminal has sent to both."""


class StopRequest:
    """Whether, and how, the user or the system asked to stop.

    `error` is the exception to end with, None while nobody asked. `finish` is what the first request
    calls; where it is None, that raises `error` at once, as every second request does.
    """

    def __init__(self) -> None:
        self.error: Interrupted | None = None
        self.finish: Callable[[], None] | None = None
        self._received = -TOGETHER

    def receive(self, number: int) -> None:
        """Take a signal."""
        again, before = self.error is not None, self._received
        self._received = time.monotonic()
        if again and self._received - before < TOGETHER:
            return
        self.error = Terminated("terminated") if number == signal.SIGTERM else Interrupted("interrupted")
        if again or self.finish is None:
            raise self.error
        self.finish()

    def ask(self) -> None:
        """Ask from another thread, at any time; what has not begun yet ends as soon as it begins."""
        if self.error is None:
            self.error = Interrupted("stopped")
            if self.finish is not None:
                self.finish()


@contextmanager
def stop_requests(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Within it, SIGINT and SIGTERM go to `request`, or to a new one; it is what the block is given.

    Signals belong to the main thread: in any other the request never receives one. Nor does it where a program that
    Python is a part of handles the signal itself: Python could not give that handler back.
    """
    request = request or StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        request.receive(number)

    ours = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not None]
    before = {number: signal.signal(number, handle) for number in ours}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interruptible(call: Callable[[], T]) -> T:
    """Run `call` in a thread of its own, so that a signal gets through even while it hangs in a library."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # whatever it is, the caller's thread raises it
            errors.append(error)

    thread = threading.Thread(target=work, name="vidstyle-call", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(TICK)
    if errors:
        raise errors[0]
    return results[0]
