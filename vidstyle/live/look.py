"""What is shown at this moment: the mix of styles, faded from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vidstyle.painter import Look
from vidstyle.styles import Style, StyleMix

FADE = 0.5
"""Seconds that a change of style or strength takes."""


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Styles by name with weights that add up to 1, and the strength (0..1)."""

    weights: Mapping[str, float]
    strength: float

    @classmethod
    def of(cls, styles: tuple[tuple[str, float], ...], strength: float) -> Blend:
        """Normalise weights of which at least one is above 0."""
        total = sum(weight for _, weight in styles)
        weights: dict[str, float] = {}
        for name, weight in styles:
            weights[name] = weights.get(name, 0.0) + weight / total
        return cls(weights=weights, strength=strength)

    def towards(self, other: Blend, share: float) -> Blend:
        """`share` (0..1) of the way to `other`."""
        if share >= 1:
            return other
        names = dict.fromkeys((*self.weights, *other.weights))
        mixed = {n: (1 - share) * self.weights.get(n, 0.0) + share * other.weights.get(n, 0.0) for n in names}
        return Blend(weights=mixed, strength=(1 - share) * self.strength + share * other.strength)


class Fader:
    """Walks from the blend on show to the one wanted, evenly, in `FADE` seconds.

    In style space this is a straight line between vectors: one run of the network a frame, as always.
    """

    def __init__(self, blend: Blend) -> None:
        self._from = self._to = blend
        self._since = float("-inf")

    def turn_to(self, blend: Blend, now: float) -> None:
        """Start from what is on show at `now` (seconds)."""
        if blend != self._to:
            self._from, self._to, self._since = self.at(now), blend, now

    def at(self, now: float) -> Blend:
        """The blend on show at `now`."""
        return self._from.towards(self._to, min(1.0, max(0.0, (now - self._since) / FADE)))


def look_of(blend: Blend, style: Callable[[str], Style], identity: Style, *, keep_colors: bool, stroke: float) -> Look:
    """The painter's order for `blend`; `style` finds styles by name."""
    mix = StyleMix(
        styles=tuple((style(name), weight) for name, weight in blend.weights.items()),
        identity=identity,
        strength=min(1.0, max(0.0, blend.strength)),
    )
    return Look(mix=mix, keep_colors=keep_colors, stroke=stroke)
