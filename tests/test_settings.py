from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from vidstyle.errors import UsageError
from vidstyle.settings import RenderOptions, Size, config_files, parse_rate, parse_size, parse_time, read_config

COMMANDS = ("render", "webcam", "styles-sheet")


@dataclass(frozen=True)
class Option:
    is_flag: bool = False


KNOWN = {"style": Option(), "strength": Option(), "keep_colors": Option(is_flag=True), "crf": Option()}


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


def read(folder: Path, *texts: str, command: str = "render") -> dict[str, object]:
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.toml")
        files[-1].write_text(text, encoding="utf-8")
    return read_config(files, command=command, commands=COMMANDS, known=KNOWN)


def test_a_commands_table_wins_over_the_top_and_later_files_over_earlier(tmp_path: Path) -> None:
    values = read(
        tmp_path,
        'style = "mosaic"\nstrength = 0.5\n[render]\nstrength = 0.7\ncrf = 20\n[webcam]\nfps = 30\n',
        "[render]\ncrf = 18\nkeep-colors = true\n",
    )
    assert values == {"style": "mosaic", "strength": 0.7, "crf": 18, "keep_colors": True}


def test_a_files_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    """As Windows' editors and shells write it."""
    assert read(tmp_path, "\ufeffstrength = 0.5\r\n") == {"strength": 0.5}


def test_shared_keys_that_the_command_does_not_know_are_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "stroke = 2.0\n") == {}


def test_the_styles_to_paint_with_are_not_those_that_a_sheet_shows(tmp_path: Path) -> None:
    shared = 'style = ["great-wave:2", "mosaic"]\nstrength = 0.5\n'
    assert read(tmp_path, shared, command="styles-sheet") == {"strength": 0.5}
    own = shared + '[styles-sheet]\nstyle = "waves"\n'
    assert read(tmp_path, own, command="styles-sheet") == {"strength": 0.5, "style": "waves"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stlye = 'mosaic'\n", "unknown key 'stlye' (did you mean 'style'?)"),
        ("[rendr]\ncrf = 3\n", "did you mean 'render'"),
        ("[render]\ncfr = 3\n", "[render] unknown key 'cfr' (did you mean 'crf'?)"),
        ("crf = 3\n", "unknown key 'crf'"),
        ("render = 5\n", "render is a table: write [render]"),
        ("[style]\nname = 'waves'\n", "style is a value, not a table"),
        ("style = \n", "0.toml"),
        ('[render]\nkeep-colors = "yes"\n', "keep-colors is 'yes'; it is true or false"),
        ("keep-colors = 1\n", "keep-colors is 1; it is true or false"),
        ("strength = true\n", "strength is true; it takes a value"),
        ("[render]\ncrf = false\n", "crf is false; it takes a value"),
    ],
)
def test_wrong_keys_and_files_are_errors(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_the_working_folders_file_comes_after_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_files() == []
    (tmp_path / "vidstyle.toml").write_text("")
    assert config_files() == [Path("vidstyle.toml")]


def test_a_file_that_may_not_be_looked_at_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where HOME is somebody else's, or the working folder cannot be searched."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vidstyle.toml").write_text("")
    look = os.stat

    def stat(path: int | str | os.PathLike[str], **how: bool) -> os.stat_result:
        if str(path).endswith(".toml"):
            raise PermissionError(13, "Permission denied", str(path))
        return look(path, **how)

    monkeypatch.setattr(os, "stat", stat)
    assert config_files() == []


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
