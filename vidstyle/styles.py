"""Styles: their cards, where they are found, how they are verified and mixed.

A style is a folder `<name>/` with `card.json`, one vector per network (`<network>.npy`, (S,) float32)
and a preview. Shipped styles lie in `engines/styles`, networks in `engines/networks`; the user's own
in the user's data directory, where a style of the same name takes precedence. `identity` is a style
too: the vector that gives the picture back, where `strength` starts. Each network keeps its own in its folder.

A style that was imported, or trained into a network of its own, has no vector for the network that
others share; it brings its network along, and mixes with them by blending pictures.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import platformdirs

from vidstyle.errors import StyleError, UsageError
from vidstyle.frames import StyleVector
from vidstyle.networks.network import Network, load_network, parse_json, parse_vector, read_small
from vidstyle.settings import check_strength
from vidstyle.suggest import did_you_mean

IDENTITY = "identity"
DEFAULT_STYLE = "mosaic"
DEFAULT_NETWORK = "live"

PUBLISHING = 0.05
"""Seconds, far more than it takes, in which a style may be missing or half the old one while it is published anew."""

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
    _as_name(name)
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


def _as_name(typed: str) -> str:
    """The name that is meant by a style's title, in which only capitals and spaces are wrong, else as `check_name`."""
    name = re.sub(" +", "-", typed.strip(" ").lower())
    return name if is_name(name) else check_name(typed)


def user_data() -> Path:
    """Where the user's own styles and networks live (`VIDSTYLE_DATA_DIR` or the system's place)."""
    return Path(os.environ.get("VIDSTYLE_DATA_DIR") or platformdirs.user_data_dir("vidstyle", appauthor=False))


