"""What a later frame starts from: the one before, carried; the film in the painting's colours where it is new."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="Gatys mode needs the torch extra")

import torch

from tests.gatys.random_vgg import SHALLOW, random_vgg
from tests.motion.moves import texture
from vidstyle.frames import ImageArray
from vidstyle.gatys.losses import Losses
from vidstyle.gatys.stills import Palette, StillPainter, to_image, to_tensor
from vidstyle.gatys.through_time import ShotPainter, recoloured
from vidstyle.motion.flow import FlowArray
from vidstyle.motion.masks import consistent, on_motion_boundary
from vidstyle.motion.warp import warp

SHAPE = (40, 60)


def test_motion_boundaries_keep_their_paint() -> None:
    """The halves move by 1 and 1.4 pixels: nothing but the frame's edge is new, and only that starts anew."""
    film, result = texture(*SHAPE, seed=1), texture(*SHAPE, seed=2)
    flow = np.zeros((*SHAPE, 2), np.float32)
    flow[..., 0] = np.where(np.arange(SHAPE[1]) < 30, 1, 1.4)
    seen, boundary = consistent(flow, -flow), on_motion_boundary(flow)
    assert (seen & boundary).sum() >= SHAPE[0]

    def estimate(first: ImageArray, second: ImageArray) -> FlowArray:
        return flow if first is later else -flow

    starts: list[ImageArray] = []

    def on_step(number: int, losses: Losses, picture: torch.Tensor) -> None:
        starts.append(to_image(picture))

    later = film.copy()
    painter = ShotPainter(_stills(), estimate, lambda frame: frame)
    painter.skip(film, result)
    painter.paint(later, on_step=on_step)
    carried = warp(result, flow, sharp=True)
    assert np.array_equal(starts[0][seen], carried[seen])
    assert not np.array_equal(starts[0][~seen], carried[~seen])


def _stills() -> StillPainter:
    options = replace(SHALLOW, next_iterations=1)
    return StillPainter(random_vgg(), Palette(paintings=[(to_tensor(texture(48, 64, seed=9)), 1.0)]), options)


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
