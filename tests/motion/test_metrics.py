"""Steadiness in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.motion.moves import pan, texture
from vidstyle.motion.metrics import mean_steadiness, steadiness


def test_a_painting_that_moves_with_its_film_is_steady_and_a_pinned_one_is_not() -> None:
    film = pan(5, step=(4, 0))
    moved = mean_steadiness(steadiness([(frame, 255 - frame) for frame in film], second=3))
    pinned = mean_steadiness(steadiness([(frame, film[0]) for frame in film], second=3))
    assert moved["short"] is not None
    assert pinned["short"] is not None
    assert moved["short"] < 2 < pinned["short"]
    assert moved["long"] is not None


def test_still_regions_are_judged_without_a_flow() -> None:
    frame = texture(96, 96)
    rows = list(
        steadiness([(frame, frame), (frame, np.clip(frame.astype(int) + 3, 0, 255).astype(np.uint8))], second=9)
    )
    assert rows[0].still is None
    assert rows[1].still == pytest.approx(3, abs=0.1)
    assert rows[1].long is None


def test_nothing_is_compared_across_a_cut() -> None:
    film = [*pan(2, step=(1, 0)), *[(f // 4).astype(np.uint8) for f in pan(2, step=(1, 0), seed=2)]]
    rows = list(steadiness([(frame, frame) for frame in film], second=5))
    assert [row.short is None for row in rows] == [True, False, True, False]
