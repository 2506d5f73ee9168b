"""Giving a blended picture the contrast back that averaging took."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float32]

MOST_GAIN = 3.0
"""Detail is strengthened or weakened by at most this factor."""

_FLAT = 1.0
"""Levels added to both strengths: flat places have none to compare, and their noise is not raised."""


def match_contrast(picture: _Bytes, like: _Bytes, *, bands: int, window: int) -> _Bytes:
    """`picture` with the local contrast of `like` in its `bands` finest octaves; both (H, W, 4) uint8 RGBA.

    Averaging strokes that do not quite agree flattens them. As Heitz and Neyret, "High-Performance By-Example
    Noise using a Histogram-Preserving Blending Operator" (2018), restore the variance of a blend, each
    octave's detail is scaled here so that its mean strength around each place, over `window` pixels of the
    next coarser octave, is that of `like`. Returns a new array.
    """
    if not bands or min(picture.shape[:2]) < 2:
        return picture
    half, half_like = _halve(picture), _halve(like)
    coarse = match_contrast(half, half_like, bands=bands - 1, window=window)
    low, low_like = _double(half, picture), _double(half_like, picture)
    gain = (_strength(like, low_like, window) + _FLAT) / (_strength(picture, low, window) + _FLAT)
    share = _double(np.clip(gain, 1 / MOST_GAIN, MOST_GAIN), picture)
    matched = cv2.blendLinear(picture, low, share, 1 - share)  # low + share * (picture - low)
    if coarse is half:
        return np.asarray(matched, np.uint8)
    change = cv2.subtract(coarse, half, dtype=cv2.CV_16S)
    return np.asarray(cv2.add(matched, _double(change, picture), dtype=cv2.CV_8U), np.uint8)


def _strength(picture: _Bytes, low: _Bytes, window: int) -> _Plane:
    """Mean deviation of the luma from `low` around each place, at half the size, levels."""
    detail = cv2.cvtColor(cv2.absdiff(picture, low), cv2.COLOR_RGBA2GRAY)
    return np.asarray(cv2.blur(_halve(detail).astype(np.float32), (window, window)), np.float32)


def _halve(picture: _Bytes) -> _Bytes:
    size = (-(-picture.shape[1] // 2), -(-picture.shape[0] // 2))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _double(picture: npt.NDArray[Any], like: _Bytes) -> npt.NDArray[Any]:
    """To the size of `like`, about twice the picture's."""
    return np.asarray(cv2.resize(picture, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR))
