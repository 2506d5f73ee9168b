"""The GPU suite must not be green where a GPU was promised and none is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run_suite(promise: str | None) -> subprocess.CompletedProcess[str]:
    """A part of the GPU suite with every GPU hidden."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("VIDSTYLE_REQUIRE_GPU", None)
    if promise is not None:
        environment["VIDSTYLE_REQUIRE_GPU"] = promise
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "gpu",
        "tests/gpu",
        "-k",
        "style_changes",
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_skips_with_the_reason() -> None:
    done = run_suite(None)
    assert done.returncode == 0, done.stdout
    assert "4 skipped" in done.stdout
    assert "SKIPPED" in done.stdout
    assert "torch:" in done.stdout


@pytest.mark.parametrize(("promise", "failed"), [("1", 4), ("torch", 2)])
def test_fails_where_a_gpu_is_promised(promise: str, failed: int) -> None:
    done = run_suite(promise)
    assert done.returncode == 1, done.stdout
    assert "promises torch on a GPU here, but" in done.stdout
    assert f"{failed} error" in done.stdout or f"{failed} failed" in done.stdout
