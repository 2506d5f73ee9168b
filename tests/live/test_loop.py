"""The live loop: newest frame wins, slow parts slow nobody else, everything is counted."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.live.live_fakes import Collector, Painters, make_control
from vidstyle.errors import InputError, OutputError
from vidstyle.live.outlet import Outlet
from vidstyle.live.recorder import FINISH
from vidstyle.media.camera_synthetic import SyntheticCamera, frame_number
from vidstyle.media.live_film import LiveFilm
from vidstyle.media.live_protocol import OutputLost


def assert_balanced(report: dict) -> None:
    assert report["in_flight"] == 0, report
    assert report["captured"] == report["delivered"] + report["dropped"], report
    for output in report["outputs"].values():
        assert output["dropped"] == sum(output["dropped_by"].values())


def test_every_picture_is_painted_and_delivered_in_order(start_session):
    output = Collector()
    session = start_session([output])
    session.wait_for(lambda: len(output.frames) >= 30)
    report = session.finish()
    assert_balanced(report)
    numbers = [frame_number(255 - f.image) for f in output.frames]
    assert numbers == sorted(set(numbers))
    assert [f.index for f in output.frames] == numbers
    expected = 255 - SyntheticCamera(width=160, height=96, rate=Fraction(30)).picture(numbers[-1])
    np.testing.assert_array_equal(output.frames[-1].image[..., :2], expected[..., :2])
    assert report["outputs"]["collector"]["fps"] == pytest.approx(30, abs=2)
    assert output.closed == 1


def test_a_slow_network_drops_frames_and_keeps_latency_bounded(start_session):
    output = Collector()
    session = start_session([output], painters=Painters(seconds=lambda spec: 0.066), adapt=False)
    session.wait_for(lambda: len(output.frames) >= 25)
    report = session.finish()
    assert_balanced(report)
    assert report["dropped_by"]["network busy"] > 15
    # at worst a picture waits for the one before it: two times the network's 66 ms
    assert report["latency_ms"]["p99"] < 2 * 66 + 40
    latencies = [t - f.captured for t, f in zip(output.times, output.frames, strict=True)]
    assert np.median(latencies[-8:]) < np.median(latencies[2:10]) + 0.03, "latency grows"


def test_a_slow_output_slows_no_other(start_session):
    quick, slow = Collector("quick"), Collector("slow", seconds=0.2)
    session = start_session([quick, slow])
    session.wait_for(lambda: len(quick.frames) >= 45)
    report = session.finish()
    assert_balanced(report)
    assert report["outputs"]["quick"]["dropped"] <= 2
    assert report["outputs"]["slow"]["dropped_by"]["slow busy"] > 25
    assert report["outputs"]["slow"]["latency_ms"]["p99"] < 500


def test_the_first_output_failure_is_raised_and_the_camera_released(start_session):
    class Broken(Collector):
        def open(self, picture):
            raise OutputError("no such place")

    session = start_session([Broken()])
    session.thread.join(10)
    assert isinstance(session.errors[0], OutputError)
    session.errors.clear()


def test_one_output_failing_later_leaves_the_others_alone(start_session):
    class Filled(Collector):
        def write(self, frame):
            super().write(frame)
            if len(self.frames) == 5:
                raise OutputError("disk full")

    filled, other = Filled("filled"), Collector("other")
    session = start_session([filled, other])
    session.wait_for(lambda: len(other.frames) >= 30)
    with pytest.raises(OutputError, match="disk full"):
        session.finish()
    assert len(filled.frames) == 5
    assert filled.closed


def test_a_film_is_waited_for_and_an_unfinished_one_is_an_error(start_session, tmp_path: Path, monkeypatch) -> None:
    """Such as one that a slow encoder holds up, or a network's disk that is gone."""
    waited: list[float | None] = []
    stop = Outlet.stop
    monkeypatch.setattr(Outlet, "stop", lambda self, timeout=None: waited.append(timeout) or not stop(self, timeout))
    session = start_session([LiveFilm(str(tmp_path / "film.mkv"))])
    session.wait_for(lambda: session.loop.as_json()["delivered"] > 2)
    with pytest.raises(OutputError, match=r"film\.mkv did not finish in time; what there is lies in .*film\.mkv\.part"):
        session.finish()
    assert waited == [FINISH]


def test_a_receiver_that_goes_away_is_tried_again(start_session):
    class Fickle(Collector):
        opened = 0

        def open(self, picture):
            self.opened += 1
            if self.opened == 1:
                raise OutputLost("not there yet")

        def write(self, frame):
            super().write(frame)
            if len(self.frames) == 5:
                raise OutputLost("hung up")

    fickle, said = Fickle(), []
    session = start_session([fickle], say=said.append)
    session.wait_for(lambda: len(fickle.frames) >= 10)
    report = session.finish()
    assert {"not there yet; trying again", "hung up; trying again", "collector is back"} <= set(said)
    assert_balanced(report)
    assert report["outputs"]["collector"]["reconnects"] == 2
    assert report["outputs"]["collector"]["dropped_by"]["collector not connected"] > 10


def test_a_camera_that_cannot_be_opened_is_an_error(start_session):
    def refuse():
        raise InputError("camera 7 is busy")

    session = start_session([Collector()], camera=refuse)
    session.thread.join(5)
    assert "busy" in str(session.errors[0])
    session.errors.clear()


def test_seconds_end_the_session(start_session):
    session = start_session([Collector()], seconds=0.5)
    began = time.monotonic()
    session.thread.join(5)
    assert 0.4 < time.monotonic() - began < 3


def test_changing_style_drops_nothing_and_compiles_nothing(start_session):
    output, painters, control = Collector(), Painters(), make_control()
    session = start_session([output], painters=painters, control=control)
    session.wait_for(lambda: len(output.frames) >= 10)
    before = session.loop.statistics.as_json()["dropped"]
    for count in range(3):
        control.next_style()
        session.wait_for(lambda count=count: len(output.frames) >= 30 + 20 * count)
    assert session.finish()["dropped"] <= before + 1  # the one that may wait at the end
    assert painters.sizes == [(160, 96)]
    tints = [int(f.image[50, 50, 2]) for f in output.frames]
    steps = np.abs(np.diff(tints))
    assert {60, 120, 180} <= set(tints)
    assert steps.max() <= 60 * 2 * (3 / 15), "a cross-fade takes half a second, so no step is large"
