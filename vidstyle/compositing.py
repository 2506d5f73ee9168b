"""Painted pictures put together with each other and with the film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidstyle.frames import ImageArray

# ITU-R BT.601 luma of RGB; as a matrix it gives the luma to all three channels at once.
_LUMA = np.repeat(np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=1)


def keep_chroma(film: ImageArray, painted: ImageArray) -> ImageArray:
    """The painting's luma with the film's chroma (BT.601, full range); both (N, H, W, 3) uint8 RGB.

    In Y'CbCr a change of luma alone moves R, G and B by the same amount, so the difference of the
    lumas is added to the film; what leaves 0..255 is clipped. Done in pieces that stay in the cache.
    """
    result = np.empty(film.shape, np.uint8)
    ours, theirs, out = film.reshape(-1, 3), painted.reshape(-1, 3), result.reshape(-1, 3)
    for start in range(0, len(ours), 16384):
        piece = slice(start, start + 16384)
        values = ours[piece].astype(np.float32)
        values += (theirs[piece] - values) @ _LUMA
        values += 0.5
        out[piece] = np.clip(values, 0, 255, out=values)
    return result


def blend(pictures: Sequence[tuple[ImageArray, float]]) -> ImageArray:
    """The weighted mean of pictures, all (N, H, W, 3) uint8 RGB, with weights above 0."""
    (result, total), *others = pictures
    for picture, weight in others:
        total += weight
        result = cross_fade(result, picture, weight / total)
    return result


def cross_fade(film: ImageArray, painted: ImageArray, share: float) -> ImageArray:
    """`share` (0..1) of the painting over the film; both (N, H, W, 3) uint8 RGB."""
    weight = round(share * 256)
    mixed = film.astype(np.uint16) * np.uint16(256 - weight)
    mixed += painted.astype(np.uint16) * np.uint16(weight)
    mixed += 128
    return (mixed >> 8).astype(np.uint8)
