"""Averaged strokes get their contrast back, and only that."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from tests.motion.moves import texture
from vidstyle.motion.contrast import match_contrast


def _opaque(seed: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(texture(120, 161, seed=seed), cv2.COLOR_RGB2RGBA), np.uint8)


def _fine(picture: npt.NDArray[np.uint8]) -> float:
    return float(cv2.Laplacian(picture[..., 0], cv2.CV_32F).std())


def test_the_mean_of_two_textures_gets_the_contrast_of_one() -> None:
    one, other = _opaque(1), _opaque(2)
    mean = np.asarray(cv2.addWeighted(one, 0.5, other, 0.5, 0), np.uint8)
    matched = match_contrast(mean, one, bands=3, window=3)
    assert _fine(mean) < 0.8 * _fine(one)
    assert 0.9 * _fine(one) < _fine(matched) < 1.15 * _fine(one)
    assert matched.shape == mean.shape
    assert abs(float(matched.mean()) - float(mean.mean())) < 2


def test_a_picture_like_itself_stays() -> None:
    picture = _opaque(3)
    assert np.abs(match_contrast(picture, picture, bands=3, window=3).astype(int) - picture).max() <= 1


def test_without_bands_nothing_is_done() -> None:
    picture = _opaque(4)
    assert match_contrast(picture, _opaque(5), bands=0, window=3) is picture
