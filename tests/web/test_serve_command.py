"""`vidstyle serve` as its user meets it: an address, Ctrl-C, errors of one line, no torch."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import pytest

from tests.web.conftest import ORDER, Visitor, wait_for
from vidstyle.backends.protocol import Availability
from vidstyle.cli.app import run
from vidstyle.cli.serve import _warm_up
from vidstyle.errors import Interrupted
from vidstyle.web.studio import Studio

FAST = ("--backend", "openvino", "--precision", "fp32", "--no-open")


@contextmanager
def serving(library_root: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Visitor]]:
    environment = os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)}
    process = subprocess.Popen(
        [sys.executable, "-m", "vidstyle", "serve", "--port", "0", *FAST, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout
        yield process, Visitor(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent")
def test_a_signal_waits_for_no_lock(
    library_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever sets an Event in a signal handler waits for ever where the signal came in that Event's own `wait`."""
    locked: list[threading.Event] = []
    in_handler = False
    plain_set = threading.Event.set

    def watched_set(event: threading.Event) -> None:
        if in_handler and threading.current_thread() is threading.main_thread():
            locked.append(event)
        plain_set(event)

    def interrupt(url: str) -> None:
        nonlocal in_handler
        in_handler = True
        signal.raise_signal(signal.SIGINT)
        in_handler = False

    monkeypatch.setattr(threading.Event, "set", watched_set)
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    monkeypatch.setattr("vidstyle.cli.serve._warm_up", lambda studio: None)
    monkeypatch.setattr("vidstyle.cli.serve._has_browser", lambda: True)
    monkeypatch.setattr("webbrowser.open", interrupt)
    words = ["--port", "0", "--folder", str(tmp_path / "films"), "--backend", "openvino", "--precision", "fp32"]
    assert run(["serve", *words]) == 0
    assert locked == []
    assert "closing" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals are sent")
def test_a_signal_that_is_swallowed_at_the_start_is_not_lost(
    library_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swallow() -> str:
        with suppress(KeyboardInterrupt, Interrupted):  # as the C code of an import may
            signal.raise_signal(signal.SIGINT)
        return str(tmp_path)

    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    monkeypatch.setattr("vidstyle.cli.serve._warm_up", lambda studio: None)
    monkeypatch.setattr("platformdirs.user_videos_dir", swallow)
    rescue = threading.Timer(20, signal.pthread_kill, (threading.get_ident(), signal.SIGTERM))
    rescue.start()
    try:
        assert run(["serve", "--port", "0", *FAST]) == 0
    finally:
        rescue.cancel()
    assert "closing" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals are sent")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_prints_its_address_and_ends_tidily_in_the_middle_of_a_job(
    library_root: Path, tmp_path: Path, make_film: Callable[..., Path], number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "painted"
    with serving(library_root, "--folder", str(folder)) as (process, visitor):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", visitor.url)
        assert b"vidstyle" in visitor.get("/").body
        source = visitor.upload(make_film(frames=3000, width=96, height=64)).json["id"]
        job = visitor.post("/api/jobs", {"source": source, "order": ORDER}).json["id"]
        wait_for(lambda: visitor.job(job)["frames"] > 0)
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert "Ctrl-C" in errors
    assert "Traceback" not in errors
    assert [file.name for file in folder.iterdir()] == ["in-mosaic.mp4.part"]
    with av.open(str(folder / "in-mosaic.mp4.part")) as part:
        assert sum(1 for _ in part.decode(video=0)) > 0


def test_a_taken_port_is_one_line_and_exit_code_4(library_root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "vidstyle", "serve", "--port", str(taken.getsockname()[1]), *FAST]
        environment = os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)}
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert result.returncode == 4
    assert result.stdout == ""
    assert re.fullmatch(r"vidstyle: error: cannot listen at 127\.0\.0\.1:\d+: .*choose another --port\n", result.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full, as Linux has it")
def test_an_address_that_cannot_be_printed_is_an_output_error(
    library_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(["serve", "--port", "0", *FAST]) == 4
    assert "vidstyle: error: no room left for standard output" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused_at_once(
    library_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(library_root))
    file = tmp_path / "file"
    file.touch()
    assert run(["serve", "--port", "0", "--no-open", "--folder", str(file / "films")]) == 4
    assert capsys.readouterr().err == f"vidstyle: error: there is no folder {file}; create it or choose another\n"


@pytest.mark.parametrize(
    ("backend", "code", "message"),
    [("nope", 2, "no backend 'nope'"), ("tensorrt", 6, "backend tensorrt is not available")],
)
def test_an_engine_that_cannot_paint_opens_no_studio(
    backend: str, code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    reason = Availability(ok=False, reason="no NVIDIA driver")
    monkeypatch.setattr("vidstyle.backends.tensorrt.TensorRT.available", lambda self: reason)
    monkeypatch.setattr("vidstyle.web.server.StudioServer.__init__", lambda *args, **kwargs: pytest.fail("listens"))
    words = ["--port", "0", "--no-open", "--folder", str(tmp_path / "films")]
    assert run(["serve", "--backend", backend, *words]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "films").exists()


def test_another_address_is_warned_of_and_has_a_token(library_root: Path, tmp_path: Path) -> None:
    with serving(library_root, "--host", "0.0.0.0", "--folder", str(tmp_path)) as (process, visitor):
        assert "?token=" in visitor.url
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
    assert "not encrypted" in errors


def test_serving_loads_neither_torch_nor_opencv(library_root: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vidstyle.web.server import StudioServer\n"
        "from vidstyle.web.studio import Studio\n"
        "from vidstyle.web.order import Engines\n"
        "with Studio(folder=Path(sys.argv[1]), engines=Engines(backend='openvino', precision='fp32')) as studio:\n"
        "    with StudioServer(studio, port=0): studio.to_json(); studio.warm_up()\n"
        "import json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    environment = os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)}
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, env=environment
    )
    loaded = set(json.loads(result.stdout))
    assert "openvino" in loaded, time.monotonic() - began
    assert not loaded & {"torch", "cv2", "onnx"}


def test_closing_while_the_first_picture_is_painted_is_no_warning(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    studio.artist.close()
    _warm_up(studio)
    assert capsys.readouterr().err == ""
