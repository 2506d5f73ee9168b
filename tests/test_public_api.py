from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import av
import pytest

import vidstyle

README = Path(__file__).parents[1] / "README.md"


def test_everything_that_is_promised_is_there() -> None:
    for name in vidstyle.__all__:
        assert getattr(vidstyle, name) is not None, name
    assert dir(vidstyle) == sorted(vidstyle.__all__)


def test_the_table_of_places_and_all_agree() -> None:
    assert set(vidstyle._PLACE_OF) | {"__version__"} == set(vidstyle.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(vidstyle, "paint_everything")


def test_the_readmes_frame_by_frame_keeps_frames_and_sound(
    make_film: Callable[..., Path], library_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film(frames=25, sound=True).rename(tmp_path / "in.mp4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    [example] = [example for example in examples if "open_reader" in example]
    exec(example, {})
    assert _frames_and_seconds_of_sound(tmp_path / "out.mp4") == _frames_and_seconds_of_sound(film) == (25, 1.0)


def _frames_and_seconds_of_sound(path: Path) -> tuple[int, float]:
    with av.open(str(path)) as film:
        decoded = list(film.decode(video=0, audio=0))
    sound = [frame for frame in decoded if isinstance(frame, av.AudioFrame)]
    return len(decoded) - len(sound), round(sum(frame.samples / frame.sample_rate for frame in sound), 1)


def test_render_takes_paths_and_styles(make_film: Callable[..., Path], library: vidstyle.Library) -> None:
    film = make_film(frames=2)
    report = vidstyle.render(film, film.with_name("out.mkv"), styles=["mosaic"], library=library)
    assert report.frames_out == 2


def test_styles_of_gatys_mode_are_paintings(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(vidstyle.InputError, match=r"in\.mp4': there is no such file"):
        vidstyle.render(
            tmp_path / "in.mp4",
            tmp_path / "out.mp4",
            styles=["painting.jpg:2"],
            options=vidstyle.RenderOptions(mode="gatys"),
        )


def test_a_rendering_can_be_stopped_by_another_part_of_the_program(
    make_film: Callable[..., Path], library: vidstyle.Library
) -> None:
    film = make_film(frames=2)
    stop = vidstyle.StopRequest()
    stop.ask()
    with pytest.raises(vidstyle.Interrupted):
        vidstyle.render(film, film.with_name("out.mkv"), library=library, stop=stop)
    assert not film.with_name("out.mkv").exists()


def test_what_functions_take_and_give_is_public() -> None:
    """So that the functions of other programs that pass it on can be typed."""
    results = [
        vidstyle.open_reader,
        vidstyle.open_writer,
        vidstyle.Library.network,
        vidstyle.Library.mix,
        vidstyle.render,
    ]
    for function in results:
        assert inspect.get_annotations(function)["return"] in vidstyle.__all__, function


def test_a_painter_refuses_a_precision_that_there_is_not(library: vidstyle.Library) -> None:
    with pytest.raises(vidstyle.UsageError, match="precision is 'fp64'; it is 'auto' or 'fp32'"):
        vidstyle.Painter(library.network(), precision="fp64")  # type: ignore[arg-type]


@pytest.mark.parametrize("styles", ["mosaic", [("mosaic", 1.0)], [Path("mosaic")]])
def test_styles_that_are_no_list_of_words_are_told_what_to_be(styles: object, tmp_path: Path) -> None:
    with pytest.raises(vidstyle.UsageError, match="give a list of words"):
        vidstyle.render("in.mp4", tmp_path / "out.mp4", styles=styles)  # type: ignore[arg-type]
