"""H.264 and AAC for people who watch at the same time: nothing is held back, a keyframe every second."""

from __future__ import annotations

from fractions import Fraction

from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from vidstyle.frames import ColourInfo
from vidstyle.media.frame_converter import FrameConverter
from vidstyle.media.live_protocol import LiveFrame, PictureFormat, Sound
from vidstyle.media.sound_track import SoundTrack

TIME_BASE = Fraction(1, 90_000)
"""MPEG's own clock."""

KEYFRAME_EVERY = 1.0
"""Seconds between keyframes: as long as a new viewer waits at most."""

_BITS_PER_PIXEL = 0.2
_PIXELS, _COLOUR = "yuv420p", ColourInfo()


class LiveEncoder:
    """Encodes pictures and sound into `container`, timed by when they were captured.

    Time 0 is the first picture. Frames may come at any distance; two never share a time stamp.
    """

    def __init__(self, container: OutputContainer, picture: PictureFormat) -> None:
        self._container = container
        self._video = _video_stream(container, picture)
        self._sound = SoundTrack(container, picture.sound) if picture.sound else None
        self._converter = FrameConverter(pixel_format=_PIXELS, colour=_COLOUR, alpha=False)
        self._start: float | None = None
        self._last_pts = -1
        self._next_keyframe = 0.0

    def write(self, frame: LiveFrame) -> None:
        """Encode one picture (H, W, 3) uint8 RGB, and the sound up to it, for the muxer. Raises what PyAV raises."""
        if self._start is None:
            self._start = frame.captured
        seconds = frame.captured - self._start
        picture = self._converter.convert(frame.image)
        picture.time_base = TIME_BASE
        picture.pts = self._last_pts = max(self._last_pts + 1, round(seconds / TIME_BASE))
        if seconds >= self._next_keyframe:
            picture.pict_type = PictureType.I
            self._next_keyframe = seconds + KEYFRAME_EVERY
        else:
            picture.pict_type = PictureType.NONE
        if self._sound:
            self._container.mux(list(self._sound.until(frame.captured)))
        self._container.mux(self._video.encode(picture))

    def hear(self, sound: Sound) -> None:
        """Take a piece of sound, to be encoded with the picture it belongs to."""
        if self._sound:
            self._sound.hear(sound)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        if self._start is None:
            return
        self._container.mux(self._video.encode(None))
        if self._sound:
            self._container.mux(list(self._sound.finish()))


def _video_stream(container: OutputContainer, picture: PictureFormat) -> VideoStream:
    bits = picture.width * picture.height * float(picture.rate) * _BITS_PER_PIXEL
    options = {
        "preset": "ultrafast", "tune": "zerolatency", "crf": "21", "forced-idr": "1",
        "maxrate": str(round(bits)), "bufsize": str(round(bits / 2)),
    }  # fmt: skip
    stream = container.add_stream("libx264", rate=picture.rate, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, _PIXELS
    stream.time_base = stream.codec_context.time_base = TIME_BASE
    # Keyframes are asked for by time, not counted: this is only the upper limit.
    stream.codec_context.gop_size = max(1, round(4 * picture.rate))
    stream.codec_context.colorspace = _COLOUR.matrix
    stream.codec_context.color_primaries, stream.codec_context.color_trc = _COLOUR.primaries, _COLOUR.transfer
    stream.codec_context.color_range = ColorRange.MPEG
    return stream
