"""Plays film time in real time."""

from __future__ import annotations

import time

LATE = 0.25
"""Seconds behind (live: or ahead) after which the film's clock is set again instead of rushing."""

JUMP = 30.0
"""Seconds ahead from which it is no pause of the film, but stamps that have jumped: the clock is set again."""

SHARE = 1 / 32
"""By which part of a live picture's lateness the clock is moved: they come early and late, and the first often latest.
"""

SLICE = 0.1
"""Seconds of a film's pause that are slept at once, so that who wants to end it gets through."""


class Pace:
    """Maps film time (seconds) to the monotonic clock, from `begin` on."""

    def __init__(self) -> None:
        self._start = 0.0
        self.has_begun = False

    def begin(self, film_time: float) -> None:
        """`film_time` is now."""
        self._start = time.monotonic() - film_time
        self.has_begun = True

    def moment(self, film_time: float) -> float:
        """When `film_time` is due, in seconds of `time.monotonic()`."""
        return self._start + film_time

    def wait(self, film_time: float) -> bool:
        """Sleep until `film_time` is due, but at most `SLICE` seconds; whether it is due now.

        Far behind it, or after a jump ahead, the clock is set: it is due now.
        """
        wait = self.moment(film_time) - time.monotonic()
        if not -LATE <= wait <= JUMP:
            self.begin(film_time)
        elif wait > 0:
            time.sleep(min(wait, SLICE))
        return wait <= SLICE or wait > JUMP

    def follow(self, film_time: float) -> None:
        """A live stream delivered `film_time` just now: the clock follows the mean, and is set if it has run away."""
        late = time.monotonic() - self.moment(film_time)
        self._start += late if abs(late) > LATE else late * SHARE
