"""Training recipes as TOML files: a whole network with its styles, so that anybody can train it again.

[training]                  the fields of `Recipe`
architecture = "live"
steps = 3600
[loss]                      the fields of `LossWeights`
style = 20.0
[[style]]                   the fields of `StyleTarget`, and those of its card
name = "great-wave"
paintings = ["hokusai.jpg"]     relative to the folder given beside the recipe
title = "Under the Wave off Kanagawa"
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vidstyle.errors import UsageError
from vidstyle.networks.architecture import ARCHITECTURES
from vidstyle.suggest import did_you_mean
from vidstyle.training.losses import LossWeights
from vidstyle.training.trainer import Recipe, StyleTarget

CARD_FIELDS = ("title", "author", "year", "licence", "source")


@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """A recipe and, for each of its styles, what its card shall say."""

    recipe: Recipe
    cards: dict[str, dict[str, str]]


def read_recipe(file: Path, paintings: Path) -> RecipeFile:
    """Read a recipe whose paintings lie in the folder `paintings`. Raises UsageError for anything wrong in it."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a readable recipe ({error})") from error
    _check_keys(file, "the recipe", values, {"training", "loss", "style"})
    training = dict(values.get("training", {}))
    names = {f.name for f in fields(Recipe)} - {"styles", "weights"}
    _check_keys(file, "[training]", training, names)
    _check_keys(file, "[loss]", values.get("loss", {}), {f.name for f in fields(LossWeights)})
    if training.get("architecture") not in ARCHITECTURES:
        raise UsageError(f"{file}: architecture is one of {', '.join(ARCHITECTURES)}")
    training["architecture"] = ARCHITECTURES[training["architecture"]]
    target_names = {f.name for f in fields(StyleTarget)}
    for style in values.get("style", []):
        _check_keys(file, "[[style]]", style, target_names | set(CARD_FIELDS))
    loss: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.get("loss", {}).items()}
    try:
        styles = tuple(
            StyleTarget(
                **{k: v for k, v in style.items() if k in target_names}
                | {"paintings": tuple(paintings / name for name in style.get("paintings", []))}
            )
            for style in values.get("style", [])
        )
        recipe = Recipe(**training, styles=styles, weights=LossWeights(**loss))
    except TypeError as error:
        raise UsageError(f"{file}: {error}") from error
    cards = {s["name"]: {k: str(s.get(k, "unknown")) for k in CARD_FIELDS} for s in values.get("style", [])}
    return RecipeFile(recipe=recipe, cards=cards)


def _check_keys(file: Path, where: str, values: dict[str, Any], known: set[str]) -> None:
    for key in values:
        if key not in known:
            raise UsageError(f"{file}: unknown key {key!r} in {where}{did_you_mean(key, known)}")
