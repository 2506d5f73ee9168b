"""Steady pictures from any network: what was painted before is carried along and kept where it still fits.

A network that paints each frame by itself shimmers: sensor noise and the smallest motion change its
strokes. Here the previous result is warped onto the present frame (Ruder, Dosovitskiy, Brox 2016, use
the same step to start an optimisation) and blended with the new painting, as temporal antialiasing in
games does (Karis, "High Quality Temporal Supersampling", 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from vidstyle.frames import ImageArray
from vidstyle.motion.contrast import match_contrast
from vidstyle.motion.cuts import LiveCutDetector
from vidstyle.motion.flow import DisFlow, FlowArray

_CREEP = 0.5
"""Pixels, of the reduced picture, by which what stands still may seem to move."""

_Plane = npt.NDArray[np.float32]
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class StabiliserSettings:
    """How much is kept.

    `still` and `moving` are the shares of the warped earlier result in the new one where the film stands
    still and where it moves; the rest is the new painting, so nothing drifts for longer than a few frames.
    Where it moves the share is lower because each warp softens the picture a little. These two were chosen by
    `vidstyle eval video`: more is steadier and costs style.

    The tolerances are differences in levels of the reduced pictures' largest channel. The film may differ
    from its warped predecessor by `film_tolerance` before the share falls, reaching 0 at three times that;
    the painting by `paint_tolerance`, likewise, on the mean of its surroundings. A place stands still
    if that explains the frame as well as the flow does, within `still_tolerance`.
    """

    still: float = 0.8
    moving: float = 0.6
    still_tolerance: float = 1.0
    film_tolerance: float = 16.0
    paint_tolerance: float = 48.0


@dataclass(kw_only=True, eq=False)
class _Past:
    """What is remembered of the last frame.

    `film` (h, w, 3) and `paint` (h, w, 4) are the reduced frame and result, `grey` (h, w) the frame's luma,
    `result` (H, W, 4) the result itself: four channels warp twice as fast as three.
    """

    film: _Bytes
    grey: _Bytes
    paint: _Bytes
    result: _Bytes


class Stabiliser:
    """Steadies painted frames, one after the other, in the order of the film.

    Flow and validity are found on the frame halved until its short side is below 256 pixels (a 720p frame
    becomes 320x180); only one warp and one blend work at full size. Occlusion is judged by looking, not by
    a second flow: where the warped earlier frame differs from the present one, or the warped earlier result
    from the new painting, the new painting is shown alone. A cut, or another frame size, starts anew.
    With `fine`, for files, the flow is a better one found at twice that size, warps are bicubic, and the contrast
    that averaging takes from strokes is put back (`match_contrast`): many times the cost. No torch. Not thread-safe.
    """

    def __init__(self, settings: StabiliserSettings | None = None, *, fine: bool = False) -> None:
        self.settings = settings or StabiliserSettings()
        self._fine = fine
        self._flow = DisFlow("medium" if fine else "live")
        self._side = 560 if fine else 256
        self._cuts = LiveCutDetector()
        self._film_trust = _ramp(self.settings.film_tolerance)
        self._paint_trust = _ramp(self.settings.paint_tolerance)
        self._buffers: _Buffers | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame passes unchanged."""
        self._past: _Past | None = None
        self._cuts.reset()

    def apply(self, frame: ImageArray, painted: ImageArray) -> ImageArray:
        """Steady `painted`, what the network made of `frame`; both (H, W, 3) uint8 RGB. Returns a new array.

        The film's frame may have another size than the painting.
        """
        film = _reduce(frame, self._side)
        past, size = self._past, (film.shape[1], film.shape[0])
        if self._buffers is None or self._buffers.full_flow.shape[:2] != painted.shape[:2]:
            self._buffers, past = _Buffers(painted.shape[0], painted.shape[1]), None
        if self._cuts.is_cut(film) or (past and past.film.shape != film.shape):
            past = None
        grey = np.asarray(cv2.cvtColor(film, cv2.COLOR_RGB2GRAY), np.uint8)
        new = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2RGBA), np.uint8)
        paint = np.asarray(cv2.resize(_reduce(new, self._side), size, interpolation=cv2.INTER_AREA), np.uint8)
        now = _Past(film=film, grey=grey, paint=paint, result=new)
        self._past = self._blend(now, past, self._buffers) if past else now
        return np.asarray(cv2.cvtColor(self._past.result, cv2.COLOR_RGBA2RGB), np.uint8)

    def _blend(self, now: _Past, past: _Past, buffers: _Buffers) -> _Past:
        """`now` with its share of the past in `result` and `paint`."""
        height, width = now.result.shape[:2]
        rows, columns = now.grey.shape
        flow, still = self._settle(now, past)
        carried_paint = _fetch(past.paint, flow)
        trust = cv2.min(
            cv2.LUT(_largest_gap(now.film, _fetch(past.film, flow), around=3), self._film_trust),
            cv2.LUT(_largest_gap(_soften(now.paint), _soften(carried_paint)), self._paint_trust),
        )
        trust[carried_paint[..., 3] < 255] = 0  # from beyond the edge, at least in part
        trust = cv2.blur(cv2.erode(trust, np.ones((3, 3), np.uint8)), (3, 3))
        share = trust * cv2.LUT(still, self._shares)
        # blendLinear divides by the sum of its weights: share / (1 - share) against 1 saves a pass.
        weight = share / (1 - share)
        flow *= np.array([width / columns, height / rows], np.float32)
        cv2.resize(flow, (width, height), dst=buffers.full_flow, interpolation=cv2.INTER_LINEAR)
        cv2.resize(weight, (width, height), dst=buffers.weight, interpolation=cv2.INTER_LINEAR)
        _fetch(past.result, buffers.full_flow, into=buffers.carried, sharp=self._fine)
        # The past's own array is free now: it takes the new result.
        cv2.blendLinear(buffers.carried, now.result, buffers.weight, buffers.ones, dst=past.result)
        if self._fine:
            past.result = match_contrast(past.result, now.result, bands=3, window=3)
        paint = cv2.blendLinear(carried_paint, now.paint, weight, np.ones_like(weight))
        return _Past(film=now.film, grey=now.grey, paint=np.asarray(paint, np.uint8), result=past.result)

    def _settle(self, now: _Past, past: _Past) -> tuple[FlowArray, _Bytes]:
        """The flow from now to the past, and where (255, else 0) it was set to exactly zero.

        That is where standing still explains the frame as well as the flow does. What does not move is
        then kept as it is instead of being resampled again and again along the flow's noise.
        """
        flow = self._flow.between_grey(now.grey, past.grey)
        unmoved = cv2.blur(_largest_gap(now.film, past.film), (7, 7))
        moved = cv2.blur(_largest_gap(now.film, _fetch(past.film, flow)), (7, 7))
        still = cv2.compare(cv2.subtract(unmoved, moved), self.settings.still_tolerance, cv2.CMP_LE)
        still = cv2.bitwise_and(still, cv2.inRange(flow, (-_CREEP, -_CREEP), (_CREEP, _CREEP)))
        return np.asarray(cv2.copyTo(np.zeros_like(flow), still, flow), np.float32), np.asarray(still, np.uint8)

    @property
    def _shares(self) -> _Plane:
        """Look-up table from `still` to the share of the past."""
        table = np.full(256, self.settings.moving, np.float32)
        table[255] = self.settings.still
        return table


