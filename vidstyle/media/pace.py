"""Plays film time in real time."""

from __future__ import annotations

import time

LATE = 0.25
"""Seconds behind or ahead after which the film's clock is set again instead of rushing or waiting."""


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

    def wait(self, film_time: float) -> None:
        """Sleep until `film_time` is due. Far behind or ahead of it, the clock is set: it is due now."""
        wait = self.moment(film_time) - time.monotonic()
        if abs(wait) > LATE:
            self.begin(film_time)
        elif wait > 0:
            time.sleep(wait)

    def follow(self, film_time: float) -> None:
        """A live stream delivered `film_time` just now; the clock is set only if it has run away."""
        if abs(self.moment(film_time) - time.monotonic()) > LATE:
            self.begin(film_time)
