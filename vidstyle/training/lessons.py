"""What a step of a training teaches: photographs, the styles to paint them in, and how they move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vidstyle.training.motion import Motion, disturb, random_motion
from vidstyle.training.recipes import Recipe


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What a step teaches: N photographs, the first half of them once more as `moved` by `motion`.

    Each has its style (its place in the recipe) and vector (its place in the trainer, identity first), and is
    to be given back `as_is` or to be painted.
    """

    photographs: Tensor
    moved: Tensor
    motion: Motion
    styles: Tensor
    vectors: Tensor
    as_is: Tensor

    def to(self, device: torch.device) -> Lesson:
        """The same lesson on another device."""
        return Lesson(**{name: part.to(device) for name, part in vars(self).items()})


def draw_lesson(recipe: Recipe, photographs: Tensor, *, step: int, rehearsal: bool) -> Lesson:
    """What this step teaches with (N, 3, H, W) photographs, each in a style drawn by its share.

    In a `rehearsal` all of them are to be given back. A generator of each step's own: what is resumed draws what the
    uninterrupted training would have drawn.
    """
    generator, n = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step), len(photographs)
    shares = torch.tensor([s.share for s in recipe.styles])
    styles = torch.multinomial(shares, n, replacement=True, generator=generator)
    as_is = torch.rand(n, generator=generator) < recipe.identity_share
    vectors = torch.where(as_is, 0, styles + 1)
    if rehearsal:
        as_is = torch.ones_like(as_is)
    pairs = (n + 1) // 2  # half of the pictures once more, moved: nearly as good a teacher as all, for less time
    motion = random_motion(pairs, recipe.crop, generator)
    moved = disturb(motion(photographs[:pairs]), recipe.noise, generator)
    return Lesson(photographs=photographs, moved=moved, motion=motion, styles=styles, vectors=vectors, as_is=as_is)
