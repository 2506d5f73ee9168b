"""`vidstyle styles sheet IMAGE... OUT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.errors import OutputError, UsageError

if TYPE_CHECKING:
    from vidstyle.frames import ImageArray


def sheet(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Photographs, or films, whose first frame is taken.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The sheet, a PNG file.")],
    style: Annotated[
        list[str],
        typer.Option(
            "-s",
            "--style",
            metavar="NAME",
            help="Only this style (repeatable); all if left out.",
            autocompletion=options.complete_styles,
        ),
    ] = [],
    network: options.Network = "live",
    strength: options.Strength = 1.0,
    keep_colors: options.KeepColors = False,
    stroke: options.Stroke = 1.0,
    size: Annotated[int, typer.Option(min=64, metavar="N", help="Width of each picture on the sheet, pixels.")] = 320,
    columns: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures in a row; one photograph only.")] = 4,
    backend: options.Backend = "auto",
    overwrite: Annotated[bool, typer.Option("-y", "--overwrite", help="Replace OUT if it exists.")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Your own pictures in every style, on one labelled sheet, to choose by."""
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: sheets are PNG files")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists; -y replaces it")
    from vidstyle.gatys.sheets import save_picture
    from vidstyle.gatys.sheets import sheet as lay_out
    from vidstyle.painter import Look, Painter
    from vidstyle.styles import Library

    library = Library()
    found = library.network(network)
    looks = {
        name: Look(mix=library.mix([(name, 1.0)], found, strength), keep_colors=keep_colors, stroke=stroke)
        for name in style or library.names(found)
    }
    pictures = [_first_frame(image) for image in images]
    cells = [(_cell(p, size), image.name) for p, image in zip(pictures, images, strict=True)]
    with Painter(found, backend=backend, say=console.detail) as painter:
        for name, look in looks.items():
            cells += [(_cell(painter.paint(picture[None], look)[0], size), name) for picture in pictures]
    save_picture(out, lay_out(cells, columns=columns if len(pictures) == 1 else len(pictures)))
    console.say(f"wrote {out}")


def _first_frame(path: Path) -> ImageArray:
    from vidstyle.media.reader import open_reader

    with open_reader(path) as reader:
        return next(iter(reader)).image


def _cell(picture: ImageArray, width: int) -> ImageArray:
    """The middle of a picture, 3 by 2, `width` pixels wide."""
    from vidstyle.media.scale import resize

    height, wide = picture.shape[0], picture.shape[1]
    side = min(height * 3, wide * 2) // 6
    top, left = (height - 2 * side) // 2, (wide - 3 * side) // 2
    return resize(picture[top : top + 2 * side, left : left + 3 * side], width=width, height=width * 2 // 3)
