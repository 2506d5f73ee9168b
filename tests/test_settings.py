from __future__ import annotations

from fractions import Fraction

import pytest

from vidstyle.errors import UsageError
from vidstyle.settings import RenderOptions, Size, parse_rate, parse_size, parse_time


@pytest.mark.parametrize(
    ("text", "film", "wanted"),
    [
        ("1280x720", (640, 480), (1280, 720)),
        ("1281X721", (640, 480), (1281, 721)),
        ("720", (1920, 1080), (1280, 720)),
        ("720", (1080, 1920), (720, 1280)),
        ("480", (1366, 768), (854, 480)),
        ("2", (4000, 10), (800, 2)),
    ],
)
def test_sizes(text: str, film: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert parse_size(text).apply(*film) == wanted


@pytest.mark.parametrize("text", ["", "0", "1", "x", "720p", "1280x", "x720", "-5", "1280x720x3", "99999", "1e3", "٣٢"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="size"):
        parse_size(text)


def test_a_size_is_one_or_two_sides() -> None:
    assert parse_size("720") == Size(short=720)
    assert parse_size("64x32") == Size(width=64, height=32)


@pytest.mark.parametrize(
    "sides",
    [
        *[{}, {"width": 100}, {"height": 100}, {"short": 1}, {"short": -2}, {"short": 16385}, {"short": 72.5}],
        *[{"width": 100, "height": 1}, {"width": 100, "height": 99999}, {"short": 720, "width": 100, "height": 100}],
        *[{"short": "720"}, {"width": "100", "height": "100"}],
    ],
)
def test_sides_that_make_no_size_are_refused(sides: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"^Size\(.*\): give width and height, or short alone"):
        Size(**sides)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", "0"), ("12.5", "12.5"), ("1:02", "62"), ("1:02:03.25", "3723.25"), ("0.1", "0.1"), ("90:00", "5400")],
)
def test_times_are_exact(text: str, seconds: str) -> None:
    assert parse_time(text) == Fraction(seconds)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        *[("24", "24"), ("12.5", "12.5"), ("24000/1001", "24000/1001"), ("23.976", "24000/1001"), ("0.5", "0.5")],
        *[("29.97", "30000/1001"), ("59.94", "60000/1001"), ("23.98", "24000/1001"), ("60", "60")],
    ],
)
def test_rates_are_exact(text: str, rate: str) -> None:
    assert parse_rate(text) == Fraction(rate)


@pytest.mark.parametrize("text", ["", "0", "-1", "24/0", "1e3", "2000", "24fps", "nan"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="fps"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "-1", "1:", ":1", "1:2:3:4", "1,5", "nan", "inf", "1e3", "5s"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="time"):
        parse_time(text)


@pytest.mark.parametrize(
    "values",
    [
        {"start": Fraction(3), "end": Fraction(3)},
        {"resume": True},
        {"batch": 0},
        {"bit_depth": 9},
        {"tile": True, "mode": "gatys"},
        {"tile": True, "backend": "tensorrt"},
        {"tile": True, "device": "cuda:1"},
        {"tile": True, "precision": "int8"},
        {"batch": 2, "mode": "gatys"},
    ],
)
def test_contradictory_options_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        RenderOptions(**values)  # type: ignore[arg-type]


def test_tiles_may_be_asked_of_what_paints_them() -> None:
    assert RenderOptions(tile=True, backend="openvino", device="CPU", precision="fp32").tile


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "gatis"),
        ("audio", "kopy"),
        ("precision", "fp8"),
        ("decode", "gpu"),
        ("strength", 1.5),
        ("strength", -1),
        ("size", "720"),
        ("size", (1280, 720)),
        ("styles", ["mosaic"]),
        ("styles", "mosaic"),
        ("styles", ("mosaic", 1.0)),
        ("styles", [("mosaic", "2")]),
        ("styles", [("mosaic", 1.0, 2.0)]),
        ("start", 0.1),
        ("end", "1:30"),
        ("rate", 23.976),
        ("rate", 0),
    ],
)
def test_options_that_python_gets_wrong_are_refused(name: str, value: object) -> None:
    """The command line's parser would have; a typing error must not render something else."""
    with pytest.raises(UsageError, match=f"{name} is "):
        RenderOptions(**{name: value})  # type: ignore[arg-type]
