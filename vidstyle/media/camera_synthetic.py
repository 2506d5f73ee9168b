"""A camera that needs no camera: a moving test picture with a readable frame number."""

from __future__ import annotations

import re
import time
from fractions import Fraction
from typing import Self

import numpy as np

from vidstyle.errors import UsageError
from vidstyle.frames import ImageArray
from vidstyle.media.live_protocol import CameraInfo, CameraRequest, Sound

DEFAULT_SIZE = (1280, 720)
DEFAULT_RATE = Fraction(30)
SHIFT = 4
"""Pixels that the picture moves to the left in each frame."""

BIT = 16
"""Side in pixels of one bit of the frame number, which is written along the top, lowest bit first."""

BITS = 16


class SyntheticCamera:
    """Gives a drifting colour pattern at an exact rate; see `frame_number` for what is written in it."""

    def __init__(self, *, width: int, height: int, rate: Fraction) -> None:
        self.info = CameraInfo(
            name="synthetic camera",
            width=width,
            height=height,
            rate=rate,
            text=f"{width}x{height}, {float(rate):g} fps",
        )
        self._wide = np.tile(_pattern(width, height), (1, 2, 1))
        self._index = 0
        self._start = time.monotonic()

    @classmethod
    def from_request(cls, request: CameraRequest) -> Self:
        """`synthetic` or `synthetic:WxH@FPS`; size and rate of the request go before. Raises UsageError."""
        found = re.fullmatch(r"synthetic(?::(\d+)x(\d+)(?:@(\d+(?:\.\d+)?))?)?", request.source)
        if not found:
            raise UsageError(f"camera {request.source!r}: write synthetic or synthetic:WIDTHxHEIGHT@FPS")
        size = (int(found[1]), int(found[2])) if found[1] else DEFAULT_SIZE
        width, height = request.size or size
        rate = request.rate or (Fraction(found[3]) if found[3] else DEFAULT_RATE)
        if not (BIT <= width <= 7680 and BIT <= height <= 4320 and 0 < rate <= 240):
            raise UsageError(f"camera {request.source!r}: 16x16 to 7680x4320 at up to 240 fps")
        return cls(width=width, height=height, rate=rate)

    def read(self) -> ImageArray:
        """The next picture, when its time has come."""
        assert self.info.rate
        wait = self._start + self._index / float(self.info.rate) - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        image = self.picture(self._index)
        self._index += 1
        return image

    def picture(self, index: int) -> ImageArray:
        """Picture `index`, (H, W, 3) uint8 RGB."""
        offset = index * SHIFT % self.info.width
        image = self._wide[:, offset : offset + self.info.width].copy()
        for bit in range(min(BITS, self.info.width // BIT)):
            image[:BIT, bit * BIT : (bit + 1) * BIT] = 255 * (index >> bit & 1)
        return image

    def sounds(self) -> list[Sound]:
        return []

    def close(self) -> None:
        """Nothing is held."""


def frame_number(image: ImageArray) -> int:
    """The number written in an unpainted synthetic picture (modulo 65536; it survives lossy compression)."""
    middle = BIT // 2
    bits = image[middle, middle : min(BITS * BIT, image.shape[1]) : BIT, 1] > 127
    return int(sum(1 << position for position, bit in enumerate(bits) if bit))


def _pattern(width: int, height: int) -> ImageArray:
    """Soft waves of colour that join at the sides, with hard edges for the network to paint."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    turn = 2 * np.pi * x / width
    waves = np.stack([np.sin(turn * 2 + y / 70), np.sin(turn * 3 - y / 50 + 2), np.sin(turn + y / 90 + 4)], axis=-1)
    image = (127 + 100 * waves).astype(np.uint8)
    for centre, radius in ((0.25, 0.16), (0.7, 0.24)):
        inside = (x - centre * width) ** 2 + (y - 0.55 * height) ** 2 < (radius * height) ** 2
        image[inside] = 255 - image[inside]
    return image
