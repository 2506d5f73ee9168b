from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import vidstyle


def test_everything_that_is_promised_is_there() -> None:
    for name in vidstyle.__all__:
        assert getattr(vidstyle, name) is not None, name
    assert dir(vidstyle) == sorted(vidstyle.__all__)


def test_the_table_of_places_and_all_agree() -> None:
    assert set(vidstyle._PLACE_OF) | {"__version__"} == set(vidstyle.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(vidstyle, "paint_everything")


def test_a_style_in_ten_lines(make_film: Callable[..., Path], library: vidstyle.Library, tmp_path: Path) -> None:
    film = make_film(frames=3)
    network = library.network()
    look = vidstyle.Look(mix=library.mix([("mosaic", 1.0)], network))
    with (
        vidstyle.open_reader(film) as reader,
        vidstyle.open_writer(tmp_path / "out.mkv", source=reader) as writer,
        vidstyle.Painter(network, backend="openvino") as painter,
    ):
        for frame in reader:
            writer.write(frame.with_image(painter.paint(frame.image[None], look)[0]))
    assert (tmp_path / "out.mkv").stat().st_size > 0


def test_render_takes_paths_and_styles(make_film: Callable[..., Path], library: vidstyle.Library) -> None:
    film = make_film(frames=2)
    report = vidstyle.render(film, film.with_name("out.mkv"), styles=["mosaic"], library=library)
    assert report.frames_out == 2


@pytest.mark.parametrize("styles", ["mosaic", [("mosaic", 1.0)], [Path("mosaic")]])
def test_styles_that_are_no_list_of_words_are_told_what_to_be(styles: object, tmp_path: Path) -> None:
    with pytest.raises(vidstyle.UsageError, match="give a list of words"):
        vidstyle.render("in.mp4", tmp_path / "out.mp4", styles=styles)  # type: ignore[arg-type]
