"""Where styles and networks are found and verified: the user's own in the user's data directory, the shipped ones.

Shipped styles lie in `engines/styles`, networks in `engines/networks`; the user's lie likewise in the data directory,
where a style of the same name takes precedence.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import platformdirs

from vidstyle.errors import StyleError, UsageError
from vidstyle.frames import StyleVector
from vidstyle.networks.network import Network, load_network, parse_vector, read_small_file
from vidstyle.styles import (
    DEFAULT_NETWORK,
    DEFAULT_STYLE,
    IDENTITY,
    OwnNetwork,
    Style,
    StyleCard,
    StyleMix,
    as_name,
    check_name,
    is_name,
)
from vidstyle.suggest import did_you_mean

PUBLISHING = 0.05
"""Seconds, far more than it takes, in which a style may be missing or half the old one while it is published anew."""


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
        meant = as_name(name)
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

    def fitted_to(self, network: str) -> list[str]:
        """The names of the styles, identity left out, that have a vector for this network."""
        return [card.name for card in self.cards(network) if network in card.vectors]

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
        try:
            networks = set(self._read_card(style / "card.json").vectors)
        except StyleError:
            networks = {name}  # a network of its own would be called so
        _remove(style)
        self.forget_networks(style.parent.parent, networks)

    def forget_networks(self, root: Path, names: Collection[str]) -> None:
        """Delete those of these networks in `root` that no style has vectors for any more. Raises StyleError.

        None while there is a card that cannot be read: it may be of a style that needs one.
        """
        try:
            needed = {network for card in self.cards() for network in card.vectors}
        except StyleError:
            return
        for name in names:
            if name not in needed and (folder := root / "networks" / check_name(name)).is_dir():
                _remove(folder)

    def _read_card(self, file: Path) -> StyleCard:
        name, shipped = file.parent.name, file.is_relative_to(shipped_data())
        try:
            card = StyleCard.from_json(read_small_file(file), folder=file.parent, shipped=shipped)
        except ValueError as error:
            way_out = f"; `vidstyle styles remove {name}` takes it away" if self._is_users(file.parent) else ""
            raise StyleError(f"{file}: not a usable style card ({error}){way_out}") from error
        except OSError as error:
            raise StyleError(f"{file}: cannot be read ({error.strerror})") from error
        if card.name != name:
            raise StyleError(f"{file}: the card says {card.name!r}, the folder {name!r}")
        return card

    def _is_users(self, style: Path) -> bool:
        """Whether `styles remove` can take a style's folder away."""
        return style.parent.parent == user_data() and is_name(style.name) and style.name != IDENTITY


def check_unneeded(network: str, library: Library) -> None:
    """Raise UsageError if other styles than the one called like this network have a vector for it."""
    if users := [name for name in library.fitted_to(network) if name != network]:
        raise UsageError(f"{network!r} is a network that other styles need ({users[0]}); choose another --name")


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StyleError(f"{folder}: cannot be removed ({error.strerror or error})") from error


def _is_open(root: Path) -> bool:
    """Whether what lies in `root` can be looked at: not as a service, say, that may not enter another's home.

    Raises StyleError unless nobody but the system has named the place.
    """
    for kind, name in (("styles", DEFAULT_STYLE), ("networks", DEFAULT_NETWORK)):
        try:
            (root / kind / name).stat()  # is_file() raises for such a place on some Pythons only
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if root == user_data() and not os.environ.get("VIDSTYLE_DATA_DIR"):
                return False
            raise StyleError(f"{root}: {kind} cannot be looked for there ({error.strerror})") from error
    return True


def _stale_for(card: StyleCard, network: Network) -> str | None:
    """The network's name if the style's vector was fitted to another version of it."""
    return network.name if card.fitted.get(network.name, network.sha256) != network.sha256 else None


def _read_vector(file: Path, digest: str, network: Network) -> StyleVector:
    """The style vector in `file`, verified. Raises StyleError."""
    try:
        content = read_small_file(file)
        if sha256(content).hexdigest() != digest:
            raise StyleError(f"{file}: the checksum is not the one on its card; add the style again")
        return parse_vector(content, network)
    except (OSError, ValueError) as error:
        raise StyleError(f"{file}: not a usable style vector ({error})") from error
