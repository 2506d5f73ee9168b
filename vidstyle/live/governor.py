"""Keeps the rate: paints at a lower working resolution when the network is late, at a higher one when it can.

The resolution is named by its side's share of the full one; work goes with its square.
"""

from __future__ import annotations

from collections import deque

STEP = 1 / 16
"""Smallest change of the share: about six per cent of a side, too little for the eye in a painted picture."""

LOWEST = 6 / 16

WINDOW = 12
"""Frames from which the time of a frame is judged (their mean, without the slowest sixth)."""

HASTE = 0.5
"""Seconds of painting after which fewer frames, three at least, must do."""

TOO_LATE, COMFORTABLE = 0.92, 0.80
"""Shares of the period: above the first the network is too slow, a step must come out below the second."""

CLIMB_AFTER = 4.0
"""Seconds of comfort before a step up; doubled each time a climb proves wrong, to at most `CLIMB_AT_MOST`."""

CLIMB_AT_MOST = 120.0


class Governor:
    """Told how long each frame took to paint, says at what share (0..1) of the full side to paint.

    `period` is the time between two pictures of the camera, in seconds. It goes up by one step at a time and down
    by two at most, so that a moment's trouble costs little; but the first time by as many as are needed: each
    change waits for a network of that size, and a session would begin with seconds of stutter.
    """

    def __init__(self, period: float) -> None:
        self.period = period
        self.share = 1.0
        self._times: deque[float] = deque(maxlen=WINDOW)
        self._comfortable_since: float | None = None
        self._climbed_at = float("-inf")
        self._is_first = True
        self._climb_after = CLIMB_AFTER

    def painted(self, seconds: float, now: float) -> None:
        """One frame took `seconds` to paint at the present share; it is `now` (seconds)."""
        self._times.append(seconds)
        if len(self._times) < WINDOW and (len(self._times) < 3 or sum(self._times) < HASTE):
            return
        steady = sorted(self._times)[: -max(1, len(self._times) // 6)]
        mean = sum(steady) / len(steady)
        if mean > TOO_LATE * self.period:
            self._go_down(mean, now)
        elif self.share < 1 and self._predict(mean, self.share + STEP) < COMFORTABLE * self.period:
            self._comfortable_since = now if self._comfortable_since is None else self._comfortable_since
            if now - self._comfortable_since >= self._climb_after:
                self._climbed_at = now
                self._set(self.share + STEP)
        else:
            self._comfortable_since = None

    def _predict(self, mean: float, share: float) -> float:
        """The time of a frame at another share."""
        return mean * (share / self.share) ** 2

    def _go_down(self, mean: float, now: float) -> None:
        if now - self._climbed_at < 4 * CLIMB_AFTER:
            self._climb_after = min(2 * self._climb_after, CLIMB_AT_MOST)
        lowest = LOWEST if self._is_first else max(LOWEST, self.share - 2 * STEP)
        share = self.share - STEP
        while share > lowest and self._predict(mean, share) > COMFORTABLE * self.period:
            share -= STEP
        self._is_first = False
        self._set(max(share, lowest))

    def _set(self, share: float) -> None:
        self.share = min(1.0, share)
        self._times.clear()
        self._comfortable_since = None
