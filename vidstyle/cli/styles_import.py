"""`vidstyle styles import FILE --name NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli import console, options


def import_style(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth, an .onnx, or a folder with manifest.json.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What the style shall be called.")],
    values: Annotated[
        str | None,
        typer.Option(
            metavar="IN[:OUT]",
            help="What an ONNX file's values run over: 0..255, 0..1 or -1..1; else found out.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("-y", "--overwrite", help="Replace a style imported under this name.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Read a network of another program: pytorch/examples, lengstrom/ml5, ONNX."""
    from vidstyle import importing

    written = importing.import_style(file, name=name, values=values, overwrite=overwrite, say=console.say)
    console.say(f"imported {name}: vidstyle render IN OUT -s {name}")
    if json:
        console.data({"name": name, "wrote": [str(folder) for folder in written]})
