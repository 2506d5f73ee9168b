"""Single pictures: painted as `Painter` paints, one at a time, and only the newest wish of a page."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import add_style
from tests.web.conftest import ENGINES, ORDER, Visitor, wait_for
from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.jpeg import encode_jpeg
from vidstyle.painter import Painter
from vidstyle.style_library import Library
from vidstyle.web.artist import Artist, Painting, Superseded
from vidstyle.web.order import Order, read_order
from vidstyle.web.studio import Studio

GREY = np.full((64, 96, 3), 128, np.uint8)


def decoded(jpeg: bytes) -> ImageArray:
    with av.open(io.BytesIO(jpeg)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


@pytest.fixture
def artist(library: Library) -> Iterator[Artist]:
    artist = Artist(library, ENGINES)
    yield artist
    artist.close()


def test_it_is_what_the_painter_paints(artist: Artist, library: Library) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (8, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    order = Order(styles=(("mosaic", 1.0), ("waves", 2.0)), strength=0.7)
    painting = artist.paint("page", lambda: picture, order)
    network = library.network()
    with Painter(network, backend="openvino", precision="fp32") as painter:
        expected = painter.paint(picture[None], order.look(library, network))[0]
    same = decoded(encode_jpeg(expected))
    assert np.abs(decoded(painting.jpeg).astype(int) - same).mean() < 1
    assert painting.engine.startswith("openvino on CPU, fp32")
    untouched = artist.paint("page", lambda: GREY, Order(styles=(("mosaic", 1.0),), strength=0))
    assert np.abs(decoded(untouched.jpeg).astype(int) - 128).max() < 3
    assert untouched.engine == ""


def test_the_newest_wish_wins_and_other_pages_are_not_concerned(
    artist: Artist, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding, held = threading.Event(), threading.Event()
    outcomes: dict[str, str] = {}
    paint = artist._paint

    def hold(picture: ImageArray, order: Order) -> Painting:
        held.set()
        assert holding.wait(20)
        return paint(picture, order)

    monkeypatch.setattr(artist, "_paint", hold)

    def wish(page: str, name: str) -> threading.Thread:
        def ask() -> None:
            try:
                artist.paint(page, lambda: GREY, Order(styles=(("mosaic", 1.0),)))
                outcomes[name] = "painted"
            except Superseded:
                outcomes[name] = "superseded"

        thread = threading.Thread(target=ask)
        thread.start()
        return thread

    threads = [wish("one", "first")]
    assert held.wait(20)
    for number in range(4):
        threads.append(wish("one", f"waiting {number}"))
        wait_for(lambda number=number: artist._newest["one"] == number + 1)
    threads.append(wish("two", "other page"))
    wait_for(lambda: "two" in artist._newest)
    holding.set()
    for thread in threads:
        thread.join(20)
    waited = [outcomes[f"waiting {number}"] for number in range(4)]
    assert waited == ["superseded"] * 3 + ["painted"]
    assert outcomes["first"] == outcomes["other page"] == "painted"
    assert not artist._newest, "nothing is kept of pages that are gone"


def test_a_picture_that_is_hard_to_find_holds_up_no_other_page(artist: Artist) -> None:
    found, sought = threading.Event(), threading.Event()
    paintings: list[Painting] = []

    def seek() -> ImageArray:
        sought.set()
        assert found.wait(20)
        return GREY

    def wish(page: str, find_picture: Callable[[], ImageArray]) -> threading.Thread:
        order = Order(styles=(("mosaic", 1.0),))
        thread = threading.Thread(target=lambda: paintings.append(artist.paint(page, find_picture, order)))
        thread.start()
        return thread

    seeking = wish("one", seek)
    assert sought.wait(20)
    other = wish("two", lambda: GREY)
    other.join(10)
    painted_meanwhile = len(paintings)
    found.set()
    for thread in (other, seeking):
        thread.join(20)
    assert (painted_meanwhile, len(paintings)) == (1, 2)


def test_after_an_error_it_paints_on(artist: Artist) -> None:
    def unreadable() -> ImageArray:
        raise InputError("damaged")

    with pytest.raises(InputError):
        artist.paint("page", unreadable, Order(styles=(("mosaic", 1.0),)))
    assert artist.paint("page", lambda: GREY, Order(styles=(("mosaic", 1.0),))).jpeg
    artist.close()
    with pytest.raises(Superseded):
        artist.paint("page", lambda: GREY, Order(styles=(("mosaic", 1.0),)))


def test_the_page_gets_pictures_and_errors(visitor: Visitor, studio: Studio, make_film: Callable[..., Path]) -> None:
    film = visitor.upload(make_film(frames=3)).json["id"]
    wish = {"page": "1", "source": film, "at": 0.04, "order": ORDER}
    answer = visitor.post("/api/paint", wish)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.headers["X-Engine"].startswith("openvino")
    assert decoded(answer.body).shape == (48, 64, 3)
    original = decoded(visitor.get(f"/api/sources/{film}/picture?at=0.04").body).astype(int)
    frame = studio.shelf.picture(studio.shelf.find(film), Fraction(1, 25))
    assert np.abs(original - frame).mean() < 10, "JPEG's own error, no more"
    for change, status, words in (
        ({"source": "nothing"}, 404, "no longer here"),
        ({"at": -1}, 400, "no film is that long"),
        ({"at": "NaN"}, 400, "no film is that long"),
        ({"at": []}, 400, "number of seconds"),
        ({"at": 10**400}, 400, "no film is that long"),
        ({"order": {"styles": [["mosaik", 1]]}}, 400, "did you mean 'mosaic'"),
        ({"order": {"styles": [["mosaic", 0]]}}, 400, "above 0"),
        ({"order": ORDER | {"strength": 7}}, 400, "from 0 to 1"),
        ({"order": ORDER | {"stroke": 0}}, 400, "stroke"),
        ({"order": ORDER | {"stroke": 10**400}}, 400, "stroke"),
        ({"order": ORDER | {"network": "nothing"}}, 400, "no network"),
    ):
        answer = visitor.post("/api/paint", wish | change)
        assert (answer.status, words in answer.error, "\n" in answer.error) == (status, True, False), (change, answer)


def test_the_engines_are_fitted_to_the_styles_that_there_are(
    studio: Studio, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.warm_up()
    first = studio.artist._painters["live"]
    studio.to_json()
    studio.warm_up()
    assert studio.artist._painters["live"] is first, "nothing is new"
    extra = add_style(tmp_path / "own", "extra", {"live": library.style("waves", library.network()).vector})
    monkeypatch.setattr(library, "roots", (tmp_path / "own", *library.roots))
    assert "extra" in [style["name"] for style in studio.to_json()["styles"]]
    painting = studio.artist.paint("", lambda: GREY, Order(styles=(("extra", 1.0),)))
    assert painting.jpeg
    assert extra / "live.npy" in studio.artist._painters["live"].network.vectors
    assert not first._engines, "what was there is given back"


def test_without_effort_the_first_picture_is_ready(studio: Studio) -> None:
    studio.warm_up()
    assert studio.artist._painters["live"].engine_info
    assert read_order(ORDER).network == "live"
