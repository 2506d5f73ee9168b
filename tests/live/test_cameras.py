"""Cameras of every kind: films at their own pace, network cameras that fail, webcams and their refusals."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from tests.live.live_fakes import Collector
from vidstyle.errors import InputError, UsageError
from vidstyle.live.capture import Capture
from vidstyle.live.mailbox import Mailbox
from vidstyle.live.statistics import Statistics
from vidstyle.media import camera_device, camera_patience
from vidstyle.media import pace as pace_module
from vidstyle.media.addresses import without_secrets
from vidstyle.media.camera import device_number, has_returned, open_camera
from vidstyle.media.camera_patience import FIRST_PATIENCE, KNOWN_AFTER, PATIENCE, PERIODS, Patience
from vidstyle.media.camera_synthetic import SyntheticCamera, frame_number
from vidstyle.media.live_protocol import (
    Camera,
    CameraEnded,
    CameraLost,
    CameraRequest,
    PictureNotDue,
    PictureUnusable,
)
from vidstyle.media.pace import JUMP, LATE, SLICE, Pace


def jpeg(value: int, size: tuple[int, int] = (160, 120)) -> bytes:
    ok, data = cv2.imencode(".jpg", np.full((size[1], size[0], 3), value, np.uint8))
    assert ok
    return data.tobytes()


class FakeNetworkCamera:
    """An MJPEG camera on loopback that misbehaves as `mode` says, one picture every `period` seconds.

    "once" is to serve one connection, and none after that.
    """

    def __init__(self) -> None:
        self.mode = "ok"
        self.period = 0.04
        self.connections = 0
        self.picture = jpeg(90)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/cam.mjpg"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "drop":
                connection.close()
            else:
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n")
                while self.mode != "drop":
                    if self.mode != "stall":
                        head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(self.picture)
                        connection.sendall(head + self.picture + b"\r\n")
                    time.sleep(self.period)
            except OSError:  # the reader has gone
                if self.mode == "once":
                    self.mode = "drop"

    def close(self) -> None:
        self.mode = "drop"
        self._server.close()


@pytest.fixture
def network_camera():
    camera = FakeNetworkCamera()
    yield camera
    camera.close()


def write_film(path: Path, stamps: list[float]) -> Path:
    """64x48, pictures at `stamps` (seconds), each 20 grey levels above the one before, with sound in 50 ms pieces."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("ffv1", rate=20)
        video.width, video.height, video.pix_fmt = 64, 48, "bgr0"
        audio = out.add_stream("pcm_s16le", rate=8000)
        audio.layout = "mono"
        for i, at in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(at * 20), Fraction(1, 20)
            out.mux(video.encode(frame))
        for i in range(round(stamps[-1] * 20) + 1):
            sound = av.AudioFrame.from_ndarray(np.full((1, 400), 1000, np.int16), format="s16", layout="mono")
            sound.sample_rate, sound.pts = 8000, 400 * i
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
    return path


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Half a second at 20 fps, with sound."""
    return write_film(tmp_path / "film.mkv", [i / 20 for i in range(10)])


def next_picture(camera: Camera) -> tuple[int, float]:
    """The level of a film's next picture, and when (monotonic seconds) it came."""
    while True:
        try:
            return int(camera.read()[0, 0, 0]), time.monotonic()
        except PictureNotDue:
            continue


def test_a_film_plays_at_its_own_pace_and_ends(film: Path) -> None:
    camera = open_camera(CameraRequest(source=str(film)))
    assert (camera.info.width, camera.info.height, camera.info.rate) == (64, 48, 20)
    values, times = [], []

    def play() -> None:
        while True:
            values.append(int(camera.read()[0, 0, 0]))
            times.append(time.monotonic())

    with pytest.raises(CameraEnded):
        play()
    camera.close()
    assert values == [20 * i for i in range(10)]
    assert times[-1] - times[0] == pytest.approx(0.45, abs=0.08)


