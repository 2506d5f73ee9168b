from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from vidstyle.config import config_files, read_config
from vidstyle.errors import UsageError

COMMANDS = ("render", "webcam", "styles-sheet")


@dataclass(frozen=True)
class Option:
    is_flag: bool = False


KNOWN = {"style": Option(), "strength": Option(), "keep_colors": Option(is_flag=True), "crf": Option()}


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
