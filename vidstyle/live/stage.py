"""The painting thread: takes the newest picture, paints it, offers it to every output."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from vidstyle.frames import ImageArray
from vidstyle.live.canvas import Box, Dissolve, fit, keep_bars, mirrored, place, split, write_notice
from vidstyle.live.capture import CameraState
from vidstyle.live.control import Control, LiveSettings
from vidstyle.live.easel import Easel
from vidstyle.live.governor import Governor
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.live.outlet import Outlet
from vidstyle.live.recorder import Recorder
from vidstyle.live.statistics import Clock, Statistics
from vidstyle.media.live_protocol import LiveFrame, PictureFormat
from vidstyle.motion.stabiliser import Stabiliser

NOTICE_EVERY = 0.25
"""Seconds between pictures that say how the lost camera is getting on."""

PACE_WINDOW = 60
"""Pictures over which the camera's real rate is measured: many give fewer than they say, in the dark."""


class Stage:
    """Makes of the camera's pictures what the outputs get; runs in a thread of its own between `start` and `stop`.

    `outlets` says who gets the pictures now; `camera_state` how the camera is. After `start`, `error` holds
    what ended the thread, if anything did.
    """

    def __init__(
        self,
        mailbox: Mailbox[LiveFrame],
        picture: PictureFormat,
        *,
        easel: Easel,
        control: Control,
        recorder: Recorder,
        statistics: Statistics,
        outlets: Callable[[], Iterable[Outlet]],
        camera_state: Callable[[], CameraState],
        adapt: bool = True,
        clock: Clock = time.monotonic,
    ) -> None:
        self.error: Exception | None = None
        self.governor = Governor(1 / float(picture.rate)) if adapt else None
        self._mailbox = mailbox
        self._picture = picture
        self._easel = easel
        self._control = control
        self._recorder = recorder
        self._statistics = statistics
        self._outlets = outlets
        self._camera_state = camera_state
        self._clock = clock
        self._stabiliser = Stabiliser()
        self._stabilised = False
        self._dissolve = Dissolve()
        self._switches = 0
        self._film: ImageArray | None = None
        self._inside: Box = slice(None), slice(None)
        self._painted: ImageArray | None = None
        self._index = -1
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=PACE_WINDOW)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vidstyle-stage", daemon=True)

    @property
    def share(self) -> float:
        """The governor's share of the full working side."""
        return self.governor.share if self.governor else 1.0

    def start(self) -> None:
        """Begin to paint and to show, in a thread of its own."""
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended by itself: an error, or a mailbox that was closed and empty."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """End after the picture in hand, and wait for that."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    frame = self._mailbox.take(NOTICE_EVERY)
                except MailboxEmpty:
                    self._show_notice()
                else:
                    self.show(frame)
                if not self._recorder.follow(self._control.settings.recording):
                    self._control.record(False)
        except MailboxClosed:
            pass  # the session is over
        except Exception as error:  # an engine's, or our own: the loop raises it in the main thread
            self.error = error
            for _ in self._mailbox.close():
                self._statistics.dropped("at the end")

    def show(self, frame: LiveFrame) -> None:
        """Paint one picture and offer it to the outputs."""
        started = self._clock()
        settings = self._control.settings
        self._measure(frame)
        frozen = settings.frozen and self._film is not None
        if frozen:
            self._statistics.dropped("frozen")
        else:
            width, height = self._picture.width, self._picture.height
            self._film = fit(frame.image, width=width, height=height)
            self._inside = place(frame.image.shape, width=width, height=height)
        assert self._film is not None
        film = mirrored(self._film) if settings.mirror else self._film
        painted = self._paint(film, settings, started)
        if self.governor and self._easel.settled:
            self.governor.painted(self._clock() - started, started)
        for path in self._control.take_snapshots():
            self._recorder.save(painted, path)
        self._painted, self._index = painted, frame.index
        self._offer(replace(frame, image=painted, repeated=frozen))

    def _paint(self, film: ImageArray, settings: LiveSettings, now: float) -> ImageArray:
        look = self._control.look(now)
        painted = keep_bars(self._easel.paint(film, look, self.share), self._inside)
        if self._easel.switches != self._switches:
            self._switches = self._easel.switches
            self._dissolve.begin(self._painted)
            self._stabiliser.reset()
        stabilise = settings.stabilize and look.mix.strength > 0  # at 0 the film comes out as it is
        if stabilise:
            if not self._stabilised:
                self._stabiliser.reset()
            painted = self._stabiliser.apply(film, painted)
        self._stabilised = stabilise
        painted = self._dissolve.apply(painted)
        return split(film, painted) if settings.split else painted

    def _show_notice(self) -> None:
        """The camera pauses: after a while the last picture says so, to everybody: without addresses and names."""
        state = self._camera_state()
        if state.phase != "lost" or self._painted is None:
            return
        lines = ["no picture from the camera"]
        if state.retry_at is not None:
            lines.append(f"trying again in {max(0, math.ceil(state.retry_at - self._clock()))} s")
        now = self._clock()
        self._offer(LiveFrame(image=write_notice(self._painted, lines), captured=now, index=self._index, repeated=True))

    def _offer(self, frame: LiveFrame) -> None:
        outlets = [*self._outlets(), *self._recorder.outlets()]
        if frame.repeated:
            self._statistics.repeated()
        else:
            self._statistics.sent(frame.index, len(outlets))
        for outlet in outlets:
            outlet.put(frame)

    def _measure(self, frame: LiveFrame) -> None:
        """Give the governor the camera's real period; `index` counts what was captured, painted or not."""
        self._arrivals.append((frame.index, frame.captured))
        (first, began), (last, ended) = self._arrivals[0], self._arrivals[-1]
        if self.governor and len(self._arrivals) > PACE_WINDOW // 4 and last > first:
            self.governor.period = min(max((ended - began) / (last - first), 1 / 240), 2 / float(self._picture.rate))
