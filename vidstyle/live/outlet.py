"""Feeds one output from a thread of its own: a slow or absent receiver costs the others nothing."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vidstyle.errors import OutputError, VidstyleError
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.live.statistics import Clock, Statistics
from vidstyle.media.live_protocol import LiveFrame, LiveOutput, OutputLost, PictureFormat, ReceiverAbsent, Sound

BACK_OFF = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before each further attempt to reach a receiver; the last holds for all further ones."""

SOUND_KEPT = 1000
"""Pieces of sound (about 20 ms each) kept for an output that is busy or without pictures; older ones are lost."""

PAUSE = 2.5
"""Periods without a new picture after which the last one is repeated for a steady output."""

OPENING = 1.0
"""Seconds that a session waits for its outputs before it begins without them."""

LAST_PICTURE = 0.5
"""Seconds that the last picture may wait for its output at the end."""

STUCK = 3.0
"""Seconds after which a call into an output counts as stuck: our own transports give up sooner."""


class Outlet:
    """One output, its mailbox and its thread.

    `main_thread` outlets start no thread: their owner calls `pump` (windows must live in the main thread).
    `error` is what ended the output for good.
    """

    def __init__(
        self,
        output: LiveOutput,
        picture: PictureFormat,
        statistics: Statistics,
        *,
        main_thread: bool = False,
        back_off: Sequence[float] = BACK_OFF,
        clock: Clock = time.monotonic,
    ) -> None:
        self.output = output
        self.error: OutputError | None = None
        self._trouble = ""
        self._picture = picture
        self._statistics = statistics
        self._back_off = back_off
        self._clock = clock
        self._mailbox: Mailbox[LiveFrame] = Mailbox()
        self._sounds: deque[Sound] = deque(maxlen=SOUND_KEPT)
        self._last: LiveFrame | None = None
        self._stop = threading.Event()
        self._is_open = False
        self._attempt = 0
        self._retry_at = 0.0
        self._called_at: float | None = None
        self._was_tried = threading.Event()
        self._period = 1 / float(picture.rate)
        self._thread = (
            None if main_thread else threading.Thread(target=self._run, name=f"vidstyle-{output.name}", daemon=True)
        )
        statistics.add_output(output.name)

    @property
    def trouble(self) -> str:
        """Why nothing can be delivered now, while there is hope; empty where all is well."""
        return f"{self.output.name}: the receiver takes nothing" if self._is_stuck else self._trouble

    @property
    def _is_stuck(self) -> bool:
        """Whether a call into the output does not come back."""
        called_at = self._called_at
        return called_at is not None and self._clock() - called_at > STUCK

    def start(self) -> None:
        """Open the output and begin, in the outlet's own thread if it has one."""
        if self._thread:
            self._thread.start()
        else:
            self._try_to_open()

    def check(self, timeout: float = OPENING) -> None:
        """Wait until the output was tried, `timeout` seconds at most. Raises OutputError if it can never work."""
        self._was_tried.wait(timeout)
        if self.error:
            raise self.error

    def put(self, frame: LiveFrame) -> None:
        """Offer a picture; never waits."""
        for late in self._mailbox.put(frame):
            why = "busy" if self._is_open else "not connected"
            self._drop(late, "at the end" if self._stop.is_set() else f"{self.output.name} {why}")

    def hear(self, sound: Sound) -> None:
        """Offer sound; never waits."""
        self._sounds.append(sound)

    def pump(self, timeout: float) -> None:
        """Deliver one picture, or wait `timeout` seconds for it. Raises MailboxClosed after the last."""
        wait = timeout
        if self.output.steady and self._last:
            wait = min(timeout, self._period * (1 if self._last.repeated else PAUSE))
        try:
            frame = self._mailbox.take(wait)
        except MailboxEmpty:
            if self.output.steady and self._last and wait < timeout:
                self._repeat(self._last)
            return
        self._deliver(frame)
        self._last = frame

    def stop(self, timeout: float | None = None) -> bool:
        """Finish and close the output; False if it did not come back within `timeout` seconds.

        Without `timeout` that is 5 s, and next to nothing for an output that is stuck already.
        """
        if timeout is None:
            timeout = LAST_PICTURE if self._is_stuck else 5.0
        if self._is_open and self._thread:
            self._mailbox.wait_until_empty(LAST_PICTURE)
        self._stop.set()
        for frame in self._mailbox.close():
            self._drop(frame, "at the end")
        if self._thread and self._thread.ident is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        self._close()
        return True

    def _run(self) -> None:
        try:
            self._try_to_open()
            while self.error is None:
                self.pump(0.5)
        except MailboxClosed:
            pass  # the session is over
        except Exception as error:  # of a library, or our own: the loop raises it in the main thread
            words = str(error) if isinstance(error, VidstyleError) else repr(error)
            self.error = OutputError(f"{self.output.name}: {words}")
            self.error.__cause__ = error
        finally:
            self._close()
            for frame in self._mailbox.close():
                self._drop(frame, f"{self.output.name} failed")

    def _repeat(self, frame: LiveFrame) -> None:
        again = replace(frame, captured=self._clock(), repeated=True)
        self._deliver(again)
        self._last = again

    def _deliver(self, frame: LiveFrame) -> None:
        if not self._is_open and self._clock() >= self._retry_at:
            self._try_to_open()
        if not self._is_open:
            self._drop(frame, f"{self.output.name} not connected")
            return
        try:
            with self._call():
                while self._sounds:
                    self.output.hear(self._sounds.popleft())
                self.output.write(frame)
        except ReceiverAbsent:
            self._drop(frame, f"{self.output.name} without receiver")
        except OutputLost as error:
            self._lose(error)
            self._drop(frame, f"{self.output.name} not connected")
        except OutputError as error:
            self.error = error
            self._drop(frame, f"{self.output.name} failed")
        else:
            self._attempt = 0
            if frame.repeated:
                self._statistics.output_repeated(self.output.name)
            else:
                self._statistics.delivered(self.output.name, frame.index, frame.captured)

    def _drop(self, frame: LiveFrame, reason: str) -> None:
        if not frame.repeated:
            self._statistics.output_dropped(self.output.name, frame.index, reason)

    @contextlib.contextmanager
    def _call(self) -> Iterator[None]:
        """Within it, the output is called, and may not come back."""
        self._called_at = self._clock()
        try:
            yield
        finally:
            self._called_at = None

    def _try_to_open(self) -> None:
        try:
            with self._call():
                self.output.open(self._picture)
        except OutputLost as error:
            self._lose(error)
        except OutputError as error:
            self.error = error
        else:
            if self._trouble:
                self._statistics.output_reconnected(self.output.name)
            self._is_open, self._trouble = True, ""
        finally:
            self._was_tried.set()

    def _lose(self, error: OutputLost) -> None:
        self._trouble = str(error)
        self._close()
        self._retry_at = self._clock() + self._back_off[min(self._attempt, len(self._back_off) - 1)]
        self._attempt += 1

    def _close(self) -> None:
        self._is_open = False
        try:
            with self._call():
                self.output.close()
        except OutputLost:
            pass  # a receiver that is gone cannot be told goodbye
        except OutputError as error:
            self.error = self.error or error