def test_a_film_loops_without_a_pause_and_its_sound_with_it(film: Path) -> None:
    camera = open_camera(CameraRequest(source=str(film), loop=True))
    values, times, sounds = [], [], []
    for _ in range(25):
        values.append(int(camera.read()[0, 0, 0]))
        times.append(time.monotonic())
        sounds += camera.sounds()
    camera.close()
    assert values == [20 * (i % 10) for i in range(25)]
    assert times[-1] - times[0] == pytest.approx(24 / 20, abs=0.1)
    starts = [s.captured for s in sounds]
    assert starts[-1] - starts[0] > 1.0
    np.testing.assert_allclose(np.diff(starts), 0.05, atol=0.012)


def test_a_film_of_few_pictures_keeps_its_pace(tmp_path: Path) -> None:
    stamps = [0.0, 0.3, 1.2, 1.5]
    camera = open_camera(CameraRequest(source=str(write_film(tmp_path / "few.mkv", stamps))))
    values, times = zip(*[next_picture(camera) for _ in stamps], strict=True)
    sounds = camera.sounds()
    camera.close()
    assert values == (0, 20, 40, 60)
    np.testing.assert_allclose(np.subtract(times, times[0]), stamps, atol=0.08)
    assert sounds[0].captured == pytest.approx(times[0], abs=0.08)
    np.testing.assert_allclose(np.diff([s.captured for s in sounds]), 0.05, atol=0.002)


def test_a_film_whose_clock_does_not_begin_at_0_loops_without_a_pause(tmp_path: Path) -> None:
    film = write_film(tmp_path / "late.mkv", [2 + i / 20 for i in range(6)])
    camera = open_camera(CameraRequest(source=str(film), loop=True))
    times = [next_picture(camera)[1] for _ in range(15)]
    camera.close()
    np.testing.assert_allclose(np.diff(times), 0.05, atol=0.1)


def test_the_sound_of_a_film_is_given_when_it_is_nearly_due(tmp_path: Path) -> None:
    camera = open_camera(CameraRequest(source=str(write_film(tmp_path / "pause.mkv", [0.0, 5.0]))))
    next_picture(camera)
    with pytest.raises(PictureNotDue):
        camera.read()
    sounds = camera.sounds()
    camera.close()
    assert 0.5 < sounds[-1].captured - time.monotonic() < 1.1


def test_the_clock_of_a_film_is_set_where_its_stamps_jump_but_not_in_its_pauses() -> None:
    pace = Pace()
    pace.begin(0.0)
    began = time.monotonic()
    assert not pace.wait(5.0)
    assert time.monotonic() - began == pytest.approx(SLICE, abs=0.05)
    for jumped in (JUMP + 1, JUMP + 1 - 2 * LATE):
        assert pace.wait(jumped)
        assert pace.moment(jumped) == pytest.approx(time.monotonic(), abs=0.05)


def test_the_clock_of_a_live_stream_is_that_of_its_pictures_on_the_average(monkeypatch) -> None:
    """Sound goes by it: were it that of the first picture, which came late, sound would be late for good."""
    now = 100.2
    monkeypatch.setattr(pace_module, "time", SimpleNamespace(monotonic=lambda: now))
    pace = Pace()
    pace.begin(0.0)
    for index in range(1, 101):
        now = 100 + index / 25 + (0.02 if index % 2 else -0.02)
        pace.follow(index / 25)
    assert pace.moment(4.0) == pytest.approx(104.0, abs=0.02)
    now = 200.0
    pace.follow(4.04)
    assert pace.moment(4.04) == pytest.approx(200.0)


