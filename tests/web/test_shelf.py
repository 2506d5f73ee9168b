"""The shelf: uploads kept under names of its own or not at all; frames found; the scene always there."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import numbered_picture
from vidstyle.errors import InputError, OutputError, UsageError
from vidstyle.media.synthetic import scene
from vidstyle.web import shelf as shelf_module
from vidstyle.web.exchange import NothingThere
from vidstyle.web.shelf import SCENE, Shelf, Source

MakeFilm = Callable[..., Path]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    folder = tmp_path / "shelf"
    folder.mkdir()
    return Shelf(folder)


def put(shelf: Shelf, data: bytes, name: str = "a film.mkv", length: int | None = None) -> Source:
    return shelf.receive(name, length=len(data) if length is None else length, read=io.BytesIO(data).read)


def kept(tmp_path: Path) -> list[str]:
    return [file.name for file in (tmp_path / "shelf").iterdir()]


def number_of(picture: np.ndarray) -> int:
    """What `numbered_picture` wrote in it."""
    width = picture.shape[1]
    return sum(1 << bit for bit in range(8) if picture[1, bit * width // 8 + 2, 0] > 127)


def test_a_film_is_kept_under_another_name(shelf: Shelf, make_film: MakeFilm, tmp_path: Path) -> None:
    name = "../../../etc/pass<b>wd.mkv"
    source = put(shelf, make_film(frames=5).read_bytes(), name)
    assert (source.name, source.kind, source.width, source.height, source.rate) == (name, "film", 64, 48, 25)
    assert source.seconds == pytest.approx(0.2, abs=0.01)
    assert kept(tmp_path) == [source.id]
    assert shelf.find(source.id) == source
    assert [s.id for s in shelf.sources()] == [SCENE, source.id]


def test_a_photograph_is_a_picture(shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    with av.open(str(file), "w", format="image2") as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(3, 64, 48), format="rgb24")))
        out.mux(stream.encode(None))
    source = put(shelf, file.read_bytes(), "photo.png")
    assert (source.kind, source.seconds, source.rate) == ("picture", None, None)
    assert number_of(shelf.picture(source, Fraction(0))) == 3


class Pipe:
    """Takes what is written and cannot go back, as a browser's recorder: the file never says how long it is."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def test_a_film_that_does_not_say_how_long_it_is_has_its_slider(shelf: Shelf) -> None:
    pipe = Pipe()
    with av.open(pipe, "w", format="matroska") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for index in range(10):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(index, 64, 48), format="rgb24")))
        film.mux(stream.encode(None))
    source = put(shelf, pipe.data)
    assert source.seconds == pytest.approx(0.36)
    assert number_of(shelf.picture(source, Fraction(8, 25))) == 8


@pytest.mark.parametrize(("at", "number"), [(0, 0), (0.2, 5), (0.21, 6), (0.44, 11), (9, 11)])
def test_the_frame_at_a_moment(shelf: Shelf, make_film: MakeFilm, at: float, number: int) -> None:
    source = put(shelf, make_film(frames=12).read_bytes())
    moment = Fraction(round(at * 1000), 1000)
    assert number_of(shelf.picture(source, moment)) == number
    assert shelf.picture(source, moment) is shelf.picture(source, moment), "decoded once"


def test_large_pictures_are_shown_at_the_size_at_which_they_are_painted(shelf: Shelf, make_film: MakeFilm) -> None:
    source = put(shelf, make_film(frames=1, width=736, height=736).read_bytes())
    assert shelf.picture(source, Fraction(0)).shape == (720, 720, 3)


@pytest.mark.parametrize("data", [b"", b"only text\n" * 50, b"\x89PNG\r\n\x1a\n" + bytes(40), b"<html>" * 20])
def test_what_is_no_film_is_refused_in_its_owners_words(shelf: Shelf, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError) as error:
        put(shelf, data, "my notes.txt")
    assert "my notes.txt" in str(error.value)
    assert str(tmp_path) not in str(error.value)
    assert kept(tmp_path) == []


def test_an_upload_that_breaks_off_leaves_nothing(shelf: Shelf, make_film: MakeFilm, tmp_path: Path) -> None:
    data = make_film(frames=5).read_bytes()
    with pytest.raises(InputError, match="broke off"):
        put(shelf, data, length=len(data) + 1)

    def fail(count: int) -> bytes:
        raise TimeoutError("timed out")

    with pytest.raises(InputError, match="stood still"):
        shelf.receive("film", length=10, read=fail)
    assert kept(tmp_path) == []


def test_too_much_is_refused_before_a_byte_is_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(count: int) -> bytes:
        raise AssertionError("nothing is read")

    with pytest.raises(UsageError, match="up to 16 GiB"):
        shelf.receive("film", length=1 << 40, read=read)
    monkeypatch.setattr(shelf_module, "_SPARE_ROOM", 1 << 60)
    with pytest.raises(OutputError, match="no room"):
        shelf.receive("film", length=1, read=read)


def test_the_scene_is_there_from_the_start(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    source = shelf.find(SCENE)
    expected = scene(source.width, source.height, seconds=2.0)
    assert np.array_equal(shelf.picture(source, Fraction(2)), expected)
    drawn = []
    monkeypatch.setattr(shelf_module, "write_film", lambda path, **size: drawn.append(size) or path.touch())
    assert shelf.file(source) == shelf.file(source)
    assert drawn == [{"width": 960, "height": 540, "seconds": 6, "rate": 25}]


def test_what_is_not_on_the_shelf_cannot_be_had(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "shelf" / "private").write_text("secret")
    for name in ("private", "../shelf/private", "", "scene.mp4"):
        with pytest.raises(NothingThere):
            shelf.find(name)
