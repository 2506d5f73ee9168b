"""Plays film time in real time."""

from __future__ import annotations

import time

LATE = 0.25
"""Seconds behind or ahead after which the film's clock is set again instead of rushing or waiting."""


class Pace:
    """Maps film time (seconds) to the monotonic clock; the first moment asked for is now."""

    def __init__(self) -> None:
        self._start: float | None = None

    def moment(self, film_time: float) -> float:
        """When `film_time` is due, in seconds of `time.monotonic()`."""
        if self._start is None:
            self._start = time.monotonic() - film_time
        return self._start + film_time

    def wait(self, film_time: float) -> None:
        """Sleep until `film_time` is due. Far behind or ahead of it, the clock is set: it is due now."""
        wait = self.moment(film_time) - time.monotonic()
        if abs(wait) > LATE:
            self._start = time.monotonic() - film_time
        elif wait > 0:
            time.sleep(wait)

    def follow(self, film_time: float) -> None:
        """A live stream delivered `film_time` just now; the clock is set only if it has run away."""
        if abs(self.moment(film_time) - time.monotonic()) > LATE:
            self._start = time.monotonic() - film_time
