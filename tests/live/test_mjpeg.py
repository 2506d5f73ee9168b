"""The MJPEG page: its picture, statistics and control; strangers kept out; slow viewers dropped; a real browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.live.browser import CHROMIUM, Browser
from tests.live.live_fakes import Collector, make_control
from vidstyle.errors import OutputError
from vidstyle.media.camera_synthetic import SyntheticCamera, frame_number
from vidstyle.media.live_protocol import LiveFrame, PictureFormat
from vidstyle.media.mjpeg import LARGEST_COMMAND, MjpegPage


class PageSession:
    """A running session with a page on a free port."""

    def __init__(self, start_session, **options: object) -> None:
        self.control = make_control()
        self.page = MjpegPage(
            "http://127.0.0.1:0", status=lambda: self.session.loop.as_json(), perform=self.control.perform
        )
        self.other = Collector()
        self.session = start_session([self.page, self.other], control=self.control, **options)
        self.session.wait_for(lambda: len(self.other.frames) > 3)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection(*self.page.address, timeout=5)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type", "")

    def command(self, name: str, value: object = None, **headers: str) -> int:
        headers = {"Content_Type": "application/json", **headers}
        return self.ask("POST", "/control", json.dumps({"command": name, "value": value}), **headers)[0]


@pytest.fixture
def page(start_session) -> PageSession:
    return PageSession(start_session)


def test_the_page_shows_the_stream_and_the_statistics(page: PageSession) -> None:
    status, body, kind = page.ask("GET", "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b'src="/stream"' in body
    status, body, _ = page.ask("GET", "/stats")
    values = json.loads(body)
    assert values["captured"] > 0
    assert page.page.name in values["outputs"]
    assert page.ask("GET", "/health")[0] == 200
    assert page.ask("GET", "/nothing")[0] == 404


def test_the_stream_is_read_by_ffmpeg_in_the_right_colours(page: PageSession) -> None:
    host, port = page.page.address
    with av.open(f"http://{host}:{port}/stream", format="mpjpeg", timeout=5) as stream:
        frames = [f.to_ndarray(format="rgb24") for f, _ in zip(stream.decode(video=0), range(20), strict=False)]
    assert frames[0].shape == (96, 160, 3)
    painted = {frame.index: frame.image for frame in page.other.frames}
    for frame in frames[5:]:
        exact = painted[frame_number(255 - frame)].astype(int)
        assert np.abs(frame - exact).mean() < 6, "JPEG's own error, no more"


def test_a_snapshot_is_a_jpeg(page: PageSession) -> None:
    status, body, kind = page.ask("GET", "/snapshot.jpg")
    assert (status, kind) == (200, "image/jpeg")
    assert cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR).shape == (96, 160, 3)


def test_the_page_steers_the_session(page: PageSession) -> None:
    assert page.command("strength", 0.25) == 200
    assert page.control.settings.strength == 0.25
    assert page.command("style", "red") == 200
    assert page.command("mix", [["red", 1], ["green", 3]]) == 200
    assert page.control.settings.styles == (("red", 1.0), ("green", 3.0))
    for name, value in (
        ("strength", 7),
        ("style", 99),
        ("nonsense", None),
        ("strength", "much"),
        ("mirror", [1, 2, 3]),
    ):
        assert page.command(name, value) == 400, (name, value)
    for name in ("record", "snapshot"):
        assert page.command(name, "/tmp/anything.png") == 400, "nobody names files from outside"
    for order in ("no json", "[]", "{}", '{"command": 3}', "[" * 4000):
        status, body, _ = page.ask("POST", "/control", order, Content_Type="application/json")
        assert (status, json.loads(body)["error"][:22]) == (400, "write a command like {"), order


def test_pages_of_other_sites_are_kept_out(page: PageSession) -> None:
    for path in ("/", "/stream", "/stats", "/snapshot.jpg"):
        assert page.ask("GET", path, Host="evil.example")[0] == 403
    assert page.command("strength", 0.5, Host="evil.example:80") == 403
    assert page.command("strength", 0.5, Content_Type="text/plain") == 415
    assert page.ask("POST", "/control", "x" * 5000, Content_Type="application/json")[0] == 413
    for foreign in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        assert page.command("strength", 0.5, **foreign) == 403
        assert page.ask("GET", "/health", **foreign)[0] == 200  # an overlay of somebody's own may show the picture
    assert page.control.settings.strength == 1.0
    host, port = page.page.address
    assert page.command("strength", 0.5, Origin=f"http://{host}:{port}", Sec_Fetch_Site="same-origin") == 200


@pytest.mark.parametrize(
    "head",
    [
        "POST /control\r\nContent-Type: text/plain",
        "POST /control\r\nContent-Type: application/json\r\nOrigin: https://evil.example",
        "POST /control\r\nContent-Type: application/json\r\nHost: evil.example",
        "POST /nothing\r\nContent-Type: application/json",
        "GET /stats\r\nAccept: */*",
    ],
)
@pytest.mark.parametrize("padding", [0, LARGEST_COMMAND])
def test_a_refused_body_is_not_taken_for_the_next_request(page: PageSession, head: str, padding: int) -> None:
    """With text/plain any site could send it, and so send a command in our own page's name."""
    order = b'{"command": "strength", "value": 0.25}'
    ours = f"Host: 127.0.0.1:{page.page.address[1]}\r\n"
    command = f"POST /control HTTP/1.1\r\n{ours}Content-Type: application/json\r\nContent-Length: {len(order)}\r\n\r\n"
    body = command.encode() + order + b" " * padding
    line, header = head.split("\r\n", 1)
    with socket.create_connection(page.page.address, 5) as connection:
        host = "" if "Host:" in header else ours
        refused = f"{line} HTTP/1.1\r\n{host}{header}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        last = f"GET /nothing HTTP/1.1\r\n{ours}Connection: close\r\n\r\n".encode()  # gives the answers an end
        connection.sendall(refused + last)
        answers = b""
        with contextlib.suppress(ConnectionError):  # a connection that ends with the first answer may be reset
            while piece := connection.recv(4096):
                answers += piece
    assert b"HTTP/1.1 200 OK" not in answers or line.startswith("GET")
    assert (answers.count(b"HTTP/1.1 "), b"Connection: close" in answers) == (1 if padding else 2, True)
    assert page.control.settings.strength == 1.0