class _Buffers:
    """Arrays of the full size that every frame needs again: fresh ones cost more than the work in them."""

    def __init__(self, height: int, width: int) -> None:
        self.full_flow = np.empty((height, width, 2), np.float32)
        self.weight = np.empty((height, width), np.float32)
        self.ones = np.ones((height, width), np.float32)
        self.carried = np.empty((height, width, 4), np.uint8)


def _reduce(picture: _Bytes, side: int) -> _Bytes:
    """Halve until the short side is below `side` pixels; exact halves are many times faster than other sizes."""
    while min(picture.shape[:2]) >= side:
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _fetch(picture: _Bytes, flow: FlowArray, *, into: _Bytes | None = None, sharp: bool = False) -> _Bytes:
    """Warp; what comes from beyond the edge is 0 in all channels, the opaque fourth too."""
    how = (cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR) | cv2.WARP_RELATIVE_MAP
    return np.asarray(cv2.remap(picture, flow, None, how, dst=into, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _soften(paint: _Bytes) -> _Bytes:
    """The paint's colours without its strokes, which a network draws elsewhere in every frame."""
    return np.asarray(cv2.blur(paint, (9, 9)), np.uint8)


def _largest_gap(a: _Bytes, b: _Bytes, *, around: int = 1) -> _Bytes:
    """The largest difference of any channel, on the mean of `around` pixels a side; (h, w) uint8."""
    gap = cv2.absdiff(a, b)
    first, *others = cv2.split(cv2.blur(gap, (around, around)) if around > 1 else gap)
    for other in others:
        first = cv2.max(first, other)
    return np.asarray(first, np.uint8)


def _ramp(tolerance: float) -> _Plane:
    """Look-up table (256,) float32: 1 up to `tolerance`, falling to 0 at three times that."""
    return np.clip(1.5 - np.arange(256) / (2 * tolerance), 0, 1).astype(np.float32)