def test_the_pause_of_a_film_is_no_loss_and_can_be_ended(start_session, tmp_path: Path) -> None:
    stamps = [i / 20 for i in range(10)]  # enough for the camera's pace to be known
    path = write_film(tmp_path / "pause.mkv", [*stamps, 30.0])
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=str(path))))
    session.wait_for(lambda: session.loop.statistics.as_json()["captured"] == 10)
    time.sleep(PATIENCE + 0.5)
    assert session.loop.capture.state.phase == "live"
    began = time.monotonic()
    report = session.finish()
    assert time.monotonic() - began < 1.0
    assert (report["captured"], report["repeated"], report["warnings"]) == (10, 0, [])


def test_a_stream_without_stamps_plays_at_its_rate_and_loops_though_it_cannot_be_sought(tmp_path: Path) -> None:
    path = tmp_path / "bare.h264"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i in range(10):
            out.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * i, np.uint8), format="rgb24")))
        out.mux(video.encode(None))
    camera = open_camera(CameraRequest(source=str(path), loop=True))
    values, times = zip(*[next_picture(camera) for _ in range(25)], strict=True)
    camera.close()
    np.testing.assert_allclose(values, [20 * (i % 10) for i in range(25)], atol=8)
    np.testing.assert_allclose(np.subtract(times, times[0]), np.arange(25) / 25, atol=0.08)


def test_a_photograph_stays_while_it_loops(tmp_path: Path) -> None:
    """FFmpeg claims to seek back in it, and then finds nothing."""
    path = tmp_path / "photograph.jpg"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (360, 420, 3), np.uint8))
    camera = open_camera(CameraRequest(source=str(path), loop=True))
    first, *more = [next_picture(camera)[0] for _ in range(3)]
    assert more == [first, first]
    camera.close()


def test_the_first_picture_of_a_stream_is_shown_and_not_only_used_to_understand_it(tmp_path: Path) -> None:
    """Senders may take ten seconds to the next keyframe, before which nothing can be decoded."""
    path = tmp_path / "one_keyframe.ts"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "1000"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 5 * i, np.uint8), format="rgb24")
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(path.read_bytes())

        threading.Thread(target=send, daemon=True).start()
        camera = open_camera(CameraRequest(source=f"tcp://127.0.0.1:{server.getsockname()[1]}"))
    values = []
    with contextlib.suppress(CameraLost):
        while True:
            values.append(int(camera.read()[24, 32, 0]))
    camera.close()
    np.testing.assert_allclose(values, [5 * i for i in range(50)], atol=8)


def test_a_network_camera_is_read_and_its_silence_noticed_within_two_seconds(network_camera) -> None:
    camera = open_camera(CameraRequest(source=network_camera.url))
    assert camera.info.width == 160
    for _ in range(KNOWN_AFTER + 1):
        assert abs(int(camera.read()[60, 80, 0]) - 90) < 3
    network_camera.mode = "stall"
    began = time.monotonic()

    def read_on() -> None:
        while True:
            camera.read()

    with pytest.raises(CameraLost):
        read_on()
    assert time.monotonic() - began < 2.0
    camera.close()


@pytest.mark.parametrize("trouble", ["stall", "drop"])
def test_a_session_survives_and_recovers_within_three_seconds(start_session, network_camera, trouble: str) -> None:
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=network_camera.url)))
    session.wait_for(lambda: len(output.frames) >= 15)
    network_camera.mode = trouble
    session.wait_for(lambda: session.loop.capture.state.phase == "lost", timeout=2.0)
    session.wait_for(lambda: any(f.repeated for f in output.frames), timeout=1.0)
    time.sleep(3.5)  # long enough for the back-off to have grown as far as it does
    network_camera.mode = "ok"
    back = time.monotonic()
    session.wait_for(lambda: not output.frames[-1].repeated and output.times[-1] > back, timeout=3.0)
    report = session.finish()
    assert report["reconnects"] >= 1
    assert report["captured"] == report["delivered"] + report["dropped"]


