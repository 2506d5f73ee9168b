"""Changing a picture's pixels until its loss is low."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vidstyle.errors import BackendError
from vidstyle.gatys.lbfgs import LBFGS, Pair
from vidstyle.gatys.losses import Losses

Evaluate = Callable[[Tensor], tuple[Tensor, Losses]]
"""A picture (1, 3, H, W) to the gradient of its loss, of the same shape, and the loss."""

OnStep = Callable[[int, Losses, Tensor], None]
"""Told after each iteration: its number from 1, the losses, the picture."""

MOST_HISTORY, LEAST_HISTORY = 100, 10
"""Pairs that L-BFGS keeps. More lower the loss a little; each costs two pictures of memory."""

HISTORY_BYTES = 512 << 20
"""What these may take, unless that is less than the least."""

WINDOW = 10
"""Iterations over which a loss must fall by the tolerance."""

_RESTARTS = 4
_RUNAWAY = 2.0
"""A loss so many times its best means that L-BFGS, which has no line search here, has lost its way."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The best picture seen, (1, 3, H, W) float32 in 0..1, its losses, and the iterations spent.

    `pairs` is what L-BFGS has learnt on the way, the newest last; nothing with Adam.
    """

    picture: Tensor
    losses: Losses
    iterations: int
    restarts: int
    pairs: Sequence[Pair] = ()


def optimise(
    start: Tensor,
    evaluate: Evaluate,
    *,
    iterations: int,
    optimiser: Literal["lbfgs", "adam"] = "lbfgs",
    tolerance: float = 0.0,
    free: Tensor | None = None,
    pairs: Sequence[Pair] = (),
    on_step: OnStep = lambda number, losses, picture: None,
) -> Outcome:
    """Lower the loss of `start` (1, 3, H, W) by at most `iterations` evaluations, and give the best picture.

    Pixels stay within 0..1 all the way: cut off at the end only, they would take the loss up by a hundredth.
    Ends when the best loss has fallen by less than `tolerance`, a share of itself, in ten iterations.
    `free` (1, 1, H, W) is 1 where pixels may change, 0 where they must stay. `pairs` is what L-BFGS has
    learnt of a picture much like this one, of the same size. A loss that is not a number
    or runs away restarts from the best picture with half the step; the fifth time raises BackendError.
    """
    picture, step = start.clamp(0, 1), 1.0
    if free is not None:
        pairs = [(moved * free, change * free) for moved, change in pairs]
    method = _method(optimiser, picture, step, pairs)
    best: tuple[Tensor, Losses] | None = None
    falls: deque[float] = deque(maxlen=WINDOW + 1)
    number = restarts = 0
    while number < iterations:
        number += 1
        gradient, losses = evaluate(picture)
        sound = math.isfinite(losses.total) and bool(torch.isfinite(gradient).all())
        if not sound or (best and losses.total > _RUNAWAY * best[1].total):
            restarts += 1
            if best is None or restarts > _RESTARTS:
                raise BackendError("the optimiser found no picture with a finite loss; lower the weights")
            step /= 2
            picture = best[0].clone()
            method = _method(optimiser, picture, step)
            continue
        if best is None or losses.total < best[1].total:
            best = picture.clone(), losses
        on_step(number, losses, picture)
        falls.append(best[1].total)
        if best[1].total == 0 or (len(falls) > WINDOW and falls[0] - falls[-1] < tolerance * falls[0]):
            break
        gradient = _inwards(gradient, picture)
        method.step(gradient if free is None else gradient * free)
        picture.clamp_(0, 1)  # in place: the method holds it too
    assert best is not None
    return Outcome(picture=best[0], losses=best[1], iterations=number, restarts=restarts, pairs=method.pairs)


def _inwards(gradient: Tensor, picture: Tensor) -> Tensor:
    """The gradient without what asks pixels that are black or white already to leave the range."""
    outwards = ((picture <= 0) & (gradient > 0)) | ((picture >= 1) & (gradient < 0))
    return gradient.masked_fill(outwards, 0)


class _Adam:
    """torch's Adam as a method that takes one step of `picture` for each gradient it is given."""

    pairs: Sequence[Pair] = ()

    def __init__(self, picture: Tensor, *, step: float) -> None:
        self._picture = picture
        self._adam = torch.optim.Adam([picture], lr=0.02 * step, betas=(0.9, 0.99))

    def step(self, gradient: Tensor) -> None:
        self._picture.grad = gradient
        self._adam.step()


def _method(name: str, picture: Tensor, step: float, pairs: Sequence[Pair] = ()) -> LBFGS | _Adam:
    if name == "adam":
        return _Adam(picture, step=step)
    return LBFGS(picture, step=step, most=_history(picture), pairs=pairs)


def _history(picture: Tensor) -> int:
    pairs = HISTORY_BYTES // (2 * picture.nbytes)
    return min(MOST_HISTORY, max(LEAST_HISTORY, pairs))
