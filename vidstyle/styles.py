"""Styles: their names and cards, and how they are mixed. Where they are found: `vidstyle.style_library`.

A style is a folder `<name>/` with `card.json`, one vector per network (`<network>.npy`, (S,) float32)
and a preview. `identity` is a style too: the vector that gives the picture back, where `strength` starts. Each network
keeps its own in its folder.

A style that was imported, or trained into a network of its own, has no vector for the network that
others share; it brings its network along, and mixes with them by blending pictures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from vidstyle.errors import UsageError
from vidstyle.frames import StyleVector
from vidstyle.networks.network import Network, parse_json
from vidstyle.settings import check_strength

IDENTITY = "identity"
DEFAULT_STYLE = "mosaic"
DEFAULT_NETWORK = "live"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])")


@dataclass(frozen=True, kw_only=True)
class StyleCard:
    """What is known of a style.

    `vectors` maps a network's name to its vector file's sha256, `fitted` to that of the network's graph, where it is
    known for which version of the network the vector was made. `year` is free text ("1889", "about 1830"); `trained`
    says in a sentence how the style was made.
    """

    name: str
    title: str
    author: str
    year: str
    licence: str
    source: str
    trained: str
    vectors: dict[str, str]
    folder: Path
    shipped: bool
    fitted: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: bytes, *, folder: Path, shipped: bool) -> StyleCard:
        """The card in a `card.json` of this content. Raises ValueError, saying what is wrong with it."""
        values = parse_json(content)
        known = {entry.name for entry in fields(cls)} - {"folder", "shipped"}
        if {"fitted", *values} != known:
            raise ValueError(f"it does not have exactly the entries {', '.join(sorted(known))}")
        for key, value in values.items():
            if key not in ("vectors", "fitted"):
                if not isinstance(value, str):
                    raise ValueError(f"its {key} is not a text")
            elif not isinstance(value, dict) or not all(isinstance(digest, str) for digest in value.values()):
                raise ValueError(f"its {key} are not checksums by network")
        for name in (values["name"], *values["vectors"]):
            if not is_name(name):
                raise ValueError(f"{name!r} cannot be a name")
        return cls(**values, folder=folder, shipped=shipped)


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnNetwork:
    """The network that a style brings along, and that network's identity: (S,) float32, empty if imported."""

    network: Network
    identity: StyleVector


@dataclass(frozen=True, kw_only=True, eq=False)
class Style:
    """A style ready to paint: its card and its verified vector, (S,) float32.

    The vector is for the network that the style was asked for, unless it has an `own` one; `stale_for` names that
    network if it has been trained on since the vector was fitted to it.
    """

    card: StyleCard
    vector: StyleVector
    own: OwnNetwork | None = None
    stale_for: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class MixPart:
    """What one network paints of a mix: `share` (0..1) of the picture, in the style `vector`, (S,) float32.

    `network` is None for the one that the mix is for.
    """

    network: Network | None
    vector: StyleVector
    share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleMix:
    """Weighted styles and a strength, for one network and those that styles bring along.

    Weights are relative (they are divided by their sum); `strength` runs from 0, the film itself,
    over the identity style's neighbourhood to 1, the full style.
    """

    styles: tuple[tuple[Style, float], ...]
    identity: Style
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength)
        check_weights([weight for _, weight in self.styles])

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return sum(w for _, w in self.styles)

    @property
    def parts(self) -> tuple[MixPart, ...]:
        """The mix by network, in the order of the styles; those of weight 0 are left out."""
        groups: dict[str | None, list[tuple[Style, float]]] = {}
        for style, weight in self.styles:
            if weight:
                groups.setdefault(style.own.network.name if style.own else None, []).append((style, weight))
        return tuple(self._part(group) for group in groups.values())

    def _part(self, group: list[tuple[Style, float]]) -> MixPart:
        """Styles of one network: the mean of their vectors, from its identity by `strength`."""
        own, total = group[0][0].own, sum(weight for _, weight in group)
        mixed = sum(style.vector.astype(np.float64) * (weight / total) for style, weight in group)
        start = (own.identity if own else self.identity.vector).astype(np.float64)
        return MixPart(
            network=own.network if own else None,
            vector=np.asarray(start + (mixed - start) * self.strength, np.float32),
            share=total / self.total,
        )

    @property
    def vector(self) -> StyleVector:
        """The mixed style vector, (S,) float32. Raises ValueError for a mix that several networks paint."""
        (part,) = self.parts
        return part.vector

    @property
    def notes(self) -> list[str]:
        """One line about each style that a network of its own paints, or that was fitted to an earlier network."""
        used = [style for style, weight in self.styles if weight]
        return [
            *(f"style {s.card.name!r} is painted by its own network, {s.own.network.name!r}" for s in used if s.own),
            *(
                f"style {s.card.name!r} was fitted to another version of the network {s.stale_for!r} and may look "
                f"different; `vidstyle train` fits it again"
                for s in used
                if s.stale_for
            ),
        ]


def check_weights(weights: Sequence[float]) -> None:
    """Raise UsageError if styles of these weights cannot be mixed."""
    if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise UsageError("a mix needs styles with weights of 0 or more, one at least above 0")
    if sum(weights) == float("inf"):  # then every share of it would be 0
        raise UsageError("the weights of a mix add up to too much; they are relative, so smaller ones do the same")


def parse_style(text: str) -> tuple[str, float]:
    """`NAME` or `NAME:WEIGHT` as typed on the command line. Raises UsageError."""
    name, colon, weight_text = text.partition(":")
    if Path(name).suffix or set(text) & set("/\\"):
        raise UsageError(
            f"style {text!r}: a file cannot be a name; `vidstyle train` makes a style of a painting, "
            "`vidstyle styles import` one of a network, and --mode gatys paints with the painting itself"
        )
    try:
        weight = float(weight_text) if colon else 1.0
    except ValueError:
        raise UsageError(f"style {text!r}: the weight after the colon must be a number") from None
    if not 0 <= weight < float("inf"):
        raise UsageError(f"style {text!r}: a weight is 0 or more")
    as_name(name)
    return name, weight


def check_name(name: str) -> str:
    """Return `name` if it can be a style's or network's name on every system, else raise UsageError.

    Lower-case letters, digits, `-` and `_` only: no separators, no `..`, no control characters, and
    none of Windows' device names.
    """
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be a name: use up to 64 of a-z, 0-9, - and _, no device names")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it."""
    return bool(_NAME.fullmatch(name)) and not _DEVICE_NAME.fullmatch(name)


def as_name(typed: str) -> str:
    """The name that is meant by a style's title, in which only capitals and spaces are wrong, else as `check_name`."""
    name = re.sub(" +", "-", typed.strip(" ").lower())
    return name if is_name(name) else check_name(typed)
