"""The real `cuda-bindings`, where they are installed: they can be asked without a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vidstyle.backends
from tests.backends.fake_cuda import FakeCuda

runtime = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
SOURCE = (Path(vidstyle.backends.__file__).parent / "cuda_runtime.py").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"cudart\.([\w.]+)", SOURCE)))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    """In the bindings, and in the fake that stands for them."""
    for module in (runtime, FakeCuda()):
        found = module
        for part in name.split("."):
            found = getattr(found, part)


def test_machine_without_a_gpu() -> None:
    """One clear error or an empty list, whatever is missing: driver, device or permission."""
    program = """
from vidstyle.backends.cuda_runtime import gpus
from vidstyle.errors import BackendError
try:
    print("found", gpus())
except BackendError as error:
    print("error", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"found \[\]|error CUDA: cudaGetDeviceCount failed: .+", done.stdout.strip())
