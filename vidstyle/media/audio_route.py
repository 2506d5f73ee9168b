"""Sound in the codec that the target holds, where it does not hold the film's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
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

_BITS_A_CHANNEL = {"aac": 128_000, "libopus": 96_000, "libmp3lame": 128_000, "wmav2": 128_000}
_STEREO_AT_MOST = ("libmp3lame", "mp2", "wmav2")
_USUAL_RATE = 48_000  # and Opus's only one
_MILLISECOND = Fraction(1, 1000)


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
