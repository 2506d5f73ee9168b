"""Orders: read strictly, and the same in `render` and on the command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from vidstyle.cli import app
from vidstyle.errors import UsageError
from vidstyle.settings import RenderOptions
from vidstyle.web.order import Engines, Order, read_order, shell_line

FULL = {
    "styles": [["great-wave", 2], ["mosaic", 0.5]],
    "network": "classic",
    "strength": 0.35,
    "stroke": 1.41,
    "keep_colors": True,
    "stabilize": True,
}


def test_an_order_says_everything_that_the_controls_do() -> None:
    order = read_order(FULL)
    assert order.styles == (("great-wave", 2.0), ("mosaic", 0.5))
    assert (order.network, order.strength, order.stroke) == ("classic", 0.35, 1.41)
    assert order.keep_colors
    assert order.stabilize


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "object"),
        ({}, "choose a style"),
        ({"styles": []}, "choose a style"),
        ({"styles": [["mosaic", 1]] * 17}, "up to 16"),
        ({"styles": ["mosaic"]}, "[[name, weight]"),
        ({"styles": [["../../etc/passwd", 1]]}, "cannot be a name"),
        ({"styles": [["mosaic", "1"]]}, "must be a number"),
        ({"styles": [["mosaic", True]]}, "must be a number"),
        ({"styles": [["mosaic", 1]], "strenght": 1}, "did you mean 'strength'"),
        ({"styles": [["mosaic", 1]], "strength": None}, "must be a number"),
        ({"styles": [["mosaic", 1]], "keep_colors": 1}, "true or false"),
        ({"styles": [["mosaic", 1]], "network": "../live"}, "cannot be a name"),
    ],
)
def test_what_makes_no_sense_is_refused(value: Any, words: str) -> None:
    with pytest.raises(UsageError) as error:
        read_order(value)
    assert words in str(error.value)


@pytest.mark.parametrize("values", [{"styles": [["mosaic", 1]]}, {"styles": [["mosaic", 3]]}, FULL])
@pytest.mark.parametrize("engines", [Engines(), Engines(backend="openvino", precision="fp32")])
@pytest.mark.parametrize("name", ["in.mp4", "-y", "it's $HOME `x`\n.mp4", "ein schöner Film.mp4"])
def test_the_command_line_asks_for_the_same(
    values: dict[str, Any], engines: Engines, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, called = read_order(values), []

    def render(source: str, target: str, *, options: RenderOptions, **more: object) -> None:
        called.append((source, target, options))
        raise UsageError("far enough")

    monkeypatch.setattr("vidstyle.pipeline.render", render)
    words = shlex.split(shell_line(order.words(name, "out.mp4", engines)))
    assert words[0] == "vidstyle"
    assert app.run(words[1:]) == 2
    ((source, target, options),) = called
    assert (source.removeprefix("./"), target) == (name, "out.mp4")
    wanted = order.options(engines)
    if len(order.styles) == 1:
        assert options.styles[0][0] == wanted.styles[0][0]
        options, wanted = (RenderOptions(**{**vars(o), "styles": ()}) for o in (options, wanted))
    assert options == wanted


def test_windows_is_quoted_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert shell_line(["vidstyle", "render", "a b.mp4", "c.mp4"]) == 'vidstyle render "a b.mp4" c.mp4'


def test_defaults_are_left_out() -> None:
    order = Order(styles=(("mosaic", 1.0),))
    assert order.words("in.mp4", "out.mp4", Engines()) == ["vidstyle", "render", "in.mp4", "out.mp4", "-s", "mosaic"]
