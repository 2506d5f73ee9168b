"""What a rendering was: counts, speed, engine, warnings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """One thread of the file loop: seconds not spent waiting for its neighbours, and CPU seconds of its own.

    Codecs and engines run threads beside it; those are in the report's `cpu_seconds`, not here.
    """

    busy_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class RenderReport:
    """The closing report of `render`; `to_json` is what `--json` prints.

    `backend`, `device` and `precision` are None where nothing had to be painted (strength 0). Several networks are
    named as "peer + live", and where they were not painted alike so is what each was painted by, as "fp32 + bf16".
    A part of a Gatys rendering writes no film: its `frames_out` is 0, its `frames_in` what it painted.
    `decode` is who decoded, "cpu" or "nvdec". `seconds` is wall time from the first frame asked for to the
    finished file; `cpu_seconds` that of all threads of the process. `notes` say why other backends were passed over.
    """

    input: str
    output: str
    frames_in: int
    frames_out: int
    width: int
    height: int
    seconds: float
    fps: float
    backend: str | None
    device: str | None
    precision: str | None
    styles: dict[str, float]
    strength: float
    network: str
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decode: str = "cpu"
    cpu_seconds: float = 0.0
    stages: dict[str, StageTime] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def total_weights(styles: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The weight of each style; those of one that is named twice add up, as in the mix."""
    weights: dict[str, float] = {}
    for name, weight in styles:
        weights[name] = weights.get(name, 0.0) + weight
    return weights
