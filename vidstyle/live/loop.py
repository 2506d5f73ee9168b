"""The live loop: starts camera, stage and outputs, watches over them, and ends them in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Protocol

from vidstyle.backends.protocol import Say
from vidstyle.errors import InputError, OutputError
from vidstyle.live.canvas import even_size
from vidstyle.live.capture import Capture, OpenCamera
from vidstyle.live.control import Control
from vidstyle.live.easel import Easel, MakePainter
from vidstyle.live.mailbox import Mailbox
from vidstyle.live.outlet import Outlet
from vidstyle.live.recorder import OpenFilm, Recorder, finish_film
from vidstyle.live.stage import Stage
from vidstyle.live.statistics import Clock, Statistics
from vidstyle.media.live_film import LiveFilm
from vidstyle.media.live_protocol import LiveFrame, LiveOutput, PictureFormat, Sound
from vidstyle.settings import Size

USUAL_RATE = Fraction(30)
"""Frames a second assumed where the camera does not say."""

TICK = 0.05
"""Seconds between two looks at how everything is getting on."""


class Window(LiveOutput, Protocol):
    """An output that must live in the main thread."""

    def tend(self) -> None:
        """Look after keys and the window itself; called often, picture or not."""
        ...


class LiveLoop:
    """One live session. `run` blocks in the main thread until the end; everything else may be called from anywhere.

    `size` is that of the session's pictures (None: the camera's), `rate` an upper limit for the camera.
    """

    def __init__(
        self,
        open_camera: OpenCamera,
        make_painter: MakePainter,
        control: Control,
        *,
        open_film: OpenFilm,
        has_returned: Callable[[], bool] = lambda: False,
        size: Size | None = None,
        rate: Fraction | None = None,
        adapt: bool = True,
        seconds: float | None = None,
        say: Say = lambda line: None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.control = control
        self.statistics = Statistics(clock)
        self.picture: PictureFormat | None = None
        self.warnings: list[str] = []
        self._size, self._rate, self._adapt, self._seconds = size, rate, adapt, seconds
        self._say = say
        self._clock = clock
        self._open_film = open_film
        self._mailbox: Mailbox[LiveFrame] = Mailbox()
        self._easel = Easel(make_painter)
        self._outlets: list[Outlet] = []
        self._stage: Stage | None = None
        self._recorder: Recorder | None = None
        self._told: dict[str, str] = {}
        self.capture = Capture(
            open_camera, self._mailbox, self.statistics,
            hear=self._hear, has_returned=has_returned, at_most=rate, clock=clock,
        )  # fmt: skip

    def run(self, outputs: Sequence[LiveOutput], *, window: Window | None = None) -> None:
        """Run until quit, `seconds`, the film's end, or until nothing can be delivered any more.

        Raises InputError if the camera cannot be opened, OutputError if an output fails, BackendError.
        """
        try:
            self.capture.start()
            if not self._prepare():
                return
            self._begin(outputs, window)
            self._watch(window)
        finally:
            self._end()
        self._raise_troubles()

    @property
    def has_begun(self) -> bool:
        """Whether camera, network and outputs were all ready once."""
        return self._stage is not None

    def as_json(self) -> dict[str, Any]:
        """The statistics so far, with what was negotiated and what paints."""
        info, engine, working = self.capture.info, self._easel.engine_info, self._easel.working
        recorder = self._recorder
        state = self.capture.state
        return {
            **self.statistics.as_json(),
            "camera": {"name": info.name, "granted": info.text} if info else None,
            "camera_state": state.phase,
            "camera_message": state.message,
            "unreadable": self.capture.unreadable,
            "size": [self.picture.width, self.picture.height] if self.picture else None,
            "backend": engine.backend if engine else None,
            "device": engine.device if engine else None,
            "precision": engine.precision if engine else None,
            "working_size": list(working) if working else None,
            "resolution": round(self._stage.share, 4) if self._stage else 1.0,
            "styles": [list(style) for style in self.control.settings.styles],
            "strength": self.control.settings.strength,
            "recordings": recorder.recordings if recorder else [],
            "snapshots": recorder.snapshots if recorder else [],
            "trouble": {o.output.name: o.trouble for o in self._outlets if o.trouble},
            "warnings": self.warnings,
        }

    def _prepare(self) -> bool:
        """Wait for the camera and compile for its pictures; False if the user lost patience. Raises InputError."""
        if not self._wait(lambda: self.capture.info is not None):
            return False
        assert self.capture.info
        guess = self._session_size(self.capture.info.width, self.capture.info.height)
        look = self.control.look(self._clock())
        self._easel.begin(*guess, look)  # while the camera wakes up
        if not self._wait(lambda: self.capture.first_size is not None):
            return False
        assert self.capture.first_size
        width, height = self._session_size(*self.capture.first_size)
        if (width, height) != guess:  # a film on its side, a camera that granted less than it said
            self._easel.begin(width, height, look)
        info = self.capture.info
        rates = [r for r in (info.rate, self._rate) if r and 1 <= r <= 240]
        self.picture = PictureFormat(width=width, height=height, rate=min(rates, default=USUAL_RATE), sound=info.sound)
        self._say(f"camera: {info.name}, {info.text}")
        return True

    def _wait(self, condition: Callable[[], bool]) -> bool:
        """Wait for something of the camera's; False if the user lost patience first. Raises InputError."""
        while not condition():
            if self.control.wait_for_quit(TICK / 5):
                return False
            if error := self.capture.state.error:
                raise error
            if self.capture.state.phase == "ended" and not condition():
                raise InputError("the film has no pictures")
        return True

    def _session_size(self, width: int, height: int) -> tuple[int, int]:
        return even_size(self._size.apply(width, height) if self._size else (width, height))

    def _begin(self, outputs: Sequence[LiveOutput], window: Window | None) -> None:
        """Open the outputs and start painting. Raises OutputError."""
        assert self.picture
        self._recorder = Recorder(self._open_film, self.picture, self.statistics, self._say)
        self._outlets = [Outlet(o, self.picture, self.statistics, clock=self._clock) for o in outputs]
        if window:
            self._outlets.append(Outlet(window, self.picture, self.statistics, main_thread=True, clock=self._clock))
        for outlet in self._outlets:
            outlet.start()
        for outlet in self._outlets:
            outlet.check()
        if engine := self._easel.engine_info:
            self._say(
                f"painting with {engine.backend} on {engine.device}, {engine.precision}, "
                f"{self.picture.width}x{self.picture.height}"
            )
        self._stage = Stage(
            self._mailbox, self.picture, easel=self._easel, control=self.control, recorder=self._recorder,
            statistics=self.statistics, outlets=lambda: [o for o in self._outlets if not o.error],
            camera_state=lambda: self.capture.state, adapt=self._adapt, clock=self._clock,
        )  # fmt: skip
        self._stage.start()
        self.capture.go()

    def _watch(self, window: Window | None) -> None:
        """In the main thread: feed the window, and find out when it is over."""
        shown = next((o for o in self._outlets if o.output is window), None)
        until = self._clock() + self._seconds if self._seconds is not None else float("inf")
        while not self.control.wants_to_quit and self._clock() < until:
            if shown and window and not shown.error:
                shown.pump(TICK / 5)
                window.tend()
            else:
                self.control.wait_for_quit(TICK)
            assert self._stage
            if self._stage.is_over or (self.capture.state.phase in ("ended", "failed") and self._mailbox.is_empty):
                break
            self._announce()
            if self._outlets and all(outlet.error for outlet in self._outlets):
                break

    def _announce(self) -> None:
        """Say what has changed about the camera and the outputs, once."""
        state = self.capture.state
        news = {"camera": f"camera lost: {state.message}; trying to get it back" if state.phase == "lost" else ""}
        for outlet in self._outlets:
            waiting = f"{outlet.trouble}; trying again" if outlet.trouble else ""
            news[outlet.output.name] = str(outlet.error or waiting)
        for name, line in news.items():
            if line and not self._told.get(name):
                self._say(line)
            elif self._told.get(name) and not line:
                self._say(f"{name} is back")
        self._told = news

    def _end(self) -> None:
        """Everything given back, in the order of the flow: camera, painting, outputs."""
        if not self.capture.stop():
            self.warnings.append("the camera did not answer; it was not released properly")
        if self._stage and self.capture.state.phase == "ended":
            self._mailbox.wait_until_empty(1.0)
        for _ in self._mailbox.close():
            self.statistics.dropped("at the end")
        if self._stage:
            self._stage.stop()
        if self._recorder:
            self._recorder.stop()
        for outlet in self._outlets:
            if isinstance(outlet.output, LiveFilm):
                finish_film(outlet, outlet.output.name)
            elif not outlet.stop():
                self.warnings.append(f"{outlet.output.name} did not finish in time and was left behind")
        self._easel.close()

    def _raise_troubles(self) -> None:
        if self._stage and self._stage.error:
            raise self._stage.error
        if (error := self.capture.state.error) is not None:
            raise error
        failed: list[OutputError] = [outlet.error for outlet in self._outlets if outlet.error]
        failed += self._recorder.errors if self._recorder else []
        if failed:
            raise failed[0]

    def _hear(self, sound: Sound) -> None:
        for outlet in self._outlets:
            outlet.hear(sound)
        if self._recorder:
            self._recorder.hear(sound)
