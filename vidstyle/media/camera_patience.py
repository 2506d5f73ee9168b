"""How long a silent camera is waited for."""

from __future__ import annotations

from collections import deque

PATIENCE = 1.5
"""Seconds without a picture after which a camera of the usual pace counts as lost."""

FIRST_PATIENCE = 15.0
"""Seconds a camera may take to be opened and understood, and for each picture until its pace is known.

To understand a stream FFmpeg wants up to five pictures, of which a slow camera gives one in two seconds.
"""

KNOWN_AFTER = 5
"""Gaps between pictures that tell a camera's pace: fewer may be those of pictures held back since the opening."""

PERIODS = 3
"""Times the longest of those gaps that a camera may be silent, however slow it is."""


class Patience:
    """Seconds that a camera may be silent: `FIRST_PATIENCE` at first, later `PERIODS` of its own, or `PATIENCE`."""

    def __init__(self) -> None:
        self.seconds = FIRST_PATIENCE
        self._gaps: deque[float] = deque(maxlen=KNOWN_AFTER)
        self._last: float | None = None

    def came(self, now: float) -> None:
        """A picture came at `now` (monotonic seconds)."""
        if self._last is not None:
            self._gaps.append(now - self._last)
        self._last = now
        if len(self._gaps) == KNOWN_AFTER:
            self.seconds = max(PATIENCE, PERIODS * max(self._gaps))

    def begin_again(self) -> None:
        """The camera was opened once more: its pace stays, the time in between counts for nothing."""
        self._last = None

    def __float__(self) -> float:
        return self.seconds
