"""Which GPU this machine offers to PyTorch, found without loading it."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import re
import sys
from pathlib import Path

NEEDED = ("torch", "onnx")
"""Packages that PyTorch's engine is made of."""


def accelerator() -> str | None:
    """The kind of GPU PyTorch would use, "cuda" or "mps", found without importing PyTorch; else None."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        return None
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return "cuda" if _built_for_cuda() and nvidia_gpus() else None


def missing_cuda() -> str:
    """Why `accelerator` finds no "cuda", in words."""
    if nvidia_gpus():
        return "the NVIDIA GPU here needs a PyTorch built for CUDA, see https://pytorch.org/get-started/locally"
    return "no NVIDIA GPU with its driver here"


def nvidia_gpus() -> list[str]:
    """The names of the GPUs that NVIDIA's driver shows, "cuda:0" first, asked through its own library."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:  # no driver: the ordinary case of a machine without such a GPU
        return []
    count, device, name = ctypes.c_int(0), ctypes.c_int(0), ctypes.create_string_buffer(256)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return []
    found = []
    for number in range(count.value):
        driver.cuDeviceGet(ctypes.byref(device), number)
        driver.cuDeviceGetName(name, len(name), device)
        found.append(name.value.decode(errors="replace"))
    return found


def _built_for_cuda() -> bool:
    """Whether this PyTorch is, by its own list of versions: PyPI's for Windows is not, even beside an NVIDIA GPU."""
    package = importlib.util.find_spec("torch")
    versions = Path(package.origin if package and package.origin else "").with_name("version.py")
    return versions.is_file() and not re.search(r"^cuda\b.*= *None", versions.read_text("utf-8"), re.MULTILINE)
