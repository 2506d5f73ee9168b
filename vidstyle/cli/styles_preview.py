"""`vidstyle styles preview [NAME...]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidstyle.cli import console, options


def preview(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Styles; all of your own if left out.",
            autocompletion=options.complete_own_styles,
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--in", metavar="DIR", help="Folder with styles and networks, instead of your own.")
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Paint the previews of styles anew."""
    from vidstyle.errors import StyleError
    from vidstyle.networks.publish import publish_file
    from vidstyle.previews import FILE, paint_preview
    from vidstyle.style_library import Library, user_data
    from vidstyle.suggest import did_you_mean

    place = root or user_data()
    library = Library([place, *Library().roots])
    cards = {card.name: card for card in library.cards() if card.folder.is_relative_to(place)}
    if not cards and not names:
        console.say(f"no styles in {place}: nothing to paint")
    for name in names or cards:
        if name not in cards:
            raise StyleError(f"no style {name!r} in {place}{did_you_mean(name, cards)}; shipped ones stay as they are")
        publish_file(cards[name].folder, FILE, paint_preview(library, name))
        console.say(f"painted {cards[name].folder / FILE}")
