"""The control: every command, the cross-fade, the governor, and the small parts."""

from __future__ import annotations

import errno
import json
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.live.live_fakes import Collector, Painters, make_control
from vidstyle.errors import StyleError, UsageError
from vidstyle.live.canvas import Dissolve, even_size, fit, split, write_box
from vidstyle.live.governor import LOWEST, Governor
from vidstyle.live.look import FADE, Blend, Fader
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.live.outlet import Outlet
from vidstyle.live.recorder import Recorder
from vidstyle.live.statistics import LatencyHistogram, Statistics
from vidstyle.media.camera_synthetic import SyntheticCamera, frame_number
from vidstyle.media.live_protocol import PictureFormat
from vidstyle.media.outputs import make_output
from vidstyle.painter import working_size
from vidstyle.settings import Size


def test_next_and_previous_go_round() -> None:
    control = make_control()
    seen = []
    for command in ("next", "next", "next", "previous"):
        control.perform(command)
        seen.append(control.settings.styles)
    assert seen == [(("red", 1.0),), (("green", 1.0),), (("blue", 1.0),), (("green", 1.0),)]


def test_a_style_is_chosen_by_number_or_name() -> None:
    control = make_control()
    control.choose(3)
    assert control.settings.styles == (("green", 1.0),)
    control.perform("style", "red")
    assert control.settings.styles == (("red", 1.0),)
    with pytest.raises(UsageError, match="1 to 3"):
        control.choose(4)


