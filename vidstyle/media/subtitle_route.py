"""Text subtitles in the format that the target holds, where it does not hold the film's own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import cast

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from vidstyle.media.timestamps import MICROSECOND

_MILLISECOND = Fraction(1, 1000)
_EMPTY_MOV_TEXT = b"\0\0"  # a text of length 0
_ASS_FIELDS = 8  # before the text of a dialogue, each with a comma behind it
_ASS_NEW_LINE = rb"\N{\r}"  # and an end to the looks of the line before


class SubtitleRoute:
    """Text subtitles in another text format; their times stay, their looks do not."""

    def __init__(self, output: OutputContainer, source: SubtitleStream, *, encoder: str) -> None:
        self._decoder = source.codec_context
        self._decoder.open(strict=False)
        self.refused = 0
        stream = output.add_stream(encoder)
        self.stream: Stream = stream
        self._context = context = cast(SubtitleStream, stream).codec_context
        context.time_base = stream.time_base = source.time_base or _MILLISECOND
        context.subtitle_header = self._decoder.subtitle_header
        context.open()

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The text in the new format, at its old time; nothing for one without a time or that FFmpeg cannot read."""
        if packet.pts is None:
            return
        try:
            subtitle = self._decoder.decode2(packet)
            if subtitle is None or not len(subtitle):
                return
            yield from self._take(subtitle, packet)
        except av.error.FFmpegError:
            self.refused += 1  # text that FFmpeg cannot read is left out

    def _take(self, subtitle: SubtitleSet, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        text = self._context.encode_subtitle(subtitle)
        text.pts = text.dts = packet.pts
        text.duration, text.time_base, text.stream = packet.duration, packet.time_base, self.stream
        yield text

    def flush(self) -> Iterator[Packet[Stream]]:
        """Nothing: every text was given at once."""
        yield from ()


@dataclass(frozen=True, kw_only=True)
class _Cue:
    """Lines of text, each an ASS dialogue, from `begin` to before `end`, in microseconds."""

    begin: int
    end: int
    lines: tuple[bytes, ...]


class TimedTextRoute(SubtitleRoute):
    """Subtitles for mp4, where each text lasts until the next: those that overlap share one as long as they do.

    What is to be joined is known when the later ones have come, so nothing is given before the end.
    """

    def __init__(self, output: OutputContainer, source: SubtitleStream, *, encoder: str) -> None:
        super().__init__(output, source, encoder=encoder)
        self._cues: list[_Cue] = []

    def _take(self, subtitle: SubtitleSet, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        assert packet.pts is not None
        ends = packet.pts + (packet.duration or 0)
        begin, end = (round(ticks * packet.time_base / MICROSECOND) for ticks in (packet.pts, ends))
        lines = tuple(line.ass for line in subtitle if isinstance(line, AssSubtitle))
        self._cues.append(_Cue(begin=begin, end=end, lines=lines))
        yield from ()

    def flush(self) -> Iterator[Packet[Stream]]:
        """All texts, with an empty one between two that do not meet."""
        for cue in _one_at_a_time(self._cues):
            try:
                text = self._text(cue.lines)
            except av.error.FFmpegError:
                self.refused += 1
                continue
            text.pts = text.dts = cue.begin
            text.duration, text.time_base, text.stream = cue.end - cue.begin, MICROSECOND, self.stream
            yield text

    def _text(self, lines: tuple[bytes, ...]) -> Packet[Stream]:
        if not lines:
            return Packet(_EMPTY_MOV_TEXT)
        first, *others = lines
        dialogue = _ASS_NEW_LINE.join([first, *(line.split(b",", _ASS_FIELDS)[-1] for line in others)])
        return self._context.encode_subtitle(SubtitleSet.create(dialogue, 0, 0))


def _one_at_a_time(cues: Iterable[_Cue]) -> Iterator[_Cue]:
    """Pieces of time, from the first cue to the last, with the lines of all cues that are shown in them."""
    waiting = deque(sorted(cues, key=lambda cue: cue.begin))
    shown: list[_Cue] = []
    for begin, end in pairwise(sorted({edge for cue in waiting for edge in (cue.begin, cue.end)})):
        shown = [cue for cue in shown if cue.end > begin]
        while waiting and waiting[0].begin == begin:
            shown.append(waiting.popleft())
        yield _Cue(begin=begin, end=end, lines=tuple(line for cue in shown for line in cue.lines))