def test_a_sender_for_one_connection_is_found_again(start_session, network_camera) -> None:
    output = Collector()
    session = start_session(
        [output],
        camera=lambda: open_camera(CameraRequest(source=network_camera.url)),
        has_returned=lambda: has_returned(network_camera.url),
    )
    session.wait_for(lambda: len(output.frames) >= 5)
    network_camera.mode = "drop"
    session.wait_for(lambda: session.loop.capture.state.phase == "lost", timeout=2.0)
    time.sleep(0.5)
    network_camera.mode = "once"
    back = time.monotonic()
    session.wait_for(lambda: not output.frames[-1].repeated and output.times[-1] > back, timeout=4.0)
    session.finish()


def test_a_look_for_a_lost_camera_connects_to_nobody(network_camera) -> None:
    for scheme in ("http", "https", "tcp", "rtsp", "rtmp"):
        assert not has_returned(network_camera.url.replace("http", scheme))
    time.sleep(0.1)
    assert network_camera.connections == 0


def test_a_slow_camera_is_waited_for_as_its_pace_demands(start_session, network_camera, monkeypatch) -> None:
    monkeypatch.setattr(camera_patience, "PATIENCE", 0.2)
    monkeypatch.setattr(camera_patience, "KNOWN_AFTER", 3)
    network_camera.period = 0.4
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=network_camera.url)))
    session.wait_for(lambda: len(output.frames) >= 7)
    assert session.loop.statistics.as_json()["reconnects"] == 0
    assert not any(f.repeated for f in output.frames)
    network_camera.mode = "stall"
    session.wait_for(lambda: session.loop.capture.state.phase == "lost", timeout=0.4 * (PERIODS + 1))
    session.finish()


def test_patience_is_that_of_the_first_pictures_then_of_the_cameras_pace() -> None:
    slow, quick = Patience(), Patience()
    for index in range(KNOWN_AFTER + 1):
        assert float(slow) == FIRST_PATIENCE
        slow.came(2.0 * max(0, index - 3))  # the first four waited in a buffer
        quick.came(index / 25)
    assert float(slow) == 2.0 * PERIODS
    assert float(quick) == PATIENCE
    quick.begin_again()  # after an outage, which is no gap of the camera's
    quick.came(1000.0)
    quick.came(1000.04)
    assert float(quick) == PATIENCE


@pytest.mark.parametrize("hangs", ["opening", "reading"])
def test_only_a_camera_that_was_opened_can_be_left_open(hangs: str) -> None:
    """A server that accepts and says nothing was never one."""
    hung, released = threading.Event(), threading.Event()

    def hang() -> None:
        hung.set()
        released.wait(10)

    class Hanging(SyntheticCamera):
        def read(self) -> np.ndarray:
            hang()
            return super().read()

    def open_slowly() -> Camera:
        if hangs == "opening":
            hang()
        return Hanging(width=64, height=48, rate=Fraction(30))

    capture = Capture(open_slowly, Mailbox(), Statistics())
    capture.start()
    assert hung.wait(10)
    assert capture.stop(0.05) == (hangs == "opening")
    released.set()
    assert capture.stop(10)


def test_the_notice_says_what_happened_on_the_picture(start_session, network_camera) -> None:
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=network_camera.url)))
    session.wait_for(lambda: len(output.frames) >= 5)
    network_camera.mode = "drop"
    session.wait_for(lambda: output.frames[-1].repeated)
    good = next(f for f in output.frames if not f.repeated).image
    notice = output.frames[-1].image
    assert notice[:8].mean() == pytest.approx(good[:8].mean() / 2, abs=2), "the picture is darkened"
    assert notice[40:80].max() > 200, "and written upon"
    session.finish()


