"""Receivers that accept and then take nothing: they cost the session neither pictures nor its end."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.live.live_fakes import Collector
from tests.live.test_streams import free_port
from tests.live.test_webcam_command import start
from vidstyle.media.addresses import without_key
from vidstyle.media.camera_synthetic import SyntheticCamera
from vidstyle.media.outputs import make_output


class NoisyCamera(SyntheticCamera):
    """Pictures that compress badly, so that a connection's buffers are full soon."""

    def __init__(self) -> None:
        super().__init__(width=640, height=360, rate=Fraction(30))
        self._noise = np.random.default_rng(1).integers(0, 255, (8, 360, 640, 3), np.uint8)

    def picture(self, index: int) -> np.ndarray:
        return self._noise[index % 8]


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that accepts, and never reads or says anything."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield server.getsockname()[1]


def assert_only_it_suffers(session, url: str, other: Collector) -> None:
    def dropped() -> int:
        return session.loop.as_json()["outputs"].get(without_key(url), {}).get("dropped", 0)

    session.wait_for(lambda: dropped() > 60, timeout=30)
    session.wait_for(lambda: session.loop.as_json()["trouble"] != {})
    count, began = len(other.frames), time.monotonic()
    session.wait_for(lambda: len(other.frames) >= count + 45)
    assert time.monotonic() - began < 3, "45 pictures at 30 a second"
    began = time.monotonic()
    report = session.finish()
    assert time.monotonic() - began < 6
    assert report["captured"] == report["delivered"] + report["dropped"]
    assert report["outputs"]["collector"]["dropped"] <= 3


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "rtmp://127.0.0.1:{}/live/key"])
def test_a_server_that_accepts_and_never_reads(start_session, deaf: int, address: str) -> None:
    other, url = Collector(), address.format(deaf)
    session = start_session([make_output(url), other], camera=NoisyCamera)
    assert_only_it_suffers(session, url, other)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")
def test_an_rtmp_server_that_stops_in_the_middle(start_session) -> None:
    other, url = Collector(), f"rtmp://127.0.0.1:{free_port()}/live/x"
    command = ["ffmpeg", "-loglevel", "quiet", "-listen", "1", "-i", url, "-c", "copy", "-f", "null", "-"]
    server = subprocess.Popen(command)
    try:
        time.sleep(1)
        session = start_session([make_output(url), other], camera=NoisyCamera)
        session.wait_for(lambda: session.loop.as_json()["outputs"].get(without_key(url), {}).get("delivered", 0) > 10)
        server.send_signal(signal.SIGSTOP)
        assert_only_it_suffers(session, url, other)
    finally:
        server.kill()
        server.wait()


def test_ctrl_c_ends_the_program_while_a_server_says_nothing(environment, tmp_path: Path, deaf: int) -> None:
    url = f"rtmp://127.0.0.1:{deaf}/live/key"
    words = ("--camera", "synthetic:160x96@30", "-o", "film.mkv", "-o", url, "--json")
    process = start(environment, tmp_path, *words)
    until = time.monotonic() + 30
    while not (tmp_path / "film.mkv.part").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(2)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=20)
    assert time.monotonic() - began < 8
    assert process.returncode == 0, said
    values = json.loads(out)
    assert values["outputs"]["film.mkv"]["delivered"] > 10
    assert values["outputs"][without_key(url)]["delivered"] == 0
    assert values["outputs"][without_key(url)]["dropped"] > 0


def test_an_address_is_shown_without_what_is_secret() -> None:
    assert without_key("rtmp://me:word@host:1935/live/key?token=1") == "rtmp://host:1935/live"
    assert without_key("rtmp://host:1935") == without_key("rtmp://host:1935/key") == "rtmp://host:1935"
    assert without_key("srt://me:word@host:9000?passphrase=a#b@c&streamid=publish:me") == "srt://host:9000"
    assert without_key("tcp://me:word@[::1]:9000?listen") == "tcp://[::1]:9000?listen"
    assert without_key("udp://127.0.0.1:5000") == "udp://127.0.0.1:5000"
