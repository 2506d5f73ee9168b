"""Checks of the files that a command will write, before it does anything slow."""

from __future__ import annotations

from pathlib import Path

from vidstyle.errors import OutputError, UsageError


def check_png(target: Path, *, overwrite: bool) -> None:
    """Raise UsageError or OutputError if no PNG file can be written to `target`."""
    if target.suffix.lower() != ".png":
        raise UsageError(f"{target}: this is written as PNG; give it the ending .png")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists; -y replaces it")
    check_folder(target)


def check_folder(target: Path) -> None:
    """Raise OutputError if the folder of `target` is missing."""
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent}")
