"""The camera's sound in recordings and streams: a film that flashes and beeps at once must do so at the other end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.media.camera import open_camera
from vidstyle.media.live_film import LiveFilm
from vidstyle.media.live_protocol import CameraRequest, LiveFrame, PictureFormat, Sound, SoundFormat
from vidstyle.media.outputs import make_output

RATE, LENGTH = 30, 2.0
SOUND_RATE = 44_100
FLASHES = (0.5, 1.5)
"""Seconds after the film's beginning; each lasts a tenth of a second."""


@pytest.fixture(scope="module")
def clapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """White flashes on black, each with a beep, in an mp4 whose sound lies half a second apart from its picture."""
    path = tmp_path_factory.mktemp("clapper") / "clapper.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "10", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 160, 96, "yuv420p"
        audio = out.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        times = np.arange(round(LENGTH * SOUND_RATE)) / SOUND_RATE
        wave = np.float32(0.5 * np.sin(2 * np.pi * 1000 * times)) * loud_at(times)
        for start in range(0, len(wave), SOUND_RATE // 2):
            piece = np.tile(wave[start : start + SOUND_RATE // 2], (2, 1)).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, start, Fraction(1, SOUND_RATE)
            out.mux(audio.encode(sound))
            for index in range(round(start / SOUND_RATE * RATE), round((start / SOUND_RATE + 0.5) * RATE)):
                image = np.full((96, 160, 3), 255 * int(loud_at(np.array(index / RATE + 1e-6))), np.uint8)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, RATE)
                out.mux(video.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return path


def loud_at(times: np.ndarray) -> np.ndarray:
    return np.any([(times >= flash) & (times < flash + 0.1) for flash in FLASHES], axis=0)


def events(path: Path) -> tuple[list[float], list[float]]:
    """When flashes and beeps begin, in seconds; painted by the inverting network, a flash is dark."""
    with av.open(str(path)) as seen:
        pictures = [(f.time, f.to_ndarray(format="gray").mean() < 100) for f in seen.decode(video=0)]
    with av.open(str(path)) as seen:
        pieces = [(f.time, f.sample_rate, left_channel(f)) for f in seen.decode(audio=0)]
    flashes = [t for (t, dark), (_, before) in zip(pictures[1:], pictures, strict=False) if dark and not before]
    loud = np.concatenate([start + np.flatnonzero(np.abs(left) > 0.1) / rate for start, rate, left in pieces])
    return flashes, [float(at) for at in loud[np.diff(loud, prepend=-1) > 0.05]]


def left_channel(frame: av.AudioFrame) -> np.ndarray:
    """Samples of -1..1."""
    samples = frame.to_ndarray()
    left = samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels]
    return left / 32768 if samples.dtype == np.int16 else left


def assert_in_time(path: Path, *, count: int) -> None:
    flashes, beeps = events(path)
    assert len(flashes) >= count, (flashes, beeps)
    assert len(beeps) >= count, (flashes, beeps)
    distances = [min((beep - flash for beep in beeps), key=abs) for flash in flashes]
    assert np.abs(distances).max() < 0.25, (flashes, beeps)  # a loaded machine captures single pictures late
    assert abs(np.median(distances)) < 0.05, (flashes, beeps)


@pytest.mark.parametrize("name", ["recording.mp4", "recording.webm"])
def test_a_recording_that_starts_and_stops_has_the_sound_in_time(start_session, clapper, tmp_path, name: str) -> None:
    session = start_session(
        [make_output("null")],
        camera=lambda: open_camera(CameraRequest(source=str(clapper), loop=True)),
        open_film=make_output,
    )
    session.wait_for(lambda: session.loop.statistics.as_json()["delivered"] > 10)
    session.loop.control.record(str(tmp_path / name))
    time.sleep(3.2)
    session.loop.control.record()
    time.sleep(0.2)
    report = session.finish()
    assert report["recordings"] == [str(tmp_path / name)]
    assert_in_time(tmp_path / name, count=2)
    with av.open(str(tmp_path / name)) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        ends = []
        for stream in (video, audio):
            film.seek(0)
            ends.append(max(float((p.pts + (p.duration or 0)) * p.time_base) for p in film.demux(stream) if p.pts))
    assert ends[0] == pytest.approx(ends[1], abs=0.25), "sound ends with the picture"


def test_the_first_sound_of_a_film_is_heard(start_session, clapper, tmp_path: Path) -> None:
    """All of it comes before the session is ready; none of it may be lost."""
    out = tmp_path / "all.mkv"
    session = start_session(
        [make_output(str(out))], camera=lambda: open_camera(CameraRequest(source=str(clapper))), open_film=make_output
    )
    session.thread.join(15)
    session.finish()
    flashes, beeps = events(out)
    np.testing.assert_allclose(flashes, FLASHES, atol=0.06)
    np.testing.assert_allclose(beeps, FLASHES, atol=0.06)


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_a_stream_has_the_sound_in_time(start_session, clapper, tmp_path: Path, scheme: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{probe.getsockname()[1]}"
    seen = tmp_path / "seen.ts"

    def receive() -> None:
        source = url + ("?fifo_size=100000" if scheme == "udp" else "?listen=1")
        with av.open(source, timeout=10) as stream, av.open(str(seen), "w", format="mpegts") as out:
            copies = {s.index: out.add_stream_from_template(s) for s in stream.streams}
            for packet in stream.demux():
                if packet.dts is None or packet.pts * packet.time_base > 6:
                    break
                packet.stream = copies[packet.stream.index]
                out.mux(packet)

    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    session = start_session(
        [make_output(url)], camera=lambda: open_camera(CameraRequest(source=str(clapper), loop=True))
    )
    receiver.join(20)
    assert not receiver.is_alive()
    session.finish()
    assert_in_time(seen, count=3)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="the ffmpeg program is not installed")
def test_an_rtmp_stream_has_the_sound_in_time(start_session, clapper, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"rtmp://127.0.0.1:{probe.getsockname()[1]}/live/vidstyle"
    seen = tmp_path / "seen.flv"
    command = ["ffmpeg", "-loglevel", "error", "-listen", "1", "-i", url, "-t", "4", "-c", "copy", str(seen)]
    server = subprocess.Popen(command)
    time.sleep(1.0)
    session = start_session(
        [make_output(url)], camera=lambda: open_camera(CameraRequest(source=str(clapper), loop=True))
    )
    server.wait(40)
    session.finish()
    assert_in_time(seen, count=3)


def play(
    film: LiveFilm, path: Path, *, heard: list[tuple[float, float]], pictures: int, seconds: float = 0.02
) -> np.ndarray:
    """Pictures 10 a second from moment 100 on, and a tone over each `heard` (begin, end); the sound as it was read.

    It comes in pieces of so many `seconds`.
    """
    film.open(PictureFormat(width=64, height=48, rate=Fraction(10), sound=SoundFormat(rate=48_000, layout="mono")))
    samples = np.full((1, round(48_000 * seconds)), 8000, np.int16)
    for begin, end in heard:
        for at in np.arange(begin, end - 1e-9, seconds):
            piece = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            piece.sample_rate = 48_000
            film.hear(Sound(samples=piece, captured=100 + float(at)))
    for index in range(pictures):
        image = np.zeros((48, 64, 3), np.uint8)
        film.write(LiveFrame(image=image, captured=100 + index / 10, index=index))
    film.close()
    with av.open(str(path)) as seen:
        return np.concatenate([left_channel(f) for f in seen.decode(audio=0)])


def test_gaps_become_silence_and_what_was_heard_twice_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "gap.mkv"
    heard = [(-0.5, 1.0), (0.5, 1.0), (4.0, 5.0)]
    sound = play(LiveFilm(str(path)), path, heard=heard, pictures=50)
    loud = np.abs(sound) > 0.1
    assert loud[: 48_000 - 100].all(), "from the first picture on, without what came before it"
    assert not loud[round(1.1 * 48_000) : 4 * 48_000 - 100].any()
    assert loud[4 * 48_000 + 100 : 5 * 48_000 - 4000].all()


def test_sound_is_nowhere_off_its_time_by_more_than_lips_forgive(tmp_path: Path) -> None:
    """As where a film whose sound ends a little before its pictures begins again."""
    path = tmp_path / "again.mkv"
    loud = np.abs(play(LiveFilm(str(path)), path, heard=[(0, 1), (1.08, 2)], pictures=22)) > 0.1
    assert not loud[round(1.01 * 48_000) : round(1.03 * 48_000)].any()
    assert loud[round(1.09 * 48_000) : round(1.99 * 48_000)].all()


def test_a_long_piece_loses_only_what_is_too_early(tmp_path: Path) -> None:
    """Films in AVI often have half a second of sound in a piece."""
    path = tmp_path / "long.mkv"
    heard = [(-0.3, 0.2), (0.2, 0.7), (0.5, 1.0), (1.0, 1.5)]
    loud = np.abs(play(LiveFilm(str(path)), path, heard=heard, pictures=16, seconds=0.5)) > 0.1
    assert loud[: round(1.49 * 48_000)].all()


@pytest.mark.parametrize(("sample_format", "layout"), [("fltp", "stereo"), ("s16", "mono")])
def test_films_that_begin_apart_share_the_sound_and_leave_it_as_it_is(
    tmp_path: Path, sample_format: str, layout: str
) -> None:
    """The format that encoders take needs no conversion, so each of them is given the piece itself."""
    pieces = []
    for index in range(100):
        loud = index >= 50
        shape, kind, level = ((2, 960), np.float32, 0.25) if sample_format == "fltp" else ((1, 960), np.int16, 8000)
        samples = np.full(shape, level if loud else 0, kind)
        piece = av.AudioFrame.from_ndarray(samples, format=sample_format, layout=layout)
        piece.sample_rate, piece.pts, piece.time_base = 48_000, 960 * index, Fraction(1, 48_000)
        pieces.append(Sound(samples=piece, captured=100 + index / 50))
    picture = PictureFormat(width=64, height=48, rate=Fraction(10), sound=SoundFormat(rate=48_000, layout=layout))
    films = {LiveFilm(str(tmp_path / f"{start}.mkv")): start for start in (0, 5)}
    for film in films:
        film.open(picture)
        for piece in pieces:
            film.hear(piece)
    for index in range(20):
        frame = LiveFrame(image=np.zeros((48, 64, 3), np.uint8), captured=100 + index / 10, index=index)
        for film, start in films.items():
            if index >= start:
                film.write(frame)
    for film, start in films.items():
        film.close()
        with av.open(str(tmp_path / f"{start}.mkv")) as seen:
            sound = np.concatenate([left_channel(f) for f in seen.decode(audio=0)])
        begins = np.flatnonzero(np.abs(sound) > 0.1)[0] / 48_000
        assert begins == pytest.approx(1 - start / 10, abs=0.02)
    assert [p.samples.pts for p in pieces] == [960 * index for index in range(100)]


def test_sound_that_changes_its_format_is_heard_on(tmp_path: Path) -> None:
    """As where a sender was started again with other settings."""
    path = tmp_path / "changed.mkv"
    film = LiveFilm(str(path))
    film.open(PictureFormat(width=64, height=48, rate=Fraction(10), sound=SoundFormat(rate=48_000, layout="stereo")))
    for index in range(100):
        rate, layout, channels = (48_000, "stereo", 2) if index < 50 else (44_100, "mono", 1)
        samples = np.full((channels, rate // 50), 0.25, np.float32)
        piece = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        piece.sample_rate = rate
        film.hear(Sound(samples=piece, captured=100 + index / 50))
    for index in range(20):
        film.write(LiveFrame(image=np.zeros((48, 64, 3), np.uint8), captured=100 + index / 10, index=index))
    film.close()
    with av.open(str(path)) as seen:
        sound = np.concatenate([left_channel(f) for f in seen.decode(audio=0)])
    assert (np.abs(sound[: round(1.9 * 48_000)]) > 0.1).mean() > 0.98


def test_a_silent_camera_holds_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    sound = play(LiveFilm(str(path)), path, heard=[], pictures=40)
    assert not sound.any()
    assert len(sound) > 2.5 * 48_000
