"""The words of the command line: commands, configuration, errors and exit codes."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vidstyle.cli import app, console
from vidstyle.errors import BackendError, Interrupted, StyleError, Terminated
from vidstyle.fileloop import Progress

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

Captured = pytest.CaptureFixture[str]


def test_the_help_lists_installed_commands(capsys: Captured) -> None:
    assert app.run(["--help"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    for name in ("render", "styles"):
        assert f"\n  {name} " in output.out


def test_without_words_the_help_is_shown(capsys: Captured) -> None:
    assert app.run([]) == 0
    assert "Usage: vidstyle" in capsys.readouterr().out
    assert app.run(["styles"]) == 0
    assert "Usage: vidstyle styles" in capsys.readouterr().out


@pytest.mark.parametrize("words", sorted(app.COMMANDS))
def test_every_installed_command_has_help(capsys: Captured, words: str) -> None:
    place = app.COMMANDS[words][0]
    if importlib.util.find_spec(place.partition(":")[0]) is None:
        pytest.skip(f"{place} is not part of this version")
    assert app.run([*words.split(), "--help"]) == 0
    assert f"Usage: vidstyle {words} " in capsys.readouterr().out


def test_a_command_whose_module_is_missing_is_no_command(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.COMMANDS, "dance", ("vidstyle.cli.dance:dance", "Dance."))
    assert app.run(["--help"]) == 0
    assert "dance" not in capsys.readouterr().out
    assert app.run(["dance"]) == 2


def test_a_package_that_is_missing_is_named_with_what_brings_it(tmp_path: Path) -> None:
    """Training, Gatys mode and the evaluations need PyTorch, which the core does not bring."""
    (tmp_path / "a.png").touch()
    lines = [
        "train a.png --name x --content .",
        "explore texture a.png out.png",
        "eval pictures . --painting a.png",
        "render a.png out.png --mode gatys --style a.png",
    ]
    code = (
        "import sys; sys.modules['torch'] = None; from vidstyle.cli.app import run\n"
        f"for line in {lines}: print(run(line.split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.stdout.split() == ["6"] * len(lines)
    message = "vidstyle: error: this needs torch, which is not installed: pip install 'vidstyle[torch]'"
    assert done.stderr.splitlines() == [message] * len(lines)


def test_a_missing_module_of_ones_own_is_a_defect(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vidstyle.diagnosis", None)
    assert app.run(["doctor"]) == 1
    assert "please report it" in capsys.readouterr().err


def test_a_group_without_help_of_its_own_would_break_the_list() -> None:
    assert {words.split()[0] for words in app.COMMANDS if " " in words} == set(app.GROUPS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rendr"], "did you mean 'render'"),
        (["styles", "lst"], "did you mean 'list'"),
        (["render"], "IN"),
        (["render", "a"], "OUT"),
        (["render", "a", "b", "c"], "c"),
        (["render", "a", "b", "--nonsense"], "--nonsense"),
        (["render", "a", "b.mp4", "--strength", "2"], "--strength"),
        (["render", "a", "b.mp4", "--size", "big"], "size 'big'"),
        (["render", "a", "b.mp4", "--start", "3", "--end", "2"], "not after"),
        (["render", "a", "-", "--json"], "stdout"),
        (["--config", "nowhere.toml", "render", "a", "b.mp4"], "nowhere.toml"),
    ],
)
def test_wrong_words_are_usage_errors_of_one_line(capsys: Captured, arguments: list[str], words: str) -> None:
    assert app.run(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("vidstyle: error: ")
    assert output.err.count("\n") == 1
    assert words in output.err


def test_a_value_that_the_parser_refuses_is_told_with_the_file_that_it_is_from(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has typed the flag that the message names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vidstyle.toml").write_text("strength = 2\n")
    message = "Invalid value for '--strength': Input should be less than or equal to 1\n"
    assert app.run(["render", "a.mp4", "b.mp4"]) == 2
    assert capsys.readouterr().err == f"vidstyle: error: configuration file vidstyle.toml: {message}"
    assert app.run(["render", "a.mp4", "b.mp4", "--strength", "3"]) == 2
    assert capsys.readouterr().err == f"vidstyle: error: {message}"


def fail(error: BaseException) -> object:
    def command(source: str, target: str) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"), [(StyleError("no such style"), 5), (ZeroDivisionError("oops"), 1), (BackendError("driver"), 6)]
)
def test_errors_are_one_line_and_an_exit_code(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr("vidstyle.cli.render.render", fail(error))
    assert app.run(["render", "a", "b"]) == code
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert str(error) in output
    assert "Traceback" not in output


def test_an_interrupt_is_130_and_one_line(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.cli.render.render", fail(KeyboardInterrupt()))
    assert app.run(["render", "a", "b"]) == 130
    assert capsys.readouterr().err == "vidstyle: error: interrupted\n"


@pytest.mark.parametrize("start", ["script", "-m"])
def test_an_interrupt_while_the_program_is_imported_is_130_and_one_line(start: str) -> None:
    script = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["scripts"]["vidstyle"]
    module, _, function = script.partition(":")
    code = {
        "script": f"from {module} import {function}; sys.exit({function}())",
        "-m": "import runpy; runpy.run_module('vidstyle', run_name='__main__')",
    }
    ctrl_c = (
        "import sys\n"
        "class CtrlC:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'vidstyle.cli.console': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, CtrlC())\n"
    )
    command = [sys.executable, "-c", ctrl_c + code[start]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "vidstyle: error: interrupted\n")


@pytest.mark.parametrize(
    ("interruption", "code"),
    [(KeyboardInterrupt(), 130), (Interrupted("interrupted"), 130), (Terminated("terminated"), 143)],
)
def test_an_interrupt_that_c_code_has_made_an_error_is_an_interrupt(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, interruption: BaseException, code: int
) -> None:
    """So do modules in C, on import."""
    error = ImportError("initialization failed")
    error.__cause__ = interruption
    monkeypatch.setattr("vidstyle.cli.render.render", fail(error))
    assert app.run(["render", "a", "b"]) == code
    assert capsys.readouterr().err == f"vidstyle: error: {'terminated' if code == 143 else 'interrupted'}\n"


def test_an_interrupt_in_a_finalizer_is_not_lost() -> None:
    """So is one in the locks that Python's imports take."""
    command = (
        "import sys\n"
        "from vidstyle import __main__\n"
        "from vidstyle.cli import app\n"
        "class Finalized:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "app.run = lambda words: (Finalized(), 0)[1]\n"
        "__main__.main()"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "vidstyle: error: interrupted\n")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_words_that_the_locale_cannot_say_are_escaped(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    name = "caf\udce9.mp4"  # a name in Latin 1, as Python has it
    console.data({"input": name, "title": "La vie en été"})
    console.table(("title", "by"), [("La vie en été", "Édith")])
    console.lines([name])
    said, *others = written.getvalue().decode(encoding).splitlines()
    assert json.loads(said) == {"input": name, "title": "La vie en été"}
    title = {"ascii": "La vie en \\xe9t\\xe9  \\xc9dith", "utf-8": "La vie en été  Édith"}
    assert others == ["title          by", title[encoding], "caf\\udce9.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
@pytest.mark.parametrize(
    "words", [[], ["--help"], ["styles", "-h"], ["render", "-h"], ["--version"], ["--show-completion", "bash"]]
)
def test_help_on_a_full_disk_is_an_output_error(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert app.run(words) == 4
    error = "vidstyle: error: no room left for standard output; free some space or choose another folder\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize("words", [["styles", "list"], ["doctor"], ["--help"], ["render", "--help"], ["--version"]])
def test_a_reader_of_stdout_that_goes_away_is_an_output_error(library_root: Path, words: list[str]) -> None:
    command = "from vidstyle.cli.app import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.stdin.read()\n{command}", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)},
    )
    assert process.stdout
    assert process.stdin
    assert process.stderr
    process.stdout.close()
    process.stdin.close()
    assert process.wait(120) == 4
    assert process.stderr.read() == "vidstyle: error: whoever read the output has gone (broken pipe)\n"


