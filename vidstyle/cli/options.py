"""Flags that several commands share, with their environment variables and shell completion."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from vidstyle.cli import console
from vidstyle.errors import VidstyleError
from vidstyle.settings import PrecisionChoice


def complete_styles(incomplete: str) -> Iterable[str]:
    return _complete_cards(incomplete)


def complete_own_styles(incomplete: str) -> Iterable[str]:
    return _complete_cards(incomplete, own=True)


def _complete_cards(incomplete: str, *, own: bool = False) -> Iterable[str]:
    from vidstyle.style_library import Library

    try:
        cards = [card for card in Library().cards() if not (own and card.shipped)]
    except VidstyleError:  # of a broken card; it would be printed into the user's prompt
        return []
    return [card.name for card in cards if card.name.startswith(incomplete)]


def complete_networks(incomplete: str) -> Iterable[str]:
    from vidstyle.style_library import Library

    try:
        return [name for name in Library().network_names() if name.startswith(incomplete)]
    except VidstyleError:
        return []


def _complete_backends(incomplete: str) -> Iterable[str]:
    from vidstyle.backends.registry import BACKENDS

    return [name for name in ("auto", *BACKENDS) if name.startswith(incomplete)]


def _complete_devices(incomplete: str) -> Iterable[str]:
    return [
        name for name in ("auto", "CPU", "GPU", "NPU", "cpu", "cuda", "cuda:0", "mps") if name.startswith(incomplete)
    ]


Style = Annotated[
    list[str],
    typer.Option(
        "-s",
        "--style",
        metavar="NAME[:WEIGHT]",
        help="Style; several are mixed by their weights.",
        envvar="VIDSTYLE_STYLE",
        autocompletion=complete_styles,
    ),
]
Strength = Annotated[
    float, typer.Option(min=0, max=1, metavar="0..1", help="From the film itself (0) to the full style (1).")
]
Network = Annotated[
    str, typer.Option(metavar="NAME", help="live (fast) or classic (finest).", autocompletion=complete_networks)
]
KeepColors = Annotated[
    bool,
    typer.Option("--keep-colors/--no-keep-colors", help="Keep the film's own colours, paint only light and dark."),
]
Stroke = Annotated[
    float, typer.Option(min=0.1, max=10, metavar="FACTOR", help="Size of the strokes; 2 is twice as large.")
]
Stabilize = Annotated[bool, typer.Option("--stabilize/--no-stabilize", help="Hold strokes still from frame to frame.")]
Backend = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Engine: auto, openvino, tensorrt or torch.",
        envvar="VIDSTYLE_BACKEND",
        autocompletion=_complete_backends,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The engine's device: CPU, GPU, cuda:1, ...",
        envvar="VIDSTYLE_DEVICE",
        autocompletion=_complete_devices,
    ),
]
Precision = Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the engine.")]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON on stdout at the end.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Only warnings and errors.", callback=console.set_quiet)]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        help="Say more; -vv shows tracebacks.",
        callback=console.set_verbosity,
    ),
]
