"""`vidstyle styles sheet IMAGE... OUT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.cli.targets import check_png
from vidstyle.errors import UsageError

if TYPE_CHECKING:
    from vidstyle.frames import ImageArray


def sheet(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Photographs, or films, whose first frame is taken.")
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
    check_png(out, sources=images, overwrite=overwrite)
    from vidstyle.gatys.sheets import save_picture
    from vidstyle.gatys.sheets import sheet as lay_out
    from vidstyle.painter import Look, Painter
    from vidstyle.style_library import Library

    library = Library()
    found = library.network(network)
    looks = {
        name: Look(mix=library.mix([(name, 1.0)], found, strength), keep_colors=keep_colors, stroke=stroke)
        for name in style or library.names(found)
    }
    pictures = [_first_frame(image) for image in images]
    height = min(max(round(size * p.shape[0] / p.shape[1]) for p in pictures), size * 4 // 3)
    count = len(pictures) * (1 + len(looks))
    across = min(columns, count) if len(pictures) == 1 else len(pictures)
    _check_page(across * size, -(-count // across) * height)
    cells = [(_cell(p, size, height), image.name) for p, image in zip(pictures, images, strict=True)]
    with Painter(found, backend=backend, say=console.detail) as painter:
        for name, look in looks.items():
            cells += [(_cell(painter.paint(picture[None], look)[0], size, height), name) for picture in pictures]
    save_picture(out, lay_out(cells, columns=across))
    console.say(f"wrote {out}")


def _first_frame(path: Path) -> ImageArray:
    from vidstyle.media.reader import open_reader

    with open_reader(path) as reader:
        return next(iter(reader)).image


def _check_page(width: int, height: int) -> None:
    """Refuse a sheet that is larger than any picture that is read: it has to fit into the memory a few times."""
    from vidstyle.media.opening import MAX_PIXELS

    if width * height > MAX_PIXELS:
        raise UsageError(
            f"the sheet would have {width}x{height} pixels, more than {MAX_PIXELS // 10**6} million; "
            "use a smaller --size or fewer styles and pictures"
        )


def _cell(picture: ImageArray, width: int, height: int) -> ImageArray:
    """The whole picture, as large as it fits into `width` x `height` pixels, on white."""
    import numpy as np

    from vidstyle.media.scale import resize

    scale = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = (max(1, round(side * scale)) for side in (picture.shape[1], picture.shape[0]))
    cell = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - high) // 2, (width - wide) // 2
    cell[top : top + high, left : left + wide] = resize(picture, width=wide, height=high)
    return cell
