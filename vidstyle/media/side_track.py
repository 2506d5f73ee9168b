"""A subtitle track kept aside until the film is complete."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from vidstyle.media.remux import OrderedTimes, Route


class SideTrack:
    """A small file in memory with one subtitle track, for containers to which they are added after the film."""

    def __init__(self, muxer: str, make_route: Callable[[OutputContainer], Route]) -> None:
        """`make_route` adds the track to the small file; its packets stay there. Raises what it raises."""
        self._file = io.BytesIO()
        self._output = av.open(self._file, "w", format=muxer)
        self._route = make_route(self._output)
        self._times = OrderedTimes(muxer)
        self._begun = False

    @property
    def stream(self) -> Stream:
        """The track."""
        return self._route.stream

    @property
    def refused(self) -> int:
        """How many texts could not be read."""
        return self._route.refused

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Keep the packet's texts here; nothing is left for the film's own muxer."""
        self._keep(self._route.feed(packet))
        yield from ()

    def flush(self) -> Iterator[Packet[Stream]]:
        """Keep here what the route held back; see `finish`."""
        self._keep(self._route.flush())
        yield from ()

    def _keep(self, texts: Iterable[Packet[Stream]]) -> None:
        for text in self._times.in_order(texts):
            if text.pts is not None and text.pts < 0:
                # It began before the part that is kept. A track that begins before 0 would be moved to it as a whole.
                text.pts, text.dts, text.duration = 0, 0, max(0, text.pts + (text.duration or 0))
            self._begun = True
            self._output.mux_one(text)

    def finish(self) -> bytes:
        """The whole file; empty where there was no text at all."""
        if not self._begun:
            return b""
        self._output.close()
        return self._file.getvalue()
