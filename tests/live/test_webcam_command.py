"""`vidstyle webcam` as a user starts it: endings, exit codes, JSON, refusals; and the long run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest

from vidstyle.live.session import WebcamOptions, make_loop
from vidstyle.style_library import Library

ROOT = Path(__file__).parents[2]
RUN = "import sys; from vidstyle.cli.app import run; sys.exit(run(sys.argv[1:]))"


def start(environment: dict[str, str], folder: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, "webcam", *words], env=environment, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(environment: dict[str, str], folder: Path, *words: str, timeout: float = 60) -> tuple[int, str, str]:
    process = start(environment, folder, *words)
    try:
        out, errors = process.communicate(timeout=timeout)
    finally:
        process.kill()  # one that is over takes no harm
    return process.returncode, out, errors


SYNTHETIC = ("--camera", "synthetic:160x96@30", "-o", "null")


def test_seconds_end_it_and_the_json_tells_everything(environment, tmp_path: Path) -> None:
    code, out, errors = run(
        environment, tmp_path, *SYNTHETIC, "--seconds", "2", "--json", "-s", "mosaic:2", "-s", "waves"
    )
    assert code == 0, errors
    values = json.loads(out)
    assert values["captured"] == values["delivered"] + values["dropped"]
    assert values["delivered"] > 20
    assert set(values["latency_ms"]) == {"p50", "p95", "p99"}
    assert values["styles"] == [["mosaic", 2.0], ["waves", 1.0]]
    assert values["backend"]
    assert values["outputs"]["null"]["delivered"] == values["delivered"]
    assert (values["repeated"], values["reconnects"]) == (0, 0)
    assert "delivered" in errors, "the statistics for people"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there is the cache's place XDG's")
def test_what_its_engine_has_to_say_is_said(environment, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    changed = {"XDG_CACHE_HOME": str(tmp_path / "file"), "VIDSTYLE_CACHE_DIR": ""}
    code, _, errors = run(environment | changed, tmp_path, *SYNTHETIC, "--seconds", "1")
    assert code == 0, errors
    assert errors.count(f"the cache {tmp_path / 'file' / 'vidstyle'} cannot be used (Not a directory)") == 1


def test_what_a_killed_recording_left_is_kept(environment, tmp_path: Path) -> None:
    left = tmp_path / "film.mkv.part"
    left.write_bytes(b"an hour")
    code, _, errors = run(environment, tmp_path, *SYNTHETIC, "-o", "film.mkv", "--seconds", "1")
    assert (code, left.read_bytes()) == (4, b"an hour")
    assert "film.mkv.part is what an earlier recording left" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_signals_end_it_with_a_playable_film_and_the_statistics(environment, tmp_path: Path, number, code) -> None:
    process = start(environment, tmp_path, *SYNTHETIC, "-o", "film.mp4", "--json")
    until = time.monotonic() + 40
    while not (tmp_path / "film.mp4.part").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1.5)
    process.send_signal(number)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == code, errors
    values = json.loads(out)
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert len(list(film.decode(video=0))) == values["outputs"]["film.mp4"]["delivered"] > 10


def test_a_film_as_camera_ends_by_itself(environment, tmp_path: Path, make_film) -> None:
    film = make_film(frames=20, rate=20)
    code, out, errors = run(environment, tmp_path, "--camera", str(film), "-o", "out.mkv", "--json")
    assert code == 0, errors
    values = json.loads(out)
    assert values["captured"] == 20
    assert "at the end" not in values["dropped_by"], "the last picture is painted and written"


def test_flags_win_over_switches_that_a_file_has_on(environment, tmp_path: Path, make_film) -> None:
    (tmp_path / "vidstyle.toml").write_text("[webcam]\nloop = true\nmirror = true\nno-adapt = true\n")
    words = ("--camera", str(make_film(frames=20, rate=20)), "-o", "null", "--json")
    code, out, errors = run(environment, tmp_path, *words, "--no-loop", "--no-mirror", "--adapt")
    assert code == 0, errors
    assert json.loads(out)["captured"] == 20


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--camera", "synthetic:160x96@30"), 4, "no display for a preview window; use -o http://127.0.0.1:8080"),
        (("--camera", "/dev/video97", "-o", "null"), 3, "no camera at /dev/video97"),
        (("--camera", "none.mp4", "-o", "null"), 3, "no such file"),
        ((*SYNTHETIC, "-s", "mosaik"), 5, "did you mean 'mosaic'?"),
        ((*SYNTHETIC, "-o", "film.xyz"), 2, ".xyz"),
        ((*SYNTHETIC, "-o", "x.png"), 2, "a picture holds no film"),
        ((*SYNTHETIC, "-o", ""), 2, "name a file"),
        ((*SYNTHETIC, "-o", "gopher://x"), 2, "none of udp, tcp, srt, rtmp, http"),
        ((*SYNTHETIC, "-o", "missing/film.mp4"), 4, "missing"),
        ((*SYNTHETIC, "--fps", "0.5"), 2, "fps is 0.5"),
        *[((*SYNTHETIC, "--fps", fps), 2, "fps") for fps in ("0", "nan")],
        ((*SYNTHETIC, "--seconds", "nan"), 2, "seconds is nan"),
        ((*SYNTHETIC, "-o", "null"), 2, "named twice"),
        ((*SYNTHETIC, *2 * ("-o", "rtmp://host/app/key")), 2, "'rtmp://host/app' is named twice"),
        ((*SYNTHETIC, "--strength", "2"), 2, "strength"),
    ],
)
def test_refusals_are_one_line_with_their_exit_code(
    environment, tmp_path: Path, words, code: int, message: str
) -> None:
    got, _, errors = run(environment, tmp_path, *words)
    assert got == code, errors
    assert message in errors
    assert "Traceback" not in errors
    assert "captured" not in errors, "no statistics of what did not begin"
    assert not list(tmp_path.glob("*.png"))
    assert errors.strip().splitlines()[-1].startswith("vidstyle: error:")


def test_a_recording_never_replaces_a_film(environment, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").touch()
    code, _, errors = run(environment, tmp_path, *SYNTHETIC, "-o", "film.mp4")
    assert (code, "choose another name" in errors, "-y" in errors) == (4, True, False)


def test_size_and_fps_are_kept(environment, tmp_path: Path) -> None:
    code, out, errors = run(
        environment, tmp_path, "--camera", "synthetic:320x192@60", "--size", "96", "--fps", "20", "-o", "film.mkv",
        "--seconds", "3", "--json", "--mirror",
    )  # fmt: skip
    assert code == 0, errors
    values = json.loads(out)
    assert values["size"] == [170, 96]
    assert values["fps"] < 22


@pytest.mark.slow
@pytest.mark.skipif("VIDSTYLE_SOAK" not in os.environ, reason="set VIDSTYLE_SOAK to seconds (600) on an idle machine")
@pytest.mark.parametrize("slow", [False, True], ids=["full speed", "half the needed speed"])
def test_a_long_run_holds_rate_latency_and_memory(tmp_path: Path, slow: bool) -> None:
    """The shipped `live` network at 720p from a film: `VIDSTYLE_SOAK=600 pytest -k long_run tests/live -s`."""
    from tests.live.soak import soak

    result = soak(float(os.environ["VIDSTYLE_SOAK"]), folder=tmp_path, slow=slow)
    assert not result["verdict"], result


def test_what_there_is_to_know_of_the_styles_is_said(library_root: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(library_root, tmp_path / "copied"))
    file = root / "styles" / "mosaic" / "card.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"fitted": {"live": "0" * 64}}))
    said: list[str] = []
    make_loop(WebcamOptions(), library=Library([root]), say=said.append)
    assert ["another version of the network 'live'" in line for line in said] == [True]
