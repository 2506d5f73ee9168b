"""Pictures larger than the memory: painted in tiles whose norm statistics are the whole picture's.

Instance norm looks at the whole picture, so tiles painted each for itself differ at their seams and
from the picture painted in one. Here the norms take means and deviations from outside. Norm by norm, a
pass over all tiles with the network up to there measures that norm's statistics; those of the norms
before are known by then, so they are exact. The last pass paints, every tile with the same statistics
and with as much of its surroundings as the network sees: no seams. The price is time, about that of
half as many pictures as the network has norms.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from vidstyle.backends.protocol import EngineInfo, EngineSpec
from vidstyle.backends.tile_network import TileNetwork, Vector
from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.network import Network

LARGEST_TILE = 768
"""Side of a tile with its surroundings, in pixels."""


@dataclass(frozen=True)
class Span:
    """A tile along one side: where its window starts, and the part of it, in the picture, that is its own."""

    window: int
    start: int
    end: int

    @property
    def own(self) -> slice:
        """Its own part, in the window."""
        return slice(self.start - self.window, self.end - self.window)


def open_tiled(network: Network, spec: EngineSpec) -> TiledEngine:
    """An engine that paints frames of the spec's size in tiles, in fp32 on the processor, one at a time.

    Raises BackendError for an imported network, whose reach is not known; OutOfMemory if not even a tile fits.
    """
    if network.architecture is None:
        raise BackendError(f"{network.name} was imported as a graph; tiles need a network of vidstyle's own")
    return TiledEngine(network, spec, network.architecture)


class TiledEngine:
    """Paints one frame after another, each in tiles."""

    def __init__(self, network: Network, spec: EngineSpec, architecture: Architecture) -> None:
        stride = architecture.stride
        self._info = spec.built(backend="openvino", device="CPU", precision="fp32")
        height, width = (max(2 * stride, -(-side // stride) * stride) for side in (spec.height, spec.width))
        largest = LARGEST_TILE // stride * stride
        self._sides, self._tile = (height, width), (min(largest, height), min(largest, width))
        self._reach = reach(architecture)
        self._network: TileNetwork | None = TileNetwork(network, self._tile)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def run(self, images: ImageArray, style: StyleVector) -> ImageArray:
        """Paint `images` (N, H, W, 3) uint8 RGB in the style (S,) float32."""
        self._info.check(images.shape)
        return np.stack([self._paint(image, style) for image in images])

    def close(self) -> None:
        """Give back the compiled network; a second call does nothing."""
        self._network = None

    def _paint(self, image: ImageArray, style: StyleVector) -> ImageArray:
        network = self._network
        if network is None:
            raise BackendError("this engine is closed")
        height, width = image.shape[:2]
        missing = [(0, padded - side) for padded, side in zip(self._sides, (height, width), strict=True)]
        picture = np.pad(image, (*missing, (0, 0)), mode="edge")
        tiles = self._tiles()
        network.forget()
        for norm in range(network.norms):
            measure = network.measuring(norm, style)
            network.learn(norm, [measure(self._cut(picture, tile), _own(tile, self._tile)) for tile in tiles])
        paint = network.painting(style)
        painted = np.empty_like(picture)
        for rows, columns in tiles:
            part = paint(self._cut(picture, (rows, columns)))
            painted[rows.start : rows.end, columns.start : columns.end] = part[rows.own, columns.own]
        return painted[:height, :width]

    def _tiles(self) -> list[tuple[Span, Span]]:
        (height, width), (tile_height, tile_width) = self._sides, self._tile
        return list(product(spans(height, tile_height, self._reach), spans(width, tile_width, self._reach)))

    def _cut(self, picture: ImageArray, tile: tuple[Span, Span]) -> ImageArray:
        top, left = (span.window for span in tile)
        height, width = self._tile
        return np.ascontiguousarray(picture[top : top + height, left : left + width])


def spans(length: int, tile: int, reach: int) -> list[Span]:
    """Tiles along a side of `length` pixels: their own parts follow each other without gap or overlap.

    Every part has `reach` pixels of surroundings in its window, except at the picture's own edge.
    """
    found: list[Span] = []
    start = 0
    while start < length:
        window = min(max(start - reach, 0), length - tile)
        end = length if window + tile >= length else window + tile - reach
        found.append(Span(window, start, end))
        start = end
    return found


def reach(architecture: Architecture) -> int:
    """How far, in pixels, a painted pixel depends on the picture, rounded up to the stride."""
    level = architecture.unshuffle
    pixels = (2 * (architecture.end_kernel // 2) + 2 * architecture.refine) * level
    for _ in architecture.widths[1:]:
        pixels += level + 2 * level  # the convolution down, and the one up from twice as coarse
        level *= 2
    pixels += 2 * architecture.blocks * level
    return -(-pixels // architecture.stride) * architecture.stride


def _own(tile: tuple[Span, Span], size: tuple[int, int]) -> Vector:
    """(H, W) float32: one in the tile's own part of its window, zero around it."""
    own = np.zeros(size, np.float32)
    own[tile[0].own, tile[1].own] = 1
    return own