def test_a_mistake_of_ours_is_one_line_and_a_viewer_who_leaves_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    def status() -> dict[str, object]:
        raise ZeroDivisionError("division\nby zero")

    page = MjpegPage("http://127.0.0.1:0", status=status, perform=lambda name, value: None)
    page.open(PictureFormat(width=64, height=64, rate=Fraction(30)))
    for linger in (struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)):  # a reset at close, then none
        with socket.create_connection(page.address, 5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if linger[0]:
                connection.sendall(b"POST /control HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{")
            else:
                connection.sendall(b"GET /stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                assert connection.recv(100) == b""
    page.close()
    said = "vidstyle: a request was not answered: unexpected ZeroDivisionError: division by zero\n"
    assert capfd.readouterr() == ("", said)


def test_a_viewer_that_takes_nothing_is_dropped_and_nobody_waits_for_it(start_session) -> None:
    page = PageSession(start_session, camera=lambda: SyntheticCamera(width=640, height=480, rate=Fraction(60)))
    with socket.create_connection(page.page.address) as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        count = len(page.other.frames)
        page.session.wait_for(lambda: page.page.viewers_dropped == 1, timeout=10)
        assert len(page.other.frames) - count > 30
    report = page.session.finish()
    assert report["outputs"][page.page.name]["latency_ms"]["p99"] < 300


def test_a_stalled_camera_is_unhealthy(start_session) -> None:
    class Stalling(SyntheticCamera):
        def read(self):
            if self._index == 8:
                time.sleep(3)
            return super().read()

    page = PageSession(start_session, camera=lambda: Stalling(width=64, height=64, rate=Fraction(30)))
    page.session.wait_for(lambda: page.session.loop.capture.state.phase == "lost", timeout=5)
    status, body, _ = page.ask("GET", "/health")
    assert (status, json.loads(body)["ok"]) == (503, False)


def test_a_taken_port_is_an_error(page: PageSession) -> None:
    host, port = page.page.address
    second = MjpegPage(f"http://{host}:{port}", status=dict, perform=lambda name, value: None)
    with pytest.raises(OutputError, match="another port"):
        second.open(PictureFormat(width=64, height=64, rate=Fraction(30)))
    assert MjpegPage("http://0.0.0.0", status=dict, perform=print).address == ("0.0.0.0", 8080)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_chromium_shows_the_page_and_follows_it(start_session, tmp_path: Path) -> None:
    class Plain(SyntheticCamera):
        def picture(self, index):
            return np.full((240, 320, 3), (200, 40, 0), np.uint8)

    page = PageSession(start_session, camera=lambda: Plain(width=320, height=240, rate=Fraction(30)))
    host, port = page.page.address
    with Browser(f"http://{host}:{port}/", tmp_path / "profile") as browser:
        for style, blue in (("blue", 60), ("green", 180)):
            page.control.choose(style)
            expected, until = np.array((55, 215, blue)), time.monotonic() + 20
            while np.abs(middle_of(browser.screenshot()) - expected).max() > 12:
                assert time.monotonic() < until, middle_of(browser.screenshot())
                time.sleep(0.2)
        foreign = "fetch('/control', {method: 'POST', body: '{}', mode: 'no-cors'}).then(r => r.status)"
        assert browser.evaluate(foreign) == 415


def middle_of(png: bytes) -> np.ndarray:
    """The RGB of the picture's middle."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return image[image.shape[0] // 2, image.shape[1] // 2, ::-1].astype(int)


def test_a_frame_without_viewers_costs_nothing() -> None:
    page = MjpegPage("http://127.0.0.1:0", status=dict, perform=lambda name, value: None)
    page.open(PictureFormat(width=64, height=64, rate=Fraction(30)))
    broken = LiveFrame(image=np.zeros((0, 0, 3), np.uint8), captured=0, index=0)  # could not be encoded
    page.write(broken)
    page.close()
