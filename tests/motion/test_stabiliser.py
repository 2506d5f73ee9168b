"""The stabiliser takes shimmer away and nothing else."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.motion.moves import pan, texture
from vidstyle.frames import ImageArray
from vidstyle.motion.flow import FlowArray
from vidstyle.motion.metrics import mean_steadiness, steadiness
from vidstyle.motion.stabiliser import Stabiliser


def _shimmer(film: list[ImageArray], *, level: float = 10.0, stroke: float = 0.0, seed: int = 3) -> list[ImageArray]:
    """A network that paints the negative, with strokes `stroke` pixels wide that change at every frame."""
    random = np.random.default_rng(seed)
    painted = []
    for frame in film:
        noise = random.normal(0, 1, frame.shape).astype(np.float32)
        if stroke:
            noise = cv2.GaussianBlur(noise, (0, 0), stroke / 2)
        painted.append(np.clip(255 - frame + level / noise.std() * noise, 0, 255).astype(np.uint8))
    return painted


def _short(film: list[ImageArray], painted: list[ImageArray]) -> float:
    value = mean_steadiness(steadiness(zip(film, painted, strict=True), second=50))["short"]
    assert value is not None
    return value


def _run(film: list[ImageArray], painted: list[ImageArray], *, fine: bool = False) -> list[ImageArray]:
    stabiliser = Stabiliser(fine=fine)
    return [stabiliser.apply(frame, paint) for frame, paint in zip(film, painted, strict=True)]


@pytest.mark.parametrize(("step", "stroke", "fine"), [((0, 0), 0, False), ((2, 1), 6, False), ((2, 1), 0, True)])
def test_shimmer_is_halved(step: tuple[int, int], stroke: float, fine: bool) -> None:
    film = pan(8, step=step)
    painted = _shimmer(film, stroke=stroke)
    assert _short(film, _run(film, painted, fine=fine)) < 0.5 * _short(film, painted)


def test_live_does_not_soften_what_moves() -> None:
    film = pan(8, step=(5, 3))
    painted = _shimmer(film)
    crisp = [cv2.Laplacian(picture[-1], cv2.CV_32F).std() for picture in (_run(film, painted), painted)]
    assert crisp[0] > 0.9 * crisp[1]


def test_pictures_handed_out_or_in_are_not_written_into() -> None:
    film = pan(5, step=(1, 0))
    film += film[-1:] * 3
    painted = _shimmer(film)
    given = [picture.copy() for picture in painted]
    stabiliser = Stabiliser()
    steady, copies = [], []
    for frame, paint in zip(film, painted, strict=True):
        steady.append(stabiliser.apply(frame, paint))
        copies.append(steady[-1].copy())
    assert all(np.array_equal(a, b) for a, b in zip(painted + steady, given + copies, strict=True))


@pytest.mark.parametrize("size", [(97, 131), (301, 257)])
def test_odd_sizes_stay_in_place(size: tuple[int, int]) -> None:
    """The half size does not divide them; nothing may be shifted by it."""
    film = pan(6, step=(2, 2), height=size[0], width=size[1])
    painted = [255 - frame for frame in film]
    assert np.abs(_run(film, painted)[-1].astype(int) - painted[-1]).mean() < 0.3


def test_fine_is_steadier_than_nothing_and_crisper_than_live() -> None:
    film = pan(8, step=(2, 1))
    strokes = [255 - frame for frame in pan(8, step=(3, 1), seed=4)]  # that do not move as the film does
    live, fine = (_run(film, strokes, fine=fine) for fine in (False, True))
    assert _short(film, fine) < _short(film, strokes)
    crisp = [cv2.Laplacian(picture[-1], cv2.CV_32F).std() for picture in (live, fine, strokes)]
    assert crisp[0] < crisp[1]


class _ToldFlow:
    """A flow of `there` pixels to the right from each frame to the one before, and of `back` the other way."""

    def __init__(self, there: float, back: float) -> None:
        self._told = [there, back]

    def between_grey(self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> FlowArray:
        self._told.reverse()
        flow = np.zeros((*first.shape, 2), np.float32)
        flow[..., 0] = self._told[1]
        return flow


def _told(monkeypatch: pytest.MonkeyPatch, *, there: float, back: float) -> None:
    monkeypatch.setattr("vidstyle.motion.stabiliser.DisFlow", lambda quality: _ToldFlow(there, back))


@pytest.mark.parametrize(("back", "kept"), [(-3, True), (0, False)])
def test_in_films_a_flow_that_does_not_lead_home_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, back: float, kept: bool
) -> None:
    """On an even film every flow explains the frame."""
    film = [np.full((120, 160, 3), 90, np.uint8)] * 4
    painted = _shimmer(film, stroke=4)
    _told(monkeypatch, there=3, back=back)
    steady = _run(film, painted, fine=True)
    gap = float(np.abs(steady[-1].astype(int) - painted[-1]).mean())
    assert gap > 2 if kept else gap < 0.5


def test_in_films_strokes_that_stay_on_the_canvas_are_not_carried() -> None:
    """Else they dissolve in what the film carries away: the film moves, the network's pattern does not."""
    film = pan(8, step=(5, 3))
    pattern = texture(192, 256, seed=7).astype(int) // 2
    painted = [np.clip((255 - frame) // 4 + pattern, 0, 255).astype(np.uint8) for frame in film]
    steady = _run(film, painted, fine=True)
    inner = np.s_[16:-16, 16:-16]
    assert np.abs(steady[-1][inner].astype(int) - painted[-1][inner]).mean() < 1


def test_in_films_strokes_that_stay_are_held_in_place_where_the_film_is_even(monkeypatch: pytest.MonkeyPatch) -> None:
    film = [np.full((120, 160, 3), 90, np.uint8)] * 8
    painted = [
        np.clip(texture(120, 160, seed=7) // 2 + paint.astype(int) // 2, 0, 255).astype(np.uint8)
        for paint in _shimmer(film, level=6)
    ]
    _told(monkeypatch, there=3, back=-3)
    steady = _run(film, painted, fine=True)
    change = [np.abs(films[-1].astype(int) - films[-2])[16:-16, 16:-16].mean() for films in (steady, painted)]
    assert change[0] < 0.5 * change[1]


def test_the_first_frame_and_a_new_shot_pass_unchanged() -> None:
    film = [*pan(4, step=(2, 0)), *[(f // 4).astype(np.uint8) for f in pan(3, step=(0, 2), seed=1)]]
    painted = _shimmer(film)
    steady = _run(film, painted)
    assert np.array_equal(steady[0], painted[0])
    assert np.array_equal(steady[4], painted[4])
    assert not np.array_equal(steady[5], painted[5])


def test_reset_forgets() -> None:
    film = pan(3, step=(1, 0))
    painted = _shimmer(film)
    stabiliser = Stabiliser()
    for frame, paint in zip(film[:2], painted[:2], strict=True):
        stabiliser.apply(frame, paint)
    stabiliser.reset()
    assert np.array_equal(stabiliser.apply(film[2], painted[2]), painted[2])


def test_a_change_of_size_starts_anew() -> None:
    stabiliser = Stabiliser()
    for size in ((96, 128), (64, 80)):
        frame = texture(*size)
        assert np.array_equal(stabiliser.apply(frame, 255 - frame), 255 - frame)


def test_a_moving_thing_leaves_no_ghost() -> None:
    ground = texture(192, 256)
    film, painted = [], []
    for i in range(10):
        frame, paint = ground.copy(), 255 - ground
        cv2.rectangle(frame, (20 + 16 * i, 60), (60 + 16 * i, 120), (250, 250, 250), -1)
        cv2.rectangle(paint, (20 + 16 * i, 60), (60 + 16 * i, 120), (0, 120, 255), -1)
        film.append(frame)
        painted.append(paint)
    steady = _run(film, painted)
    gap = cv2.absdiff(steady[-1], painted[-1]).mean(axis=2)
    left_behind = gap[62:118, 20 : 20 + 16 * 9 - 2]
    assert left_behind.mean() < 2
    assert np.quantile(left_behind, 0.99) < 12


def test_nothing_drifts() -> None:
    """After the painting has changed for good, the result is the new painting within a second."""
    film = [texture(128, 160)] * 40
    old, new = 255 - film[0], np.clip(255 - film[0].astype(int) + 12, 0, 255).astype(np.uint8)
    steady = _run(film, [old] * 10 + [new] * 30)
    assert np.abs(steady[-1].astype(int) - new).max() <= 4


def test_a_film_of_another_size_than_its_painting() -> None:
    film = pan(3, step=(2, 0))
    stabiliser = Stabiliser()
    for frame in film:
        small = cv2.resize(frame, (130, 98))
        assert stabiliser.apply(frame, small).shape == small.shape


def test_without_torch() -> None:
    assert "torch" not in vars(sys.modules["vidstyle.motion.stabiliser"])


@pytest.mark.parametrize("fine", [False, True])
def test_nothing_dark_comes_in_from_beyond_the_edge(fine: bool) -> None:
    """Not even where the film itself is dark, so that its own difference shows nothing."""
    film = [(frame // 8).astype(np.uint8) for frame in pan(6, step=(2, 0))]
    painted = [np.full_like(frame, 200) for frame in film]
    assert np.abs(_run(film, painted, fine=fine)[-1].astype(int) - 200).max() <= 2


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (8, 300), (33, 47)])
def test_films_of_any_size_are_steadied(height: int, width: int, fine: bool) -> None:
    film = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    stabiliser = Stabiliser(fine=fine)
    for _ in range(3):
        assert stabiliser.apply(film, 255 - film).shape == film.shape
