"""The network streams, read by independent clients: PyAV, ffmpeg and mpv where they are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.live.live_fakes import Painters, make_control
from vidstyle.errors import OutputError, UsageError
from vidstyle.live.loop import LiveLoop
from vidstyle.live.session import make_outputs
from vidstyle.media import srt
from vidstyle.media.camera_synthetic import SyntheticCamera, frame_number
from vidstyle.media.live_protocol import LiveFrame, OutputLost, PictureFormat, ReceiverAbsent, Sound, SoundFormat
from vidstyle.media.outputs import make_output
from vidstyle.media.transport import transport_for

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")
needs_mpv = pytest.mark.skipif(not shutil.which("mpv"), reason="mpv is not installed")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TalkingCamera(SyntheticCamera):
    """The synthetic camera with a 1 kHz tone."""

    def __init__(self) -> None:
        super().__init__(width=320, height=192, rate=Fraction(30))
        from dataclasses import replace

        self.info = replace(self.info, sound=SoundFormat(rate=16000, layout="mono"))
        self._heard = 0

    def sounds(self) -> list[Sound]:
        wave = np.sin(np.arange(self._heard, self._heard + 533) * 2 * np.pi * 1000 / 16000)
        piece = av.AudioFrame.from_ndarray((wave * 8000).astype(np.int16)[None], format="s16", layout="mono")
        piece.sample_rate = 16000
        at = self._start + self._heard / 16000
        self._heard += 533
        return [Sound(samples=piece, captured=at)]


def stream_pictures(session, receive, count: int = 30) -> tuple[list[int], list[float]]:
    """Numbers and times (seconds) of `count` pictures that `receive` (an open container) decodes."""
    numbers, times = [], []
    for frame in receive.decode(video=0):
        numbers.append(frame_number(255 - frame.to_ndarray(format="rgb24")))
        times.append(frame.time)
        if len(numbers) == count:
            return numbers, times
    raise AssertionError("the stream ended")


def test_a_tcp_receiver_that_connects_to_us(start_session) -> None:
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    session = start_session([make_output(url + "?listen")], camera=TalkingCamera)
    session.wait_for(lambda: session.loop.statistics.as_json()["captured"] > 5)
    for _ in range(2):  # it hangs up; another one comes
        with av.open(url, timeout=5) as receive:
            assert [s.type for s in receive.streams] == ["video", "audio"]
            numbers, times = stream_pictures(session, receive)
            assert np.median(np.diff(numbers)) == 1
            assert np.all(np.diff(numbers) >= 1)
            steps = np.diff(times) / np.diff(numbers)
            assert np.median(steps) == pytest.approx(1 / 30, abs=0.004)
    report = session.finish()
    output = report["outputs"][url + "?listen"]
    assert output["dropped_by"][url + "?listen without receiver"] > 0
    assert output["delivered"] >= 60


def test_keyframes_come_every_second_and_latency_is_short(start_session) -> None:
    port = free_port()
    session = start_session([make_output(f"tcp://127.0.0.1:{port}?listen")], camera=TalkingCamera)
    session.wait_for(lambda: session.loop.picture is not None)
    time.sleep(0.3)
    keys, delays = [], []
    with av.open(f"tcp://127.0.0.1:{port}", timeout=5, options={"fflags": "nobuffer", "probesize": "50000"}) as receive:
        for frame in receive.decode(video=0):
            if frame.key_frame:
                keys.append(frame.time)
            now = session.loop.capture._index
            delays.append(now - frame_number(255 - frame.to_ndarray(format="rgb24")))
            if len(keys) == 4:
                break
    np.testing.assert_allclose(np.diff(keys), 1.0, atol=0.1)
    # the index is that of the next picture; the receiver holds one back, the muxer waits for the sound
    assert np.median(delays[30:]) <= 6
    session.finish()


@needs_ffmpeg
def test_ffmpeg_reads_the_udp_stream(start_session, tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    out = tmp_path / "seen.mkv"
    command = ["ffmpeg", "-loglevel", "error", "-i", f"udp://127.0.0.1:{port}?timeout=8000000", "-t", "4", "-c", "copy"]
    receiver = subprocess.Popen([*command, str(out)], stderr=subprocess.PIPE)
    session = start_session([make_output(f"udp://127.0.0.1:{port}")], camera=TalkingCamera)
    errors = receiver.communicate(timeout=25)[1].decode()
    session.finish()
    assert receiver.returncode == 0, errors
    with av.open(str(out)) as seen:
        frames = list(seen.decode(video=0))
        assert len(frames) >= 50
    with av.open(str(out)) as seen:
        assert sum(f.samples for f in seen.decode(audio=0)) > 48000


@needs_ffmpeg
def test_ffmpeg_as_rtmp_server_gets_picture_and_sound_and_may_come_late(start_session, tmp_path: Path) -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/vidstyle"
    out = tmp_path / "seen.flv"
    session = start_session([make_output(url)], camera=TalkingCamera)
    session.wait_for(lambda: session.loop.as_json()["trouble"] != {}, timeout=5)
    command = ["ffmpeg", "-loglevel", "error", "-listen", "1", "-i", url, "-t", "2", "-c", "copy", str(out)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE)
    errors = server.communicate(timeout=40)[1].decode()
    report = session.finish()
    assert report["outputs"][url.removesuffix("/vidstyle")]["reconnects"] >= 1
    with av.open(str(out)) as seen:
        assert {s.type for s in seen.streams} == {"video", "audio"}, errors
        assert len(list(seen.decode(video=0))) >= 50


@needs_mpv
def test_mpv_shows_the_udp_stream(start_session, tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = start_session([make_output(f"udp://127.0.0.1:{port}")], camera=TalkingCamera)
    session.wait_for(lambda: session.loop.picture is not None)
    command = [
        "mpv",
        "--no-config",
        "--profile=low-latency",
        "--vo=image",
        f"--vo-image-outdir={tmp_path}",
        "--ao=null",
    ]
    subprocess.run(
        [*command, "--vo-image-format=png", "--frames=20", f"udp://127.0.0.1:{port}"],
        timeout=40,
        check=True,
        capture_output=True,
    )
    session.finish()
    seen = sorted(tmp_path.glob("*.png"))
    assert len(seen) >= 20
    with av.open(str(seen[-1])) as picture:
        image = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert image.shape == (192, 320, 3)
    assert image[..., 2].mean() == pytest.approx(60, abs=25), "the tint of the style 'blue'"


def test_a_receiver_that_takes_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream = make_output(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        stream.open(PictureFormat(width=320, height=192, rate=Fraction(30)))
        noise = np.random.default_rng(1)

        def write_on() -> None:
            for index in range(3000):
                image = noise.integers(0, 255, (192, 320, 3), np.uint8)
                stream.write(LiveFrame(image=image, captured=index / 30, index=index))

        began = time.monotonic()
        with pytest.raises(OutputLost):
            write_on()
        assert time.monotonic() - began < 25
        stream.close()


def test_nobody_listening_is_worth_another_try_and_a_taken_port_is_not() -> None:
    picture = PictureFormat(width=320, height=192, rate=Fraction(30))
    with pytest.raises(OutputLost, match=r"\?listen"):
        make_output(f"tcp://127.0.0.1:{free_port()}").open(picture)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError, match="another port"):
        make_output(f"tcp://127.0.0.1:{taken.getsockname()[1]}?listen").open(picture)
    transport = transport_for(f"tcp://127.0.0.1:{free_port()}?listen")
    with pytest.raises(ReceiverAbsent):
        transport.connect()
    transport.close()


def test_srt_goes_through_ffmpeg_or_says_what_is_missing(monkeypatch, tmp_path: Path) -> None:
    picture = PictureFormat(width=320, height=192, rate=Fraction(30))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OutputError, match=r"^srt://127\.0\.0\.1:9000: SRT needs the ffmpeg program"):
        make_output("srt://127.0.0.1:9000?passphrase=topsecret123").open(picture)
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *-protocols*) echo srt;; *) exec /bin/cat > ' + str(tmp_path / "got.ts") + ";; esac\n"
    )
    program.chmod(0o755)
    stream = make_output("srt://127.0.0.1:9000")
    stream.open(picture)
    for index in range(10):
        stream.write(LiveFrame(image=np.zeros((192, 320, 3), np.uint8), captured=index / 30, index=index))
    stream.close()
    with av.open(str(tmp_path / "got.ts"), format="mpegts") as got:
        assert len(list(got.decode(video=0))) == 10


def test_an_ffmpeg_that_talks_or_takes_nothing_does_not_hold_us_up(monkeypatch, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *-protocols*) echo srt;; *)\n'
        'head -c 100000 /dev/zero >&2; head -c 20000 > /dev/null; echo done > "$0.done"; sleep 60;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(srt, "PATIENCE", 0.5)
    way = srt.SrtTransport("srt://127.0.0.1:9000")
    way.connect()
    assert way.write(bytes(20_000)) == 20_000
    until = time.monotonic() + 10
    while not (tmp_path / "ffmpeg.done").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    with pytest.raises(OutputLost, match="ffmpeg takes nothing"):
        way.write(bytes(2**20))
    way.hang_up()


def test_an_srt_listener_waits_for_its_receiver(monkeypatch, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\ncase "$*" in *-protocols*) echo srt;; *) sleep 1; exec cat > /dev/null;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(srt, "PATIENCE", 0.2)
    way = srt.SrtTransport("srt://127.0.0.1:9000?mode=listener&latency=20")
    way.connect()
    assert way.write(bytes(2**18)) == 2**18  # more than the pipe holds
    way.hang_up()


def test_what_ffmpeg_says_of_srt_is_told_without_the_passphrase(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\ncase "$*" in *-protocols*) echo srt;; *) shift 15; echo "no way to $*" >&2;; esac\n')
    program.chmod(0o755)
    stream = make_output("srt://127.0.0.1:9000?passphrase=topsecret123")
    stream.open(PictureFormat(width=320, height=192, rate=Fraction(30)))

    def write_on() -> None:
        for index in range(300):
            stream.write(LiveFrame(image=np.zeros((192, 320, 3), np.uint8), captured=index / 30, index=index))
            time.sleep(0.02)

    with pytest.raises(OutputLost) as lost:
        write_on()
    assert "topsecret123" not in str(lost.value)
    assert "no way to" in str(lost.value)
    stream.close()


@pytest.mark.parametrize("url", ["udp://", "udp://127.0.0.1", "tcp://host:port", "rtmp://host"])
def test_impossible_addresses_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        make_output(url).open(PictureFormat(width=320, height=192, rate=Fraction(30)))


def test_two_streams_to_one_server_are_told_apart_without_their_keys() -> None:
    loop = LiveLoop(SyntheticCamera, Painters(), make_control(), open_film=make_output)
    outputs, _ = make_outputs([f"rtmp://127.0.0.1/live/{key}" for key in ("one", "two")], loop)
    assert [output.name for output in outputs] == ["rtmp://127.0.0.1/live", "rtmp://127.0.0.1/live (2)"]
