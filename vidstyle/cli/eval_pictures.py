"""`vidstyle eval pictures PHOTOGRAPHS --painting FILE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vidstyle.frames import ImageArray
    from vidstyle.training.evaluation import Judgement

_TO_PAINT = ("style", "network", "size", "backend", "device", "precision")
"""Flags that say how to paint now, and nothing about pictures that are painted already."""


def pictures(
    ctx: typer.Context,
    photographs: Annotated[Path, typer.Argument(metavar="PHOTOGRAPHS", help="Folder of photographs.")],
    painting: Annotated[
        list[Path], typer.Option(metavar="FILE", help="The painting that is aimed at; several count together.")
    ],
    painted: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Judge these pictures, made by any program, instead of painting now."),
    ] = None,
    style: options.Style = ["mosaic"],
    network: options.Network = "live",
    size: Annotated[int, typer.Option(min=64, metavar="N", help="Shorter side of the photographs, pixels.")] = 384,
    limit: Annotated[int | None, typer.Option("-n", min=1, metavar="N", help="Only the first N photographs.")] = None,
    backend: options.Backend = "auto",
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Content and style loss, shift error and noise gain of painted photographs.

    Less is better. Losses are 0 where the painting (style) or the photograph (content) is met, and 1 as far from it as
    a blank picture. Shift: the 8-bit levels by which the result changes when the photograph moves by one pixel. Noise:
    how many times as strong a camera's noise comes out.
    """
    from vidstyle.backends.cpu import guard
    from vidstyle.painter import Look, Painter
    from vidstyle.style_library import Library
    from vidstyle.styles import parse_style

    if painted is not None:
        _refuse_to_paint(ctx)
    for path in (photographs, *painting, *filter(None, [painted])):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if photographs.is_file():
        raise UsageError(f"{photographs}: give the folder, not one photograph")
    guard()
    from vidstyle.networks.vgg import load_vgg
    from vidstyle.training.evaluation import Judge, mean, read_paintings

    targets = read_paintings(painting)
    judge = Judge(load_vgg(say=console.say), targets)
    rows: list[Judgement] = []
    if painted is not None:
        rows.extend(_told(judge.pictures(photographs, painted, limit=limit)))
    else:
        library = Library()
        loaded = library.network(network)
        look = Look(mix=library.mix([parse_style(text) for text in style], loaded))
        for note in look.mix.notes:
            console.say(note)
        painter = Painter(loaded, backend=backend, device=device, precision=precision, say=console.detail)

        def paint(images: ImageArray) -> ImageArray:
            return painter.paint(images, look)

        with painter:
            rows.extend(_told(judge.program(photographs, paint, size=size, limit=limit)))
    average = mean(rows)
    if json:
        console.data({"pictures": [asdict(row) for row in rows], "mean": asdict(average)})
    else:
        console.lines(_table([*rows, average]))


def _refuse_to_paint(ctx: typer.Context) -> None:
    """Raise UsageError for a flag that would count for nothing; what files and environment set is for every run."""
    sources = ((name, ctx.get_parameter_source(name)) for name in _TO_PAINT)
    given = [name for name, source in sources if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise UsageError(f"--{given[0]} says how to paint, --painted that it is done: leave one of them out")


def _told(rows: Iterator[Judgement]) -> list[Judgement]:
    """All rows, each said as it comes: VGG takes its time."""
    told = []
    for row in rows:
        console.detail(f"{row.name}: style {row.style:.3f}, content {row.content:.3f}")
        told.append(row)
    return told


def _table(rows: list[Judgement]) -> list[str]:
    def number(value: float | None) -> str:
        return "       -" if value is None else f"{value:8.3f}"

    lines = [f"{'picture':24}   style content   shift   noise"]
    lines += [
        f"{row.name[:24]:24}{number(row.style)}{number(row.content)}{number(row.shift)}{number(row.noise)}"
        for row in rows
    ]
    return lines
