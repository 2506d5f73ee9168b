"""Time stamps that can be relied on: jumps back in the file joined, then every frame after the one before.

Two stages, because they need different knowledge. `PacketRebaser` sees the packets of all streams and shifts
them together where the clock of the file jumps back, so that sound and picture keep their distance.
`FrameClock` sees the decoded frames of one film and mends what is missing, repeated or out of order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from vidstyle.media.notes import Notes

JUMP = Fraction(1, 10)
"""Seconds that decoding stamps must fall back before it counts as a new beginning, not as a disorder."""

LEAP = Fraction(10)
"""Seconds that stamps must jump ahead, or a packet's pts lie behind its dts, before they may be damaged."""

MICROSECOND = Fraction(1, 1_000_000)

_MAX_HELD = 4


@dataclass
class _StreamState:
    segment: int = 0
    last_dts: int | None = None  # as the file has it
    end: Fraction | None = None  # seconds, after the shift
    doubtful: Packet[Stream] | None = None  # leapt ahead; the next packet tells whether its stamps are damaged


def count_finer(packet: Packet[Stream]) -> None:
    """Count a packet's times in microseconds, where its own unit is too coarse to move it."""
    coarse, packet.time_base = packet.time_base, MICROSECOND
    for name in ("pts", "dts", "duration"):
        ticks = getattr(packet, name)
        setattr(packet, name, None if ticks is None else round(ticks * coarse / MICROSECOND))


class PacketRebaser:
    """Gives all streams one clock that never jumps back.

    Files joined end to end (MPEG-TS above all) start their stamps again at each join. Every stream notices the
    join at its own packet; the first to do so decides by how much the new segment is shifted, the others take
    the same shift when they get there. So the distance between sound and picture inside a segment stays.
    A single packet that leaps ahead and is followed by one that does not has damaged stamps, which are replaced.
    """

    def __init__(self, *, film: int, notes: Notes) -> None:
        self._film = film
        self._notes = notes
        self._shifts = [Fraction(0)]  # seconds, one for each segment
        self._streams: dict[int, _StreamState] = {}

    def place(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        """Take the next packet of the file; give those whose stamps, changed in place, are on the common clock."""
        state = self._streams.setdefault(packet.stream_index, _StreamState())
        if packet.stream_index != self._film and packet.stream.type != "audio":
            # subtitles and data have no rhythm of their own to notice a jump by
            state.segment = self._streams.get(self._film, state).segment
            self._shift(packet, state)
            return [packet]
        earlier, state.doubtful = state.doubtful, None
        if earlier is not None:
            self._judge(earlier, packet, state)
            return [self._settle(earlier, state), self._settle(packet, state)]
        if self._leaps(packet, state):
            state.doubtful = packet
            return []
        return [self._settle(packet, state)]

    def flush(self) -> list[Packet[Stream]]:
        """The packets still in doubt at the end of the file."""
        return [self._settle(state.doubtful, state) for state in self._streams.values() if state.doubtful is not None]

    def _leaps(self, packet: Packet[Stream], state: _StreamState) -> bool:
        if packet.dts is None or state.last_dts is None:
            return False
        return (packet.dts - state.last_dts) * packet.time_base > LEAP

    def _judge(self, doubtful: Packet[Stream], following: Packet[Stream], state: _StreamState) -> None:
        """Replace the stamps of `doubtful` if the packet after it goes on where the one before had stopped."""
        assert state.last_dts is not None  # else nothing could leap
        if following.dts is not None and following.dts > state.last_dts and not self._leaps(following, state):
            doubtful.dts = state.last_dts + 1
            doubtful.pts = None if doubtful.stream_index == self._film else doubtful.dts
            self._notes.count("packets with damaged time stamps, replaced")

    def _settle(self, packet: Packet[Stream], state: _StreamState) -> Packet[Stream]:
        late = packet.dts - packet.pts if packet.pts is not None and packet.dts is not None else 0
        # Before a pause the pts lie as far ahead as it is long: of those the frames tell (`FrameClock`).
        if packet.stream_index == self._film and late * packet.time_base > LEAP:
            packet.pts = None
            self._notes.count("packets with damaged time stamps, replaced")
        self._notice_jump(packet, state)
        self._shift(packet, state)
        if packet.dts is not None:
            state.end = (packet.dts + (packet.duration or 0)) * packet.time_base
        return packet

    def _shift(self, packet: Packet[Stream], state: _StreamState) -> None:
        ticks = round(self._shifts[state.segment] / packet.time_base)
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _notice_jump(self, packet: Packet[Stream], state: _StreamState) -> None:
        if packet.dts is None:
            return
        if state.last_dts is not None and (state.last_dts - packet.dts) * packet.time_base > JUMP:
            state.segment += 1
            if state.segment == len(self._shifts):
                ends = [s.end for s in self._streams.values() if s.end is not None]
                self._shifts.append(max(ends) - packet.dts * packet.time_base)
                self._notes.count("jumps back of the file's clock, joined on")
        state.last_dts = packet.dts


class FrameClock:
    """Mends the pts of decoded frames so that each is later than the one before.

    A missing pts follows from the frame rate, and so does that of a frame that leaps ahead when the next one does not.
    A frame that is not later than the one before is held until a later one arrives and then placed between the two;
    after four such frames without an end the clock goes on by itself. `step` is the distance of two frames in units of
    `tick` seconds. With `counted` the pts say where a frame's packet lies in the file, which is not the order in which
    frames are shown.
    """

    def __init__(self, *, step: Fraction, tick: Fraction, notes: Notes, counted: bool = False) -> None:
        self._step = step
        self._leap = LEAP / tick
        self._notes = notes
        self._counted = counted
        self._doubtful: VideoFrame | None = None  # leapt ahead; the next frame tells whether its pts is damaged
        self._delay: int | None = None  # of a decoder that puts frames in order, in ticks
        self._last: int | None = None
        self._anchor = Fraction(0)  # exact time of the last frame while pts are missing, in ticks
        self._held: list[VideoFrame] = []

    def place(self, frame: VideoFrame) -> list[VideoFrame]:
        """Take the next decoded frame; give those whose pts are settled, in order."""
        if self._counted:
            frame.pts = self._shown(frame)
        earlier, self._doubtful = self._doubtful, None
        settled = [] if earlier is None else self._place(self._judged(earlier, frame))
        if self._leaps(frame):
            self._doubtful = frame
            return settled
        return [*settled, *self._place(frame)]

    def flush(self) -> list[VideoFrame]:
        """The frames still held, at the end of the film."""
        return [*([] if self._doubtful is None else self._place(self._doubtful)), *self._release(None)]

    def _leaps(self, frame: VideoFrame) -> bool:
        before = frame.dts if self._last is None else self._last
        return frame.pts is not None and before is not None and frame.pts - before > self._leap

    def _judged(self, doubtful: VideoFrame, following: VideoFrame) -> VideoFrame:
        """`doubtful`, without its pts if the frame after it is shown earlier."""
        if doubtful.pts is not None and following.pts is not None and following.pts < doubtful.pts:
            doubtful.pts = None
        return doubtful

    def _place(self, frame: VideoFrame) -> list[VideoFrame]:
        if frame.pts is None:
            return [*self._release(None), self._settle(frame, self._made_up(frame))]
        if self._last is not None and frame.pts <= self._last:
            self._notes.count("frames with repeated or backward time stamps, moved")
            self._held.append(frame)
            return self._release(None) if len(self._held) >= _MAX_HELD else []
        released = self._release(frame.pts)
        pts = frame.pts
        if self._last is not None and pts <= self._last:  # no room was left between the two
            pts = self._last + 1
            self._notes.count("frames with repeated or backward time stamps, moved")
        return [*released, self._settle(frame, pts)]

    def _shown(self, frame: VideoFrame) -> int | None:
        """The place of the packet that set the frame free (its dts), less what the first one had to wait for its own.

        At the end no packet sets free what the decoder still holds.
        """
        if frame.pts is None or frame.dts is None:
            return frame.pts if self._last is None else self._last + 1
        if self._delay is None:
            self._delay = frame.dts - frame.pts
        return frame.dts - self._delay

    def _settle(self, frame: VideoFrame, pts: int) -> VideoFrame:
        frame.pts = pts
        self._last = pts
        return frame

    def _made_up(self, frame: VideoFrame) -> int:
        self._notes.count("frames without a time stamp, placed by the frame rate")
        if self._last is None:
            self._anchor = Fraction(frame.dts or 0)
        else:
            # the exact sum, so that a step of 33.37 ticks does not drift as 33 would
            exact = self._anchor if round(self._anchor) == self._last else Fraction(self._last)
            self._anchor = exact + self._step
            if round(self._anchor) <= self._last:
                self._anchor = Fraction(self._last + 1)
        return round(self._anchor)

    def _release(self, following: int | None) -> list[VideoFrame]:
        """Place the held frames: evenly before `following`, else one step or one tick apart."""
        held, self._held = self._held, []
        if not held:
            return []
        assert self._last is not None  # frames are held only behind another
        last = self._last
        if following is not None and following - last > len(held):
            return [self._settle(f, last + (following - last) * (i + 1) // (len(held) + 1)) for i, f in enumerate(held)]
        # A clock that stands still is replaced by the frame rate; one that fell back a little is let catch up.
        stands_still = following is None and len({f.pts for f in held}) == 1
        apart = max(1, round(self._step)) if stands_still else 1
        return [self._settle(f, last + apart * (i + 1)) for i, f in enumerate(held)]
