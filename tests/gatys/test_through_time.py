"""What newly seen regions start from: the film in the painting's colours."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="Gatys mode needs the torch extra")

from vidstyle.gatys.through_time import recoloured

SHAPE = (40, 60)


def test_newly_seen_regions_take_the_colours_that_the_rest_has_got() -> None:
    film = np.random.default_rng(0).integers(60, 200, (*SHAPE, 3), np.uint8)
    mapping = np.array([[0.3, 0.2, 0.4], [0.1, 0.5, 0.2], [0.2, 0, 0.3]])
    painting = (film @ mapping + [10, 20, 5]).round().astype(np.uint8)
    known = np.zeros(SHAPE, bool)
    known[:, :30] = True
    painting[~known] = 0
    colours = recoloured(film, like=painting, where=known)
    assert np.abs(colours - (film @ mapping + [10, 20, 5])).max() <= 2


def test_where_hardly_anything_is_known_the_film_keeps_its_colours() -> None:
    film = np.full((*SHAPE, 3), 90, np.uint8)
    known = np.zeros(SHAPE, bool)
    known[0, :20] = True
    assert np.array_equal(recoloured(film, like=film // 2, where=known), film)


def test_a_film_of_one_colour_is_recoloured_all_the_same() -> None:
    film = np.full((*SHAPE, 3), 90, np.uint8)
    assert np.abs(recoloured(film, like=film // 2, where=np.ones(SHAPE, bool)).astype(int) - 45).max() <= 1
