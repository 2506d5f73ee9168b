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
from vidstyle.motion.flow import DisFlow, FlowArray, resize_flow
from vidstyle.motion.live_blend import LiveBlend, Painting
from vidstyle.motion.masks import consistent
from vidstyle.motion.warp import warp

_STILL, _MOVING, _MOVING_FINE = 0.8, 0.6, 0.65
"""Shares of the warped earlier result in the new one, where the film stands still and where it moves.

The rest is the new painting, so nothing drifts for longer than a few frames. Where it moves the share is lower because
each warp softens the picture a little. They were chosen by `vidstyle eval video`: more is steadier and costs style.
"""

_STILL_TOLERANCE = 1.0
"""A place stands still if that explains the frame as well as the flow does, within so many levels of the reduced
pictures' largest channel."""

_FILM_TOLERANCE, _PAINT_TOLERANCE = 16.0, 48.0
"""So many such levels may the film differ from its warped predecessor, and the painting, on the mean of its
surroundings, from its own, before the share falls; at three times that it is 0."""

_FIRM = 0.75
"""Trust from which live pictures count what stands still as one with its past."""

_BOUND, _FREE = 0.8, 1.0
"""Loyalty of strokes to the film: up to the first they are not carried, from the second on as any other."""

_STAYING = 0.9
"""Loyalty below which strokes are kept in place where the film allows it."""

_Plane = npt.NDArray[np.float32]
_Bytes = npt.NDArray[np.uint8]


@dataclass(kw_only=True, eq=False)
class _Past:
    """What is remembered of the last frame.

    `film` and `paint` (h, w, 4) are the reduced frame and result, opaque, `grey` (h, w) the frame's luma, `painted`
    what the network painted, `result` what was shown.
    """

    film: _Bytes
    grey: _Bytes
    paint: _Bytes
    painted: Painting
    result: Painting


