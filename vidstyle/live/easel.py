"""Painters ready for the working sizes that are asked for, without ever making the picture wait."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vidstyle.backends.protocol import EngineInfo
from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray
from vidstyle.live.mailbox import Mailbox, MailboxClosed, MailboxEmpty
from vidstyle.painter import Look, Painter, working_size

KEPT = 3
"""Working sizes that stay compiled: the present one and its neighbours."""

Size = tuple[int, int]
MakePainter = Callable[[], Painter]


class Easel:
    """Paints pictures of one size; another working size is compiled in a thread while the old one goes on.

    The governor's share (0..1) of the full side and the look's stroke come to the same thing: a smaller
    working size. `switches` counts how often it changed.
    """

    def __init__(self, make_painter: MakePainter) -> None:
        self.switches = 0
        self._make_painter = make_painter
        self._orders: Mailbox[tuple[Size, Look]] = Mailbox()
        self._lock = threading.Lock()
        self._ready: OrderedDict[Size, tuple[Painter, float]] = OrderedDict()
        self._ordered: Size | None = None
        self._trouble: BackendError | None = None
        self._current: Size | None = None
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
        return self._current

    def begin(self, width: int, height: int, look: Look) -> None:
        """Compile for pictures of this size, wait for it, forget what was there before. Raises BackendError."""
        for painter, _ in self._ready.values():
            painter.close()
        self._ready.clear()
        self._picture = (width, height)
        size = working_size(width, height, stroke=look.stroke)
        self._ready[size] = (self._prepare(look), look.stroke)
        self._current = size
        if self._thread.ident is None:
            self._thread.start()

    def paint(self, image: ImageArray, look: Look, share: float) -> ImageArray:
        """Paint one picture (H, W, 3) uint8 RGB at the wanted working size, or at the last one until that is ready.

        Raises BackendError.
        """
        stroke = min(10.0, look.stroke / share)
        painter, stroke = self._painter_for(replace(look, stroke=stroke))
        painted: ImageArray = painter.paint(image[None], replace(look, stroke=stroke))[0]
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

    def _painter_for(self, look: Look) -> tuple[Painter, float]:
        wanted = working_size(*self._picture, stroke=look.stroke)
        with self._lock:
            if self._trouble:
                raise self._trouble
            assert self._current
            if wanted in self._ready and wanted != self._current:
                self._current = wanted
                self._ready.move_to_end(wanted)
                self.switches += 1
            elif wanted not in self._ready and wanted != self._ordered:
                self._ordered = wanted
                self._orders.put((wanted, look))
            return self._ready[self._current]

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
                    size, look = self._orders.take(1.0)
                except MailboxEmpty:
                    continue
                painter = self._prepare(look)
                with self._lock:
                    self._ready[size] = (painter, look.stroke)
                    spare = [s for s in self._ready if s not in (size, self._current)]
                    dismissed = [self._ready.pop(s)[0] for s in spare[: max(0, len(self._ready) - KEPT)]]
                for old in dismissed:
                    old.close()
        except MailboxClosed:
            pass  # the session is over
        except BackendError as error:
            self._trouble = error
