from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from vidstyle.cli import app
from vidstyle.errors import Interrupted

Captured = pytest.CaptureFixture[str]

KEYS = {
    "input",
    "output",
    "frames_in",
    "frames_out",
    "seconds",
    "fps",
    "backend",
    "device",
    "precision",
    "styles",
    "strength",
    "warnings",
}


@pytest.fixture(autouse=True)
def _library(library_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def report(capsys: Captured) -> Callable[..., dict]:
    """Runs `render` with these words and `--json`; gives the object."""

    def run(*words: str) -> dict:
        assert app.run(["render", *words, "--json", "--backend", "openvino"]) == 0, capsys.readouterr().err
        output = capsys.readouterr().out
        assert output.count("\n") == 1
        return json.loads(output)

    return run


def test_json_has_the_promised_keys(make_film: Callable[..., Path], report: Callable[..., dict]) -> None:
    film = make_film(frames=5)
    values = report(str(film), "out.mp4")
    assert values.keys() >= KEYS
    assert (values["frames_in"], values["frames_out"]) == (5, 5)
    assert (values["backend"], values["device"]) == ("openvino", "CPU")
    assert values["styles"] == {"mosaic": 1.0}
    assert values["stages"].keys() == {"read", "paint", "write"}
    assert Path("out.mp4").stat().st_size > 0


def test_the_weights_of_a_style_that_comes_twice_add_up(
    make_film: Callable[..., Path], report: Callable[..., dict]
) -> None:
    values = report(str(make_film(frames=1)), "out.png", "-s", "mosaic:1", "-s", "waves:1", "-s", "mosaic:2")
    assert values["styles"] == {"mosaic": 3.0, "waves": 1.0}


def test_quiet_says_nothing_and_loud_names_what_runs(make_film: Callable[..., Path], capsys: Captured) -> None:
    film = str(make_film(frames=2))
    assert app.run(["render", film, "out.mkv", "-q", "--backend", "openvino"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "")
    assert app.run(["render", film, "out.mkv", "-y", "--backend", "openvino"]) == 0
    output = capsys.readouterr()
    assert output.out == ""
    assert "openvino on CPU" in output.err
    assert "\r" not in output.err


def test_flags_win_over_environment_over_file_over_defaults(
    make_film: Callable[..., Path], report: Callable[..., dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = str(make_film(frames=1))

    def styles(*words: str) -> list[str]:
        return list(report(film, "out.png", "-y", *words)["styles"])

    assert styles() == ["mosaic"]
    Path("vidstyle.toml").write_text('style = "waves"\n[render]\nstrength = 0.25\n')
    assert styles() == ["waves"]
    monkeypatch.setenv("VIDSTYLE_STYLE", "mosaic:2 waves:1")
    assert styles() == ["mosaic", "waves"]
    assert styles("-s", "waves") == ["waves"]
    assert report(film, "out.png", "-y")["strength"] == 0.25
    assert report(film, "out.png", "-y", "--strength", "0.5")["strength"] == 0.5


def test_a_flag_wins_over_a_switch_that_a_file_has_on(
    make_film: Callable[..., Path], report: Callable[..., dict]
) -> None:
    film = str(make_film(frames=1))

    def painted(*words: str) -> bytes:
        report(film, "out.png", "-y", *words)
        return Path("out.png").read_bytes()

    plain = painted()
    Path("vidstyle.toml").write_text("keep-colors = true\nstabilize = true\n[render]\ntile = true\n")
    assert painted() != plain
    assert painted("--no-keep-colors", "--no-stabilize", "--no-tile") == plain


def test_a_given_file_stands_in_for_the_found_ones(
    make_film: Callable[..., Path], capsys: Captured, report: Callable[..., dict]
) -> None:
    film = str(make_film(frames=1))
    Path("vidstyle.toml").write_text("[render]\nstrenght = 1\n")
    assert app.run(["render", film, "out.png"]) == 2
    assert "did you mean 'strength'" in capsys.readouterr().err
    Path("other.toml").write_text("strength = 0\n")
    assert app.run(["--config", "other.toml", "render", film, "out.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["strength"] == 0


def test_a_file_is_not_overwritten_without_being_told(make_film: Callable[..., Path], capsys: Captured) -> None:
    film = str(make_film(frames=1))
    Path("out.png").write_text("precious")
    assert app.run(["render", film, "out.png"]) == 4
    assert "-y" in capsys.readouterr().err
    assert Path("out.png").read_text() == "precious"


@pytest.mark.parametrize("name", ["../../etc/passwd", "CON", "a|b", "style\x00.pth", "~root/x", "..", "/etc/passwd"])
def test_hostile_style_names_are_refused(make_film: Callable[..., Path], capsys: Captured, name: str) -> None:
    assert app.run(["render", str(make_film(frames=1)), "out.png", "--style", name]) == 2
    assert "cannot be a name" in capsys.readouterr().err
    assert app.run(["styles", "show", name]) == 2


def test_hostile_style_names_of_the_corpus(test_data: Path, make_film: Callable[..., Path], capsys: Captured) -> None:
    names = (test_data / "hazards" / "m03_style_names.txt").read_text().splitlines()
    film = str(make_film(frames=1))
    assert names
    for name in names:
        assert app.run(["render", film, "out.png", "-s", name]) == 2, name
        assert app.run(["styles", "remove", "--", name]) == 2, name
    assert not Path("out.png").exists()


def test_through_pipes(make_film: Callable[..., Path], library_root: Path) -> None:
    film = make_film(frames=4)
    result = subprocess.run(
        [sys.executable, "-m", "vidstyle", "render", "-", "-", "--strength", "0"],
        input=film.read_bytes(),
        capture_output=True,
        check=True,
        env=os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)},
    )
    Path("piped.mkv").write_bytes(result.stdout)
    assert app.run(["render", "piped.mkv", "again.mkv", "--strength", "0", "-q"]) == 0


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run `line` in a shell, where `$vidstyle` is the program."""
    environment = os.environ | {"vidstyle": f"{sys.executable} -m vidstyle"}
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&1 >out | :"])
def test_a_traceback_that_gets_nowhere_leaves_the_exit_code(redirection: str) -> None:
    done = shell(f"{{ $vidstyle render absent.mkv out.mkv -vv; echo $? >code; }} {redirection}")
    assert Path("code").read_text() == "3\n"
    assert done.stdout == ""


linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux' /dev/full")


@linux
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&1 | :"])
def test_what_cannot_be_said_does_not_spoil_the_film(make_film: Callable[..., Path], redirection: str) -> None:
    make_film(frames=2)
    done = shell(f"{{ $vidstyle render in.mkv out.mkv -vv; echo $? >code; }} {redirection}")
    assert Path("code").read_text() == "0\n"
    assert done.stdout == ""
    assert Path("out.mkv").stat().st_size > 0


@linux
@pytest.mark.parametrize(("redirection", "said"), [(">/dev/full", "no room left"), (">&-", "closed")])
@pytest.mark.parametrize("words", ["render -q --json in.mkv out.png", "render -q in.mkv -", "styles list"])
def test_data_that_gets_nowhere_is_an_output_error(
    make_film: Callable[..., Path], words: str, redirection: str, said: str
) -> None:
    make_film(frames=1)
    done = shell(f"$vidstyle {words} {redirection}")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_tells_where_the_painted_part_is(make_film: Callable[..., Path], number: int, code: int) -> None:
    film = make_film(frames=400, width=640, height=480)
    process = subprocess.Popen(
        [sys.executable, "-m", "vidstyle", "render", str(film), "out.mkv"], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not Path("out.mkv.part").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == code
    assert "frames; what was painted is kept in out.mkv.part" in said
    with av.open("out.mkv.part") as part:
        assert list(part.decode(video=0))


@pytest.mark.parametrize("target", ["out.mkv", "out.png", "-"])
def test_an_interrupt_tells_of_nothing_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, target: str
) -> None:
    def interrupted(*words: object, **options: object) -> None:
        raise Interrupted("interrupted")

    monkeypatch.setattr("vidstyle.pipeline.render", interrupted)
    Path("out.mkv.part").touch()
    os.utime("out.mkv.part", (1, 1))  # an earlier run's
    assert app.run(["render", "in.mkv", target]) == 130
    assert capsys.readouterr().err == "vidstyle: error: interrupted\n"


def test_a_terminal_gets_a_progress_line(make_film: Callable[..., Path]) -> None:
    film = make_film(frames=300, width=160, height=120)
    master, slave = pytest.importorskip("pty", reason="a terminal of POSIX").openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vidstyle", "render", str(film), "out.mkv", "--strength", "0"], stderr=slave
    )
    os.close(slave)
    output = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the other end has closed
            break
        if not piece:
            break
        output += piece
    assert process.wait(30) == 0
    os.close(master)
    assert b"/300 frames" in output
    assert b"fps" in output
    assert b"\x1b" not in output
