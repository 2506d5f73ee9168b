"""What cannot be read is refused at once, with the file's name and the reason; odd names are only names."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.reading import field_colours, frames_of, near, quarters, write_film
from vidstyle.errors import InputError
from vidstyle.media.reader import open_reader, probe


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "empty"),
        ("page.mp4", b"  <!DOCTYPE html><html><title>404</title></html>", "web page"),
        ("noise.mkv", bytes(range(7, 250)) * 20, "no film or picture"),
        (
            "cut.mp4",
            struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom") + struct.pack(">I4s", 9999, b"mdat"),
            "moov",
        ),
        ("text.txt", b"dear diary,\n" * 100, "it is text"),
    ],
)
def test_files_that_are_no_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(InputError) as refusal:
        open_reader(name)
    assert reason in str(refusal.value)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_reader(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="folder"):
        open_reader(tmp_path)
    with pytest.raises(InputError, match="device"):
        open_reader("/dev/null")
    with pytest.raises(InputError, match="not a usable file name"):
        open_reader("a\0b.mp4")


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/a.mp4", "concat:a.mp4|b.mp4", "file:a.mp4", "pipe:0", "lavfi:x"]
)
def test_no_protocol_sneaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, [quarters()])
    with pytest.raises(InputError, match="no such file"):
        open_reader(address)


def test_a_playlist_reaches_nothing_outside(tmp_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(InputError):
        open_reader(playlist)


@pytest.mark.parametrize("name", ["50%_off [a] 'é'.mp4", "-dash.mp4", "a:b|c.mp4", "100%d.jpg", 'q"uote.mkv', "film"])
def test_odd_names_are_plain_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    if name.endswith(".jpg"):
        write_film(tmp_path / "a.mjpeg", [quarters()], codec="mjpeg", pixel_format="yuvj420p").rename(name)
    else:
        write_film(tmp_path / "a.mp4", [quarters()] * 3).rename(name)
    with open_reader(f"./{name}" if name.startswith("-") else name) as reader:
        frames = frames_of(reader)
    assert len(frames) == (1 if name.endswith(".jpg") else 3)
    assert near(field_colours(frames[0].image), field_colours(quarters()))


def test_tags_in_an_old_encoding_are_no_obstacle(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", [quarters()], codec="mpeg4")
    data = path.read_bytes()
    at = data.index(b"ISFT")  # the tag with the program's name, of which there is always one
    path.write_bytes(data[: at + 8] + b"caf\xe9" + data[at + 12 :])
    with open_reader(path) as reader:
        assert len(frames_of(reader)) == 1


def test_content_counts_not_the_extension(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.png", [quarters()], codec="png", pixel_format="rgb24").rename(tmp_path / "film.mp4")
    info = probe(path)
    assert (info.codec, info.frames, info.rate) == ("png", 1, None)


def huge_png(side: int) -> bytes:
    """A small file that claims to be a large picture of one bit a pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(huge_png(12000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="12000x12000 is 144 million pixels, more than the limit of 134 million"):
        open_reader(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024  # kB


@pytest.mark.parametrize(("name", "codec", "pixel_format"), [("a.mkv", "ffv1", "bgr0"), ("a.jpg", "mjpeg", "yuvj420p")])
def test_the_pixel_limit_holds_for_every_format(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    path = write_film(tmp_path / name, [quarters(640, 480)], codec=codec, pixel_format=pixel_format)
    with pytest.raises(InputError, match="limit"):
        open_reader(path, max_pixels=640 * 480 - 1)
    with open_reader(path, max_pixels=641 * 481 + 200000) as reader:
        assert len(frames_of(reader)) == 1


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", [quarters()] * 2, codec="ffv1", pixel_format="bgr0", sound=True)
    only = tmp_path / "sound.mka"
    import av

    with av.open(str(path)) as film, av.open(str(only), "w") as sound:
        stream = sound.add_stream_from_template(film.streams.audio[0])
        for packet in film.demux(audio=0):
            if packet.size:
                packet.stream = stream
                sound.mux(packet)
    with pytest.raises(InputError, match="no frames; it holds no picture"):
        open_reader(only)


READ_STDIN = """
from vidstyle.media.reader import open_reader
with open_reader("-") as reader:
    print(len(list(reader)), reader.info.width)
"""


@pytest.mark.parametrize(("name", "piped", "answer"), [("a.mkv", True, "7 64"), ("a.mp4", False, "7 64")])
def test_standard_input(tmp_path: Path, name: str, piped: bool, answer: str) -> None:
    path = write_film(tmp_path / name, [quarters()] * 7)
    with path.open("rb") as film:
        source = subprocess.Popen(["cat"], stdin=film, stdout=subprocess.PIPE).stdout if piped else film
        done = subprocess.run(
            [sys.executable, "-c", READ_STDIN], stdin=source, capture_output=True, text=True, check=True, timeout=60
        )
    assert done.stdout.strip() == answer


@pytest.mark.parametrize("end", [None, Fraction(1, 25)])
def test_an_index_behind_the_pictures_cannot_be_reached_in_a_pipe(tmp_path: Path, end: Fraction | None) -> None:
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, (6, 240, 320, 3), np.uint8)  # more than the demuxer's buffer, which can go back
    path = write_film(tmp_path / "a.mp4", list(noise))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        subprocess.Popen(["cp", str(path), str(fifo)], stderr=subprocess.DEVNULL),
        pytest.raises(InputError, match="index at the end must be given as a file"),
    ):
        open_reader(fifo, end=end)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "standard input is empty"), (b"no film", "nothing that can be read from a pipe")]
)
@pytest.mark.parametrize("piped", [True, False])
def test_an_empty_standard_input_says_so(tmp_path: Path, content: bytes, said: str, piped: bool) -> None:
    (tmp_path / "in").write_bytes(content)
    with (tmp_path / "in").open("rb") as file:
        source = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE).stdout if piped else file
        done = subprocess.run(
            [sys.executable, "-c", READ_STDIN], stdin=source, capture_output=True, text=True, timeout=60
        )
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize(("start", "frames"), [(None, 6), (Fraction(2, 25), 4)])
def test_a_named_pipe_is_read_through(tmp_path: Path, start: Fraction | None, frames: int) -> None:
    path = write_film(tmp_path / "a.mkv", [quarters()] * 6)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cp", str(path), str(fifo)]), open_reader(fifo, start=start) as reader:
        assert len(frames_of(reader)) == frames
