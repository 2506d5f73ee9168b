"""Counts of a live session: what was captured, delivered, dropped where and why, and how late it came.

Memory does not grow with the length of the session: latencies go into fixed buckets. It hardly grows with each
recording, which is an output of its own: only buckets that hold something take room.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

Clock = Callable[[], float]

BUCKET = 0.0005
"""Width of a latency bucket, in seconds."""

BUCKETS = 10_000
"""Latencies of five seconds and more share the last bucket."""

RECENT = 64
"""Deliveries from which the momentary rate is taken."""


class LatencyHistogram:
    """Latencies in seconds, counted in half-millisecond buckets."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one latency; what lies outside the buckets goes to the nearest."""
        self._counts[min(max(int(seconds / BUCKET), 0), BUCKETS - 1)] += 1

    def percentile(self, share: float) -> float | None:
        """The latency in ms that `share` (0..1) of all stay at or below; None before the first."""
        buckets = sorted(self._counts)
        if not buckets:
            return None
        wanted = share * self._counts.total()
        so_far = accumulate(self._counts[bucket] for bucket in buckets)
        bucket = next(bucket for bucket, count in zip(buckets, so_far, strict=True) if count >= wanted)
        return round((bucket + 1) * BUCKET * 1000, 1)

    def as_json(self) -> dict[str, float | None]:
        """Median, 95th and 99th percentile in ms; None before the first latency."""
        return {f"p{p}": self.percentile(p / 100) for p in (50, 95, 99)}


@dataclass
class _Deliveries:
    """Counts of one output, or of the whole session."""

    delivered: int = 0
    repeated: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    reconnects: int = 0
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    first: float | None = None
    last: float | None = None
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def deliver(self, now: float, latency: float) -> None:
        """A picture arrived at `now`, `latency` seconds after it was captured."""
        self.delivered += 1
        self.latency.add(latency)
        self.first = now if self.first is None else self.first
        self.last = now
        self.recent.append(now)

    def rate(self) -> float:
        """Frames a second from the first delivery to the last."""
        if self.first is None or self.last is None or self.last <= self.first:
            return 0.0
        return (self.delivered - 1) / (self.last - self.first)

    def recent_rate(self, now: float) -> float:
        """Frames a second of late; it falls when nothing comes."""
        if len(self.recent) < 2:
            return 0.0
        return (len(self.recent) - 1) / max(now - self.recent[0], 1e-6)

    def as_json(self, now: float) -> dict[str, Any]:
        """Counts, frames a second from first to last and of late, and latencies in ms."""
        return {
            "delivered": self.delivered,
            "dropped": self.dropped.total(),
            "dropped_by": dict(self.dropped),
            "repeated": self.repeated,
            "fps": round(self.rate(), 3),
            "fps_now": round(self.recent_rate(now), 1),
            "latency_ms": self.latency.as_json(),
            "reconnects": self.reconnects,
        }


class Statistics:
    """The session's counters; every thread reports here.

    Of every captured picture exactly one thing is said: it was delivered (to at least one output),
    it was dropped for a reason, or it is still on its way.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._captured = 0
        self._session = _Deliveries()
        self._outputs: dict[str, _Deliveries] = {}
        self._awaited: dict[int, int] = {}

    def captured(self) -> None:
        """The camera gave a picture."""
        with self._lock:
            self._captured += 1

    def dropped(self, reason: str) -> None:
        """A captured picture goes no further, for every output."""
        with self._lock:
            self._session.dropped[reason] += 1

    def camera_reconnected(self) -> None:
        """The camera was lost and is back."""
        with self._lock:
            self._session.reconnects += 1

    def repeated(self) -> None:
        """A picture was shown that the camera did not give: the last one again, or a notice."""
        with self._lock:
            self._session.repeated += 1

    def add_output(self, name: str) -> None:
        """Count for an output of this name too; a second time changes nothing."""
        with self._lock:
            self._outputs.setdefault(name, _Deliveries())

    def sent(self, index: int, outputs: int) -> None:
        """Painted picture `index` was offered to `outputs` outputs; how it fares there decides its fate."""
        with self._lock:
            if outputs:
                self._awaited[index] = outputs
            else:
                self._session.dropped["no output"] += 1

    def delivered(self, output: str, index: int, captured: float) -> None:
        """Output `output` has picture `index`, which was captured at `captured`."""
        now = self._clock()
        with self._lock:
            self._outputs[output].deliver(now, now - captured)
            if self._awaited.pop(index, 0):
                self._session.deliver(now, now - captured)

    def output_dropped(self, output: str, index: int, reason: str) -> None:
        """Output `output` does not get picture `index`."""
        with self._lock:
            self._outputs[output].dropped[reason] += 1
            left = self._awaited.get(index, 0)
            if left == 1:
                del self._awaited[index]
                self._session.dropped[reason] += 1
            elif left:
                self._awaited[index] = left - 1

    def output_repeated(self, output: str) -> None:
        """The output showed a picture again, or a notice."""
        with self._lock:
            self._outputs[output].repeated += 1

    def output_reconnected(self, output: str) -> None:
        """The output was lost and is back."""
        with self._lock:
            self._outputs[output].reconnects += 1

    def as_json(self) -> dict[str, Any]:
        """Everything so far: seconds, captured, the session's deliveries, and each output's."""
        now = self._clock()
        with self._lock:
            return {
                "seconds": round(now - self._started, 3),
                "captured": self._captured,
                **self._session.as_json(now),
                "in_flight": self._captured - self._session.delivered - self._session.dropped.total(),
                "outputs": {name: counts.as_json(now) for name, counts in self._outputs.items()},
            }
