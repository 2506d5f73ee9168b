"""Sound and text subtitles in the codec that the target holds, where it does not hold their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import cast

import av
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

from vidstyle.media.timestamps import MICROSECOND

_BITS_A_CHANNEL = {"aac": 128_000, "libopus": 96_000, "libmp3lame": 128_000, "wmav2": 128_000}
_STEREO_AT_MOST = ("libmp3lame", "mp2", "wmav2")
_USUAL_RATE = 48_000  # and Opus's only one
_MILLISECOND = Fraction(1, 1000)
_EMPTY_MOV_TEXT = b"\0\0"  # a text of length 0
_ASS_FIELDS = 8  # before the text of a dialogue, each with a comma behind it
_ASS_NEW_LINE = rb"\N{\r}"  # and an end to the looks of the line before


class AudioRoute:
    """Decodes a sound stream and encodes it anew, at the same moments: gaps become silence."""

    def __init__(self, output: OutputContainer, source: AudioStream, *, encoder: str) -> None:
        decoder = source.codec_context
        self._decoder = decoder
        self.refused = 0
        stream = output.add_stream(encoder, rate=_sample_rate(encoder, decoder.sample_rate))
        self.stream: Stream = stream
        self._context = context = cast(AudioStream, stream).codec_context
        context.layout = _layout(encoder, decoder.layout)
        context.format = _sample_format(encoder, decoder.format)
        if bits := _BITS_A_CHANNEL.get(encoder):
            context.bit_rate = bits * context.layout.nb_channels
        context.time_base = self.stream.time_base = Fraction(1, context.sample_rate)
        context.open()
        self._converter = self._new_converter()
        self._converts: tuple[str, str, int] | None = None
        self._tick = source.time_base or _MILLISECOND  # in which the decoder's frames count
        self._heard = Fraction(0)  # up to here, in seconds
        self._pacer = AudioResampler(
            format=context.format,
            layout=context.layout,
            rate=context.sample_rate,
            frame_size=context.frame_size,
            # Fills gaps, so that sound does not run ahead of the picture after one; in AVI, where all streams begin at
            # once, also the one before it begins.
            options={"async": "1"} | ({"first_pts": "0"} if output.format.name == "avi" else {}),
        )

    def _new_converter(self) -> AudioResampler:
        context = self._context
        return AudioResampler(format=context.format, layout=context.layout, rate=context.sample_rate)

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Encoded packets that became ready with `packet`: none, one or several. A damaged packet gives none."""
        for frame in self._decoded(packet):
            yield from self._take(frame)

    def flush(self) -> Iterator[Packet[Stream]]:
        """What decoder, resampler and encoder still hold, at the end."""
        for frame in self._decoded(None):
            yield from self._take(frame)
        yield from self._paced([*self._converter.resample(None), None])
        yield from self._encode(None)

    def _take(self, frame: AudioFrame) -> Iterator[Packet[Stream]]:
        """Convert a frame; channels and rate may change at any of them, as where a broadcast goes from 2 to 5.1."""
        if frame.pts is None or frame.time_base is None:  # what WMA's decoder held to the end has no time
            frame.pts, frame.time_base = round(self._heard / self._tick), self._tick
        self._heard = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._converts not in (None, kind):
            yield from self._paced(self._converter.resample(None))
            self._converter = self._new_converter()
        self._converts = kind
        yield from self._paced(self._converter.resample(frame))

    def _paced(self, frames: Iterable[AudioFrame | None]) -> Iterator[Packet[Stream]]:
        unit = Fraction(1, self._context.sample_rate)
        for frame in frames:
            if frame is not None and frame.pts is not None and frame.time_base is not None:
                # A frame that needed no conversion still counts in the source's unit; the pacer knows one only.
                frame.pts, frame.time_base = round(frame.pts * frame.time_base / unit), unit
            for piece in self._pacer.resample(frame):
                yield from self._encode(piece)

    def _decoded(self, packet: Packet[Stream] | None) -> list[AudioFrame]:
        """What a packet holds, or with None the decoder still; nothing if it is damaged: that is silence."""
        try:
            return self._decoder.decode(packet)
        except av.error.FFmpegError:
            # Any of them: damage can look like a feature that FFmpeg lacks (AVERROR_PATCHWELCOME) or forbids (EPERM).
            self.refused += 1
            return []

    def _encode(self, frame: AudioFrame | None) -> Iterator[Packet[Stream]]:
        for packet in self._context.encode(frame):
            packet.stream = self.stream
            yield packet


def is_reduced(stream: AudioStream, encoder: str) -> bool:
    """Whether `encoder` holds fewer channels than the sound has."""
    return encoder in _STEREO_AT_MOST and stream.codec_context.layout.nb_channels > 2


def _layout(encoder: str, layout: AudioLayout) -> str:
    """Names for channels that the source only counts ("2 channels"); of some encoders no more than two."""
    count = min(layout.nb_channels, 2) if encoder in _STEREO_AT_MOST else layout.nb_channels
    named = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
    if count == layout.nb_channels and "channels" not in layout.name:
        return layout.name
    return named.get(count, "stereo")


def _sample_format(encoder: str, own: AudioFormat | None) -> AudioFormat:
    """The source's own, with channels apart or not; else the narrowest that is no narrower, or the widest there is."""
    formats = av.Codec(encoder, "w").audio_formats or []
    widest = max(formats, key=lambda f: f.bytes)
    if own is None:
        return widest
    same = (f for f in formats if f.packed.name == own.packed.name)
    wide = (f for f in sorted(formats, key=lambda f: f.bytes) if f.bytes >= own.bytes)
    return next(same, next(wide, widest))


def _sample_rate(encoder: str, rate: int) -> int:
    supported = av.Codec(encoder, "w").audio_rates
    if encoder == "libopus" or not rate:  # unknown where no sound has come yet
        return _USUAL_RATE
    return rate if not supported or rate in supported else min(supported, key=lambda r: abs(r - rate))


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
