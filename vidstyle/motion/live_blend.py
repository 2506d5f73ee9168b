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

_Bytes = npt.NDArray[np.uint8]
_Plane = npt.NDArray[np.float32]


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
        self._size = (shape[1], shape[0])
        self._change = np.empty(shape, np.uint8)
        self._kept = np.empty(shape, np.uint8)
        self._mask = np.empty(shape[:2], np.uint8)

    def __call__(self, new: Painting, old: Painting, *, flow: FlowArray, share: _Plane, still: _Bytes) -> Painting:
        """`new` with its share of `old`, both of this shape.

        `flow` (h, w, 2), in its own pixels, leads from new to old; `share` (h, w) float32, 0..1, is the past's.
        Where `still` (h, w) uint8 is 255, else 0, nothing has moved and the past is trusted.
        """
        rows, columns = (np.arange(_TILES) * side // _TILES for side in still.shape)
        most, least = (
            op.reduceat(op.reduceat(still, rows, axis=0), columns, axis=1) for op in (np.maximum, np.minimum)
        )
        if least.all():
            half = cv2.addWeighted(old.half, self._still, new.half, 1 - self._still, 0)
        else:
            half = self._carry(new.half, old.half, flow, share)
            change = cv2.cvtColor(cv2.addWeighted(half, 0.5, new.half, -0.5, 128), cv2.COLOR_RGBA2RGB)
            cv2.resize(change, self._size, dst=self._change, interpolation=cv2.INTER_LINEAR)
            if most.any():
                cv2.resize(still, self._size, dst=self._mask, interpolation=cv2.INTER_NEAREST)
        full = np.empty_like(new.full)
        for row, kinds in enumerate(((most.astype(np.float32) + least) / 510).tolist()):
            end = 0
            for kept, run in groupby(kinds):
                first, end = end, end + len(list(run))
                tile = self._tile(row, first, end)
                self._fill(full[tile], new.full[tile], old.full[tile], tile=tile, kept=kept)
        return Painting(full, np.asarray(half, np.uint8))

    def _fill(
        self, result: ImageArray, new: ImageArray, old: ImageArray, *, tile: tuple[slice, slice], kept: float
    ) -> None:
        """Blend a tile of which all (`kept` is 1), some or nothing (0) stands still."""
        if kept < 1:
            cv2.addWeighted(new, 1, self._change[tile], 2, -256, dst=result)
        if kept == 1:
            cv2.addWeighted(old, self._still, new, 1 - self._still, 0, dst=result)
        elif kept:
            cv2.addWeighted(old, self._still, new, 1 - self._still, 0, dst=self._kept[tile])
            cv2.copyTo(self._kept[tile], self._mask[tile], result)

    def _tile(self, row: int, first: int, end: int) -> tuple[slice, slice]:
        """A run of tiles of a row, from column `first` to before `end`."""
        height, width = self.shape[:2]
        return (
            slice(row * height // _TILES, (row + 1) * height // _TILES),
            slice(first * width // _TILES, end * width // _TILES),
        )

    def _carry(self, new: _Bytes, old: _Bytes, flow: FlowArray, share: _Plane) -> _Bytes:
        """`new` with its share of `old` carried along the flow, both (H // 2, W // 2, 4)."""
        height, width = new.shape[:2]
        flow = resize_flow(flow, width=width, height=height)
        how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
        carried = cv2.remap(old, flow, None, how, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.resize(cv2.merge([_bytes(share)] * 4), (width, height), interpolation=cv2.INTER_LINEAR)
        blend = cv2.multiply(carried, weight, dst=carried, scale=1 / 255)
        cv2.bitwise_not(weight, dst=weight)
        return np.asarray(cv2.add(blend, cv2.multiply(new, weight, dst=weight, scale=1 / 255), dst=blend), np.uint8)


def _bytes(share: _Plane) -> _Bytes:
    """A share of 1 is 255."""
    return np.asarray(cv2.convertScaleAbs(share, alpha=255), np.uint8)
