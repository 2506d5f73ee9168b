"""What the page asks for: how to paint, checked, as a look, as options of `render`, and as a command line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from vidstyle.errors import UsageError
from vidstyle.networks.network import Network
from vidstyle.painter import Look
from vidstyle.settings import PrecisionChoice, RenderOptions
from vidstyle.style_library import Library
from vidstyle.styles import DEFAULT_NETWORK, check_name
from vidstyle.suggest import did_you_mean

MOST_STYLES = 16
"""Styles in one mix; each that brings a network along keeps an engine."""


@dataclass(frozen=True, kw_only=True)
class Engines:
    """What paints, for everything that the studio does: the words of the command line."""

    backend: str = "auto"
    device: str = "auto"
    precision: PrecisionChoice = "auto"


@dataclass(frozen=True, kw_only=True)
class Order:
    """How to paint: styles by name with weights, and everything that the page's controls say."""

    styles: tuple[tuple[str, float], ...]
    network: str = DEFAULT_NETWORK
    strength: float = 1.0
    stroke: float = 1.0
    keep_colors: bool = False
    stabilize: bool = False

    def look(self, library: Library, network: Network) -> Look:
        """For the painter. Raises UsageError, StyleError."""
        mix = library.mix(self.styles, network, self.strength)
        return Look(mix=mix, keep_colors=self.keep_colors, stroke=self.stroke)

    def options(self, engines: Engines) -> RenderOptions:
        """For `render`."""
        return RenderOptions(
            styles=self.styles,
            network=self.network,
            strength=self.strength,
            stroke=self.stroke,
            keep_colors=self.keep_colors,
            stabilize=self.stabilize,
            backend=engines.backend,
            device=engines.device,
            precision=engines.precision,
        )

    def words(self, source: str, target: str, engines: Engines) -> list[str]:
        """The command that does the same to files of these names; what is the default is left out."""
        words = ["vidstyle", "render", _as_argument(source), _as_argument(target)]
        for name, weight in self.styles:
            words += ["-s", name if len(self.styles) == 1 or weight == 1 else f"{name}:{weight:g}"]
        words += ["--strength", f"{self.strength:g}"] if self.strength != 1 else []
        words += ["--network", self.network] if self.network != DEFAULT_NETWORK else []
        words += ["--stroke", f"{self.stroke:g}"] if self.stroke != 1 else []
        words += ["--keep-colors"] if self.keep_colors else []
        words += ["--stabilize"] if self.stabilize else []
        for field in fields(engines):
            value = getattr(engines, field.name)
            words += [f"--{field.name}", value] if value != "auto" else []
        return words


def read_order(value: Any) -> Order:
    """An order as JSON: an object with `styles` as [[name, weight], ...] and any of the other fields.

    Names of styles and networks are checked by the library's rules, not yet looked up. Raises UsageError.
    """
    if not isinstance(value, dict):
        raise UsageError("an order is an object with styles, strength and so on")
    known = [field.name for field in fields(Order)]
    for key in value:
        if key not in known:
            raise UsageError(f"an order has no {key!r}{did_you_mean(key, known)}")
    return Order(
        styles=_styles(value.get("styles")),
        network=check_name(str(value.get("network", DEFAULT_NETWORK))),
        strength=_number("strength", value.get("strength", 1.0)),
        stroke=_number("stroke", value.get("stroke", 1.0)),
        keep_colors=_switch("keep_colors", value.get("keep_colors", False)),
        stabilize=_switch("stabilize", value.get("stabilize", False)),
    )


def shell_line(words: Sequence[str]) -> str:
    """The words as somebody types them in this system's shell."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _as_argument(name: str) -> str:
    """A file name that nobody takes for a flag, or for standard input."""
    return f"./{name}" if name.startswith("-") else name


def _styles(value: Any) -> tuple[tuple[str, float], ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_STYLES:
        raise UsageError(f"choose a style, up to {MOST_STYLES} of them")
    if not all(isinstance(item, list) and len(item) == 2 for item in value):
        raise UsageError("styles are written [[name, weight], ...]")
    return tuple((check_name(str(name)), _number("weight", weight)) for name, weight in value)


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key} is {value!r}; it must be a number")
    return float(value)


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key} is {value!r}; it is true or false")
    return value
