"""Shapes with soft edges, and textures, on a picture in floats: what the scene of `synthetic` is drawn with."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from vidstyle.frames import ImageArray

Plane = npt.NDArray[np.float32]
Colour = tuple[int, int, int]
Window = tuple[slice, slice]

WHOLE: Window = (slice(None), slice(None))

TEXTURE_SIDE = 512


class Canvas:
    """A picture in floats and what to draw on it with; positions in picture heights, y down."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height, self.aspect = width, height, width / height
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.y, self.x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)

    def picture(self) -> ImageArray:
        return np.asarray(np.clip(self.pixels + 0.5, 0, 255), np.uint8)

    def fill(self, distance: Plane, colour: Colour | Plane, window: Window = WHOLE) -> None:
        """Paint where the signed `distance` (picture heights, negative inside) says, with a soft edge."""
        part = self.pixels[window]
        part += (np.asarray(colour, np.float32) - part) * self.cover(distance)[..., None]

    def cover(self, distance: Plane) -> Plane:
        """How much of each pixel is inside, 0..1."""
        return np.asarray(np.clip(0.5 - distance * self.height, 0, 1), np.float32)

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The pixels of a box, one more on each side."""
        box = [int(v * self.height) for v in (top, bottom, left, right)]
        return (
            slice(max(0, box[0] - 1), max(0, min(self.height, box[1] + 2))),
            slice(max(0, box[2] - 1), max(0, min(self.width, box[3] + 2))),
        )

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        at = self.window(x - radius, y - radius, x + radius, y + radius)
        self.fill(np.hypot(self.x[at] - x, self.y[at] - y) - radius, colour, at)

    def stroke(self, x0: float, y0: float, x1: float, y1: float, thickness: float, colour: Colour) -> None:
        """A line with round ends: limbs, trunks, sails."""
        half = thickness / 2
        at = self.window(min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
        dx, dy = x1 - x0, y1 - y0
        along = ((self.x[at] - x0) * dx + (self.y[at] - y0) * dy) / max(dx * dx + dy * dy, 1e-9)
        along = np.clip(along, 0, 1)
        self.fill(np.hypot(self.x[at] - x0 - along * dx, self.y[at] - y0 - along * dy) - half, colour, at)

    def polygon(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A convex polygon, its corners clockwise on the screen."""
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        at = self.window(min(xs), min(ys), max(xs), max(ys))
        distance = np.full(self.x[at].shape, -np.inf, np.float32)
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            length = np.hypot(x1 - x0, y1 - y0)
            outside = ((y1 - y0) * (self.x[at] - x0) - (x1 - x0) * (self.y[at] - y0)) / length
            distance = np.maximum(distance, outside)
        self.fill(distance, colour, at)

    def grain(self, scale: float, *, shift: float = 0.0, window: Window = WHOLE) -> Plane:
        """Smooth noise, -1..1; `scale` repeats of the texture a picture height, moved left by `shift`."""
        texture = _texture()
        top, below = _between(self.y[window][:, 0] * scale)
        left, beside = _between((self.x[window][0] + shift) * scale)
        rows = texture[top] * (1 - below[:, None]) + texture[top - TEXTURE_SIDE + 1] * below[:, None]
        return np.asarray(rows[:, left] * (1 - beside) + rows[:, left - TEXTURE_SIDE + 1] * beside, np.float32)


def _between(position: Plane) -> tuple[npt.NDArray[np.int64], Plane]:
    """Where `position` (in repeats of the texture) falls: the texel before it, and how far past that, 0..1."""
    texels = position * TEXTURE_SIDE
    whole = np.floor(texels)
    return whole.astype(np.int64) % TEXTURE_SIDE, (texels - whole).astype(np.float32)


@cache
def _texture() -> Plane:
    """Tileable fractal noise (amplitude falling with frequency, random phases), -1..1."""
    frequency = np.hypot(np.fft.fftfreq(TEXTURE_SIDE)[:, None], np.fft.fftfreq(TEXTURE_SIDE)[None, :])
    frequency[0, 0] = 1
    phases = np.exp(2j * np.pi * np.random.default_rng(3).random((TEXTURE_SIDE, TEXTURE_SIDE)))
    noise = np.fft.ifft2(phases / frequency**1.6 * (frequency < 1)).real
    return np.asarray(np.clip(noise / (2.5 * noise.std()), -1, 1), np.float32)
