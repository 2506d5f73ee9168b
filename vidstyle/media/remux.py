"""What becomes of the film's other streams: copied packet by packet, converted, or left out with a warning.

Everything is decided by `plan_streams` before the first frame is painted; the routes then only do it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Literal, Protocol

from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from vidstyle.media import ac3
from vidstyle.media.adts import AsTheIndex, audio_specific_config, has_header, is_adts, without_header
from vidstyle.media.containers import ContainerFormat, holds
from vidstyle.media.languages import in_quicktime
from vidstyle.media.timestamps import MICROSECOND, count_finer
from vidstyle.media.transcode import AudioRoute, SubtitleRoute, TimedTextRoute, is_reduced

Action = Literal["copy", "audio", "subtitle", "cover"]
Strip = Callable[["Packet[Stream]"], Iterable["Packet[Stream]"]]

_BITMAP_SUBTITLES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "dvb_teletext", "xsub"})
# Statistics that mkvmerge and FFmpeg wrote about the stream that is being replaced or shortened.
_STALE_TAGS = (
    "DURATION",
    "NUMBER_OF_FRAMES",
    "NUMBER_OF_BYTES",
    "BPS",
    "_STATISTICS",
    "ENCODER",
    "ROTATE",
    "VENDOR_ID",
)
_EMPTY_HANDLERS = ("VideoHandler", "SoundHandler", "SubtitleHandler")
# Seconds: the longest tick in which muxers that refuse equal times count sound; ASF's is a millisecond. AVI's is as
# long as a packet, which plays for one tick wherever it stands.
_APART = Fraction(1, 8000)
_APART_IN_ASF = Fraction(1, 1000)
_MUXER_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "duration"})


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """One stream of the input (`index` there) that goes into the output, and how."""

    index: int
    action: Action


@dataclass(frozen=True, kw_only=True)
class RemuxPlan:
    """All that goes along with the film; `warnings` says what does not, or not as it was."""

    streams: tuple[StreamPlan, ...]
    warnings: tuple[str, ...]


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


def plan_streams(
    source: InputContainer,
    target: ContainerFormat,
    *,
    video: int | None,
    audio: Literal["copy", "none"],
    searchable: bool = True,
) -> RemuxPlan:
    """Decide for every stream but the film (`video`) whether and how `target` can hold it.

    `searchable` says whether the target is a file, to which something can be added after the film.
    """
    if not searchable and target.subtitles_apart:
        target = replace(target, subtitles=frozenset(), text_subtitles=None, cover="none")
    streams, warnings = [], []
    for stream in source.streams:
        if stream.index == video or (stream.type == "audio" and audio == "none"):
            continue
        decided = _decide(stream, target, has_chapters=bool(source.chapters()))
        if isinstance(decided, _Left):
            if decided.why:
                warnings.append(f"{_describe(stream)} left out: {decided.why}")
            continue
        streams.append(StreamPlan(index=stream.index, action=decided))
        if decided == "audio":
            how = _encoding(stream, target)
            warnings.append(f"{_describe(stream)} is encoded anew ({how}): {target.muxer} cannot hold it as it is")
        elif decided == "subtitle":
            text = target.text_subtitles
            warnings.append(
                f"{_describe(stream)} becomes {text}, without its fonts and places: all {target.muxer} holds"
            )
    if source.chapters() and not target.chapters:
        warnings.append(f"{len(source.chapters())} chapters left out: {target.muxer} holds none")
    return RemuxPlan(streams=tuple(streams), warnings=tuple(warnings))


def _encoding(stream: Stream, target: ContainerFormat) -> str:
    assert isinstance(stream, AudioStream)
    assert target.audio_encoder is not None
    return f"{target.audio_encoder}, in stereo" if is_reduced(stream, target.audio_encoder) else target.audio_encoder


@dataclass(frozen=True)
class _Left:
    """A stream that does not go along; `why` is empty where nothing is lost by it."""

    why: str = ""


def _decide(stream: Stream, target: ContainerFormat, *, has_chapters: bool) -> Action | _Left:
    codec = codec_name(stream)
    if stream.type == "video":
        return _decide_picture(stream, target)
    if stream.type == "attachment":
        return "copy" if target.attachments else _Left(f"{target.muxer} holds no attachments")
    if stream.type == "data":
        # QuickTime's chapter track says what the chapters say; its time code goes along as a tag.
        if (has_chapters and codec in ("bin_data", "")) or "timecode" in stream.metadata:
            return _Left()
        return "copy" if codec in target.data else _Left(f"{target.muxer} holds no {codec or 'such'} data")
    if stream.type not in ("audio", "subtitle"):
        return _Left("FFmpeg does not know what it is")
    if stream.codec_context is None:
        return _Left("FFmpeg cannot read its codec")
    if stream.type == "audio":
        return _decide_audio(stream, target)
    if holds(target, codec, "subtitle"):
        return "copy"
    if codec in _BITMAP_SUBTITLES:
        return _Left(f"{target.muxer} holds no subtitles that are pictures")
    return "subtitle" if target.text_subtitles else _Left(f"{target.muxer} holds no subtitles")


def _decide_audio(stream: Stream, target: ContainerFormat) -> Action | _Left:
    assert isinstance(stream, AudioStream)
    if holds(target, codec_name(stream), "audio"):
        # No muxer takes sound without its rate, and MPEG-TS tells that in the sound's own packets only.
        is_known = stream.codec_context.sample_rate and stream.codec_context.layout.nb_channels
        return "copy" if is_known else _Left("no sound was found in it where the film begins")
    return "audio" if target.audio_encoder else _Left(f"{target.muxer} holds no sound")


def _decide_picture(stream: Stream, target: ContainerFormat) -> Action | _Left:
    if not stream.disposition & Disposition.attached_pic:
        return _Left("only one film is painted, and this is another")
    if stream.disposition & Disposition.timed_thumbnails:
        return _Left("thumbnails of the unpainted film")
    if target.cover == "none" or codec_name(stream) not in ("mjpeg", "png"):
        return _Left(f"{target.muxer} holds no such cover picture")
    return "cover"


def codec_name(stream: Stream) -> str:
    """FFmpeg's descriptor name of a stream's codec; empty where it has none."""
    if stream.codec_context is not None:
        return stream.codec_context.codec.canonical_name
    return getattr(stream, "name", None) or ""


def _describe(stream: Stream) -> str:
    language = stream.metadata.get("language")
    spoken = f"({language})" if language not in (None, "und") else ""
    words = [stream.type, f"#{stream.index}", codec_name(stream), spoken]
    return " ".join(word for word in words if word)


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
    route.stream.metadata.update(stream_tags(stream))
    if target.muxer == "mov" and (language := stream.metadata.get("language")):
        route.stream.metadata["language"] = in_quicktime(language)
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


def stream_tags(stream: Stream) -> dict[str, str]:
    """A stream's tags without those that would now be wrong, or that mp4 has for want of anything to say."""
    kept = {k: v for k, v in stream.metadata.items() if not k.upper().startswith(_STALE_TAGS)}
    if "title" not in kept and (name := kept.pop("name", None)):
        kept["title"] = name  # FFmpeg reads it from mp4 under the one word and writes it under the other
    return {k: v for k, v in kept.items() if not (k.lower() == "handler_name" and v in _EMPTY_HANDLERS)}


def film_tags(source: InputContainer) -> dict[str, str]:
    """The film's tags without those that every muxer writes itself."""
    return {k: v for k, v in source.metadata.items() if k.lower() not in _MUXER_TAGS}
