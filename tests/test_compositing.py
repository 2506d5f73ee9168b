from __future__ import annotations

import numpy as np

from vidstyle.compositing import blend, cross_fade, keep_chroma
from vidstyle.frames import ImageArray


def film() -> ImageArray:
    return np.random.default_rng(3).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)


def test_keep_chroma_has_the_films_chroma_and_the_paintings_luma() -> None:
    random = np.random.default_rng(5)
    original, painted = (random.integers(80, 176, (2, 30, 40, 3), dtype=np.uint8) for _ in range(2))
    kept = keep_chroma(original, painted).astype(float)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.abs(kept @ luma - painted @ luma).max() <= 0.51
    for channel in (0, 2):  # Cr and Cb are R-Y and B-Y, scaled
        chroma = kept[..., channel] - kept @ luma
        assert np.abs(chroma - (original[..., channel] - original @ luma)).max() <= 1.01


def test_keep_colors_of_an_unpainted_picture_is_the_picture() -> None:
    images = film()
    assert np.array_equal(keep_chroma(images, images), images)


def test_cross_fade_ends_exactly() -> None:
    a, b = film(), 255 - film()
    assert np.array_equal(cross_fade(a, b, 0), a)
    assert np.array_equal(cross_fade(a, b, 1), b)


def test_a_blend_is_the_weighted_mean() -> None:
    pictures = [np.full((1, 2, 2, 3), level, np.uint8) for level in (10, 110, 210)]
    assert np.abs(blend(list(zip(pictures, (0.2, 0.2, 0.1), strict=True))).astype(int) - 90).max() <= 1
    assert blend([(pictures[0], 0.3)]) is pictures[0]
