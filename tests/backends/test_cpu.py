"""What the processor offers, from /proc/cpuinfo's words, and the guard against hidden AMX tiles."""

from __future__ import annotations

import os

import pytest

from vidstyle.backends import cpu

SAPPHIRE_RAPIDS = """processor\t: 0
cpuid level\t: {level}
model name\t: Intel(R) Xeon(R) Platinum 8481C
flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 avx512_fp16 amx_tile amx_int8
"""
LAPTOP = """processor\t: 0
cpuid level\t: 27
model name\t: Intel(R) Core(TM) i7-1165G7
flags\t\t: fpu avx2 avx512f avx512_vnni
"""
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.setenv(name, "")  # so that monkeypatch restores what the guard sets
        monkeypatch.delenv(name)


def test_a_machine_with_amx() -> None:
    found = cpu.processor(SAPPHIRE_RAPIDS.format(level=32))
    assert (found.amx, found.bf16, found.hidden_tiles, found.limit) == (True, True, False, None)
    assert found.model == "Intel(R) Xeon(R) Platinum 8481C"
    assert found.threads >= 1


def test_a_laptop_without_bf16() -> None:
    found = cpu.processor(LAPTOP)
    assert (found.amx, found.bf16, found.hidden_tiles) == (False, False, False)


def test_an_arm_processor_with_bf16() -> None:
    found = cpu.processor(GRAVITON)
    assert (found.amx, found.bf16) == (False, True)


def test_a_system_without_cpuinfo() -> None:
    found = cpu.processor("")
    assert (found.amx, found.bf16, found.hidden_tiles) == (False, False, False)


@pytest.mark.parametrize(
    ("limit", "amx", "bf16"),
    [("AVX512_CORE_BF16", False, True), ("avx2", False, False), ("DEFAULT", True, True)],
)
def test_onednns_own_limit_counts(monkeypatch: pytest.MonkeyPatch, limit: str, amx: bool, bf16: bool) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    found = cpu.processor(SAPPHIRE_RAPIDS.format(level=32))
    assert (found.amx, found.bf16, found.limit) == (amx, bf16, limit.upper())


def test_the_guard_acts_where_tiles_are_hidden() -> None:
    assert cpu.guard(SAPPHIRE_RAPIDS.format(level=28))
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE_FP16"
    assert not cpu.processor(SAPPHIRE_RAPIDS.format(level=28)).amx


@pytest.mark.parametrize("text", [SAPPHIRE_RAPIDS.format(level=32), LAPTOP, GRAVITON, ""])
def test_the_guard_leaves_others_alone(text: str) -> None:
    assert not cpu.guard(text)
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ


def test_the_guard_leaves_the_users_setting_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    assert not cpu.guard(SAPPHIRE_RAPIDS.format(level=28))
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ
