"""The part of a film that was asked for, in exact time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from av.packet import Packet
from av.stream import Disposition, Stream

from vidstyle.errors import UsageError
from vidstyle.media.timestamps import MICROSECOND, count_finer

if TYPE_CHECKING:
    from av.container.core import Chapter  # only PyAV's stubs have it

_PRIMING = Fraction(1, 2)
"""Seconds before 0 in which sound may begin, because encoders put silence in front of it that players cut off."""


@dataclass(frozen=True, kw_only=True)
class TimeWindow:
    """From `start` to before `end`, in seconds after `origin`, the moment at which the input begins.

    What is kept moves forward by `start`, all streams alike, so that the part begins when the whole did. A clock
    that runs already where the input begins (a recorded broadcast may begin at 20 hours) moves to 0, as players
    show it: mp4 and Matroska would keep those hours as an empty beginning. So does one that has still to reach 0
    (FFmpeg counts down to where MPEG-TS wraps): mp4 would cut off all before. `tick` is the film's time base.
    """

    origin: Fraction
    tick: Fraction
    start: Fraction | None = None
    end: Fraction | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.start < 0:
            raise UsageError(f"the start, {float(self.start)} s, lies before the beginning")
        if self.end is not None and self.end <= (self.start or 0):
            raise UsageError(f"the end, {float(self.end)} s, is not after the start")

    @property
    def first(self) -> Fraction | None:
        """The earliest moment kept, on the input's own clock; None if that is its beginning."""
        return None if not self.start else self.origin + self.start

    @property
    def last(self) -> Fraction | None:
        """The moment before which everything kept lies, on the input's own clock."""
        return None if self.end is None else self.origin + self.end

    @property
    def shift(self) -> int:
        """By how many of the film's ticks everything moves forward."""
        return round(self._lead / self.tick)

    @property
    def _lead(self) -> Fraction:
        """What is kept moves forward by so many seconds."""
        return self._zero + (self.start or Fraction(0))

    @property
    def _zero(self) -> Fraction:
        """The moment, on the input's own clock, that would be 0 if the whole were kept."""
        return Fraction(0) if -_PRIMING <= self.origin <= 0 else self.origin

    def reached_by(self, moment: Fraction) -> bool:
        """Whether reading that begins at `moment` misses nothing of the part."""
        return self.first is None or moment <= self.first

    def before(self, moment: Fraction) -> bool:
        """Whether `moment` is too early."""
        return self.first is not None and moment < self.first

    def after(self, moment: Fraction) -> bool:
        """Whether `moment` is too late."""
        return self.last is not None and moment >= self.last

    def holds(self, moment: Fraction) -> bool:
        """Whether `moment` lies in the part."""
        return not self.before(moment) and not self.after(moment)

    def part_of(self, duration: Fraction | None) -> Fraction | None:
        """How long the part is, in seconds, if the whole lasts `duration`."""
        if duration is None:
            return None
        return max(Fraction(0), min(duration, self.end or duration) - (self.start or 0))

    def admit(self, packet: Packet[Stream]) -> bool:
        """Whether a packet of another stream belongs to the part; if so, its stamps are shifted in place."""
        if packet.pts is None or packet.stream.disposition & Disposition.attached_pic:
            return True
        begins = packet.pts * packet.time_base
        lasts = (packet.duration or 0) * packet.time_base if packet.stream.type == "subtitle" else Fraction(0)
        if self.after(begins) or self.before(begins + lasts):
            return False
        self._move(packet)
        return True

    def chapters(self, whole: Iterable[Chapter]) -> list[Chapter]:
        """The chapters that reach into the part, cut to it and moved with it."""
        found: list[Chapter] = []
        for chapter in whole:
            tick = chapter["time_base"] or MICROSECOND
            marked = chapter["start"] * tick
            begins = max(marked, self.first or self._zero)
            ends = chapter["end"] * tick if self.last is None else min(chapter["end"] * tick, self.last)
            if begins < ends or (begins == marked and not (self.first or self.last)):  # some files give them no end
                start, end = (round((moment - self._lead) / tick) for moment in (begins, ends))
                found.append({**chapter, "start": start, "end": end, "time_base": tick})
        return found

    def _move(self, packet: Packet[Stream]) -> None:
        seconds = self.shift * self.tick
        if not seconds:
            return
        if (seconds / packet.time_base).denominator != 1:
            # AVI's sound ticks last 26 ms: rounding to them would be heard, so count in finer ones.
            count_finer(packet)
        ticks = round(seconds / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - ticks
        packet.dts = None if packet.dts is None else packet.dts - ticks
