"""Depth-one mailboxes: the newest item wins, whoever is late finds only that."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class MailboxEmpty(Exception):
    """Nothing arrived in time."""


class MailboxClosed(Exception):
    """Nothing will arrive any more."""


class Mailbox(Generic[T]):
    """Holds at most one item. `put` never waits; `take` waits for something new."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[T] = []
        self._closed = False

    def put(self, item: T) -> list[T]:
        """Leave `item`; returns what it pushed out unseen (one item or none). After `close` it is `item` itself."""
        with self._changed:
            if self._closed:
                return [item]
            pushed_out, self._items = self._items, [item]
            self._changed.notify_all()
            return pushed_out

    def take(self, timeout: float) -> T:
        """The waiting item, or the next one within `timeout` seconds. Raises MailboxEmpty, MailboxClosed."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed, timeout)
            if self._items:
                item = self._items.pop()
                self._changed.notify_all()
                return item
            if self._closed:
                raise MailboxClosed
            raise MailboxEmpty

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        with self._changed:
            return not self._items

    def wait_until_empty(self, timeout: float) -> bool:
        """Whether the last item was taken, after at most `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._items, timeout)

    def close(self) -> list[T]:
        """Wake the taker for the last time; returns what was still waiting, which nobody will take."""
        with self._changed:
            self._closed = True
            left, self._items = self._items, []
            self._changed.notify_all()
            return left
