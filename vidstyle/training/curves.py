"""How trainings went: the table that each leaves behind, and several of them side by side as an SVG picture.

python -m vidstyle.training.curves OUT.svg NAME=RUN/losses.tsv ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from vidstyle.errors import InputError, UsageError
from vidstyle.media.part_file import check_writable, writing
from vidstyle.training.trainer import Progress

SHOWN = ("style", "content")
"""The losses that are drawn, each in a panel of its own."""

Curve = list[tuple[float, float]]
"""Processor minutes and loss, in order."""

_WIDTH, _HEIGHT, _LEFT, _TOP = 340, 220, 52, 50
_COLOURS = ("#2f6fb3", "#c46a2b", "#4f9a3c", "#8a5aa8", "#555555")


def write_losses(file: Path, progress: Progress, *, cpu: float) -> None:
    """Add a report: the step, steps a second, `cpu` seconds of all threads since the last one, the mean losses."""
    values = {"cpu": cpu} | dict(sorted(progress.losses.items()))
    with file.open("a", encoding="utf-8") as lines:
        columns = "\t".join(f"{name}={value:.4f}" for name, value in values.items())
        lines.write(f"{progress.step}\t{progress.rate:.3f}\t{columns}\n")


def read_losses(file: Path) -> dict[str, Curve]:
    """The curve of each loss in a table that `write_losses` wrote, those of `SHOWN` at least. Raises InputError."""
    curves: dict[str, Curve] = {}
    minutes = 0.0
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            values = {name: float(value) for name, value in (cell.split("=") for cell in line.split("\t")[2:])}
            minutes += values.pop("cpu") / 60
            for name, value in values.items():
                curves.setdefault(name, []).append((minutes, value))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError) as error:
        raise InputError(f"{file}: not a table of losses, as a training leaves it behind") from error
    if missing := [name for name in SHOWN if name not in curves]:
        raise InputError(f"{file}: a table of losses without {missing[0]!r}; has the training begun?")
    return curves


def draw(runs: Mapping[str, Mapping[str, Curve]]) -> str:
    """An SVG with a panel for each of `SHOWN`, in it the curve of every run, by name."""
    parts = [_panel(name, {run: curves[name] for run, curves in runs.items()}, i) for i, name in enumerate(SHOWN)]
    for number, run in enumerate(runs):
        x = _LEFT + 150 * number
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<line x1="{x}" y1="14" x2="{x + 22}" y2="14" stroke="{colour}" stroke-width="3"/>')
        parts.append(_text(x + 28, 18, run))
    box = f'viewBox="0 0 {len(SHOWN) * (_LEFT + _WIDTH + 20)} {_TOP + _HEIGHT + 44}"'
    style = 'font-family="sans-serif" font-size="12"'
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style}>', background, *parts, "</svg>\n"])


def _panel(name: str, curves: Mapping[str, Curve], column: int) -> str:
    """One loss over processor time; the axis begins at nought."""
    left, bottom = _LEFT + column * (_LEFT + _WIDTH + 20), _TOP + _HEIGHT
    last = max(minutes for curve in curves.values() for minutes, _ in curve)
    most = max(loss for curve in curves.values() for _, loss in curve) * 1.05
    parts = [_text(left, _TOP - 8, f"{name} loss, weighted", weight="bold")]
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = left + share * _WIDTH, bottom - share * _HEIGHT
        parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{left + _WIDTH}" y2="{y:.0f}" stroke="#dddddd"/>')
        parts.append(_text(left - 6, y + 4, f"{most * share:.1f}", anchor="end"))
        parts.append(_text(x, bottom + 18, f"{last * share:.1f}", anchor="middle"))
    parts.append(_text(left + _WIDTH / 2, bottom + 36, "processor minutes, all threads", anchor="middle"))
    for number, curve in enumerate(curves.values()):
        points = " ".join(f"{left + m / last * _WIDTH:.1f},{bottom - v / most * _HEIGHT:.1f}" for m, v in curve)
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return "\n".join(parts)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def main(words: Sequence[str]) -> None:
    """OUT.svg NAME=FILE ... Raises UsageError, InputError, OutputError."""
    if len(words) < 2 or not all("=" in word for word in words[1:]):
        raise UsageError("name the picture, then runs: python -m vidstyle.training.curves OUT.svg NAME=losses.tsv ...")
    out = Path(words[0])
    check_writable(out.parent)
    named = dict(word.split("=", 1) for word in words[1:])
    drawn = draw({name: read_losses(Path(file)) for name, file in named.items()})
    with writing(out):
        out.write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    from vidstyle.cli import console

    console.run_tool(main)