class Stabiliser:
    """Steadies painted frames, one after the other, in the order of the film.

    Flow and validity are found on the frame halved until its short side is below 160 pixels (a 720p frame
    becomes 160x90). Occlusion is judged by looking, not by a second flow: where the warped earlier frame
    differs from the present one, or the warped earlier result from the new painting, the new painting is shown
    alone. A cut, or another frame size, starts anew. With `fine`, for files, the flow is a better one found on
    a frame below 560 and followed only where the flow back agrees, strokes that the network binds to its canvas are
    not carried (`_loyalty`), all is warped at full size, by Lanczos' kernel, and the contrast that averaging takes from
    strokes is put back (`match_contrast`): many times the cost of `LiveBlend`. No torch. Not thread-safe.
    """

    def __init__(self, *, fine: bool = False) -> None:
        self._fine = fine
        self._flow = DisFlow("medium" if fine else "live")
        self._side = 560 if fine else 160
        self._creep = 0.5 if fine else 0.25
        self._cuts = LiveCutDetector()
        self._film_trust, self._paint_trust = _ramp(_FILM_TOLERANCE), _ramp(_PAINT_TOLERANCE)
        self._shares = np.full(256, _MOVING_FINE if fine else _MOVING, np.float32)  # looked up by `still`
        self._shares[255] = _STILL
        self._live_blend: LiveBlend | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame passes unchanged."""
        self._past: _Past | None = None
        self._cuts.reset()

    def apply(self, frame: ImageArray, painted: ImageArray) -> ImageArray:
        """Steady `painted`, what the network made of `frame`; both (H, W, 3) uint8 RGB.

        The film's frame may have another size than the painting. The result, in the first frame of a shot `painted`
        itself, is the next frame's past: nobody must write into it.
        """
        film = _opaque(_reduce(frame, self._side))
        past = self._past
        if self._cuts.is_cut(film) or (
            past and (past.film.shape, past.result.full.shape) != (film.shape, painted.shape)
        ):
            past = None
        grey = np.asarray(cv2.cvtColor(film, cv2.COLOR_RGBA2GRAY), np.uint8)
        new = Painting(painted)
        now = _Past(film=film, grey=grey, paint=self._small(new, film), painted=new, result=new)
        self._past = self._blend(now, past) if past else now
        return self._past.result.full

    def _small(self, painting: Painting, film: _Bytes) -> _Bytes:
        """The painting at the size of the reduced film, opaque."""
        picture = _opaque(painting.full) if self._fine else painting.half
        size = (film.shape[1], film.shape[0])
        return np.asarray(cv2.resize(_reduce(picture, self._side), size, interpolation=cv2.INTER_AREA), np.uint8)

    def _blend(self, now: _Past, past: _Past) -> _Past:
        """`now` with its share of the past in the result."""
        flow = self._flow.between_grey(now.grey, past.grey)
        at_rest = cv2.inRange(flow, (-self._creep, -self._creep), (self._creep, self._creep))
        if self._fine:
            believed = consistent(flow, self._flow.between_grey(past.grey, now.grey))
            loyalty = _loyalty(now.painted.half, past.painted.half, flow)
            at_rest = cv2.bitwise_or(at_rest, cv2.compare(loyalty, _STAYING, cv2.CMP_LT))
        still, carried_film = self._settle(now, past, flow=flow, at_rest=np.asarray(at_rest, np.uint8))
        trust = self._trust(now, past, flow=flow, carried_film=carried_film)
        if self._fine:
            trust[(still == 0) & ~believed] = 0
        trust = cv2.blur(cv2.erode(trust, np.ones((3, 3), np.uint8)), (3, 3))
        share = np.asarray(trust * cv2.LUT(still, self._shares), np.float32)
        if self._fine:
            loyal = np.where(still, 1, np.clip((loyalty - _BOUND) / (_FREE - _BOUND), 0, 1))
            share *= cv2.blur(loyal.astype(np.float32), (3, 3))
            result = Painting(_blend_fine(now.result.full, past.result.full, flow=flow, share=share))
        else:
            firm = cv2.bitwise_and(still, cv2.compare(trust, _FIRM, cv2.CMP_GE))
            result = self._blend_live(now.result, past.result, flow=flow, share=share, still=np.asarray(firm, np.uint8))
        paint = self._small(result, now.film)
        return _Past(film=now.film, grey=now.grey, paint=paint, painted=now.painted, result=result)

    def _blend_live(self, new: Painting, old: Painting, *, flow: FlowArray, share: _Plane, still: _Bytes) -> Painting:
        if self._live_blend is None or self._live_blend.shape != new.full.shape:
            self._live_blend = LiveBlend(new.full.shape, still=_STILL)
        return self._live_blend(new, old, flow=flow, share=share, still=still)

    def _settle(self, now: _Past, past: _Past, *, flow: FlowArray, at_rest: _Bytes) -> tuple[_Bytes, _Bytes]:
        """Where (255, else 0) the flow was now set to exactly zero, and the film carried by it.

        It is zero where it is `at_rest` (255, else 0) and standing still explains the frame as well as the flow
        does. What does not move is then kept as it is instead of being resampled again and again along the
        flow's noise.
        """
        carried = _fetch(past.film, flow)
        unmoved = cv2.blur(_largest_gap(now.film, past.film), (7, 7))
        moved = cv2.blur(_largest_gap(now.film, carried), (7, 7))
        still = cv2.compare(cv2.subtract(unmoved, moved), _STILL_TOLERANCE, cv2.CMP_LE)
        still = np.asarray(cv2.bitwise_and(still, at_rest), np.uint8)
        cv2.copyTo(past.film, still, carried)
        cv2.copyTo(np.zeros_like(flow), still, flow)
        return still, carried

    def _trust(self, now: _Past, past: _Past, *, flow: FlowArray, carried_film: _Bytes) -> _Plane:
        """How well the carried film and paint agree with what is there now, 0..1."""
        carried_paint = _fetch(past.paint, flow)
        trust = cv2.min(
            cv2.LUT(_largest_gap(now.film, carried_film, around=3), self._film_trust),
            cv2.LUT(_largest_gap(_soften(now.paint), _soften(carried_paint)), self._paint_trust),
        )
        trust[carried_paint[..., 3] < 255] = 0  # from beyond the edge, at least in part
        return np.asarray(trust, np.float32)


def _loyalty(new: _Bytes, old: _Bytes, flow: FlowArray) -> _Plane:
    """How strokes move, at the size of the flow: above 1 with the film, below 1 they rather stay on the canvas.

    It is how much the painting changed in place, over how much it changed along the flow, around each place of
    the paintings (H, W, 4) of two frames. Networks bind some of their strokes to the lattice of their own strides:
    these stay where they are whatever the film does. Carried along and averaged with the new ones, which are
    elsewhere, they would dissolve.
    """
    carried = warp(old, resize_flow(flow, width=new.shape[1], height=new.shape[0]))
    in_place, along = (
        cv2.blur(cv2.cvtColor(cv2.absdiff(new, past), cv2.COLOR_RGBA2GRAY).astype(np.float32), (9, 9)) + 1
        for past in (old, carried)
    )
    size = (flow.shape[1], flow.shape[0])
    return np.asarray(cv2.resize(in_place / along, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _blend_fine(new: ImageArray, old: ImageArray, *, flow: FlowArray, share: _Plane) -> ImageArray:
    """`new` with its share of `old` carried along the flow, at full size, and with the contrast of `new`."""
    height, width = new.shape[:2]
    full_flow = resize_flow(flow, width=width, height=height)
    full_share = cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)
    paint = _opaque(new)
    blend = cv2.blendLinear(_fetch(_opaque(old), full_flow, sharp=True), paint, full_share, 1 - full_share)
    matched = match_contrast(np.asarray(blend, np.uint8), paint, bands=3, window=7)
    return np.asarray(cv2.cvtColor(matched, cv2.COLOR_RGBA2RGB), np.uint8)


def _reduce(picture: _Bytes, side: int) -> _Bytes:
    """Halve until the short side is below `side` pixels; exact halves are many times faster than other sizes."""
    while min(picture.shape[:2]) >= side:
        size = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return picture


def _opaque(picture: ImageArray) -> _Bytes:
    """With a fourth channel of 255: four channels warp twice as fast as three."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), np.uint8)


