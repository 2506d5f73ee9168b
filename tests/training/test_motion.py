"""Made-up motion is exact where it claims to be."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from vidstyle.training.motion import disturb, random_motion, unsteadiness  # noqa: E402


def test_motion_of_a_moved_painting_is_steady() -> None:
    generator = torch.Generator().manual_seed(0)
    motion = random_motion(6, 64, generator)
    pictures = torch.rand(6, 3, 64, 64)
    moved = motion(pictures)
    assert unsteadiness(pictures, moved, motion).max() < 1e-9
    assert unsteadiness(pictures, pictures, motion).min() > 1e-3


def test_half_of_the_motions_are_whole_pixels() -> None:
    motion = random_motion(200, 32, torch.Generator().manual_seed(1))
    pictures = torch.rand(200, 3, 32, 32)
    moved = motion(pictures)
    exact = 0
    for before, after, valid in zip(pictures, moved, motion.valid, strict=True):
        inside = (slice(None), slice(9, 23), slice(9, 23))
        shifts = [torch.roll(before, (dy, dx), (1, 2))[inside] for dy in range(-8, 9) for dx in range(-8, 9)]
        exact += any(torch.allclose(after[inside], s, atol=1e-4) for s in shifts)
        assert 0.3 < valid.mean() <= 1
    assert 70 < exact < 130


def test_disturbance_is_small_and_repeatable() -> None:
    pictures = torch.full((50, 3, 16, 16), 0.5)
    first = disturb(pictures, 4.0, torch.Generator().manual_seed(3))
    again = disturb(pictures, 4.0, torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    assert 0 < (first - pictures).abs().mean() < 4 / 255
