"""The shape of a transformation network, in numbers; no weights, no framework.

Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (2016),
with the conditional instance norm of Dumoulin, Shlens, Kudlur, "A Learned Representation For Artistic
Style" (2017): all styles share the convolutions, a style is only each norm's scales and shifts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

EPSILON = 1e-5
"""Added to every norm's variance."""

TANH_SCALE = 150 / 255
"""Half the range of a squashed output before it is clipped, as Johnson's own networks have it."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network as numbers.

    `unshuffle`: the picture is folded into blocks of this side before the first convolution and
    unfolded after the last (1: not at all). `widths`: channels after the first convolution and after
    each strided one. `blocks`: residual blocks at the last width. `end_kernel`: side of the first and
    last kernels; all others are 3x3. With `skips` every level's convolution on the way down is added, as it
    was before its norm and times a gate of the style's own, to the same level on the way up. So the scene's
    own light, which instance norm takes away, and its fine detail have a way through, and a style says how
    much of them stays (the idea of the U-Net, Ronneberger et al. 2015). `squash`: the output goes through
    the scaled tanh of the paper before it is clipped to its range. `bypass`: the picture itself is added to
    the output, times a gate for each colour, 1 in the identity style and 0 in every painting's: without
    skips nothing else can give a picture's own light back. `refine`: residual blocks without norms at the
    first width, before the last convolution, which draw a stroke's edges within the blocks of a folded picture.
    """

    unshuffle: int
    widths: tuple[int, ...]
    blocks: int
    end_kernel: int
    skips: bool = False
    squash: bool = True
    bypass: bool = False
    refine: int = 0

    @property
    def stride(self) -> int:
        """The picture's sides are padded to a multiple of this many pixels."""
        return self.unshuffle << (len(self.widths) - 1)

    @property
    def norms(self) -> tuple[int, ...]:
        """Channels of every conditional instance norm, in the order the picture meets them."""
        return self.widths + (self.widths[-1],) * (2 * self.blocks) + self.widths[-2::-1]

    @property
    def gates(self) -> tuple[int, ...]:
        """Channels of every gate: the skips' in the order of the way up, then the bypass's."""
        return (self.widths[-2::-1] if self.skips else ()) + ((3,) if self.bypass else ())

    @property
    def style_size(self) -> int:
        """Length of a style vector: per norm all scales, then all shifts; at the end all gates."""
        return 2 * sum(self.norms) + sum(self.gates)

    def convolutions(self) -> dict[str, tuple[int, int, int]]:
        """Name of every convolution, to (channels in, channels out, kernel side), in order."""
        picture, widths = 3 * self.unshuffle**2, self.widths
        table = {"stem": (picture, widths[0], self.end_kernel)}
        for i, (a, b) in enumerate(pairwise(widths)):
            table[f"down{i}"] = (a, b, 3)
        for i in range(self.blocks):
            table[f"block{i}.first"] = table[f"block{i}.second"] = (widths[-1], widths[-1], 3)
        for i, (a, b) in enumerate(pairwise(widths[::-1])):
            table[f"up{i}"] = (a, b, 3)
        for i in range(self.refine):
            table[f"refine{i}.first"] = table[f"refine{i}.second"] = (widths[0], widths[0], 3)
        table["head"] = (widths[0], picture, self.end_kernel)
        return table

    def to_json(self) -> dict[str, Any]:
        """As plain values for a card."""
        return asdict(self) | {"widths": list(self.widths)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Architecture:
        """The reverse of `to_json`. Raises TypeError or ValueError on unknown or missing keys."""
        return cls(**(values | {"widths": tuple(int(w) for w in values["widths"])}))


LIVE = Architecture(unshuffle=4, widths=(32, 64), blocks=5, end_kernel=3, skips=True, squash=False, refine=2)
"""Compact, for real time: all convolutions run at a quarter of the picture's side or less."""

CLASSIC = Architecture(unshuffle=1, widths=(32, 64, 128), blocks=5, end_kernel=9, bypass=True)
"""The network of the literature, and a bypass for the identity style."""

ARCHITECTURES = {"live": LIVE, "classic": CLASSIC}
