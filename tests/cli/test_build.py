"""`vidstyle build`: engines ahead of their use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vidstyle.backends.registry import BACKENDS
from vidstyle.cache import cache_folder
from vidstyle.cli.app import run


@pytest.fixture(autouse=True)
def _shipped(library_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library_root)


def test_every_network_and_size_is_compiled_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", "--network", "live", "--network", "classic", "--size", "48x32", "--precision", "fp32"]
    assert run([*arguments, "--backend", "openvino", "--json"]) == 0
    engines = json.loads(capsys.readouterr().out)["engines"]
    assert [(e["network"], e["width"], e["height"], e["precision"]) for e in engines] == [
        ("live", 48, 32, "fp32"),
        ("classic", 48, 32, "fp32"),
    ]
    assert len(list(cache_folder("openvino").glob("*.blob"))) == 2


def test_what_takes_long_at_first_use_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["build", "--size", "48x32", "--precision", "int8", "--backend", "openvino"]
    assert run(arguments) == 0
    assert list(cache_folder("int8").iterdir())
    assert "this once" in capsys.readouterr().err
    assert run(arguments) == 0
    assert "this once" not in capsys.readouterr().err


@pytest.mark.parametrize("live", [False, True])
def test_what_is_built_is_what_render_and_webcam_take(
    make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, live: bool
) -> None:
    assert run(["build", "--size", "64x48", "--precision", "fp32", "--backend", "openvino", *["--live"] * live]) == 0
    built = set(cache_folder("openvino").iterdir())
    monkeypatch.chdir(tmp_path)
    if live:
        words = ["webcam", "--camera", str(make_film(frames=2)), "-o", "null"]
    else:
        words = ["render", str(make_film(frames=2)), "out.mkv"]
    assert run([*words, "--precision", "fp32", "--backend", "openvino"]) == 0
    assert set(cache_folder("openvino").iterdir()) == built


@pytest.mark.parametrize(("arguments", "code"), [(["--size", "720"], 2), (["--network", "nothing"], 5)])
def test_what_cannot_be_built_is_refused(arguments: list[str], code: int) -> None:
    assert run(["build", *arguments]) == code


def test_a_backend_that_is_not_there_is_exit_code_6(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "--size", "48x32", "--backend", "tensorrt"]) == 6
    assert "pip install 'vidstyle[tensorrt]'" in capsys.readouterr().err


def test_what_is_passed_over_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(BACKENDS, "tensorrt", "vidstyle.backends.not_there:Nothing")
    sizes = ["--size", "48x32", "--size", "32x48"]
    assert run(["build", *sizes, "--precision", "fp32", "--device", "cpu"]) == 0
    assert capsys.readouterr().err.count("passed over tensorrt: ") == 1
