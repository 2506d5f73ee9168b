"""A bounded queue between two threads that can be ended from one side and broken from any.

Where `queue.Queue` counts items, this one counts bytes: frames are a thousand times larger than the
packets between them, and a 4K frame is fifty times a small one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")


class ChannelClosed(Exception):
    """The channel was ended or broken: nothing more can be put (or, when broken, taken)."""


class Channel(Generic[T]):
    """Items in order, from one thread to another, at most `capacity` bytes at a time (but always one).

    `waited_to_put` and `waited_to_take` are the seconds that either side has stood still.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._ended = self._broken = False
        self._changed = threading.Condition()
        self.waited_to_put = self.waited_to_take = 0.0

    def put(self, item: T, cost: int) -> None:
        """Wait for room, then append. Raises ChannelClosed."""
        with self._changed:
            began = perf_counter()
            while self._items and self._held + cost > self._capacity and not self._ended:
                self._changed.wait()
            self.waited_to_put += perf_counter() - began
            if self._ended:
                raise ChannelClosed
            self._items.append((item, cost))
            self._held += cost
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Take items until the channel has ended and is empty. Raises ChannelClosed when it breaks."""
        while True:
            with self._changed:
                began = perf_counter()
                while not self._items and not self._ended:
                    self._changed.wait()
                self.waited_to_take += perf_counter() - began
                if self._broken:
                    raise ChannelClosed
                if not self._items:
                    return
                item, cost = self._items.popleft()
                self._held -= cost
                self._changed.notify_all()
            yield item

    def end(self) -> None:
        """Nothing more will come; what is inside can still be taken."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def cut(self) -> None:
        """End it here: what is inside is dropped, the taker sees a proper end."""
        with self._changed:
            self._ended = True
            self._items.clear()
            self._changed.notify_all()

    def break_off(self) -> None:
        """Drop everything and wake both sides with ChannelClosed."""
        with self._changed:
            self._ended = self._broken = True
            self._items.clear()
            self._changed.notify_all()
