"""Takes a network of another program into the user's library, as a style like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vidstyle.backends.protocol import Say
from vidstyle.errors import UsageError
from vidstyle.networks.foreign.formats import read_network
from vidstyle.networks.network import load_network
from vidstyle.style_library import Library, check_unneeded, user_data
from vidstyle.styles import IDENTITY, StyleCard, check_name


def import_style(
    path: Path,
    *,
    name: str,
    values: str | None = None,
    overwrite: bool = False,
    say: Say = lambda line: None,
) -> list[Path]:
    """Read the network at `path` and publish it and its style as `name` among the user's own.

    It has painted its preview before anything is published. Returns the folders written. Raises
    UsageError for a name that cannot be used or is taken, OutputError, and what `read_network` raises.
    """
    root = user_data()
    _check_free(root, check_name(name), overwrite=overwrite)
    imported = read_network(path, values=values)
    from vidstyle.networks.publish import publish_file, publish_graph, publish_style, replace_folder, staging
    from vidstyle.previews import FILE, paint_preview

    for note in imported.notes:
        say(f"{path.name}: {note}")
    with staging(root) as staged:
        network = publish_graph(staged, name, imported.model)
        card = _card(name, path, imported.format, network)
        fitted = {name: load_network(network).sha256}
        style = publish_style(staged, card, {name: np.empty(0, np.float32)}, fitted=fitted)
        publish_file(style, FILE, paint_preview(Library([staged, *Library().roots]), name))
        return [
            replace_folder(network, root / "networks" / name),
            replace_folder(style, root / "styles" / name),
        ]


def _check_free(root: Path, name: str, *, overwrite: bool) -> None:
    """Raise UsageError if a style or network called `name` is in the way."""
    if name == IDENTITY:
        raise UsageError(f"{IDENTITY!r} is the style that every strength starts from; choose another --name")
    for other in Library().roots:
        for kind in ("style", "network"):
            folder = other / f"{kind}s" / name
            if not folder.exists():
                continue
            if other != root:
                raise UsageError(f"vidstyle comes with a {kind} {name!r}; choose another --name")
            if not overwrite:
                raise UsageError(f"there is a {kind} {name!r} already; -y replaces it")
            if kind == "network":
                check_unneeded(name, Library())


def _card(name: str, path: Path, kind: str, network: Path) -> StyleCard:
    return StyleCard(
        name=name,
        title=name.replace("-", " ").replace("_", " ").capitalize(),
        author="unknown",
        year="",
        licence="as its author gave it",
        source=f"{path.resolve().name} ({kind})",
        trained="elsewhere, in a network of its own that was imported",
        vectors={},
        folder=network,
        shipped=False,
    )
