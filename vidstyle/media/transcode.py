"""Sound and text subtitles in the codec that the target holds, where it does not hold their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.stream import SubtitleStream

_BITS_A_CHANNEL = {"aac": 128_000, "libopus": 96_000, "libmp3lame": 128_000}
_USUAL_RATE = 48_000  # and Opus's only one
_MILLISECOND = Fraction(1, 1000)
_EMPTY_MOV_TEXT = b"\0\0"  # a text of length 0


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
        formats = av.Codec(encoder, "w").audio_formats or []
        own = decoder.format.name if decoder.format else None
        context.format = next((f for f in formats if f.name == own), formats[0])
        if bits := _BITS_A_CHANNEL.get(encoder):
            context.bit_rate = bits * context.layout.nb_channels
        context.time_base = self.stream.time_base = Fraction(1, context.sample_rate)
        context.open()
        self._converter = self._new_converter()
        self._converts: tuple[str, str, int] | None = None
        self._pacer = AudioResampler(
            format=context.format,
            layout=context.layout,
            rate=context.sample_rate,
            frame_size=context.frame_size,
            options={"async": "1"},  # fills gaps, so that sound does not run ahead of the picture after one
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


def _layout(encoder: str, layout: AudioLayout) -> str:
    """Names for channels that the source only counts ("2 channels"); mp3 has no more than two."""
    count = min(layout.nb_channels, 2) if encoder == "libmp3lame" else layout.nb_channels
    named = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
    if count == layout.nb_channels and "channels" not in layout.name:
        return layout.name
    return named.get(count, "stereo")


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
        self._end: int | None = None  # of the text before

    def feed(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The text in the new format, at its old time; nothing for one without a time or that FFmpeg cannot read."""
        if packet.pts is None:
            return
        try:
            subtitle = self._decoder.decode2(packet)
            if subtitle is None or not len(subtitle):
                return
            converted = self._context.encode_subtitle(subtitle)
        except av.error.FFmpegError:
            self.refused += 1  # text that FFmpeg cannot read is left out
            return
        yield from self._gap_before(packet)
        yield self._at(converted, packet.pts, packet)
        self._end = packet.pts + (packet.duration or 0)

    def _gap_before(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """The empty text that stands between two others in mp4, where each lasts until the next."""
        if self._context.name != "mov_text" or self._end is None or packet.pts is None:
            return
        if packet.pts > self._end:
            yield self._at(Packet(_EMPTY_MOV_TEXT), self._end, packet, duration=packet.pts - self._end)

    def _at(
        self, text: Packet[Stream], pts: int, like: Packet[Stream], *, duration: int | None = None
    ) -> Packet[Stream]:
        text.pts = text.dts = pts
        text.duration = like.duration if duration is None else duration
        text.time_base = like.time_base
        text.stream = self.stream
        return text

    def flush(self) -> Iterator[Packet[Stream]]:
        """Nothing: every text was given at once."""
        yield from ()
