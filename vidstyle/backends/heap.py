"""Freed memory kept at hand, for work that computes on large tensors over and over.

glibc gives a block of some megabytes back to the kernel when it is freed, and gets it back page by page, each
cleared before use. PyTorch frees and allocates its tensors in every step, so that a good part of the time
of an optimisation on the processor goes there.
"""

from __future__ import annotations

import ctypes
import os
import sys

from vidstyle.backends.cpu import guard

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h
_MOST = 2**31 - 1
_PAD = 512 << 20
_USERS_OWN = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def prepare_to_optimise() -> None:
    """What a process does before it loads PyTorch to optimise for minutes or days."""
    guard()
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Tell glibc to keep what is freed until the process ends; returns whether it does now.

    Only on Linux with glibc, and not where the user chose its settings. Another allocator is not touched by it.
    """
    if not sys.platform.startswith("linux") or any(os.environ.get(name) for name in _USERS_OWN):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(what, value) for what, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD)))
