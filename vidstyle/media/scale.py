"""Resizes pictures: linear or by areas on the way down, bicubic on the way up."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

Picture = npt.NDArray[np.uint8]


def resize(image: Picture, *, width: int, height: int) -> Picture:
    """Scale one picture, (H, W, 3) RGB or (H, W) uint8, to `height` x `width`; the same array if it fits already."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = width * height < image.shape[0] * image.shape[1]
    if cv2 := _opencv():
        # Only averaging areas does not alias far down; up to a half, two pixels' mean does it ten times as fast.
        half = 2 * width > image.shape[1] and 2 * height > image.shape[0]
        method = (cv2.INTER_LINEAR if half else cv2.INTER_AREA) if shrinks else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    return _resize_swscale(image, width, height, Interpolation.AREA if shrinks else Interpolation.BICUBIC)


def _resize_swscale(image: Picture, width: int, height: int, method: Interpolation) -> Picture:
    from av import VideoFrame

    # Without the chroma flags swscale halves the colour resolution on its way from RGB to RGB.
    flags = method | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="gray" if image.ndim == 2 else "rgb24")
    return np.asarray(VideoReformatter().reformat(frame, width, height, interpolation=flags).to_ndarray(), np.uint8)


@cache
def _opencv() -> ModuleType | Any | None:
    """OpenCV where it can be loaded: several times faster than swscale, but its wheel needs libGL on Linux."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2
