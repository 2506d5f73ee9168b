"""The bars of a benchmark as an SVG picture, written by hand: no plotting library for one picture."""

from __future__ import annotations

import math
from html import escape

from vidstyle.bench.cases import PEER
from vidstyle.bench.report import Results

_LEFT, _WIDTH, _BAR, _TOP = 330, 560, 20, 46
_COLOURS = {PEER: "#8a8a8a", "openvino": "#2f6fb3", "torch": "#c46a2b", "tensorrt": "#4f9a3c"}


def bars(results: Results) -> str:
    """Milliseconds a frame of every case, grouped by size, on a logarithmic axis."""
    timings = [timing for timing in results.timings if timing.best]
    # A little below the shortest, so that its bar can be seen.
    low = 10 ** math.floor(math.log10(min((t.best for t in timings), default=1)) - 0.05)
    high = 10 ** math.ceil(math.log10(max((t.best for t in timings), default=10)))
    scale = _WIDTH / math.log10(high / low)
    parts, y, size = [], _TOP, ""
    for timing in timings:
        here = f"{timing.case.width}x{timing.case.height}"
        if here != size:
            size, y = here, y + _BAR
            parts.append(_text(_LEFT - 8, y - 6, size, anchor="end", weight="bold"))
        length = max(1.0, scale * math.log10(timing.best / low))
        colour = _COLOURS.get(timing.case.engine, "#777777")
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR - 5}" fill="{colour}"/>')
        parts.append(_text(_LEFT - 8, y + 12, timing.case.label, anchor="end"))
        parts.append(_text(_LEFT + length + 6, y + 12, f"{timing.best:.1f}"))
        y += _BAR
    for power in range(round(math.log10(high / low)) + 1):
        x = _LEFT + scale * power
        parts.insert(0, f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{y}" stroke="#dddddd"/>')
        parts.append(_text(x, _TOP - 6, f"{low * 10**power:g}", anchor="middle"))
    title = _text(12, 20, "Milliseconds a frame, less is better (logarithmic)", weight="bold")
    box = f'viewBox="0 0 {_LEFT + _WIDTH + 80} {y + 12}"'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    style = 'font-family="sans-serif" font-size="12"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>', background, title, *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
