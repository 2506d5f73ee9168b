"""L-BFGS without a line search, whose memory can be handed on to the next frame.

Liu, Nocedal, "On the limited memory BFGS method for large scale optimization" (1989). torch's own keeps its
memory to itself; a film's frames are so alike that what one has learnt of the loss's curvature serves the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""A step of the picture and the change of the gradient along it, both (1, 3, H, W) float32."""

_LEAST_CURVATURE = 1e-10
"""Cosine between a pair's two below which it says nothing, or that the loss bends down there."""


class LBFGS:
    """Changes `picture` (1, 3, H, W) in place, one step for each gradient; keeps the newest `most` pairs."""

    def __init__(self, picture: Tensor, *, step: float, most: int, pairs: Iterable[Pair] = ()) -> None:
        self._picture, self._step = picture, step
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=most)
        self._before: Pair | None = None
        for moved, change in pairs:
            self._learn(moved, change)

    @property
    def pairs(self) -> list[Pair]:
        """What is remembered, the newest last."""
        return [(moved, change) for moved, change, _ in self._pairs]

    def step(self, gradient: Tensor) -> None:
        """Take the step that `gradient` (1, 3, H, W), of the picture as it is, asks for."""
        if self._before is not None:
            self._learn(self._picture - self._before[0], gradient - self._before[1])
        self._before = self._picture.clone(), gradient
        step = self._step
        if not self._pairs:  # nothing is known of the scale yet
            step *= min(1.0, 1.0 / max(float(gradient.abs().sum()), 1e-30))
        self._picture.sub_(self._towards(gradient), alpha=step)

    def _learn(self, moved: Tensor, change: Tensor) -> None:
        curvature = _dot(moved, change)
        if curvature > _LEAST_CURVATURE * float(moved.norm()) * float(change.norm()):
            self._pairs.append((moved, change, curvature))

    def _towards(self, gradient: Tensor) -> Tensor:
        """The inverse Hessian, as far as it is known, times `gradient`: the two loops of the paper."""
        result = gradient.clone()
        shares = []
        for moved, change, curvature in reversed(self._pairs):
            shares.append(_dot(moved, result) / curvature)
            result.sub_(change, alpha=shares[-1])
        if self._pairs:
            _, change, curvature = self._pairs[-1]
            result.mul_(curvature / _dot(change, change))
        for (moved, change, curvature), share in zip(self._pairs, reversed(shares), strict=True):
            result.add_(moved, alpha=share - _dot(change, result) / curvature)
        return result


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))  # in one pass; a product and its sum take three
