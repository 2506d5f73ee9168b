"""`vidstyle styles list`, `show` and `remove`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidstyle.cli import console, options

if TYPE_CHECKING:
    from vidstyle.styles import StyleCard


def list_styles(json: options.Json = False) -> None:
    """All styles at hand, your own and the shipped ones."""
    from vidstyle.style_library import Library

    cards = Library().cards()
    if json:
        console.data([_as_json(card) for card in cards])
        return
    rows = [(c.name, ", ".join(sorted(c.vectors)), c.title, ", ".join(filter(None, (c.author, c.year)))) for c in cards]
    console.table(("style", "networks", "title", "by"), rows)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.complete_styles)],
    json: options.Json = False,
) -> None:
    """What is known of a style."""
    from vidstyle.style_library import Library

    card = Library().card(name)
    if json:
        console.data(_as_json(card))
        return
    console.table((), [(key, _text(value)) for key, value in _as_json(card).items()])


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", autocompletion=options.complete_own_styles)],
) -> None:
    """Remove a style of your own from your data folder."""
    from vidstyle.style_library import Library

    Library().remove(name)
    console.say(f"removed {name}")


def _as_json(card: StyleCard) -> dict[str, Any]:
    return asdict(card) | {"folder": str(card.folder)}


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, dict) else str(value)
