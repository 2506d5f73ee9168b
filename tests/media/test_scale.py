from __future__ import annotations

import numpy as np
import pytest
from av.video.reformatter import Interpolation

from vidstyle.media import scale
from vidstyle.media.scale import resize


def gradient(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=2).astype(np.uint8)


@pytest.fixture(params=["opencv", "swscale"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenCV, and as on a system where its wheel does not load."""
    if request.param == "swscale":
        monkeypatch.setattr(scale, "_opencv", lambda: None)
    else:
        pytest.importorskip("cv2")


@pytest.mark.parametrize("size", [(40, 30), (101, 77), (320, 240), (200, 40)])
@pytest.mark.usefixtures("either")
def test_a_gradient_stays_a_gradient(size: tuple[int, int]) -> None:
    width, height = size
    scaled = resize(gradient(160, 120), width=width, height=height)
    assert scaled.shape == (height, width, 3)
    assert scaled.dtype == np.uint8
    assert np.abs(scaled.astype(int) - gradient(width, height)).max() <= 6


@pytest.mark.usefixtures("either")
def test_one_plane_is_scaled_too() -> None:
    scaled = resize(gradient(64, 48)[..., 0], width=32, height=24)
    assert scaled.shape == (24, 32)
    assert np.abs(scaled.astype(int) - gradient(32, 24)[..., 0]).max() <= 5


@pytest.mark.usefixtures("either")
def test_fine_stripes_average_on_the_way_down() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    scaled = resize(stripes, width=16, height=16)
    assert np.abs(scaled.astype(int) - 128).max() <= 2


@pytest.mark.usefixtures("either")
def test_colours_keep_their_own_resolution() -> None:
    """Red and blue stripes of two pixels: chroma halved on the way would mix them."""
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, 0::4, 0] = stripes[:, 1::4, 0] = 255
    stripes[:, 2::4, 2] = stripes[:, 3::4, 2] = 255
    scaled = resize(stripes, width=64, height=64).astype(int)
    assert np.abs(scaled[32, 3::16] - [255, 0, 0]).max() < 40


def test_a_picture_that_fits_is_returned_itself() -> None:
    picture = gradient(8, 6)
    assert resize(picture, width=8, height=6) is picture


def test_both_scalers_agree() -> None:
    pytest.importorskip("cv2")
    picture = gradient(160, 120)
    theirs = scale._resize_swscale(picture, 80, 60, Interpolation.AREA).astype(int)
    assert np.abs(resize(picture, width=80, height=60).astype(int) - theirs).max() <= 2