def test_a_traceback_comes_only_with_vv(capsys: Captured, tmp_path: Path) -> None:
    arguments = ["render", str(tmp_path / "absent.mp4"), str(tmp_path / "out.mp4")]
    for flags, shown in (([], False), (["-v"], False), (["-vv"], True), (["-v", "-v"], True), ([], False)):
        assert app.run([*arguments, *flags]) == 3
        assert ("Traceback" in capsys.readouterr().err) is shown


@pytest.mark.parametrize(
    ("fps", "words"), [(24.96, "25.0 fps"), (1.0, "1.0 fps"), (0.04, "25.0 s a frame"), (0, "0.0 fps")]
)
def test_a_slow_pace_is_told_in_seconds_a_frame(fps: float, words: str) -> None:
    assert console.format_pace(fps) == words


def test_the_progress_line_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be wrapped, and the next one begin a line further down, five times a second."""
    pty, termios = (pytest.importorskip(name, reason="a terminal of POSIX") for name in ("pty", "termios"))
    monkeypatch.setattr(console.ProgressLine, "current", None)
    terminal, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 40))
    with os.fdopen(other, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        console.ProgressLine()(Progress(frames=12345, total=144000, seconds=1000))
    shown = os.read(terminal, 1000).decode()
    os.close(terminal)
    assert shown == "\r12345/144000 frames  12.3 fps  2:57:45 "


def test_control_characters_of_a_name_do_not_reach_the_terminal(capsys: Captured, tmp_path: Path) -> None:
    assert app.run(["render", str(tmp_path / "a\x1b[31m\nb.mp4"), str(tmp_path / "out.mp4")]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "\x1b" not in error


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("vidstyle rend", "render"),
        ("vidstyle styles sh", "show"),
        ("vidstyle render --style wav", "waves"),
        ("vidstyle styles show wav", "waves"),
        ("vidstyle styles remove wav", "waves"),
        ("vidstyle styles preview wav", "waves"),
        ("vidstyle render --backend openv", "openvino"),
        ("vidstyle render --device CP", "CPU"),
        *[(f"vidstyle {words} --network cl", "classic") for words in ("render", "build", "bench", "explore compare")],
        ("vidstyle render --keep-c", "--keep-colors"),
    ],
)
def test_the_shell_completes(library_root: Path, typed: str, offered: str) -> None:
    assert offered in complete(typed, library_root).stdout.split()


def test_the_shell_offers_no_shipped_style_to_be_removed(library_root: Path) -> None:
    assert complete("vidstyle styles show scr", library_root).stdout.split() == ["scream"]
    assert complete("vidstyle styles remove scr", library_root).stdout.split() == []


def test_a_shells_file_that_cannot_be_written_is_an_output_error(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is a link into a store that is only read."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    (tmp_path / ".bashrc").mkdir()
    assert app.run(["--install-completion", "bash"]) == 4
    assert capsys.readouterr().err == f"vidstyle: error: {tmp_path}/.bashrc cannot be written: Is a directory\n"


def test_a_broken_card_prints_nothing_into_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "styles" / "waves").mkdir(parents=True)
    (tmp_path / "styles" / "waves" / "card.json").write_text("no card")
    result = complete("vidstyle render --style wav", tmp_path)
    assert (result.stdout.strip(), result.stderr) == ("", "")


def complete(typed: str, library_root: Path) -> subprocess.CompletedProcess[str]:
    """What bash gets to complete what is typed."""
    command = [sys.executable, "-c", "from vidstyle.cli.app import main; main()"]
    environment = {
        "_VIDSTYLE_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
        "VIDSTYLE_DATA_DIR": str(library_root),
    }
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
