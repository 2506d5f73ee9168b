"""Reads the camera in a thread of its own, and opens it again for as long as it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.live.mailbox import Mailbox
from vidstyle.live.statistics import Clock, Statistics
from vidstyle.media.camera_patience import Patience
from vidstyle.media.live_protocol import (
    Camera,
    CameraEnded,
    CameraInfo,
    LiveFrame,
    PictureNotDue,
    PictureUnusable,
    Sound,
)

BACK_OFF = (0.0, 1.0, 2.0)
"""Seconds before each attempt to open a lost camera again; the last holds for all further ones.

They stay short: at most cameras the attempt is the only look whether they are back.
"""

LOOK_EVERY = 0.25
"""Seconds between quick looks whether the camera is back."""

Phase = Literal["starting", "live", "lost", "ended", "failed"]
OpenCamera = Callable[[], Camera]
Hear = Callable[[Sound], None]


@dataclass(frozen=True, kw_only=True)
class CameraState:
    """How the camera is: why it is lost or failed, and when (monotonic seconds) it is tried next."""

    phase: Phase
    message: str = ""
    retry_at: float | None = None
    error: Exception | None = None


class Capture:
    """The capture thread: newest picture into `mailbox`, sound to `hear`, counts into `statistics`.

    A camera that cannot be opened the first time is a failure; one that has worked is waited for.
    Pictures above the rate `at_most` (a second) are dropped.
    `has_returned` is a quick look that cuts a wait short once it turns from False to True.
    """

    def __init__(
        self,
        open_camera: OpenCamera,
        mailbox: Mailbox[LiveFrame],
        statistics: Statistics,
        *,
        hear: Hear = lambda sound: None,
        has_returned: Callable[[], bool] = lambda: False,
        at_most: Fraction | None = None,
        back_off: Sequence[float] = BACK_OFF,
        clock: Clock = time.monotonic,
    ) -> None:
        self.info: CameraInfo | None = None
        self.unreadable = 0
        self.first_size: tuple[int, int] | None = None
        self._open_camera = open_camera
        self._mailbox = mailbox
        self._statistics = statistics
        self._hear = hear
        self._has_returned = has_returned
        self._least_gap = float(1 / at_most) if at_most else 0.0
        self._back_off = back_off
        self._clock = clock
        self._state = CameraState(phase="starting")
        self._last_sign: float | None = None  # of a picture, or of the pause of a film
        self._patience = Patience()
        self._is_open = False
        self._stop = threading.Event()
        self._going = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vidstyle-capture", daemon=True)
        self._index = 0
        self._next_due = 0.0
        self._attempt = 0

    @property
    def state(self) -> CameraState:
        """The camera's state; a driver that hangs shows as lost although its thread still waits."""
        state, last = self._state, self._last_sign
        if state.phase == "live" and last is not None and self._clock() - last > self._patience.seconds:
            return CameraState(phase="lost", message="the camera gives no picture")
        return state

    def start(self) -> None:
        """Begin to read the camera, in a thread of its own."""
        self._thread.start()

    def go(self) -> None:
        """The session is ready: a picture pushed out of the mailbox from now on was too much for the network."""
        self._going.set()

    def stop(self, timeout: float = 3.0) -> bool:
        """Release the camera; False if it stays open, because it did not come back within `timeout` seconds."""
        self._stop.set()
        self._going.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not (self._is_open and self._thread.is_alive())

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._open_and_read()
                except CameraEnded:
                    self._state = CameraState(phase="ended")
                    break
                except InputError as error:
                    if self._last_sign is None:
                        self._state = CameraState(phase="failed", message=str(error), error=error)
                        break
                    self._wait_for_return(error)
        except Exception as error:  # of a library, or our own: the loop raises it in the main thread
            self._state = CameraState(phase="failed", message=repr(error), error=error)

    def _open_and_read(self) -> None:
        camera = self._open_camera()
        try:
            self._is_open = True
            self.info = camera.info
            self._patience.begin_again()
            if self._last_sign is not None:
                self._statistics.camera_reconnected()
            while not self._stop.is_set():
                try:
                    image = camera.read()
                except PictureNotDue:
                    self._last_sign = self._clock()
                    continue
                except PictureUnusable:
                    self.unreadable += 1
                    continue
                finally:
                    for sound in camera.sounds():
                        self._hear(sound)
                self._take(image)
        finally:
            camera.close()
            self._is_open = False

    def _take(self, image: ImageArray) -> None:
        """A picture came: into the mailbox with it, unless it comes too soon."""
        if self.first_size is None:
            self.first_size = (image.shape[1], image.shape[0])
            if self.info and self.info.waits:
                self._going.wait()
        now = self._clock()
        self._statistics.captured()
        self._attempt = 0
        self._last_sign = now
        self._patience.came(now)
        self._state = CameraState(phase="live")
        if now < self._next_due - self._least_gap / 4:
            self._statistics.dropped("above --fps")
            return
        self._next_due = max(self._next_due, now - self._least_gap) + self._least_gap
        frame = LiveFrame(image=image, captured=now, index=self._index)
        self._index += 1
        for _ in self._mailbox.put(frame):
            self._statistics.dropped("network busy" if self._going.is_set() else "starting")

    def _wait_for_return(self, error: InputError) -> None:
        wait = self._back_off[min(self._attempt, len(self._back_off) - 1)]
        self._attempt += 1
        until = self._clock() + wait
        self._state = CameraState(phase="lost", message=str(error), retry_at=until)
        was_away = False
        while (left := until - self._clock()) > 0 and not self._stop.wait(min(left, LOOK_EVERY)):
            if not self._has_returned():
                was_away = True
            elif was_away:
                return
