"""Muon, the optimiser of the kernels: momentum whose every direction counts alike.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the size of a step is
that of Liu et al., "Muon is Scalable for LLM Training" (2025), so that rates mean what they mean for
Adam. PyTorch's own takes matrices only, and a convolution's kernels are four-dimensional.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95

RMS = 0.2
"""Root mean square of Adam's steps in units of its rate, as Liu et al. found it."""

_ROUNDS = 5
_QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of the Newton-Schulz iteration, chosen by Jordan et al.: steep at 0, so that so many rounds
bring all singular values of a matrix into 0.7 to 1.2."""


class Muon(torch.optim.Optimizer):
    """Steps along orthogonalised Nesterov momentum. Parameters have two dimensions or more; a kernel
    (out, in, h, w) counts as a matrix of `out` rows."""

    def __init__(self, params: Iterable[nn.Parameter] | Iterable[dict[str, Any]], *, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - MOMENTUM)
                ahead = parameter.grad.lerp(momentum, MOMENTUM).flatten(1)
                size = RMS * max(ahead.shape) ** 0.5
                parameter.add_(orthogonalised(ahead).view(parameter.shape), alpha=-group["lr"] * size)


def orthogonalised(matrix: Tensor) -> Tensor:
    """About U V' of a matrix U S V' (M, N), float32: its singular vectors, all equally strong."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = (matrix.mT if tall else matrix).float()
    x = x / (x.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x
