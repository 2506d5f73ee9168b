"""Pictures that move as told, and readers of exact flow."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vidstyle.frames import ImageArray
from vidstyle.motion.flow import FlowArray


def texture(height: int, width: int, *, seed: int = 0) -> ImageArray:
    """Smooth random blobs, (height, width, 3): something for a flow to hold on to."""
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), 3)
    low, high = blobs.min(), blobs.max()
    return ((blobs - low) / (high - low) * 255).astype(np.uint8)


def pan(count: int, *, step: tuple[int, int], height: int = 192, width: int = 256, seed: int = 0) -> list[ImageArray]:
    """`count` frames of a camera that moves by `step` (x, y) pixels a frame: things move the other way."""
    dx, dy = step
    big = texture(height + abs(dy) * count, width + abs(dx) * count, seed=seed)
    x0, y0 = (abs(dx) * count if dx < 0 else 0), (abs(dy) * count if dy < 0 else 0)
    return [
        np.ascontiguousarray(big[y0 + dy * i : y0 + dy * i + height, x0 + dx * i : x0 + dx * i + width])
        for i in range(count)
    ]


def read_flo(path: Path) -> FlowArray:
    """A Middlebury .flo file."""
    data = path.read_bytes()
    assert data[:4] == b"PIEH"
    width, height = np.frombuffer(data, "<i4", 2, 4)
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).copy()


def end_point_error(found: FlowArray, true: FlowArray) -> float:
    """Median distance of two flows, pixels."""
    return float(np.median(np.linalg.norm(found - true, axis=2)))
