"""The optimiser lowers losses, stops, holds what must stay, and recovers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch

from tests.gatys.random_vgg import SHALLOW, random_vgg
from tests.motion.moves import texture
from vidstyle.errors import BackendError
from vidstyle.gatys.losses import Losses
from vidstyle.gatys.optimise import Evaluate, optimise
from vidstyle.gatys.stills import EDGE, Palette, StillPainter, to_tensor
from vidstyle.networks.vgg import VGG

GOAL = torch.linspace(0.1, 0.9, 3 * 8 * 8).view(1, 3, 8, 8)


def _losses(total: float) -> Losses:
    return Losses(total=total, content=0, style=0, variation=0, temporal=0)


def _bowl(picture: torch.Tensor) -> tuple[torch.Tensor, Losses]:
    gap = picture.detach() - GOAL
    return 2 * gap / gap.numel(), _losses(float(gap.square().mean()))


@pytest.mark.parametrize(("name", "iterations"), [("lbfgs", 20), ("adam", 200)])
def test_finds_the_minimum(name: str, iterations: int) -> None:
    outcome = optimise(torch.full_like(GOAL, 0.5), _bowl, iterations=iterations, optimiser=name)  # type: ignore[arg-type]
    assert outcome.losses.total < 1e-4
    assert outcome.restarts == 0


def _narrow(picture: torch.Tensor) -> tuple[torch.Tensor, Losses]:
    """A valley a thousand times as steep across as along."""
    steep = torch.logspace(0, 3, GOAL.numel()).view_as(GOAL)
    gap = picture.detach() - GOAL
    return steep * gap, _losses(float((steep * gap.square()).sum() / 2))


def test_what_was_learnt_of_one_picture_serves_the_next() -> None:
    first = optimise(torch.full_like(GOAL, 0.5), _narrow, iterations=60)
    start = GOAL + 0.1 * torch.sin(torch.arange(GOAL.numel()).float()).view_as(GOAL)
    anew = optimise(start, _narrow, iterations=10)
    helped = optimise(start, _narrow, iterations=10, pairs=first.pairs)
    assert helped.losses.total < 0.75 * anew.losses.total


def test_pairs_of_what_must_stay_move_nothing_there() -> None:
    first = optimise(torch.full_like(GOAL, 0.5), _narrow, iterations=20)
    free = torch.zeros(1, 1, 8, 8)
    free[..., 4:] = 1
    start = torch.full_like(GOAL, 0.4)
    picture = optimise(start, _narrow, iterations=10, free=free, pairs=first.pairs).picture
    assert torch.equal(picture[..., :4], start[..., :4])


@pytest.mark.parametrize("name", ["lbfgs", "adam"])
def test_pixels_stay_within_range_while_the_others_find_their_minimum(name: str) -> None:
    goal = 1.6 * GOAL - 0.2  # from black and darker to white and brighter
    seen: list[torch.Tensor] = []

    def evaluate(picture: torch.Tensor) -> tuple[torch.Tensor, Losses]:
        seen.append(picture.clone())
        gap = picture - goal
        return 2 * gap / gap.numel(), _losses(float(gap.square().mean()))

    outcome = optimise(torch.full_like(GOAL, 0.5), evaluate, iterations=200, optimiser=name)  # type: ignore[arg-type]
    assert all(float(picture.min()) >= 0 and float(picture.max()) <= 1 for picture in seen)
    assert torch.allclose(outcome.picture, goal.clamp(0, 1), atol=0.01)
    assert outcome.losses.total == pytest.approx(float((outcome.picture - goal).square().mean()))


def test_stops_when_nothing_is_gained() -> None:
    outcome = optimise(torch.full_like(GOAL, 0.5), _bowl, iterations=1000, tolerance=0.01)
    assert outcome.iterations < 60


def test_what_is_not_free_stays_bit_by_bit() -> None:
    free = torch.zeros(1, 1, 8, 8)
    free[..., 4:] = 1
    start = torch.full_like(GOAL, 0.5)
    picture = optimise(start, _bowl, iterations=10, free=free).picture
    assert torch.equal(picture[..., :4], start[..., :4])
    assert not torch.equal(picture[..., 4:], start[..., 4:])


def _failing(at: set[int]) -> Evaluate:
    calls = 0

    def evaluate(picture: torch.Tensor) -> tuple[torch.Tensor, Losses]:
        nonlocal calls
        calls += 1
        gradient, losses = _bowl(picture)
        return (gradient * float("nan"), _losses(float("nan"))) if calls in at else (gradient, losses)

    return evaluate


def test_not_a_number_restarts_from_the_best_picture() -> None:
    outcome = optimise(torch.full_like(GOAL, 0.5), _failing({3, 9}), iterations=40)
    assert outcome.restarts == 2
    assert outcome.losses.total < 1e-3
    assert torch.isfinite(outcome.picture).all()


def test_an_endless_loss_is_no_picture() -> None:
    with pytest.raises(BackendError, match="finite"):
        optimise(GOAL, lambda picture: (torch.zeros_like(picture), _losses(float("inf"))), iterations=3)


def test_never_a_number_is_an_error() -> None:
    with pytest.raises(BackendError, match="finite"):
        optimise(torch.full_like(GOAL, 0.5), _failing(set(range(100))), iterations=40)


def test_what_vgg_draws_along_the_end_of_a_picture_is_cut_off() -> None:
    seen: list[tuple[int, ...]] = []

    class Witness(VGG):
        def forward(self, pictures: torch.Tensor, layers: Iterable[str]) -> dict[str, torch.Tensor]:
            seen.append(tuple(pictures.shape[2:]))
            return random_vgg()(pictures, layers)

    painting = to_tensor(texture(48, 64))
    stills = StillPainter(Witness("vgg16"), Palette(paintings=[(painting, 1.0)]), replace(SHALLOW, iterations=3))
    photograph = to_tensor(texture(40, 60, seed=1))
    pictures: list[torch.Tensor] = []
    outcome = stills.paint(photograph, on_step=lambda number, losses, picture: pictures.append(picture))
    assert set(seen) == {(45, 60), (40 + 2 * EDGE, 60 + 2 * EDGE)}  # the painting; photograph and picture
    assert torch.equal(pictures[0], photograph)
    assert outcome.picture.shape == photograph.shape


def test_the_edge_is_free_where_the_picture_is_held() -> None:
    """It is cut off, and begins as a mirror each time: held too, it would take a later frame's loss up by a sixth."""
    stills = StillPainter(random_vgg(), Palette(paintings=[(to_tensor(texture(48, 64)), 1.0)]), SHALLOW)
    photograph = to_tensor(texture(40, 60, seed=1))
    totals: list[float] = []
    outcome = stills.optimise(
        photograph,
        photograph,
        iterations=4,
        free=torch.zeros(1, 1, 40, 60),
        on_step=lambda number, losses, picture: totals.append(losses.total),
    )
    assert torch.equal(outcome.picture, photograph)
    assert outcome.losses.total < totals[0]