@pytest.mark.parametrize("trouble", ["broken", "black", "size"])
def test_odd_pictures_are_survived(start_session, network_camera, trouble: str) -> None:
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=network_camera.url)))
    session.wait_for(lambda: len(output.frames) >= 5)
    good = network_camera.picture
    odd = {"broken": good[:200] + b"\xff" * 300, "black": jpeg(0), "size": jpeg(90, (320, 120))}[trouble]
    network_camera.picture = odd
    time.sleep(0.8)
    network_camera.picture = good
    time.sleep(0.3)
    count = len(output.frames)
    session.wait_for(lambda: len(output.frames) >= count + 10, timeout=2.0)
    session.finish()
    assert {f.image.shape for f in output.frames} == {(120, 160, 3)}
    assert abs(int(output.frames[-1].image[60, 80, 0]) - 165) < 4
    if trouble == "black":
        assert any(f.image[60, 80, 0] > 250 for f in output.frames)
    if trouble == "size":  # 320x120 fits as 160x60 between black bars, which are not painted (so inverted)
        assert any(f.image[5, 80, 0] == 0 and abs(int(f.image[60, 80, 0]) - 165) < 4 for f in output.frames)


def test_a_slow_start_is_waited_for(start_session, network_camera) -> None:
    network_camera.mode = "stall"
    output = Collector()
    session = start_session([output], camera=lambda: open_camera(CameraRequest(source=network_camera.url)))
    time.sleep(3.0)  # longer than a running camera may be silent
    assert session.thread.is_alive()
    network_camera.mode = "ok"
    session.wait_for(lambda: len(output.frames) >= 5, timeout=2.0)
    assert session.finish()["reconnects"] == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("http://127.0.0.1:9/none.mjpg", "cannot be opened"),
        ("/dev/video97", "no camera at /dev/video97"),
        ("no_such_film.mp4", "no such file"),
    ],
)
def test_what_cannot_be_opened_is_named(source: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_camera(CameraRequest(source=source))


@pytest.mark.skipif(sys.platform != "linux", reason="x11grab is for X")
@pytest.mark.parametrize(
    ("loaded", "words"),
    [
        (["/a/av.libs/libxcb-5ddf6756.so.1.1.0", "/usr/lib/libxcb.so.1.1.0"], "ffmpeg -f x11grab -i :987 "),
        (["/usr/lib/libxcb.so.1.1.0", "/usr/lib/libxcb-shm.so.0.0.0"], "x11grab::987 cannot be opened: "),
    ],
)
def test_a_screen_that_would_end_the_process_is_refused(monkeypatch, loaded: list[str], words: str) -> None:
    """FFmpeg's x11grab of PyAV's wheel, called where OpenCV's is loaded, runs into its libraries of X."""
    maps = "".join(f"7f5a17f88000-7f5a17f8a000 r--p 00000000 08:01 42 {library}\n" for library in loaded)
    monkeypatch.setattr(Path, "read_text", lambda path: maps)
    with pytest.raises(InputError, match=words):
        open_camera(CameraRequest(source="x11grab::987"))


def test_a_missing_page_is_told_from_a_forbidden_one() -> None:
    for status, word in ((b"404 Not Found", "missing"), (b"403 Forbidden", "forbidden")):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer(server=server, status=status) -> None:
                with contextlib.suppress(OSError):  # whoever asks only once leaves us waiting until the end
                    for _ in range(2):
                        connection, _ = server.accept()
                        with connection:
                            connection.recv(4096)
                            connection.sendall(b"HTTP/1.0 " + status + b"\r\nContent-Length: 0\r\n\r\n")

            threading.Thread(target=answer, daemon=True).start()
            with pytest.raises(InputError, match=word):
                open_camera(CameraRequest(source=f"http://user:secret@127.0.0.1:{server.getsockname()[1]}/x"))


def test_passwords_are_not_repeated() -> None:
    assert without_secrets("rtsp://me:secret@cam.local/live") == "rtsp://cam.local/live"
    assert without_secrets("http://cam.local/video.cgi?user=admin&pwd=a/b@c") == "http://cam.local/video.cgi"
    assert without_secrets("srt://cam.local:9000?passphrase=topsecret123") == "srt://cam.local:9000"
    assert without_secrets("v4l2:/dev/video0") == "v4l2:/dev/video0"


def test_the_synthetic_camera_numbers_its_pictures() -> None:
    camera = open_camera(CameraRequest(source="synthetic:320x180@120"))
    assert isinstance(camera, SyntheticCamera)
    assert [frame_number(camera.read()) for _ in range(3)] == [0, 1, 2]
    assert camera.info.rate == Fraction(120)
    with pytest.raises(UsageError):
        open_camera(CameraRequest(source="synthetic:big"))


class FakeCapture:
    """Stands in for cv2.VideoCapture; `script` is what `read` gives, None for a failed read."""

    def __init__(self, script: list[np.ndarray | None], granted: dict[int, float], opens: bool = True) -> None:
        self.script, self.granted, self.opens, self.asked, self.released = script, granted, opens, {}, False

    def isOpened(self) -> bool:  # noqa: N802
        return self.opens

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        return self.granted.get(key, 0)

    def read(self):
        image = self.script.pop(0) if self.script else None
        return image is not None, image

    def release(self) -> None:
        self.released = True


def granted(fourcc: str, width: int, height: int, rate: float) -> dict[int, float]:
    return {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*fourcc),
        cv2.CAP_PROP_FRAME_WIDTH: width,
        cv2.CAP_PROP_FRAME_HEIGHT: height,
        cv2.CAP_PROP_FPS: rate,
    }


