"""`vidstyle explore content | texture | compare`: sheets that show what the losses see."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidstyle.cli import console, options
from vidstyle.cli.targets import check_png

if TYPE_CHECKING:
    from vidstyle.frames import ImageArray
    from vidstyle.gatys.options import GatysOptions
    from vidstyle.networks.vgg import VGG
    from vidstyle.painter import Look, Painter

Picture = Annotated[Path, typer.Argument(metavar="IMAGE", help="A photograph.")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="The sheet, a PNG file.")]
Size = Annotated[int, typer.Option(min=64, metavar="N", help="Longer side of each picture on the sheet, pixels.")]
Gatys = Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="An option of Gatys mode (docs/gatys.md).")]
Overwrite = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace OUT if it exists.")]


def content(
    image: Picture,
    out: Out,
    size: Size = 256,
    gatys: Gatys = [],
    overwrite: Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Rebuild a photograph from each of VGG's layers conv1_1 to conv5_1 alone."""
    asked, vgg, quick = _prepare(out, gatys, sources=[image], overwrite=overwrite)
    from vidstyle.gatys.explore import content_sheet
    from vidstyle.gatys.memory import room_for
    from vidstyle.gatys.sheets import save_picture
    from vidstyle.training.photographs import read_picture

    photograph = read_picture(image, longest=size)
    with room_for(size, size):
        save_picture(out, content_sheet(vgg, photograph, options=asked, quick=quick, say=console.say))
    console.say(f"wrote {out}")


def texture(
    painting: Annotated[Path, typer.Argument(metavar="PAINTING", help="A picture.")],
    out: Out,
    size: Size = 256,
    gatys: Gatys = [],
    overwrite: Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Paint a painting's style alone, from noise, with more and more of its layers."""
    asked, vgg, quick = _prepare(out, gatys, sources=[painting], overwrite=overwrite)
    from vidstyle.gatys.explore import texture_sheet
    from vidstyle.gatys.memory import room_for
    from vidstyle.gatys.sheets import save_picture
    from vidstyle.training.photographs import read_painting

    picture = read_painting(painting, longest=2 * size)
    with room_for(size, size):
        save_picture(out, texture_sheet(vgg, picture, options=asked, quick=quick, size=size, say=console.say))
    console.say(f"wrote {out}")


def compare(
    image: Picture,
    out: Out,
    painting: Annotated[Path, typer.Option(metavar="FILE", help="The painting that the style was trained on.")],
    style: options.Style = ["mosaic"],
    network: Annotated[
        list[str],
        typer.Option(
            metavar="NAME", help="Networks to compare (repeatable).", autocompletion=options.complete_networks
        ),
    ] = ["live"],
    size: Size = 384,
    gatys: Gatys = [],
    backend: options.Backend = "auto",
    overwrite: Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """A photograph painted by the networks and by Gatys mode, with losses and seconds."""
    asked, vgg, quick = _prepare(out, gatys, sources=[image, painting], overwrite=overwrite)
    from vidstyle.gatys.explore import compare_sheet
    from vidstyle.gatys.memory import room_for
    from vidstyle.gatys.sheets import save_picture
    from vidstyle.gatys.stills import Palette, StillPainter
    from vidstyle.painter import Look, Painter
    from vidstyle.style_library import Library
    from vidstyle.styles import parse_style
    from vidstyle.training.photographs import read_painting, read_picture

    library = Library()
    photograph, target = read_picture(image, longest=size), read_painting(painting, longest=2 * size)
    with ExitStack() as open_painters, room_for(size, size):
        painters: list[tuple[str, Callable[[ImageArray], ImageArray]]] = []
        for name in network:
            found = library.network(name)
            look = Look(mix=library.mix([parse_style(text) for text in style], found))
            painter = open_painters.enter_context(Painter(found, backend=backend, say=console.detail))
            painters.append((name, partial(_paint, painter, look)))
        stills = StillPainter(vgg, Palette(paintings=[(target, 1.0)]), asked, quick=quick)
        save_picture(out, compare_sheet(stills, photograph, painters, say=console.say))
    console.say(f"wrote {out}")


def _paint(painter: Painter, look: Look, picture: ImageArray) -> ImageArray:
    painted: ImageArray = painter.paint(picture[None], look)[0]
    return painted


def _prepare(
    out: Path, gatys: list[str], *, sources: list[Path], overwrite: bool
) -> tuple[GatysOptions, VGG, VGG | None]:
    """Check the target, then load VGG and, where bfloat16 is quick, its copy."""
    check_png(out, sources=sources, overwrite=overwrite)
    from vidstyle.backends.cpu import processor
    from vidstyle.backends.heap import prepare_to_optimise

    prepare_to_optimise()
    from vidstyle.gatys.options import parse_gatys
    from vidstyle.gatys.stills import quick_copy
    from vidstyle.networks.vgg import load_vgg

    asked = parse_gatys(gatys)
    vgg = load_vgg(asked.vgg, pooling=asked.pooling, say=console.say)
    return asked, vgg, quick_copy(vgg) if processor().bf16 else None