@cache
def shipped_data() -> Path:
    """The shipped `engines` folder: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    for folder in (package / "_engines", package.parent / "engines"):
        if (folder / "networks").is_dir():
            return folder
    raise StyleError("the shipped engines folder is missing; install vidstyle again")


class Library:
    """The styles and networks at hand: the user's first, then the shipped ones."""

    def __init__(self, roots: Sequence[Path] | None = None) -> None:
        """Raises StyleError for a root that cannot be entered; the system's place for the user's is then left out."""
        places = roots if roots is not None else (user_data(), shipped_data())
        self.roots = tuple(root for root in places if _is_open(root))

    def cards(self, network: str | None = None) -> list[StyleCard]:
        """All styles by name, identity left out; one that is unreadable is an error, not skipped.

        Of several cards of one name it is the first, or the first with a vector for `network`.
        """
        found: dict[str, StyleCard] = {}
        for card in map(self._read_card, self._all_card_files()):
            known = found.setdefault(card.name, card)
            if network in card.vectors and network not in known.vectors:
                found[card.name] = card
        found.pop(IDENTITY, None)
        return [found[name] for name in sorted(found)]

    def card(self, name: str, network: str | None = None) -> StyleCard:
        """The first card called `name`, if possible one with a vector for `network`.

        Raises StyleError with the nearest names if there is none.
        """
        found = [self._read_card(file) for file in self._card_files(name)]
        return next((card for card in found if network in card.vectors), found[0])

    def _card_files(self, name: str) -> list[Path]:
        """The cards of styles called `name`. Raises StyleError with the nearest names if there is none."""
        meant = _as_name(name)
        places = [root / "styles" / name / "card.json" for root in self.roots if meant == name]
        if found := [file for file in places if file.exists()]:
            return found
        names = {file.parent.name for file in self._all_card_files()} - {IDENTITY}  # one need not be readable for that
        raise StyleError(f"no style {name!r}{did_you_mean(meant, names)}; `vidstyle styles list` shows all")

    def _all_card_files(self) -> list[Path]:
        """The cards of all styles, the user's first. A folder with a dot is being written, or was left so."""
        return [file for root in self.roots for file in sorted((root / "styles").glob("[!.]*/card.json"))]

    def network(self, name: str = DEFAULT_NETWORK) -> Network:
        """The network called `name`, verified, with the vectors that are known for it."""
        check_name(name)
        for root in self.roots:
            folder = root / "networks" / name
            if folder.is_dir():
                network = load_network(folder)
                if network.name != name:
                    raise StyleError(f"{folder}: the network was renamed; give the folder the name on its card again")
                found = [file for root in self.roots for file in (root / "styles").glob(f"[!.]*/{name}.npy")]
                identity = [file for file in [folder / "identity.npy"] if file.is_file()]
                vectors = (*sorted(found, key=lambda file: (file.parent.name, file)), *identity)
                return replace(network, vectors=vectors)
        names = self.network_names()
        raise StyleError(f"no network {name!r}{did_you_mean(name, names)}; there are: {', '.join(names)}")

    def network_names(self) -> list[str]:
        """The names of all networks, sorted. A folder that has no network's name is none."""
        folders = [folder for root in self.roots for folder in (root / "networks").glob("*") if folder.is_dir()]
        return sorted({folder.name for folder in folders if is_name(folder.name)})

    def style(self, name: str, network: Network) -> Style:
        """The style called `name` for `network`, its vector verified against the card.

        One without a vector for the default network, and any imported one, comes with its own network.
        """
        try:
            return self._style(name, network)
        except StyleError:
            time.sleep(PUBLISHING)  # it may be published anew at this moment
            return self._style(name, network)

    def _style(self, name: str, network: Network) -> Style:
        if name == IDENTITY:
            return self._identity(network)
        card = self.card(name, network.name)
        if network.name not in card.vectors and (file := card.folder / f"{network.name}.npy").is_file():
            raise StyleError(
                f"{file}: the card beside it does not name it; was another library copied over this one? "
                f"Get back the card that names {network.name}, or train the style again"
            )
        own = self._own_network(card, network)
        if own is None:
            return Style(card=card, vector=self._vector(card, network), stale_for=_stale_for(card, network))
        identity = self.style(IDENTITY, own).vector
        return Style(
            card=card,
            vector=self._vector(card, own),
            own=OwnNetwork(network=own, identity=identity),
            stale_for=_stale_for(card, own),
        )

    def _identity(self, network: Network) -> Style:
        """The style that gives the picture back: empty for an imported network, which has none."""
        card = self.card(IDENTITY, network.name)
        if not network.style_size:
            return Style(card=card, vector=np.empty(0, np.float32))
        if network.identity is None:
            return Style(card=card, vector=self._vector(card, network))
        return Style(card=card, vector=_read_vector(network.graph.parent / "identity.npy", network.identity, network))

    def names(self, network: Network) -> list[str]:
        """The names of all styles that can be painted where `network` is asked for."""
        cards = self.cards(network.name)
        return [c.name for c in cards if network.name in c.vectors or self._own_network(c, network)]

    def _own_network(self, card: StyleCard, network: Network) -> Network | None:
        """The network that a style brings along where `network` is asked for; None if it need not, or must not."""
        if network.name in card.vectors or not card.vectors:
            return None
        own = self.network(card.name if card.name in card.vectors else min(card.vectors))
        return own if network.name == DEFAULT_NETWORK or not own.style_size else None

    def _vector(self, card: StyleCard, network: Network) -> StyleVector:
        """The style's vector for `network`, verified against the card. Raises StyleError."""
        if network.name not in card.vectors:
            has = ", ".join(sorted(card.vectors)) or "none"
            raise StyleError(f"style {card.name!r} was not trained for network {network.name!r}; it has: {has}")
        return _read_vector(card.folder / f"{network.name}.npy", card.vectors[network.name], network)

    def mix(self, styles: Sequence[tuple[str, float]], network: Network, strength: float = 1.0) -> StyleMix:
        """Styles by name, with weights, as a mix for `network`."""
        return StyleMix(
            styles=tuple((self.style(name, network), weight) for name, weight in styles),
            identity=self.style(IDENTITY, network),
            strength=strength,
        )

    def remove(self, name: str) -> None:
        """Delete the user's own style called `name`, with a network that no other style uses.

        It need not have a card that can be read. Raises UsageError for a shipped one, and for identity, which
        networks need.
        """
        if name == IDENTITY:
            raise UsageError(f"{IDENTITY!r} is the style that every strength starts from; it is not removed")
        style = self._card_files(name)[0].parent
        if style.is_relative_to(shipped_data()):
            raise UsageError(f"style {name!r} came with vidstyle and is not removed; only styles of your own are")
        networks = style.parent.parent / "networks"
        unneeded = [folder for network in self._only_of(name) if (folder := networks / network).is_dir()]
        try:
            for folder in (style, *unneeded):
                shutil.rmtree(folder)
        except OSError as error:
            raise StyleError(f"{style}: cannot be removed ({error.strerror or error})") from error

    def _only_of(self, name: str) -> list[str]:
        """The networks that only the style called `name` has vectors for; none where a card cannot tell."""
        try:
            cards = {card.name: card for card in self.cards()}
        except StyleError:
            return []
        others = {network for other in cards if other != name for network in cards[other].vectors}
        return sorted(cards[name].vectors.keys() - others)

    def _read_card(self, file: Path) -> StyleCard:
        name, shipped = file.parent.name, file.is_relative_to(shipped_data())
        try:
            with file.open("rb") as opened:
                card = StyleCard.from_json(read_small(opened), folder=file.parent, shipped=shipped)
        except (OSError, ValueError) as error:
            way_out = "install vidstyle again" if shipped else f"`vidstyle styles remove {name}` takes it away"
            raise StyleError(f"{file}: not a usable style card ({error}); {way_out}") from error
        if card.name != name:
            raise StyleError(f"{file}: the card says {card.name!r}, the folder {name!r}")
        return card


def _is_open(root: Path) -> bool:
    """Whether what lies in `root` can be looked at: not as a service, say, that may not enter another's home.

    Raises StyleError unless nobody but the system has named the place.
    """
    try:
        (root / "styles" / DEFAULT_STYLE).stat()  # is_file() raises for such a place on some Pythons only
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        if root == user_data() and not os.environ.get("VIDSTYLE_DATA_DIR"):
            return False
        raise StyleError(f"{root}: styles and networks cannot be looked for there ({error.strerror})") from error
    return True


def _stale_for(card: StyleCard, network: Network) -> str | None:
    """The network's name if the style's vector was fitted to another version of it."""
    return network.name if card.fitted.get(network.name, network.sha256) != network.sha256 else None


def _read_vector(file: Path, digest: str, network: Network) -> StyleVector:
    """The style vector in `file`, verified. Raises StyleError."""
    try:
        with file.open("rb") as opened:
            content = read_small(opened)
        if sha256(content).hexdigest() != digest:
            raise StyleError(f"{file}: the checksum is not the one on its card; add the style again")
        return parse_vector(content, network)
    except (OSError, ValueError) as error:
        raise StyleError(f"{file}: not a usable style vector ({error})") from error
