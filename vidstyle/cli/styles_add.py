"""`vidstyle styles add FOLDER|ZIP`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli import console, options


def add(
    style: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", help="The style's folder, or a zip archive of it.")],
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Take it in place of one of its name.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Add a style that somebody made and shared."""
    from vidstyle import sharing

    folder = sharing.add_style(style, overwrite=overwrite)
    console.say(f"added {folder.name}: vidstyle render IN OUT -s {folder.name}")
    if json:
        console.data({"name": folder.name, "wrote": [str(folder)]})
