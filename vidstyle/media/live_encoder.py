"""H.264 and AAC for people who watch at the same time: nothing is held back, a keyframe every second."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound

TIME_BASE = Fraction(1, 90_000)
"""MPEG's own clock."""

KEYFRAME_EVERY = 1.0
"""Seconds between keyframes: as long as a new viewer waits at most."""

GAP = 0.1
"""Seconds by which sound may be off its time before it is set right; below that it runs on without a seam."""

SOUND_RATE = 48_000
_BITS_PER_PIXEL = 0.2


class LiveEncoder:
    """Encodes pictures and sound into `container`, timed by when they were captured.

    Time 0 is the first picture. Frames may come at any distance; two never share a time stamp.
    """

    def __init__(self, container: OutputContainer, picture: PictureFormat) -> None:
        self._container = container
        self._video = _video_stream(container, picture)
        self._audio: AudioStream | None = None
        if picture.sound:
            self._audio = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", bit_rate=128_000)
        self._reformatter = VideoReformatter()
        self._start: float | None = None
        self._last_pts = -1
        self._next_keyframe = 0.0
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE)
        self._next_sample: int | None = None

    def write(self, frame: LiveFrame) -> None:
        """Encode one picture (H, W, 3) uint8 RGB and hand it to the muxer. Raises what PyAV raises."""
        if self._start is None:
            self._start = frame.captured
        seconds = frame.captured - self._start
        rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame.image), format="rgb24")
        picture = self._reformatter.reformat(
            rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG, dst_color_range=ColorRange.MPEG, threads=1,
        )  # fmt: skip
        picture.time_base = TIME_BASE
        picture.pts = self._last_pts = max(self._last_pts + 1, round(seconds / TIME_BASE))
        if seconds >= self._next_keyframe:
            picture.pict_type = PictureType.I
            self._next_keyframe = seconds + KEYFRAME_EVERY
        else:
            picture.pict_type = PictureType.NONE
        self._container.mux(self._video.encode(picture))

    def hear(self, sound: Sound) -> None:
        """Encode a piece of sound; what was heard before the first picture is left out."""
        if not self._audio or self._start is None or sound.captured < self._start:
            return
        due = round((sound.captured - self._start) * SOUND_RATE)
        if self._next_sample is None or abs(due - self._next_sample) > GAP * SOUND_RATE:
            if self._next_sample is not None and due < self._next_sample:
                return  # time that has been heard already
            self._next_sample = due
        samples = sound.samples
        samples.pts = None  # the camera's clock is not ours
        for piece in self._resampler.resample(samples):
            piece.pts, piece.time_base = self._next_sample, Fraction(1, SOUND_RATE)
            self._next_sample += piece.samples
            self._container.mux(self._audio.encode(piece))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        if self._start is None:
            return
        self._container.mux(self._video.encode(None))
        if self._audio and self._next_sample is not None:
            self._container.mux(self._audio.encode(None))


def _video_stream(container: OutputContainer, picture: PictureFormat) -> VideoStream:
    bits = picture.width * picture.height * float(picture.rate) * _BITS_PER_PIXEL
    options = {
        "preset": "ultrafast", "tune": "zerolatency", "crf": "21", "forced-idr": "1",
        "maxrate": str(round(bits)), "bufsize": str(round(bits / 2)),
    }  # fmt: skip
    stream = container.add_stream("libx264", rate=picture.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = TIME_BASE
    # Keyframes are asked for by time, not counted: this is only the upper limit.
    stream.codec_context.gop_size = max(1, round(4 * picture.rate))
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
    stream.codec_context.color_range = ColorRange.MPEG
    return stream