def test_a_webcam_is_asked_for_mjpg_and_what_it_grants_is_told() -> None:
    capture = FakeCapture([np.dstack([np.full((4, 4), v, np.uint8) for v in (1, 2, 3)])], granted("YUYV", 640, 480, 15))
    request = CameraRequest(source="0", size=(1280, 720), rate=Fraction(30))
    camera = camera_device.open_device(request, 0, open_capture=lambda number: capture)
    assert capture.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert capture.asked[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert camera.info.text == "640x480, 15 fps, YUYV (asked for 1280x720, 30 fps, MJPG)"
    assert camera.info.rate == 15
    assert camera.read()[0, 0].tolist() == [3, 2, 1], "BGR became RGB"


def test_a_webcam_may_be_slow_at_first_but_not_later() -> None:
    now = [0.0]
    script: list = [None] * 5
    capture = FakeCapture(script, granted("MJPG", 4, 4, 30))
    camera = camera_device.open_device(
        CameraRequest(source="0"), 0, open_capture=lambda number: capture, clock=lambda: now[0]
    )
    for now[0] in (2.0, 5.0, 9.0):
        with pytest.raises(PictureUnusable):
            camera.read()
    capture.script = [np.zeros((4, 4, 3), np.uint8)]
    camera.read()
    now[0] = 10.0
    with pytest.raises(PictureUnusable):
        camera.read()
    now[0] = 10.6
    with pytest.raises(CameraLost):
        camera.read()


def test_a_webcam_that_does_not_open_is_released() -> None:
    capture = FakeCapture([], {}, opens=False)
    with pytest.raises(InputError):
        camera_device.open_device(CameraRequest(source="97"), 97, open_capture=lambda number: capture)
    assert capture.released


@pytest.mark.skipif(sys.platform != "linux", reason="device nodes are Linux'")
def test_forbidden_and_busy_devices_are_told_apart(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(camera_device.os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"forbidden.*usermod -aG video"):
        camera_device._check_node(tmp_path, "Cam")
    monkeypatch.setattr(camera_device, "programs_using", lambda node: ["obs (4711)"])
    assert "busy: used by obs (4711)" in camera_device._why_not_opened(0, "Cam")


def test_a_device_path_is_followed_to_its_number(tmp_path: Path) -> None:
    assert device_number("3") == 3
    with pytest.raises(InputError, match="not a video device"):
        device_number("/dev/null")
