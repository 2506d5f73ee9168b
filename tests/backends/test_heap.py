"""Freed memory kept at hand: fewer page faults, and nothing where the user chose otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from vidstyle.backends.heap import keep_freed_memory

PROGRAM = """
import resource, sys
from vidstyle.backends.heap import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(8):
    block = b"x" * (64 << 20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so eagerly")
def test_memory_that_is_used_again_is_not_fetched_again() -> None:
    faults = {how: _page_faults(how) for how in ("keep", "leave")}
    once = (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert faults["leave"] > faults["keep"] + 4 * once


@pytest.mark.parametrize("name", ["MALLOC_MMAP_MAX_", "GLIBC_TUNABLES"])
def test_what_the_user_chose_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert keep_freed_memory() is False


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def _page_faults(how: str) -> int:
    chosen = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(chosen)}
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return int(answer.stdout)
