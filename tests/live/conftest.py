"""Starts live sessions in threads, and sees that they end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from tests.conftest import TINY, make_library
from tests.live.live_fakes import Collector, Painters, make_control
from tests.live.x_display import Display, virtual_display
from vidstyle.live.control import Control
from vidstyle.live.loop import LiveLoop
from vidstyle.media.camera_synthetic import SyntheticCamera
from vidstyle.media.live_protocol import Camera, LiveOutput


@dataclass
class Session:
    """A loop that runs in a thread until `finish`."""

    loop: LiveLoop
    thread: threading.Thread
    errors: list[BaseException]

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        until = time.monotonic() + timeout
        while not condition():
            if self.errors:
                raise self.errors[0]
            assert time.monotonic() < until, f"not within {timeout} s: {self.loop.as_json()}"
            time.sleep(0.01)

    def finish(self) -> dict:
        self.loop.control.quit()
        self.thread.join(15)
        assert not self.thread.is_alive()
        if self.errors:
            raise self.errors[0]
        return self.loop.as_json()


@pytest.fixture
def start_session():
    """`start(outputs, camera=..., control=..., painters=..., **loop options)` starts a session in a thread."""
    sessions: list[Session] = []

    def start(
        outputs: list[LiveOutput],
        *,
        camera: Callable[[], Camera] = lambda: SyntheticCamera(width=160, height=96, rate=Fraction(30)),
        control: Control | None = None,
        painters: Painters | None = None,
        **options: object,
    ) -> Session:
        options.setdefault("open_film", Collector)
        loop = LiveLoop(camera, painters or Painters(), control or make_control(), **options)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                loop.run(outputs)
            except BaseException as error:
                errors.append(error)

        session = Session(loop, threading.Thread(target=run, daemon=True), errors)
        session.thread.start()
        sessions.append(session)
        return session

    yield start
    for session in sessions:
        session.loop.control.quit()
        session.thread.join(15)


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """A virtual X display of 1280x800."""
    with virtual_display(tmp_path_factory.mktemp("display"), size="1280x800") as found:
        yield found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The user's data folder holds the tiny networks; no display."""
    data = tmp_path_factory.mktemp("data")
    make_library(data / "vidstyle", networks={"live": TINY}, styles=("identity", "mosaic", "waves"))
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY") and not k.startswith("QT_")}
    return kept | {"XDG_DATA_HOME": str(data), "PYTHONPATH": str(Path(__file__).parents[2])}
