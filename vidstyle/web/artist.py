"""Paints single pictures for the page, one at a time, and of every page only the newest wish."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from vidstyle.errors import VidstyleError
from vidstyle.frames import ImageArray
from vidstyle.media.jpeg import encode_jpeg
from vidstyle.painter import Painter
from vidstyle.style_library import Library
from vidstyle.web.order import Engines, Order


class Superseded(VidstyleError):
    """The page has asked for something else meanwhile, or the studio is closing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Painting:
    """A painted picture as JPEG, the `seconds` it took, and what painted it (empty at strength 0)."""

    jpeg: bytes
    seconds: float
    engine: str


class Artist:
    """Thread-safe: whoever calls `paint` waits for those before, unless a newer wish of the same page comes."""

    def __init__(self, library: Library, engines: Engines) -> None:
        self._library = library
        self._engines = engines
        self._painters: dict[str, Painter] = {}
        self._known: object = None
        self._are_stale = False
        self._painting = threading.Lock()
        self._numbers = itertools.count()
        self._newest: dict[str, int] = {}
        self._closed = False

    def paint(self, page: str, find_picture: Callable[[], ImageArray], order: Order) -> Painting:
        """Paint what `find_picture` gives, (H, W, 3) uint8 RGB, for the page of this name.

        Raises Superseded, and what the picture, the styles and the engine raise.
        """
        number = self._newest[page] = next(self._numbers)
        try:
            picture = find_picture()  # before the painting's turn: a film in which it is hard to find holds up no other
            with self._painting:
                if self._closed or self._newest.get(page) != number:
                    raise Superseded("a newer picture was asked for")
                return self._paint(picture, order)
        finally:
            if self._newest.get(page) == number:
                del self._newest[page]

    def refit(self, known: object) -> None:
        """Make new engines for the next picture if `known`, all networks and styles, is not what it was: they are
        fitted to the styles that there were."""
        if known != self._known:
            self._known = known
            self._are_stale = True

    def close(self) -> None:
        """Give back the engines, after the picture in hand."""
        self._closed = True
        with self._painting:
            self._forget_painters()

    def _forget_painters(self) -> None:
        while self._painters:
            self._painters.popitem()[1].close()

    def _paint(self, picture: ImageArray, order: Order) -> Painting:
        began = time.perf_counter()
        painter = self._painter(order.network)
        painted = painter.paint(picture[None], order.look(self._library, painter.network))[0]
        seconds = time.perf_counter() - began
        info = painter.engine_info if order.strength else None
        engine = f"{info.backend} on {info.device}, {info.precision}" if info else ""
        return Painting(jpeg=encode_jpeg(painted), seconds=seconds, engine=engine)

    def _painter(self, network: str) -> Painter:
        if self._are_stale:
            self._are_stale = False
            self._forget_painters()
        if network not in self._painters:
            engines = self._engines
            self._painters[network] = Painter(
                self._library.network(network),
                backend=engines.backend,
                device=engines.device,
                precision=engines.precision,
                latency=True,
            )
        return self._painters[network]
