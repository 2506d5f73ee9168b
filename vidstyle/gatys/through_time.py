"""A shot, frame by frame: each starts from the one before, carried along by the film's motion.

Ruder, Dosovitskiy, Brox, "Artistic Style Transfer for Videos" (2016): warped starts, temporal loss with
masks, short and long term, and passes forwards and backwards. New here: where the camera stands still, only
what has changed since it was last painted is optimised, and the rest stays bit by bit, so that a still
background neither drifts nor shimmers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidstyle.frames import ImageArray
from vidstyle.gatys.lbfgs import Pair
from vidstyle.gatys.losses import Before
from vidstyle.gatys.optimise import OnStep, Outcome
from vidstyle.gatys.stills import StillPainter, to_image, to_tensor
from vidstyle.motion.flow import FlowArray, FlowEstimator
from vidstyle.motion.masks import Mask, consistent, on_motion_boundary, valid_mask
from vidstyle.motion.warp import warp

Plane = npt.NDArray[np.float32]

STILL_FLOW = 0.3
"""Pixels a frame up to which a place does not move."""

STILL_SHARE = 0.6
"""So much of the frame must not move for the camera to stand still."""

LEAST_CHANGE = 4.0
"""Levels by which a place must differ, on the mean of its surroundings, to count as changed."""

NOISE_TIMES = 2.5
"""And by so many times the noise: by how much most places differ from the frame before otherwise than their
surroundings do. Light that fades alters these alike, and is no noise."""

CARRIED_PAIRS, CARRIED_BYTES = 20, 256 << 20
"""L-BFGS's pairs that are handed on from frame to frame, and so are on disk: at most so many, in so many bytes."""

NOTHING = 0.001
"""Share of changed pixels up to which a frame is the one before."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PaintedFrame:
    """A frame's result (H, W, 3) uint8 RGB; `outcome` is None where nothing had changed."""

    image: ImageArray
    outcome: Outcome | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """A frame that is done: `film` and `result`, (H, W, 3) uint8 RGB."""

    film: ImageArray
    result: ImageArray


