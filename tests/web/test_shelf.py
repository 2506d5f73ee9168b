"""The shelf: uploads kept under names of its own or not at all; frames found; the scene always there."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.conftest import numbered_picture
from tests.web.conftest import wait_for
from vidstyle.errors import InputError, OutputError, UsageError
from vidstyle.frames import Frame
from vidstyle.media.synthetic import scene
from vidstyle.web import seeking
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


def test_a_targa_which_only_its_name_tells_is_a_picture(shelf: Shelf, tmp_path: Path) -> None:
    Image.fromarray(numbered_picture(3, 64, 48)).save(tmp_path / "photo.tga")
    source = put(shelf, (tmp_path / "photo.tga").read_bytes(), "A Photo.TGA")
    assert source.kind == "picture"
    assert number_of(shelf.picture(source, Fraction(0))) == 3


def test_a_playlist_leads_to_no_other_file(shelf: Shelf, make_film: MakeFilm) -> None:
    film = make_film("private.ts", codec="libx264", pixel_format="yuv420p")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{film}\n#EXT-X-ENDLIST\n"
    with pytest.raises(InputError):
        put(shelf, playlist.encode(), "list.m3u8")


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


def cut_film(path: Path, **options: str) -> bytes:
    """Half of a film of 100 s, which still says that it lasts as long."""
    with av.open(str(path), "w", options=options) as film:
        stream = film.add_stream("mpeg4", rate=1, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 10**6
        for index in range(100):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(index, 64, 48), format="rgb24")))
        film.mux(stream.encode(None))
    data = path.read_bytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(("name", "options"), [("in.mp4", {"movflags": "faststart"}), ("in.mkv", {})])
def test_a_film_that_was_cut_short_is_searched_from_its_end(
    shelf: Shelf, tmp_path: Path, name: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(shelf, cut_film(tmp_path / name, **options))
    assert source.seconds == pytest.approx(49, abs=3), "as far as it can be read"
    starts: list[Fraction | None] = []
    whole = seeking.open_reader
    monkeypatch.setattr(seeking, "open_reader", lambda p, start: starts.append(start) or whole(p, start=start))
    last = number_of(shelf.picture(source, Fraction(99)))
    assert last == pytest.approx(source.seconds, abs=2)
    assert number_of(shelf.picture(source, Fraction(last))) == last
    assert all(start and start > source.seconds - 15 for start in starts)


def test_a_film_whose_end_cannot_be_decoded_is_searched_backwards(
    shelf: Shelf, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = put(shelf, make_film(frames=100, rate=1).read_bytes())
    starts: list[Fraction | None] = []
    whole = seeking.open_reader

    def damaged(path: Path, start: Fraction | None) -> object:
        starts.append(start)
        if start is None or start > 80:
            raise InputError("no frames")
        return whole(path, start=start)

    monkeypatch.setattr(seeking, "open_reader", damaged)
    assert number_of(shelf.picture(source, Fraction(99))) == 99
    assert starts == [99, 97, 89, 39]


def test_a_film_in_which_a_frame_is_hard_to_find_holds_up_no_other(
    shelf: Shelf, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, sought = threading.Event(), threading.Event()
    one, other = (put(shelf, make_film(frames=3).read_bytes()) for _ in range(2))
    frame = shelf_module.frame_at

    def seek(path: Path, *rest: object) -> np.ndarray:
        if path.name == one.id:
            sought.set()
            assert found.wait(20)
        return frame(path, *rest)

    monkeypatch.setattr(shelf_module, "frame_at", seek)
    pictures: list[np.ndarray] = []
    seeking = threading.Thread(target=lambda: pictures.append(shelf.picture(one, Fraction(0))))
    asking = threading.Thread(target=lambda: pictures.append(shelf.picture(other, Fraction(0))))
    seeking.start()
    assert sought.wait(20)
    asking.start()
    asking.join(10)
    found_meanwhile = len(pictures)
    found.set()
    for thread in (asking, seeking):
        thread.join(20)
    assert (found_meanwhile, len(pictures)) == (1, 2)


def test_closing_ends_a_search(shelf: Shelf, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    source = put(shelf, make_film(frames=3).read_bytes())
    outcomes: list[str] = []

    class Endless:
        def __init__(self, path: Path, start: Fraction | None) -> None:
            if len(outcomes) == 0:
                outcomes.append("nothing there")
                raise InputError("no frames")

        def __enter__(self) -> Iterator[Frame]:
            outcomes.append("searching")
            return iter(lambda: Frame(image=numbered_picture(0, 64, 48), pts=0, time_base=Fraction(1), index=0), None)

        def __exit__(self, *error: object) -> None: ...

    def ask() -> None:
        try:
            shelf.picture(source, Fraction(1))
        except NothingThere as error:
            outcomes.append(str(error))

    monkeypatch.setattr(seeking, "open_reader", Endless)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    wait_for(lambda: "searching" in outcomes)
    closing = threading.Thread(target=shelf.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    thread.join(10)
    assert outcomes == ["nothing there", "searching", "the studio is closing"]
    with pytest.raises(NothingThere):
        shelf.picture(source, Fraction(0))


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