def _fetch(picture: _Bytes, flow: FlowArray, *, sharp: bool = False) -> _Bytes:
    """Warp; what comes from beyond the edge is 0 in all channels, the opaque fourth too.

    `sharp` is for what is warped again and again, frame after frame: Lanczos' kernel keeps strokes longest.
    """
    how = (cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR) | cv2.WARP_RELATIVE_MAP
    return np.asarray(cv2.remap(picture, flow, None, how, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _soften(paint: _Bytes) -> _Bytes:
    """The paint's colours without its strokes, which a network draws elsewhere in every frame."""
    return np.asarray(cv2.blur(paint, (9, 9)), np.uint8)


def _largest_gap(a: _Bytes, b: _Bytes, *, around: int = 1) -> _Bytes:
    """The largest difference of any channel, on the mean of `around` pixels a side; (h, w) uint8."""
    gap = cv2.absdiff(a, b)
    first, *others = cv2.split(cv2.blur(gap, (around, around)) if around > 1 else gap)[:3]
    for other in others:
        first = cv2.max(first, other)
    return np.asarray(first, np.uint8)


def _ramp(tolerance: float) -> _Plane:
    """Look-up table (256,) float32: 1 up to `tolerance`, falling to 0 at three times that."""
    return np.clip(1.5 - np.arange(256) / (2 * tolerance), 0, 1).astype(np.float32)
