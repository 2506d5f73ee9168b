"""What a training shall learn, and how: recipes. A whole network's is a TOML file, so that anybody can train it again.

[training]                  the fields of `Recipe`, and
start = "live"                  the network to start from; left out: from nothing
architecture = "live"
steps = 3600
[loss]                      the fields of `LossWeights`
style = 20.0
gallery = "gallery.toml"        at the top: another such file, beside this one, whose styles belong to it too
[[style]]                   the fields of `StyleTarget`, and those of its card
name = "great-wave"
paintings = ["hokusai.jpg"]     relative to the folder given beside the recipe
trim = 0.03                     of each side, cut off: a frame, or a border painted around the painting
title = "Under the Wave off Kanagawa"
"""

from __future__ import annotations

import tomllib
import typing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from vidstyle.errors import UsageError
from vidstyle.networks.architecture import ARCHITECTURES, Architecture
from vidstyle.styles import IDENTITY, check_name
from vidstyle.suggest import did_you_mean
from vidstyle.training.losses import LossWeights

Tune = Literal["style", "decoder", "all"]

CARD_FIELDS = ("title", "author", "year", "licence", "source")


@dataclass(frozen=True, kw_only=True)
class StyleTarget:
    """A style to learn: its name, its paintings (several make one style), how it is weighted.

    `size`: the paintings' longer side in pixels, which sets the size of the strokes. `share`: how
    often it is drawn, relative to the others. `strength` multiplies the style loss's weight. `trim`, 0 to below a
    half, is the part of each side that is cut off the paintings: a frame, or a border that the painter painted, would
    come out as a band along the edges of every picture, which networks know.
    """

    name: str
    paintings: tuple[Path, ...]
    size: int = 512
    share: float = 1.0
    strength: float = 1.0
    trim: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.trim < 0.5:
            raise UsageError(f"style {self.name}: trim is {self.trim}; it runs from 0 to below 0.5")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the outcome of a training, except the photographs.

    `identity_share` is the part of the samples that learn to give the picture back; 0 leaves the
    identity style as it was. `rehearsal`: first steps in which a network trained from nothing learns to
    give the picture back in every style; cheap, and the scene then has its way through. `rate` is
    that of the kernels (Muon) and biases (Adam), falling by a half cosine to nothing. `noise`: largest standard
    deviation, in 8-bit levels, of the sensor noise under which the network shall keep steady.
    """

    architecture: Architecture
    styles: tuple[StyleTarget, ...]
    steps: int
    batch: int = 4
    crop: int = 256
    rate: float = 2e-3
    identity_share: float = 1 / 14
    tune: Tune = "all"
    rehearsal: int = 0
    noise: float = 4.0
    weights: LossWeights = field(default_factory=LossWeights)
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """A recipe, the network it starts from (None: nothing), and what the card of each of its styles shall say."""

    recipe: Recipe
    start: str | None
    cards: dict[str, dict[str, str]]


def read_recipe(file: Path, paintings: Path) -> RecipeFile:
    """Read a recipe whose paintings lie in the folder `paintings`. Raises UsageError for anything wrong in it."""
    values = _read(file)
    _check_keys(file, "the recipe", values, {"gallery", "training", "loss", "style"})
    entries = values.get("style", [])
    if "gallery" in values:
        gallery = _read(file.parent / values["gallery"])
        _check_keys(file.parent / values["gallery"], "the gallery", gallery, {"style"})
        entries = gallery.get("style", []) + entries
    training = dict(values.get("training", {}))
    names = {f.name for f in fields(Recipe)} - {"styles", "weights"}
    start = training.pop("start", None)
    _check_keys(file, "[training]", training, names)
    _check_keys(file, "[loss]", values.get("loss", {}), {f.name for f in fields(LossWeights)})
    if training.get("architecture") not in ARCHITECTURES:
        raise UsageError(f"{file}: architecture is one of {', '.join(ARCHITECTURES)}")
    training["architecture"] = ARCHITECTURES[training["architecture"]]
    target_names = {f.name for f in fields(StyleTarget)}
    for style in entries:
        _check_keys(file, "[[style]]", style, target_names | set(CARD_FIELDS))
        _check_kinds(file, "[[style]]", style, StyleTarget)
    _check_names(file, [style.get("name", "") for style in entries])
    _check_kinds(file, "[training]", training, Recipe)
    _check_kinds(file, "[loss]", values.get("loss", {}), LossWeights)
    loss: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.get("loss", {}).items()}
    try:
        styles = tuple(
            StyleTarget(
                **{k: v for k, v in style.items() if k in target_names}
                | {"paintings": tuple(paintings / name for name in style.get("paintings", []))}
            )
            for style in entries
        )
        recipe = Recipe(**training, styles=styles, weights=LossWeights(**loss))
    except TypeError as error:
        raise UsageError(f"{file}: {error}") from error
    cards = {s["name"]: {k: str(s.get(k, "unknown")) for k in CARD_FIELDS} for s in entries}
    return RecipeFile(recipe=recipe, start=start, cards=cards)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # Windows' editors may put a mark first
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: not a readable recipe ({error})") from error


def _check_keys(file: Path, where: str, values: dict[str, Any], known: set[str]) -> None:
    for key in values:
        if key not in known:
            raise UsageError(f"{file}: unknown key {key!r} in {where}{did_you_mean(key, known)}")


def _check_kinds(file: Path, where: str, values: dict[str, Any], fields_of: type) -> None:
    """Numbers where `fields_of` has numbers, lists of words where it has tuples. Raises UsageError."""
    hints = typing.get_type_hints(fields_of)
    for key in values.keys() & hints.keys():
        value, hint = values[key], hints[key]
        if typing.get_origin(hint) is tuple:
            fits = isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)
            wanted = "a list of words"
        elif typing.get_origin(hint) is typing.Literal:
            fits, wanted = value in typing.get_args(hint), f"one of {', '.join(typing.get_args(hint))}"
        elif hint in (int, float):
            fits = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
            wanted = "a whole number" if hint is int else "a number"
        else:
            continue
        if not fits:
            raise UsageError(f"{file}: {key} in {where} is {value!r}; it is {wanted}")


def _check_names(file: Path, names: list[Any]) -> None:
    """Every style can be called so, and is there once. Raises UsageError."""
    if not names:
        raise UsageError(f"{file}: holds no [[style]], nor does its gallery")
    for name in names:
        if not isinstance(name, str) or not name:
            raise UsageError(f"{file}: every [[style]] needs a name")
        if check_name(name) == IDENTITY or names.count(name) > 1:
            raise UsageError(f"{file}: {name!r} can be one style only, and identity is the network's own")
