"""The blend of live pictures: each part of a picture gets the work it needs, and no part feels it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.motion.moves import texture
from vidstyle.motion.live_blend import LiveBlend, Painting

SHAPE = (192, 256, 3)


def blend(blender: LiveBlend, moving: tuple[slice, slice]) -> Painting:
    """Two paintings, where all but the `moving` part of a grid of 24x32 stands still."""
    still = np.full((24, 32), 255, np.uint8)
    still[moving] = 0
    flow = np.zeros((24, 32, 2), np.float32)
    flow[still == 0] = (1.5, -0.75)
    share = np.where(still, 0.8, 0.6).astype(np.float32)
    new, old = (Painting(texture(*SHAPE[:2], seed=seed)) for seed in (1, 2))
    return blender(new, old, flow=flow, share=share, still=still)


@pytest.mark.parametrize(
    "moving",
    [
        (slice(0, 0), slice(0, 0)),
        (slice(7, 8), slice(9, 10)),
        (slice(0, 9), slice(17, 32)),
        (slice(20, 24), slice(0, 3)),
        (slice(1, 24), slice(0, 32)),
        (slice(0, 24), slice(0, 32)),
    ],
)
def test_what_moves_is_carried_as_in_a_whole_picture(
    moving: tuple[slice, slice], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxed = blend(LiveBlend(SHAPE, still=0.8), moving)
    whole = (slice(None), slice(None))
    monkeypatch.setattr(LiveBlend, "_boxes", lambda self, chosen: (whole, whole))
    expected = blend(LiveBlend(SHAPE, still=0.8), moving)
    assert np.array_equal(boxed.full, expected.full)


def test_what_stands_still_is_a_weighted_mean() -> None:
    new, old = (texture(*SHAPE[:2], seed=seed).astype(float) for seed in (1, 2))
    full = blend(LiveBlend(SHAPE, still=0.8), (slice(0, 6), slice(0, 8))).full
    assert np.abs(full - (0.8 * old + 0.2 * new))[48:, 64:].max() <= 0.51
