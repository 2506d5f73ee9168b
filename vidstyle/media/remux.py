"""The ways of a film's other streams into the painted one, as `stream_plan` decides: packets as they are, or anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import ceil
from typing import Protocol

from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

from vidstyle.media import ac3
from vidstyle.media.adts import AsTheIndex, audio_specific_config, has_header, is_adts, without_header
from vidstyle.media.audio_route import AudioRoute
from vidstyle.media.containers import ContainerFormat
from vidstyle.media.stream_plan import StreamPlan, codec_name
from vidstyle.media.subtitle_route import SubtitleRoute, TimedTextRoute
from vidstyle.media.tags import stream_tags
from vidstyle.media.timestamps import MICROSECOND, count_finer

Strip = Callable[["Packet[Stream]"], Iterable["Packet[Stream]"]]

# Seconds: the longest tick in which muxers that refuse equal times count sound; ASF's is a millisecond. AVI's is as
# long as a packet, which plays for one tick wherever it stands.
_APART = Fraction(1, 8000)
_APART_IN_ASF = Fraction(1, 1000)


class Route(Protocol):
    """The way of one stream's packets into the output."""

    @property
    def stream(self) -> Stream:
        """The output's stream."""
        ...

    @property
    def refused(self) -> int:
        """How many packets so far were too damaged to go along."""
        ...

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Packets to mux for one of the input's."""
        ...

    def flush(self) -> Iterator[Packet[Stream]]:
        """Packets to mux at the end."""
        ...


def add_route(output: OutputContainer, stream: Stream, plan: StreamPlan, target: ContainerFormat) -> Route:
    """Add the output stream for one planned stream. Raises ValueError where FFmpeg refuses it after all."""
    route: Route
    if plan.action == "audio":
        assert isinstance(stream, AudioStream)
        assert target.audio_encoder is not None
        route = AudioRoute(output, stream, encoder=target.audio_encoder)
    elif plan.action == "subtitle":
        assert isinstance(stream, SubtitleStream)
        assert target.text_subtitles is not None
        kind = TimedTextRoute if target.text_subtitles == "mov_text" else SubtitleRoute
        route = kind(output, stream, encoder=target.text_subtitles)
    else:
        route = CopyRoute(output, stream)
    route.stream.metadata.clear()
    route.stream.metadata.update(stream_tags(stream, muxer=target.muxer))
    route.stream.disposition = stream.disposition
    return route


class CopyRoute:
    """Packets as they are; AAC as MPEG-TS has it without the headers that only MPEG-TS needs.

    The index then says alone how it is coded, so packets are refused where that changes: from stereo to 5.1, say.
    """

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self.stream: Stream = output.add_stream_from_template(source, opaque=True)
        self.refused = 0
        self._last: Fraction | None = None  # seconds
        self._fits: Callable[[memoryview], bool] | None = None
        if (codec := codec_name(source)) in ("ac3", "eac3") and output.format.name in ("mp4", "mov"):
            # These muxers read its heads and stop at a bad one, some time after it was given: at a packet of the film.
            self._fits = ac3.AsTheFirst(enhanced=codec == "eac3")
        self._strip: Strip | None = None
        if isinstance(source, AudioStream) and is_adts(source) and output.format.name != "mpegts":
            config = audio_specific_config(source)
            self._fits = AsTheIndex(config)
            # The muxers would do it by themselves, except mp4's in fragments, and stop at a damaged packet.
            if config:
                self.stream.codec_context.extradata = config
                self._strip = without_header
            else:
                self._strip = BitStreamFilterContext("aac_adtstoasc", in_stream=source).filter

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        if self._fits and not self._fits(memoryview(packet)):
            self.refused += 1
            return
        if self.stream.type == "audio" and packet.dts is not None:
            self._give_duration(packet, packet.dts * packet.time_base)
        for stripped in self._stripped(packet):
            stripped.stream = self.stream
            yield stripped

    def _give_duration(self, packet: Packet[Stream], begins: Fraction) -> None:
        """Let sound of unknown duration last as long as the packet before it: mp4 drops a last one without."""
        if not packet.duration and self._last is not None:
            packet.duration = max(0, round((begins - self._last) / packet.time_base))
        self._last = begins

    def _stripped(self, packet: Packet[Stream]) -> Iterable[Packet[Stream]]:
        if self._strip is None or not has_header(memoryview(packet)):
            return [packet]
        return self._strip(packet)

    def flush(self) -> Iterator[Packet[Stream]]:
        yield from ()


class OrderedTimes:
    """Moves up times that stand still or run backward: no container holds them, and muxers stop at the first.

    They move by less than Matroska's tick of a millisecond, in which a packet of TrueHD and the next begin at once
    now and then: moved by a whole one, each would push the next. `moved` counts the packets that moved further than
    their clock and the container's can tell, with those that had no time at all and are dropped.
    """

    def __init__(self, muxer: str) -> None:
        self.moved = 0
        self._in_whole_ticks = muxer == "avi"
        self._apart = _APART_IN_ASF if muxer == "asf" else _APART
        self._last: dict[int, Fraction] = {}

    def in_order(self, packets: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
        """The same packets with decoding times that increase; two subtitles may begin at once.

        Their streams' headers have been written, which settles the ticks that AVI counts in.
        """
        for packet in packets:
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.dts is None:
                self.moved += 1
                continue
            if packet.pts is None:
                packet.pts = packet.dts
            last = self._last.get(packet.stream.index)
            if last is not None:
                self._move_up(packet, last, self._distance(packet.stream))
            self._last[packet.stream.index] = packet.dts * packet.time_base
            yield packet

    def _distance(self, stream: Stream) -> Fraction:
        if stream.type == "subtitle":
            return Fraction(0)
        return stream.time_base if self._in_whole_ticks and stream.time_base else self._apart

    def _move_up(self, packet: Packet[Stream], last: Fraction, distance: Fraction) -> None:
        assert packet.dts is not None
        assert packet.pts is not None
        earliest = last + distance
        behind = earliest - packet.dts * packet.time_base
        if behind <= 0:
            return
        self.moved += behind >= max(packet.time_base, distance)
        count_finer(packet)
        packet.dts = ceil(earliest / MICROSECOND)
        packet.pts = max(packet.dts, packet.pts)
