"""Splits a film at its cuts."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from fractions import Fraction

import cv2
import numpy as np

from vidstyle.frames import Frame, ImageArray
from vidstyle.gatys.store import Shot
from vidstyle.motion.cuts import file_cuts


def find_shots(frames: Iterable[Frame], *, rate: Fraction | None) -> tuple[list[Shot], int]:
    """The film's shots, in order, and the CRC-32 of all its pictures."""
    count = checksum = 0

    def small() -> Iterable[ImageArray]:
        nonlocal count, checksum
        for frame in frames:
            count += 1
            checksum = zlib.crc32(frame.image.tobytes(), checksum)
            height, width = frame.image.shape[:2]
            shrink = max(1, min(height, width) // 128)
            size = (max(1, width // shrink), max(1, height // shrink))
            yield np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)

    starts = [0, *file_cuts(small(), rate=rate)]
    shots = [Shot(first=a, last=b - 1) for a, b in zip(starts, [*starts[1:], count], strict=True) if b > a]
    return shots, checksum
