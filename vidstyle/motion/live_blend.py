"""Blending a painted frame with the one before in the few milliseconds that live pictures leave.

Warping and blending every pixel of a 720p frame in floating point costs more than all the rest of the
stabiliser. So what stands still is blended as it is, with one share and without a warp. The rest is
warped and blended at half the size, beneath the new painting's own finest octave: a quarter of the work,
and the finest strokes are not blurred by averaging. The picture is worked upon in tiles, and a tile gets
only the work it needs.
"""

from __future__ import annotations

from functools import cached_property
from itertools import groupby

import cv2
import numpy as np
import numpy.typing as npt

from vidstyle.frames import ImageArray
from vidstyle.motion.flow import FlowArray, resize_flow

_TILES = 8
"""Tiles a side."""

_MOVING, _MIXED, _STILL = 0, 1, 2
"""Tiles of which nothing, some or all stands still."""

_Bytes = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float32]
_Box = tuple[slice, slice]


class Painting:
    """A painted picture, `full` (H, W, 3) uint8 RGB, and the same at half the size when it is asked for."""

    def __init__(self, full: ImageArray, half: _Bytes | None = None) -> None:
        self.full = full
        if half is not None:
            self.half = half

    @cached_property
    def half(self) -> _Bytes:
        """(H // 2, W // 2, 4) uint8, opaque: four channels warp twice as fast as three."""
        size = (max(1, self.full.shape[1] // 2), max(1, self.full.shape[0] // 2))
        half = cv2.resize(self.full, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(half, cv2.COLOR_RGB2RGBA), np.uint8)


class LiveBlend:
    """Blends pictures of one shape, (H, W, 3), and keeps the arrays that every frame needs again."""

    def __init__(self, shape: tuple[int, ...], *, still: float) -> None:
        """`still` is the share of the past, 0..1, in what stands still."""
        self.shape = shape
        self._still = still
        self._change = np.empty(shape, np.uint8)
        self._kept = np.empty(shape, np.uint8)

    def __call__(self, new: Painting, old: Painting, *, flow: FlowArray, share: _Plane, still: _Bytes) -> Painting:
        """`new` with its share of `old`, both of this shape.

        `flow` (h, w, 2), in its own pixels, leads from new to old; `share` (h, w) float32, 0..1, is the past's.
        Where `still` (h, w) uint8 is 255, else 0, nothing has moved and the past is trusted.
        """
        rows, columns = (np.arange(_TILES) * side // _TILES for side in still.shape)
        most, least = (
            op.reduceat(op.reduceat(still, rows, axis=0), columns, axis=1) for op in (np.maximum, np.minimum)
        )
        kinds = most // 255 + least // 255
        half = self._blend_halves(new.half, old.half, kinds, flow=flow, share=share)
        full = np.empty_like(new.full)
        for row, kinds_of_row in enumerate(kinds.tolist()):
            end = 0
            for kind, run in groupby(kinds_of_row):
                first, end = end, end + len(list(run))
                tile = _tiles(self.shape, row, first, end)
                if kind < _STILL:
                    cv2.addWeighted(new.full[tile], 1, self._change[tile], 2, -256, dst=full[tile])
                if kind > _MOVING:
                    kept = full[tile] if kind == _STILL else self._kept[tile]
                    self._keep(new.full[tile], old.full[tile], into=kept)
                if kind == _MIXED:
                    size, part = (kept.shape[1], kept.shape[0]), still[_tiles(still.shape, row, first, end)]
                    cv2.copyTo(kept, cv2.resize(part, size, interpolation=cv2.INTER_NEAREST), full[tile])
        return Painting(full, half)

    def _blend_halves(self, new: _Bytes, old: _Bytes, kinds: _Bytes, *, flow: FlowArray, share: _Plane) -> _Bytes:
        """The blend at half the size; what it changes goes into `_change`, at full size and only where a tile needs it.

        `kinds` (8, 8) are those of the tiles.
        """
        if (kinds == _STILL).all():
            return self._keep(new, old)
        box, box_of_half = self._boxes(kinds < _STILL)
        carried = self._carry(new, old, flow, share, box_of_half)
        change = cv2.cvtColor(cv2.addWeighted(carried, 0.5, new[box_of_half], -0.5, 128), cv2.COLOR_RGBA2RGB)
        place = self._change[box]
        cv2.resize(change, (place.shape[1], place.shape[0]), dst=place, interpolation=cv2.INTER_LINEAR)
        if (kinds < _STILL).all():
            return carried
        half = self._keep(new, old)
        half[box_of_half] = carried
        return half

    def _keep(self, new: _Bytes, old: _Bytes, *, into: _Bytes | None = None) -> _Bytes:
        """What stands still: `new` with the one share of `old`, both in place."""
        return np.asarray(cv2.addWeighted(old, self._still, new, 1 - self._still, 0, dst=into), np.uint8)

    def _boxes(self, chosen: npt.NDArray[np.bool_]) -> tuple[_Box, _Box]:
        """A box around the `chosen` tiles (8, 8), in the picture and in the one of half its size.

        It is wider than the tiles by what enlarging looks at beyond them. Pictures of odd sizes are taken whole, as
        their halves do not lie pixel on pixels.
        """
        sides = self.shape[:2]
        if any(side % 2 for side in sides):
            return (slice(None), slice(None)), (slice(None), slice(None))
        halves = []
        for axis, side in enumerate(sides):
            tiles = np.flatnonzero(chosen.any(axis=1 - axis))
            first, end = tiles[0] * side // _TILES, (tiles[-1] + 1) * side // _TILES
            halves.append((max(0, int(first) // 2 - 1), min(side // 2, (int(end) + 1) // 2 + 1)))
        (top, bottom), (left, right) = halves
        box = (slice(2 * top, 2 * bottom), slice(2 * left, 2 * right))
        return box, (slice(top, bottom), slice(left, right))

    def _carry(self, new: _Bytes, old: _Bytes, flow: FlowArray, share: _Plane, box: _Box) -> _Bytes:
        """The `box` of `new` with its share of `old` carried along the flow, both (H // 2, W // 2, 4)."""
        height, width = new.shape[:2]
        corner = np.array([box[1].start or 0, box[0].start or 0], np.float32)
        flow = flow + corner * np.array([flow.shape[1] / width, flow.shape[0] / height], np.float32)
        flow = resize_flow(flow, width=width, height=height)[box]
        how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
        carried = cv2.remap(old, flow, None, how, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.resize(_bytes(share), (width, height), interpolation=cv2.INTER_LINEAR)[box]
        weight = cv2.cvtColor(weight, cv2.COLOR_GRAY2RGBA)  # with a fourth of 1: what is opaque stays it
        blend = cv2.multiply(carried, weight, dst=carried, scale=1 / 255)
        cv2.bitwise_not(weight, dst=weight)
        cv2.multiply(new[box], weight, dst=weight, scale=1 / 255)
        return np.asarray(cv2.add(blend, weight, dst=blend), np.uint8)


def _tiles(shape: tuple[int, ...], row: int, first: int, end: int) -> _Box:
    """Of a picture of this shape, a run of tiles of a row, from column `first` to before `end`; one pixel at least."""
    height, width = shape[:2]
    top, left = row * height // _TILES, first * width // _TILES
    return slice(top, max(top + 1, (row + 1) * height // _TILES)), slice(left, max(left + 1, end * width // _TILES))


def _bytes(share: _Plane) -> _Bytes:
    """A share of 1 is 255."""
    return np.asarray(cv2.convertScaleAbs(share, alpha=255), np.uint8)