def test_impossible_wishes_change_nothing() -> None:
    control = make_control()
    before = control.settings
    for command, value in (
        ("strength", 1.5), ("stroke", 0), ("mix", []), ("mix", [["blue", -1]]), ("mix", [["blue", 0]]), ("nxt", None),
        ("strength", []), ("mix", 7), ("mix", [["blue", "x"]]), ("style", None), ("style", True), ("strength", True),
        ("strength", 10**400), ("mix", [["blue", 1e308], ["red", 1e308]]), ("next", 3), ("next", True),
        ("freeze", "banana"), ("mirror", 1), ("snapshot", False), ("snapshot", True), ("record", 1),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            control.perform(command, value)
    assert control.settings == before
    assert control.take_snapshots() == []
    with pytest.raises(UsageError, match="did you mean 'next'"):
        control.perform("nxt")


@pytest.mark.parametrize("value", [None, True, [], {}, 1.5])
def test_a_value_that_does_not_fit_is_told_in_plain_words(value: object) -> None:
    with pytest.raises(UsageError, match=r"^command 'style' takes the name or the number of a style$"):
        make_control().perform("style", value)


@pytest.mark.parametrize("weights", [(0.0,), (1e308, 1e308)])
def test_a_session_begins_with_styles_that_can_be_mixed(weights: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="mix"):
        make_control(styles=tuple(zip(("blue", "red"), weights, strict=False)))


def test_an_unknown_style_changes_nothing() -> None:
    def find(name: str):
        raise StyleError(f"no style {name!r}")

    control = make_control()
    control._find = find
    with pytest.raises(StyleError):
        control.choose("nonsense")
    assert control.settings.styles == (("blue", 1.0),)


def test_mixing_shifts_weight_to_the_next_style_and_back() -> None:
    control = make_control()
    control.mix_more(0.25)
    assert dict(control.settings.styles) == {"blue": 0.75, "red": 0.25}
    control.mix_more(0.5)
    control.mix_more(0.5)
    assert dict(control.settings.styles) == {"blue": 0.0, "red": 1.0}
    control.mix_more(-1)
    assert dict(control.settings.styles) == {"blue": 1.0, "red": 0.0}


def test_switches_toggle_or_take_a_value() -> None:
    control = make_control()
    for command, field in (
        ("mirror", "mirror"), ("split", "split"), ("freeze", "frozen"), ("keep_colors", "keep_colors"),
        ("stabilize", "stabilize"), ("help", "help"), ("overlay", "overlay"),
    ):  # fmt: skip
        first = getattr(control.settings, field)
        control.perform(command)
        assert getattr(control.settings, field) is not first
        control.perform(command, first)
        assert getattr(control.settings, field) is first


def test_a_fade_is_even_and_starts_from_what_is_on_show() -> None:
    fader = Fader(Blend.of((("blue", 1.0),), 1.0))
    fader.turn_to(Blend.of((("red", 2.0),), 0.5), 10.0)
    middle = fader.at(10.0 + FADE / 2)
    assert middle.weights == {"blue": 0.5, "red": 0.5}
    assert middle.strength == 0.75
    fader.turn_to(Blend.of((("green", 1.0),), 0.5), 10.0 + FADE / 2)
    assert fader.at(10.0 + FADE / 2).weights == {"blue": 0.5, "red": 0.5, "green": 0.0}
    assert fader.at(10.0 + FADE * 1.5).weights == {"green": 1.0}


def test_the_vector_walks_in_a_straight_line() -> None:
    now = [0.0]
    control = make_control()
    control._clock = lambda: now[0]
    control.choose("green")
    values = [float(control.look(t).mix.vector[0]) for t in np.linspace(0, FADE, 11)]
    np.testing.assert_allclose(values, np.linspace(60, 180, 11), atol=0.01)


def run_governor(governor: Governor, full: float, seconds: float, start: float = 0.0) -> list[float]:
    """Paint with a network that takes `full` seconds at full size; the shares it was painted at."""
    shares, now = [], start
    while now < start + seconds:
        took = full * governor.share**2
        now += max(took, governor.period)
        shares.append(governor.share)
        governor.painted(took, now)
    return shares


def test_the_governor_goes_down_until_the_rate_holds_and_stays() -> None:
    governor = Governor(1 / 30)
    shares = run_governor(governor, 0.050, 60)
    assert 0.050 * shares[-1] ** 2 < 1 / 30
    assert 0.050 * (shares[-1] + 2 / 16) ** 2 > 0.8 / 30, "not lower than it must"
    tail = shares[len(shares) // 2 :]
    assert len(set(tail)) <= 2, "it does not swing"


def test_the_governor_finds_the_first_share_at_once_and_later_ones_in_small_steps() -> None:
    """Too slow by a factor of four: seconds of stutter while it went down two steps at a time."""
    governor = Governor(1 / 30)
    shares = run_governor(governor, 0.120, 3)
    assert {round(share, 4) for share in shares} == {1.0, governor.share}
    assert 0.120 * governor.share**2 < 1 / 30
    calm = Governor(1 / 30)
    run_governor(calm, 0.040, 10)
    later = run_governor(calm, 0.200, 10, start=10)
    assert np.diff(later).min() == -2 / 16


def test_the_governor_climbs_again_and_doubts_itself_after_a_fall() -> None:
    governor = Governor(1 / 30)
    run_governor(governor, 0.080, 10)
    low = governor.share
    assert low < 0.7
    shares = run_governor(governor, 0.010, 60, start=10)
    assert shares[-1] == 1.0
    assert np.diff(shares).max() <= 1 / 16 + 1e-9
    assert run_governor(Governor(1 / 30), 5.0, 60)[-1] == LOWEST


def test_a_single_slow_frame_moves_nothing() -> None:
    governor = Governor(1 / 30)
    for index in range(200):
        governor.painted(0.5 if index % 50 == 7 else 0.020, index / 30)
    assert governor.share == 1.0


def test_a_session_that_is_too_slow_lowers_its_resolution_and_keeps_the_rate(start_session) -> None:
    painters = Painters(seconds=lambda spec: 0.055 * (spec.width * spec.height) / (320 * 192))
    output = Collector()
    session = start_session(
        [output], painters=painters, camera=lambda: SyntheticCamera(width=320, height=192, rate=Fraction(30))
    )
    session.wait_for(lambda: len(output.frames) > 150, timeout=15)
    report = session.finish()
    assert report["resolution"] < 0.9
    assert painters.sizes[0] == (320, 192)
    assert all(f.image.shape == (192, 320, 3) for f in output.frames), "what is delivered keeps its size"
    late = np.diff(output.times[-60:])
    assert 1 / np.mean(late) > 22, "18 at the full resolution"
    steps = [
        np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(output.frames, output.frames[1:], strict=False)
    ]
    assert max(steps) < 3 * np.median(steps) + 3, "no visible jump where the resolution changes"


def test_without_adaptation_the_resolution_stays(start_session) -> None:
    painters, output = Painters(seconds=lambda spec: 0.06), Collector()
    session = start_session([output], painters=painters, adapt=False)
    session.wait_for(lambda: len(output.frames) > 40, timeout=15)
    assert session.finish()["resolution"] == 1.0
    assert len(painters.sizes) == 1


def test_a_new_stroke_is_compiled_beside_the_running_picture(start_session) -> None:
    control, painters, output = make_control(), Painters(), Collector()
    session = start_session(
        [output], control=control, painters=painters,
        camera=lambda: SyntheticCamera(width=640, height=360, rate=Fraction(30)),
    )  # fmt: skip
    session.wait_for(lambda: len(output.frames) > 5)
    control.set_stroke(2.0)
    coarse = working_size(640, 360, stroke=2.0)
    session.wait_for(lambda: session.loop.as_json()["working_size"] == [*coarse])
    session.finish()
    assert painters.sizes == [(640, 360), coarse]


def test_a_snapshot_and_a_recording_are_made_while_live(start_session, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    control, output = make_control(), Collector()
    session = start_session([output], control=control, open_film=make_output)
    session.wait_for(lambda: len(output.frames) > 5)
    control.snapshot("one.png")
    control.snapshot()
    control.record("film.mkv")
    session.wait_for(lambda: session.loop.as_json()["outputs"].get("film.mkv", {}).get("delivered", 0) >= 20)
    assert (tmp_path / "film.mkv.part").exists()
    control.record()
    session.wait_for((tmp_path / "film.mkv").exists)
    control.record("again.mp4")
    session.wait_for(lambda: session.loop.as_json()["outputs"].get("again.mp4", {}).get("delivered", 0) >= 5)
    report = session.finish()
    assert report["recordings"] == ["film.mkv", "again.mp4"]
    assert len(report["snapshots"]) == 2
    assert not list(tmp_path.glob("*.part"))
    with av.open("one.png") as picture:
        assert next(picture.decode(video=0)).width == 160
    for name in ("film.mkv", "again.mp4"):
        with av.open(name) as film:
            frames = list(film.decode(video=0))
        assert len(frames) == report["outputs"][name]["delivered"]
        captured = {f.index: f.captured for f in output.frames}
        numbers = [frame_number(255 - f.to_ndarray(format="rgb24")) for f in frames]
        both = [(float(f.time), captured[n]) for f, n in zip(frames, numbers, strict=True) if n in captured]
        assert len(both) >= 4
        film, live = np.array(both).T
        np.testing.assert_allclose(film - film[0], live - live[0], atol=0.001)


def test_two_recordings_within_a_second_are_both_kept(start_session, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    control, output = make_control(), Collector()
    session = start_session([output], control=control, open_film=make_output)
    session.wait_for(lambda: len(output.frames) > 5)
    time.sleep(1.05 - time.time() % 1)  # the next second has just begun
    for _ in range(2):
        control.record()
        name = control.settings.recording
        session.wait_for(lambda name=name: session.loop.as_json()["outputs"].get(name, {}).get("delivered", 0) > 0)
        control.record()
        session.wait_for(lambda: not session.loop._recorder.outlets())
    report = session.finish()
    assert sorted(file.name for file in tmp_path.iterdir()) == report["recordings"]
    assert len(report["recordings"]) == 2


def test_a_recording_that_fails_is_told_and_the_session_goes_on(start_session, tmp_path: Path, monkeypatch) -> None:
    control, output, said = make_control(), Collector(), []
    session = start_session([output], control=control, open_film=make_output, say=said.append)
    session.wait_for(lambda: len(output.frames) > 5)
    control.record(str(tmp_path / "missing" / "film.mp4"))
    session.wait_for(lambda: any("recording failed" in line for line in said))
    session.wait_for(lambda: control.settings.recording is None)
    count = len(output.frames)
    session.wait_for(lambda: len(output.frames) > count + 10)


def test_a_recording_that_does_not_finish_is_told(tmp_path: Path, monkeypatch) -> None:
    """Such as one on a network's disk that is gone."""
    said: list[str] = []
    picture = PictureFormat(width=160, height=96, rate=Fraction(30))
    recorder = Recorder(lambda path: Collector(), picture, Statistics(time.monotonic), said.append)
    recorder.follow(str(tmp_path / "slow.mp4"))
    [outlet] = recorder.outlets()
    with monkeypatch.context() as hanging:
        hanging.setattr(Outlet, "stop", lambda self, timeout=None: False)
        recorder.stop()
    assert outlet.stop()
    assert len(recorder.errors) == 1
    assert f"did not finish in time; what there is lies in {tmp_path / 'slow.mp4.part'}" in said[-1]


def test_a_snapshot_that_fails_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    said: list[str] = []
    recorder = Recorder(
        lambda path: Collector(), PictureFormat(width=8, height=6, rate=Fraction(30)), Statistics(time.monotonic),
        said.append,
    )  # fmt: skip

    def fill_the_disk(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    recorder.save(np.zeros((6, 8, 3), np.uint8), tmp_path / "one.png")
    recorder.stop()
    assert "no room left" in said[-1]
    assert not list(tmp_path.iterdir())


def test_freezing_holds_the_picture_but_not_the_style(start_session) -> None:
    control, output = make_control(), Collector()
    session = start_session([output], control=control)
    session.wait_for(lambda: len(output.frames) > 5)
    control.freeze()
    control.mirror(False)
    session.wait_for(lambda: output.frames[-1].repeated)
    first = output.frames[-1].image
    control.choose("green")
    session.wait_for(lambda: abs(int(output.frames[-1].image[50, 50, 2]) - 180) < 2)
    np.testing.assert_array_equal(output.frames[-1].image[..., :2], first[..., :2])
    control.freeze(False)
    session.wait_for(lambda: not output.frames[-1].repeated)
    report = session.finish()
    assert report["dropped_by"]["frozen"] > 0
    assert report["captured"] == report["delivered"] + report["dropped"]


def test_the_bars_beside_a_picture_of_another_shape_are_not_painted(start_session) -> None:
    """As where a webcam of 4:3 was asked for 16:9; the network of this test makes white of black."""
    output, control = Collector(), make_control()
    session = start_session([output], control=control, size=Size(width=160, height=48))
    session.wait_for(lambda: len(output.frames) > 2)
    control.mirror(True)
    session.wait_for(lambda: len(output.frames) > 5)
    session.finish()
    for image in (output.frames[0].image, output.frames[-1].image):
        assert not image[:, :40].any()
        assert not image[:, 120:].any()
        assert image[:, 40:120].any(axis=2).all()


def test_strength_zero_gives_the_camera_back(start_session) -> None:
    camera = SyntheticCamera(width=160, height=96, rate=Fraction(30))
    output = Collector()
    session = start_session([output], control=make_control(strength=0.0, mirror=True), camera=lambda: camera)
    session.wait_for(lambda: len(output.frames) > 5)
    session.finish()
    last = output.frames[-1].image[:, ::-1]
    np.testing.assert_array_equal(last, camera.picture(frame_number(last)))


def test_pictures_are_fitted_split_and_dissolved() -> None:
    wide = np.full((50, 100, 3), 200, np.uint8)
    fitted = fit(wide, width=100, height=100)
    assert (fitted[:24] == 0).all()
    assert (fitted[26:74] == 200).all()
    assert fit(np.zeros((51, 33, 3), np.uint8), width=32, height=50).shape == (50, 32, 3)
    assert even_size((641, 361)) == (640, 360)
    both = split(wide, wide // 2)
    assert (both[:, :49] == 200).all()
    assert (both[:, 51:] == 100).all()
    dissolve = Dissolve()
    dissolve.begin(wide)
    values = [int(dissolve.apply(np.zeros_like(wide))[0, 0, 0]) for _ in range(8)]
    assert values == sorted(values, reverse=True)
    assert values[0] < 200
    assert values[-2:] == [0, 0]


def test_text_fits_the_smallest_picture() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    write_box(image, ["a long line that cannot fit", "with signs: Kamera schläft"], centre=True)


def test_a_mailbox_holds_the_newest_only() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.put(1) == []
    assert box.put(2) == [1]
    assert box.take(0) == 2
    with pytest.raises(MailboxEmpty):
        box.take(0.01)
    box.put(3)
    assert box.close() == [3]
    with pytest.raises(MailboxClosed):
        box.take(1)
    assert box.put(4) == [4]


def test_percentiles_and_balance() -> None:
    histogram = LatencyHistogram()
    assert histogram.percentile(0.5) is None
    for ms in range(1, 101):
        histogram.add(ms / 1000 - 0.0001)
    assert histogram.percentile(0.5) == pytest.approx(50, abs=0.6)
    assert histogram.percentile(0.99) == pytest.approx(99, abs=0.6)
    assert json.dumps(histogram.percentile(0.52)) == "52.0", "no digits that mean nothing"
    statistics = Statistics(lambda: 1.0)
    for name in "ab":
        statistics.add_output(name)
    for index in range(4):
        statistics.captured()
        statistics.sent(index, 2)
    statistics.delivered("a", 0, 0.9)
    statistics.output_dropped("b", 0, "b busy")
    statistics.output_dropped("b", 1, "b busy")
    statistics.delivered("a", 1, 0.9)
    for name in "ab":
        statistics.output_dropped(name, 2, f"{name} busy")
    report = statistics.as_json()
    assert (report["delivered"], report["dropped"], report["in_flight"]) == (2, 1, 1)
    assert report["outputs"]["b"]["dropped"] == 3


def test_a_recording_leaves_little_behind_in_the_statistics() -> None:
    statistics = Statistics(lambda: 0.0)
    tracemalloc.start()
    try:
        for name in map(str, range(100)):
            statistics.add_output(name)
            for index in range(200):
                statistics.delivered(name, index, -0.01 - index / 4000)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 100 < 20_000, "bytes each"
