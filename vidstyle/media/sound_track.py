"""The camera's sound in a file or stream: encoded anew, each piece at the moment when it was heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from vidstyle.media.live_protocol import Sound, SoundFormat

RATE = 48_000
"""Samples a second; every encoder here takes them."""

GAP = 0.04
"""Seconds by which sound may be off its time before it is set right; below that it runs on without a seam.

More can be seen on lips (EBU R 37: 40 ms early to 60 ms late).
"""

AHEAD = 0.1
"""Seconds by which sound may run ahead of the picture: muxers hold a picture back until they have later sound."""

LAG = 1.0
"""Seconds without sound after which silence takes its place, so that no muxer waits for it."""

KEPT = 1000
"""Pieces of sound (about 20 ms each) that may wait for their picture: films have them up to seconds ahead."""

_BIT_RATE = 128_000


class SoundTrack:
    """A stream of sound in `container`. Time 0 is the first picture; earlier sound is left out.

    Gaps are filled with silence; sound for a time that has been heard already is cut off.
    """

    def __init__(self, container: OutputContainer, sound: SoundFormat, *, encoder: str = "aac") -> None:
        layout = "mono" if sound.layout == "mono" else "stereo"
        stream = container.add_stream(encoder, rate=RATE, layout=layout, bit_rate=_BIT_RATE)
        self._stream = cast(AudioStream, stream)
        self._layout = layout
        self._resampler: av.AudioResampler | None = None
        self._heard: tuple[str, str, int] | None = None
        self._waiting: deque[Sound] = deque(maxlen=KEPT)
        self._start: float | None = None
        self._next = 0

    def hear(self, sound: Sound) -> None:
        """Take a piece of sound; it is encoded when the picture has come so far."""
        self._waiting.append(sound)

    def until(self, moment: float) -> Iterator[Packet[AudioStream]]:
        """Encode what belongs before the picture of `moment` (monotonic seconds); the first call sets the start."""
        if self._start is None:
            self._start = moment
        while self._waiting and self._waiting[0].captured <= moment + AHEAD:
            yield from self._place(self._waiting.popleft())
        if (moment - self._start) * RATE - self._next > LAG * RATE:
            yield from self._silence(round((moment - self._start - LAG / 2) * RATE))

    def finish(self) -> Iterator[Packet[AudioStream]]:
        """Encode what the encoder still holds."""
        if self._next:
            yield from self._stream.encode(None)

    def _place(self, sound: Sound) -> Iterator[Packet[AudioStream]]:
        assert self._start is not None
        due = round((sound.captured - self._start) * RATE)
        if abs(due - self._next) <= (GAP * RATE if self._next else 0):
            due = self._next
        yield from self._silence(due)
        for piece in self._converted(sound.samples):
            heard = self._next - due
            due += piece.samples
            if heard < piece.samples:
                # Also where nothing is cut off: what needs no conversion is the piece that other tracks hold too.
                yield from self._encode(_cut(piece, heard))

    def _converted(self, samples: av.AudioFrame) -> list[av.AudioFrame]:
        """The samples as the encoder takes them; a camera that was lost may come back with others."""
        heard = samples.format.name, samples.layout.name, samples.sample_rate
        if self._resampler is None or heard != self._heard:
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=RATE)
            self._heard = heard
        return self._resampler.resample(samples)

    def _silence(self, until: int) -> Iterator[Packet[AudioStream]]:
        channels = av.AudioLayout(self._layout).nb_channels
        while (count := min(until - self._next, RATE)) > 0:
            samples = np.zeros((channels, count), np.float32)
            piece = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
            piece.sample_rate = RATE
            yield from self._encode(piece)

    def _encode(self, piece: av.AudioFrame) -> Iterator[Packet[AudioStream]]:
        piece.pts, piece.time_base = self._next, Fraction(1, RATE)
        self._next += piece.samples
        yield from self._stream.encode(piece)


def _cut(piece: av.AudioFrame, count: int) -> av.AudioFrame:
    """A copy of a converted piece without its first `count` samples."""
    samples = np.ascontiguousarray(piece.to_ndarray()[:, count:], np.float32)
    copy = av.AudioFrame.from_ndarray(samples, format="fltp", layout=piece.layout.name)
    copy.sample_rate = piece.sample_rate
    return copy
