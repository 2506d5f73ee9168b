"""RAFT's wrapping: sizes, ranges, order, units; with torchvision, its network with random weights too."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.motion.moves import pan, texture
from vidstyle.errors import BackendError
from vidstyle.motion.flow import FlowEstimator
from vidstyle.motion.raft import RaftFlow, load_raft

CPU = torch.device("cpu")


class _Search(nn.Module):
    """Stands in for RAFT: finds the one whole-pixel move that explains the pictures best."""

    def forward(self, first: Tensor, second: Tensor) -> list[Tensor]:
        assert first.shape == second.shape
        assert all(side >= 128 and side % 8 == 0 for side in first.shape[2:])
        assert first.min() >= -1
        assert first.max() <= 1
        moves = [(x, y) for x in range(-6, 7) for y in range(-6, 7)]

        def gap(move: tuple[int, int]) -> float:
            moved = torch.roll(second, (-move[1], -move[0]), (2, 3))
            return float((moved - first)[:, :, 8:90, 8:120].abs().mean())

        best = torch.tensor(min(moves, key=gap), dtype=torch.float32)
        flow = best.view(1, 2, 1, 1).expand(1, 2, *first.shape[2:])
        return [torch.zeros_like(flow), flow]


def test_flow_is_in_pixels_x_then_y_from_first_to_second() -> None:
    before, now = pan(2, step=(5, -3), height=101, width=133)
    find: FlowEstimator = RaftFlow(_Search(), CPU)
    flow = find(now, before)
    assert flow.shape == (101, 133, 2)
    assert flow.dtype == np.float32
    assert np.all(flow == (5, -3))


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="one size"):
        RaftFlow(_Search(), CPU)(texture(64, 64), texture(64, 80))


def test_torchvisions_network_fits() -> None:
    try:
        from torchvision.models.optical_flow import raft_small
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not load: {error}")
    flow = RaftFlow(raft_small(weights=None), CPU)(texture(70, 90), texture(70, 90, seed=1))
    assert flow.shape == (70, 90, 2)
    assert np.isfinite(flow).all()


def test_without_torchvision_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.optical_flow", None)
    with pytest.raises(BackendError, match=r"vidstyle\[raft\]"):
        load_raft(CPU)
