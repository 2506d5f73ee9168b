"""Painters ready for the working sizes and networks that are asked for, without ever making the picture wait."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vidstyle.backends.protocol import EngineInfo
from vidstyle.frames import ImageArray
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.painter import Look, Painter, working_size

KEPT = 3
"""Setups that stay compiled: the present one and its neighbours."""

Size = tuple[int, int]
MakePainter = Callable[[], Painter]


@dataclass(frozen=True)
class _Setup:
    """What is compiled together: a working size (width, height), and networks by name, "" the session's own."""

    size: Size
    networks: frozenset[str]

    def serves(self, other: _Setup) -> bool:
        """Whether everything that `other` needs is compiled here, at the same size."""
        return self.size == other.size and self.networks >= other.networks


class Easel:
    """Paints pictures of one size; another working size is compiled in a thread while the old one goes on.

    So is the network that a style brings along; until it is ready, the look before it stays.

    The governor's share (0..1) of the full side and the look's stroke come to the same thing: a smaller
    working size. `switches` counts how often it changed, `settled` says whether the last picture was painted
    at the size that was wanted.
    """

    def __init__(self, make_painter: MakePainter) -> None:
        self.switches = 0
        self.settled = True
        self._make_painter = make_painter
        self._orders: Mailbox[tuple[_Setup, Look]] = Mailbox()
        self._lock = threading.Lock()
        self._ready: OrderedDict[_Setup, tuple[Painter, Look]] = OrderedDict()
        self._ordered: _Setup | None = None
        self._trouble: Exception | None = None
        self._current: _Setup | None = None
        self._engine_info: EngineInfo | None = None
        self._picture: Size = (0, 0)
        self._thread = threading.Thread(target=self._compile_orders, name="vidstyle-easel", daemon=True)

    @property
    def engine_info(self) -> EngineInfo | None:
        """What paints now, or did last."""
        with self._lock:
            current = self._ready.get(self._current) if self._current else None
            return current[0].engine_info if current else self._engine_info

    @property
    def working(self) -> Size | None:
        """(width, height) at which is painted now."""
        return self._current.size if self._current else None

    def begin(self, width: int, height: int, look: Look) -> None:
        """Compile for pictures of this size, wait for it, forget what was there before. Raises BackendError."""
        for painter, _ in self._ready.values():
            painter.close()
        self._ready.clear()
        self._picture = (width, height)
        self._current = self._setup(look)
        self._ready[self._current] = (self._prepare(look), look)
        if self._thread.ident is None:
            self._thread.start()

    def paint(self, image: ImageArray, look: Look, share: float) -> ImageArray:
        """Paint one picture (H, W, 3) uint8 RGB at the wanted working size, or at the last one until that is ready.

        Raises BackendError, and whatever else ended the compiling.
        """
        painter, look = self._painter_for(replace(look, stroke=min(10.0, look.stroke / share)))
        painted: ImageArray = painter.paint(image[None], look)[0]
        return painted

    def close(self) -> None:
        """Give back all engines."""
        self._orders.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._engine_info = self.engine_info
        for painter, _ in self._ready.values():
            painter.close()
        self._ready.clear()

    def _setup(self, look: Look) -> _Setup:
        networks = frozenset(part.network.name if part.network else "" for part in look.mix.parts)
        return _Setup(working_size(*self._picture, stroke=look.stroke), networks)

    def _painter_for(self, look: Look) -> tuple[Painter, Look]:
        """Who paints now, and what: the look itself, or what comes nearest to it until its setup is ready."""
        wanted = self._setup(look)
        with self._lock:
            if self._trouble:
                raise self._trouble
            assert self._current
            fitting = [self._current, *self._ready]
            setup = next((setup for setup in fitting if setup.serves(wanted)), None)
            if setup is None and wanted != self._ordered:
                self._ordered = wanted
                self._orders.put((wanted, look))
            elif setup and setup != self._current:
                self._current = setup
                self._ready.move_to_end(setup)
                self.switches += 1
            self.settled = setup is not None
            painter, last = self._ready[self._current]
            if self._current.networks >= wanted.networks:
                # At another size than wanted the stroke stays too: it is what the size is made from.
                last = look if setup else replace(look, stroke=last.stroke)
                self._ready[self._current] = painter, last
            return painter, last

    def _prepare(self, look: Look) -> Painter:
        painter = self._make_painter()
        # At strength 0 a painter needs no engine and would compile none; here it must be ready for the next turn.
        look = replace(look, mix=replace(look.mix, strength=1.0))
        painter.prepare(*self._picture, look=look)
        # The first run of an engine takes longer than all others; let it not be a picture's.
        painter.paint(np.zeros((1, self._picture[1], self._picture[0], 3), np.uint8), look)
        return painter

    def _compile_orders(self) -> None:
        try:
            while True:
                try:
                    setup, look = self._orders.take(1.0)
                except MailboxEmpty:
                    continue
                painter = self._prepare(look)
                with self._lock:
                    self._ready[setup] = (painter, look)
                    spare = [s for s in self._ready if s not in (setup, self._current)]
                    dismissed = [self._ready.pop(s)[0] for s in spare[: max(0, len(self._ready) - KEPT)]]
                for old in dismissed:
                    old.close()
        except MailboxClosed:
            pass  # the session is over
        except Exception as error:  # whatever it is, who paints next raises it
            self._trouble = error
