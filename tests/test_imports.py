"""What is imported when: the command line answers at once, and painting on OpenVINO needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEAVY = ("torch", "onnx", "cv2", "openvino", "av", "numpy", "rich")


def loaded_after(code: str, *arguments: str, environment: dict[str, str] | None = None) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    report = "import atexit, sys; atexit.register(lambda: print('LOADED', *{m.partition('.')[0] for m in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", f"{report}\n{code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | (environment or {}),
    )
    return set(result.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["render", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    loaded = loaded_after("from vidstyle.cli.app import main; main()", *arguments)
    assert not loaded.intersection(HEAVY)


def test_help_is_quick() -> None:
    """In CPU time, which other work on the machine does not change."""
    resource = pytest.importorskip("resource")
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "vidstyle", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3


def test_the_package_itself_loads_nothing() -> None:
    assert not loaded_after("import vidstyle").intersection(HEAVY)


@pytest.mark.parametrize("how", [(), ("--tile",)])
def test_painting_on_openvino_needs_neither_torch_nor_onnx_nor_opencv(
    make_film: Callable[..., Path], library_root: Path, how: tuple[str, ...]
) -> None:
    film = make_film(frames=2)
    target = film.with_name("out.mp4")
    loaded = loaded_after(
        "from vidstyle.cli.app import main; main()",
        *("render", str(film), str(target), "--backend", "openvino", *how),
        environment={"VIDSTYLE_DATA_DIR": str(library_root)},
    )
    assert target.exists()
    assert "openvino" in loaded
    assert not loaded.intersection({"torch", "onnx", "cv2"})
