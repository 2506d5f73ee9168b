"""Configuration files: the defaults that they set for a command, below environment and flags.

The command line's parser merges them: defaults < files < environment < flags. The Python interface reads none.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from vidstyle.errors import UsageError
from vidstyle.suggest import did_you_mean

PROJECT_FILE = "vidstyle.toml"

SHARED_KEYS = (
    "style",
    "strength",
    "network",
    "keep-colors",
    "stroke",
    "stabilize",
    "backend",
    "device",
    "precision",
)
"""Keys that may stand at the top of a configuration file: every command that knows them takes them."""

NOT_SHARED = {"styles-sheet": ("style",)}
"""Commands that mean something else by a shared key, which then counts in their own table only: a sheet's styles are
those that it shows, all of them if left out, and not those to paint with."""


def config_files() -> list[Path]:
    """The configuration files that apply here: the user's, then the working folder's, which wins.

    One that may not be looked at, as where HOME is somebody else's, counts as not there.
    """
    places = (Path(platformdirs.user_config_dir("vidstyle", appauthor=False)) / "config.toml", Path(PROJECT_FILE))
    return [place for place in places if os.path.isfile(place)]  # `Path.is_file` would raise PermissionError


class Option(Protocol):
    """What has to be known of a command's option: whether it is a switch, on or off, or takes a value."""

    @property
    def is_flag(self) -> bool: ...


def read_config(
    files: Iterable[Path], *, command: str, commands: Iterable[str], known: Mapping[str, Option]
) -> dict[str, Any]:
    """The values that `files` set for `command`, later files winning; keys as in `known`, with underscores.

    A file holds `SHARED_KEYS` at its top and one table per command with that command's own flags as
    keys. Raises UsageError for unreadable files, for a switch with a value or the reverse, and, with the nearest
    right one, for unknown keys. Tables of other commands are left to them: to know their keys is to load them.
    """
    values: dict[str, Any] = {}
    options = {name.replace("_", "-"): option for name, option in known.items()}
    for file in files:
        content = _read_toml(file)
        table = content.get(command, {})
        for key, value in content.items():
            if isinstance(value, dict) and key in SHARED_KEYS:
                raise UsageError(f"configuration file {file}: {key} is a value, not a table")
            if not isinstance(value, dict) and key in commands:
                raise UsageError(f"configuration file {file}: {key} is a table: write [{key}]")
        _check_keys(file, "", content, {*SHARED_KEYS, *commands})
        _check_keys(file, f"[{command}] ", table, options)
        own = NOT_SHARED.get(command, ())
        shared = {key: value for key, value in content.items() if not isinstance(value, dict) and key not in own}
        for key, value in (shared | table).items():
            if key in options:
                _check_kind(file, key, value, switch=options[key].is_flag)
                values[key.replace("-", "_")] = value
    return values


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows' editors may put a mark first
    except (OSError, ValueError) as error:
        raise UsageError(f"configuration file {file}: {error}") from error


def _check_keys(file: Path, where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"configuration file {file}: {where}unknown key {key!r}{did_you_mean(key, known)}")


def _check_kind(file: Path, key: str, value: Any, *, switch: bool) -> None:
    """The command line's parser would take `true` for 1, and "yes" for true."""
    if switch and not isinstance(value, bool):
        raise UsageError(f"configuration file {file}: {key} is {value!r}; it is true or false")
    if isinstance(value, bool) and not switch:
        raise UsageError(f"configuration file {file}: {key} is {str(value).lower()}; it takes a value")