class ShotPainter:
    """Paints one shot in one direction. Feed it every frame in order, finished ones with `skip`.

    `base` makes the picture that newly seen regions start from: the film itself or the network's painting.
    What it decides depends on the film alone, so a resumed shot decides alike, if it is given the `pairs`
    of the last frame that it skips.
    """

    def __init__(self, stills: StillPainter, flow: FlowEstimator, base: Callable[[ImageArray], ImageArray]) -> None:
        self._stills, self._flow, self._base = stills, flow, base
        self._moments: list[Moment] = []
        self.pairs: Sequence[Pair] = ()
        self._reference: ImageArray | None = None
        self._longest = max(stills.options.lags)

    @property
    def begun(self) -> bool:
        """Whether there is a frame that the next one can start from."""
        return bool(self._moments)

    def skip(self, film: ImageArray, result: ImageArray) -> None:
        """A frame that was finished in an earlier run."""
        if self._moments:
            self._renew(film, self._changed(film, self._flow(film, self._moments[-1].film)))
        self._remember(film, result)

    def paint(
        self,
        film: ImageArray,
        *,
        earlier: ImageArray | None = None,
        on_step: OnStep = lambda number, losses, picture: None,
    ) -> PaintedFrame:
        """Paint the next frame, (H, W, 3) uint8 RGB; `earlier` is its result of the pass before."""
        painted = self._next(film, earlier, on_step) if self._moments else self._first(film, earlier, on_step)
        self._remember(film, painted.image)
        return painted

    def _first(self, film: ImageArray, earlier: ImageArray | None, on_step: OnStep) -> PaintedFrame:
        if earlier is not None:
            return PaintedFrame(image=earlier, outcome=None)
        stills = self._stills
        content = to_tensor(film, stills.device)
        start = to_tensor(self._base(film), stills.device) if stills.options.start == "fast" else None
        outcome = stills.paint(content, start, on_step=on_step)
        return PaintedFrame(image=to_image(outcome.picture), outcome=outcome)

    def _next(self, film: ImageArray, earlier: ImageArray | None, on_step: OnStep) -> PaintedFrame:
        stills, last = self._stills, self._moments[-1]
        flow = self._flow(film, last.film)
        changed = self._changed(film, flow)
        self._renew(film, changed)
        if changed is not None and changed.mean() <= NOTHING:
            return PaintedFrame(image=last.result, outcome=None)
        carried, seen = warp(last.result, flow, sharp=True), consistent(flow, self._flow(last.film, film))
        valid = seen & ~on_motion_boundary(flow)
        if earlier is None:
            base = recoloured(self._base(film), like=carried, where=valid)
        else:
            base, carried = earlier, np.asarray(cv2.addWeighted(carried, 0.5, earlier, 0.5, 0), np.uint8)
        # Motion boundaries are too uncertain to be held, but paint that is a pixel off beats none at all.
        start = np.where(seen[..., None], carried, base)
        free = None
        if changed is not None:
            start = np.where(changed[..., None], start, last.result)
            free = _plane(changed, stills.device)
        outcome = stills.optimise(
            to_tensor(start.astype(np.uint8), stills.device),
            to_tensor(film, stills.device),
            iterations=stills.options.next_iterations,
            before=self._before(film, carried, valid),
            exact_share=0,
            free=free,
            pairs=self.pairs,
            on_step=on_step,
        )
        self.pairs = _handed_on(outcome.pairs)
        return PaintedFrame(image=to_image(outcome.picture), outcome=outcome)

    def _before(self, film: ImageArray, carried: ImageArray, valid: Mask) -> list[Before]:
        """The last result as carried, then the older ones where no nearer one is valid (Ruder, equation 9)."""
        device = self._stills.device
        rest = ~valid
        found = [Before(picture=to_tensor(carried, device), valid=_plane(valid, device))]
        for lag in sorted(set(self._stills.options.lags) - {1}):
            if lag > len(self._moments):
                break
            moment = self._moments[-lag]
            flow = self._flow(film, moment.film)
            seen = rest & valid_mask(flow, self._flow(moment.film, film))
            picture = to_tensor(warp(moment.result, flow), device)
            found.append(Before(picture=picture, valid=_plane(seen, device)))
            rest &= ~seen
        return found

    def _changed(self, film: ImageArray, flow: FlowArray) -> Mask | None:
        """Where the film differs from what it was when it was last painted; None where the camera moves."""
        assert self._reference is not None
        if np.mean(np.hypot(flow[..., 0], flow[..., 1]) < STILL_FLOW) < STILL_SHARE:
            return None
        gap = cv2.blur(cv2.absdiff(film, self._reference).astype(np.float32).mean(axis=2), (7, 7))
        step = film.astype(np.float32) - self._moments[-1].film
        noise = cv2.blur(cv2.absdiff(step, cv2.blur(step, (7, 7))).mean(axis=2), (7, 7))
        changed = gap > max(LEAST_CHANGE, NOISE_TIMES * float(np.median(noise)))
        return np.asarray(cv2.dilate(changed.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0)

    def _renew(self, film: ImageArray, changed: Mask | None) -> None:
        """The changed part of `film` is what was painted last."""
        assert self._reference is not None
        if changed is None:
            self._reference = film
        elif changed.mean() > NOTHING:
            self._reference = np.where(changed[..., None], film, self._reference)

    def _remember(self, film: ImageArray, result: ImageArray) -> None:
        if self._reference is None:
            self._reference = film
        self._moments = [*self._moments, Moment(film=film, result=result)][-self._longest :]


def recoloured(picture: ImageArray, *, like: ImageArray, where: Mask) -> ImageArray:
    """`picture` with the colours that it has in `like`, both (H, W, 3) uint8 RGB, judged `where` (H, W) they agree.

    One affine map of all colours, by least squares. The film's own colours are far from the painting's, and
    the few iterations of a later frame do not bring what is newly seen all the way.
    """
    if np.count_nonzero(where) < where.size // 10:
        return picture
    known = np.c_[picture[where], np.full(np.count_nonzero(where), 255)] / 255
    mapping = np.linalg.lstsq(known.T @ known, known.T @ like[where], rcond=None)[0]
    colours = picture @ (mapping[:3] / 255) + mapping[3]
    return np.asarray(colours.round().clip(0, 255), np.uint8)


def in_turn(numbers: range, turn: int) -> range:
    """The frames of a shot in the order of pass `turn`: forwards in odd ones, backwards in even ones."""
    return numbers if turn % 2 else numbers[::-1]


def _handed_on(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """The newest of `pairs` that are kept for the next frame."""
    if not pairs:
        return ()
    return pairs[-min(CARRIED_PAIRS, max(1, CARRIED_BYTES // (2 * pairs[0][0].nbytes))) :]


def _plane(mask: Mask, device: torch.device) -> Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None, None].to(device)
