"""Draws the painting behind the shipped `mosaic` style: a picture made of tesserae.

Tiles follow the lines of the picture, as in Hausner, "Simulating Decorative Mosaics" (2001): seeds
spread by Lloyd's iteration under a square metric turned along a direction field; every cell becomes
a slightly irregular tile of one colour with grout around it.

    python -m vidstyle.training.mosaic OUT.png
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vidstyle.errors import OutputError, UsageError
from vidstyle.media.part_file import check_target, writing

Floats = npt.NDArray[np.float64]

SIZE = 768
PITCH = 15.0
"""Pixels from tile to tile."""
GROUT = np.array([58.0, 50.0, 46.0])
PALETTE = np.array(
    [
        [18, 44, 120], [24, 92, 168], [52, 158, 190], [22, 122, 112], [206, 160, 50], [238, 206, 110],
        [190, 52, 36], [228, 112, 44], [240, 232, 212], [116, 30, 52], [66, 128, 58], [30, 30, 52],
    ],
    np.float64,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tiles:
    """Seeds (K, 2) as x, y; their direction (K,) in radians; the nearest seed of every pixel (H, W)."""

    seeds: Floats
    angles: Floats
    cells: npt.NDArray[np.int32]


def draw_mosaic(seed: int = 7) -> npt.NDArray[np.uint8]:
    """The mosaic, (768, 768, 3) uint8 RGB, the same for the same seed."""
    rng = np.random.default_rng(seed)
    colours, field = _cartoon(rng)
    tiles = _spread(rng, field)
    return _lay(rng, tiles, colours)


def _cartoon(rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], Floats]:
    """What the mosaic shows: per pixel a palette index, and the height field whose lines the tiles follow.

    Overlapping suns and waves: rings about a few centres, nearest centre wins.
    """
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    bend = 26 * np.sin(x / 83) + 22 * np.sin(y / 61 + x / 190)
    centres = rng.uniform(0, SIZE, (9, 2))
    distances = np.stack([np.hypot(x - cx + bend, y - cy - bend) for cx, cy in centres])
    owner = distances.argmin(0)
    field = np.take_along_axis(distances, owner[None], 0)[0]
    bands = (field / rng.uniform(24, 52, len(centres))[owner]).astype(np.int64)
    tables = rng.integers(0, len(PALETTE), (len(centres), 40))
    return tables[owner, bands % 40], field


def _spread(rng: np.random.Generator, field: Floats, rounds: int = 12) -> Tiles:
    """Seeds evenly spread and turned along the field's contour lines."""
    smooth = cv2.GaussianBlur(field, (0, 0), 6)
    gy, gx = np.gradient(smooth)
    ticks = np.arange(PITCH / 2, SIZE, PITCH)
    seeds = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2) + rng.uniform(-3, 3, (len(ticks) ** 2, 2))
    reach = int(PITCH * 1.6)
    for _ in range(rounds):
        best = np.full((SIZE, SIZE), np.inf)
        cells = np.zeros((SIZE, SIZE), np.int32)
        at = seeds.round().astype(int).clip(0, SIZE - 1)
        angles = np.arctan2(gy[at[:, 1], at[:, 0]], gx[at[:, 1], at[:, 0]])
        for k, ((sx, sy), angle) in enumerate(zip(seeds, angles, strict=True)):
            window = (
                slice(max(0, int(sy) - reach), min(SIZE, int(sy) + reach + 1)),
                slice(max(0, int(sx) - reach), min(SIZE, int(sx) + reach + 1)),
            )
            across, along = _turned(window, sx, sy, angle)
            distance = np.maximum(np.abs(across), np.abs(along))
            nearer = distance < best[window]
            best[window][nearer] = distance[nearer]
            cells[window][nearer] = k
        y, x = np.mgrid[0:SIZE, 0:SIZE]
        count = np.bincount(cells.ravel(), minlength=len(seeds)).clip(1)
        for axis, values in enumerate((x, y)):
            mean = np.bincount(cells.ravel(), values.ravel(), len(seeds)) / count
            seeds[:, axis] = np.where(count > 1, mean, seeds[:, axis])
    return Tiles(seeds, angles, cells)


def _turned(window: tuple[slice, slice], x: float, y: float, angle: float) -> tuple[Floats, Floats]:
    """Coordinates of a window's pixels about (x, y), across and along the tile's direction."""
    dy, dx = np.mgrid[window].astype(np.float64)
    dx, dy = dx - x, dy - y
    return dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)


def _lay(rng: np.random.Generator, tiles: Tiles, colours: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Tiles of one colour each, lit from the upper left, with rough grout between."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)), (0, 0), 1.2)
    image = GROUT + grain[..., None] * 14
    reach = int(PITCH)
    for k, ((sx, sy), angle) in enumerate(zip(tiles.seeds, tiles.angles, strict=True)):
        window = (
            slice(max(0, int(sy) - reach), min(SIZE, int(sy) + reach + 1)),
            slice(max(0, int(sx) - reach), min(SIZE, int(sx) + reach + 1)),
        )
        across, along = _turned(window, sx, sy, angle + rng.normal(0, 0.05))
        half = PITCH * rng.uniform(0.37, 0.43, 2)
        mine = (tiles.cells[window] == k) & (np.abs(across) < half[0]) & (np.abs(along) < half[1])
        if not mine.any():
            continue
        index = colours[int(np.clip(sy, 0, SIZE - 1)), int(np.clip(sx, 0, SIZE - 1))]
        tone = PALETTE[index] * rng.uniform(0.78, 1.16) + rng.normal(0, 9, 3)
        slope = (across * rng.normal(0, 1) + along * rng.normal(0, 1)) / PITCH
        edge = np.minimum(half[0] - np.abs(across), half[1] - np.abs(along))
        light = 1 + 0.16 * slope + 0.12 * (edge < 1.6) * np.sign(-(across + along))
        image[window] = np.where(mine[..., None], tone * light[..., None], image[window])
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.6).clip(0, 255).round(), np.uint8)


def main(words: Sequence[str]) -> None:
    """OUT.png. Raises UsageError, OutputError."""
    if len(words) != 1 or not words[0].lower().endswith(".png"):
        raise UsageError("name the picture to draw: python -m vidstyle.training.mosaic OUT.png")
    out = Path(words[0])
    check_target(None, out, overwrite=True)
    ok, data = cv2.imencode(".png", draw_mosaic()[..., ::-1])
    if not ok:
        raise OutputError(f"{out}: the picture could not be encoded")
    with writing(out):
        out.write_bytes(data.tobytes())


if __name__ == "__main__":
    from vidstyle.cli import console

    console.run_tool(main)
