"""What this processor offers to an engine, and a guard for virtual machines that promise too much.

Some hypervisors pass AMX's feature bits on but hide the CPUID leaf (0x1D) with the sizes of its tiles.
oneDNN, which computes for OpenVINO and PyTorch alike, believes the bits, configures tiles of size
zero and the process dies of an illegal instruction. `guard` keeps oneDNN one step below AMX there.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

TILE_LEAF = 0x1D
_ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_BELOW_AMX = "AVX512_CORE_FP16"
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")
_WITHOUT_AMX = (*_WITHOUT_BF16, "AVX2_VNNI_2", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX10_1_512")


@dataclass(frozen=True, kw_only=True)
class Processor:
    """A processor as the operating system describes it, less what oneDNN's own limit takes away.

    `amx` and `bf16` say whether matrix products of bfloat16 run natively (AMX tiles, or AVX512-BF16).
    `hidden_tiles` is True where AMX is promised but unusable (see the module). `limit` is oneDNN's
    own setting in force, None for no limit.
    """

    model: str
    threads: int
    amx: bool
    bf16: bool
    hidden_tiles: bool
    limit: str | None


def processor(cpuinfo: str | None = None) -> Processor:
    """The processor at hand; `cpuinfo` is the text of /proc/cpuinfo, read where the system has one."""
    text = _read_cpuinfo() if cpuinfo is None else cpuinfo
    flags = set(_field(text, "flags").split()) | set(_field(text, "Features").split())
    level = _field(text, "cpuid level")
    limit = next((os.environ[v].upper() for v in _ISA_VARIABLES if os.environ.get(v)), None)
    return Processor(
        model=_field(text, "model name") or platform.processor() or platform.machine(),
        threads=_usable_threads(),
        amx={"amx_tile", "amx_bf16"} <= flags and limit not in _WITHOUT_AMX,
        bf16=bool({"avx512_bf16", "amx_bf16", "bf16"} & flags) and limit not in _WITHOUT_BF16,
        hidden_tiles="amx_tile" in flags and level.isdigit() and int(level) < TILE_LEAF,
        limit=limit,
    )


def guard(cpuinfo: str | None = None) -> bool:
    """Keep oneDNN off AMX where its tiles are hidden; returns whether that was needed.

    Call it before OpenVINO or PyTorch compute anything: oneDNN reads its limit once. A limit that
    the user set, `DEFAULT` included, is left alone.
    """
    found = processor(cpuinfo)
    if not found.hidden_tiles or found.limit is not None:
        return False
    os.environ[_ISA_VARIABLES[0]] = _BELOW_AMX
    return True


def _usable_threads() -> int:
    """Processors that this process may use: fewer than the machine has in a container or under taskset."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1).strip() if found else ""
