"""Checks of the files that a command will write, before it does anything slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vidstyle.errors import UsageError


def check_png(target: Path, *, sources: Sequence[Path] = (), overwrite: bool) -> None:
    """Raise UsageError or OutputError if no PNG file can be written to `target`, or it is one of the `sources`."""
    if target.suffix.lower() != ".png":
        raise UsageError(f"{target}: this is written as PNG; give it the ending .png")
    from vidstyle.media.part_file import check_target

    for source in sources or (None,):
        check_target(source, target, overwrite=overwrite)
