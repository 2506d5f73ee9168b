from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vidstyle.backends import gpu
from vidstyle.backends.torch import Torch


class Driver:
    """NVIDIA's, with two GPUs."""

    def cuInit(self, flags: int) -> int:  # noqa: N802 -- the names are NVIDIA's
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:  # noqa: N802
        name.value = b"GPU %d" % device.value
        return 0


def test_a_gpu_needs_a_pytorch_that_is_built_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PyPI's for Windows is not, and neither is the one for processors; then the GPU is not taken for usable."""
    monkeypatch.setattr(gpu.ctypes, "CDLL", lambda library: Driver())
    monkeypatch.setattr(gpu.sys, "platform", "linux")
    torch = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: torch)
    assert gpu.nvidia_gpus() == ["GPU 0", "GPU 1"]
    for version, found in (("'13.0'", "cuda"), ("None", None)):
        (tmp_path / "version.py").write_text(f"debug = False\ncuda: Optional[str] = {version}\nhip = None\n")
        assert gpu.accelerator() == found
    assert "on cpu; the NVIDIA GPU here needs a PyTorch built for CUDA" in Torch().available().reason
