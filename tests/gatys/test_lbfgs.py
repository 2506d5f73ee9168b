"""L-BFGS's memory: what goes in, what is left out, and that it agrees with torch's."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="Gatys mode needs the torch extra")

import torch

from vidstyle.gatys.lbfgs import LBFGS

STEEP = torch.logspace(0, 2, 3 * 4 * 4).view(1, 3, 4, 4)


def test_takes_the_steps_that_torch_takes() -> None:
    ours, theirs = torch.ones_like(STEEP), torch.ones_like(STEEP)
    method = LBFGS(ours, step=1.0, most=5)
    model = torch.optim.LBFGS([theirs], lr=1.0, max_iter=1, history_size=5, tolerance_grad=0, tolerance_change=0)
    for _ in range(12):
        method.step(STEEP * ours)
        theirs.grad = STEEP * theirs
        model.step(lambda: 0.0)
    assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(ours, torch.ones_like(STEEP), atol=0.5)


def test_keeps_the_newest_pairs() -> None:
    pairs = [(torch.full_like(STEEP, n), STEEP * n) for n in (1, 2, 3)]
    kept = LBFGS(torch.zeros_like(STEEP), step=1.0, most=2, pairs=pairs).pairs
    assert [float(moved.max()) for moved, _ in kept] == [2, 3]


def test_where_the_loss_bends_down_or_nothing_changed_there_is_nothing_to_learn() -> None:
    nothing = torch.zeros_like(STEEP)
    pairs = [(STEEP, -STEEP), (nothing, nothing), (STEEP, nothing)]
    assert not LBFGS(nothing.clone(), step=1.0, most=5, pairs=pairs).pairs
