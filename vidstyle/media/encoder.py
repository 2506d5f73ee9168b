"""From painted RGB frames to compressed packets, each at its frame's own time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from vidstyle.errors import OutputError
from vidstyle.frames import ColourInfo, Frame, VideoInfo
from vidstyle.media.codecs import EncodeOptions, assumed_matrix, bit_rate, encoder_options
from vidstyle.media.frame_converter import FrameConverter, output_colour
from vidstyle.media.palette import Palette
from vidstyle.media.part_file import reason
from vidstyle.media.shape import Shape

USUAL_RATE = Fraction(25)
"""Frames a second of a film that does not tell its own."""

_SECONDS_BETWEEN_KEYFRAMES = 5
_DEEPEST_REORDERING = 1000  # frames, many times what encoders do
_LONGEST_PAUSE = 60_000  # empty frames, as many as FFmpeg puts into AVI before the next one


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """All that an encoder is set to. `muxer` names the container, `alpha` says whether transparency is kept.

    `grid` is the one rate, in frames a second, of a target that has no times; some of its frames may be left out.
    """

    codec: av.Codec
    info: VideoInfo
    grid: Fraction | None
    options: EncodeOptions
    pixel_format: str
    time_base: Fraction
    shape: Shape
    alpha: bool
    muxer: str

    @property
    def rate(self) -> Fraction:
        """The film's frames a second: for rate control and the distance of key frames only, never for time."""
        return self.info.rate or USUAL_RATE

    @property
    def told_rate(self) -> Fraction:
        """Frames a second that the stream tells of."""
        return self.grid or self.rate

    @property
    def colour(self) -> ColourInfo:
        """The colours that the stream is coded and tagged with."""
        assumed = assumed_matrix(self.codec, self.muxer, size=self.shape.coded)
        return output_colour(self.info.colour, self.pixel_format, assumed_matrix=assumed)

    def configure(self, context: VideoCodecContext) -> None:
        """Set up an encoder that is not open yet. Raises UsageError for options that it does not have."""
        context.width, context.height = self.shape.coded
        context.pix_fmt = self.pixel_format
        context.time_base = self.time_base
        context.framerate = self.told_rate
        context.gop_size = max(12, round(_SECONDS_BETWEEN_KEYFRAMES * self.rate))
        if self.muxer == "avi":
            context.max_b_frames = 0  # AVI has no times but the order in the file: reordered frames would be late
        context.sample_aspect_ratio = self.shape.pixel_aspect
        context.thread_count = self.options.threads
        # PyAV's default of slice threads makes x264 cut pictures in slices: slower and larger.
        context.thread_type = ThreadType.AUTO
        context.bit_rate = bit_rate(self.codec, self.options, size=self.shape.coded, rate=float(self.rate))
        context.options = encoder_options(self.codec, self.options, pixel_format=self.pixel_format)
        if self.codec.name == "libx265" and self.muxer in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players do not open FFmpeg's default, hev1
        colour = self.colour
        context.colorspace = colour.matrix
        context.color_primaries = colour.primaries
        context.color_trc = colour.transfer
        context.color_range = ColorRange.JPEG if colour.full_range else ColorRange.MPEG


class VideoEncoder:
    """One video stream of an output, fed with frames. Not to be used from two threads at once."""

    def __init__(self, container: OutputContainer, settings: VideoSettings) -> None:
        """Add the stream and open the encoder. Raises OutputError where it does not open, UsageError for options."""
        shape = settings.shape
        self._settings = settings
        self._colour = settings.colour
        self._palette = Palette(size=shape.coded) if settings.pixel_format == "pal8" else None
        self._converter = FrameConverter(
            pixel_format="rgba" if self._palette else settings.pixel_format,
            colour=self._colour,
            alpha=settings.alpha,
            size=None if shape.coded == shape.frame else shape.coded,
        )
        self._durations: dict[int, int | None] = {}
        self._last_pts: int | None = None
        self._first_pts = self._last_duration = 0
        self._spacing = self._longest = max(1, round(1 / (settings.told_rate * settings.time_base)))
        self.stream = _open_stream(container, settings)
        self._context: VideoCodecContext = self.stream.codec_context

    def encode(self, frame: Frame) -> list[Packet[VideoStream]]:
        """The packets that become ready with this frame. Raises OutputError."""
        height, width = frame.image.shape[:2]
        if (width, height) != (expected := self._settings.shape.frame):
            film = f"{expected[0]}x{expected[1]}"
            raise OutputError(f"frame {frame.index} is {width}x{height}, the film being written {film}")
        picture = self._converter.convert(frame.image, frame.alpha)
        if self._settings.codec.canonical_name == "prores":  # asks the frames; so does PNG, and tells of a film's gamma
            picture.color_primaries, picture.color_trc = self._colour.primaries, self._colour.transfer
        if self._palette:
            picture = self._palette.convert(picture)
        picture.time_base = self._settings.time_base
        picture.pts = self._pts(frame)
        known = self._in_time_base(frame.duration, frame.time_base)
        self._durations[picture.pts] = known
        self._last_duration = known or self._spacing
        return self._timed(self._context.encode(picture))

    def flush(self) -> list[Packet[VideoStream]]:
        """The packets still inside the encoder."""
        if self._last_pts is None:
            return []  # some encoders crash when flushed before their first frame
        packets = self._timed(self._context.encode(None))
        if packets and self._settings.muxer in ("mp4", "mov"):
            self._stretch(packets[-1])
        return packets

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame's beginning to the last one's end, so far."""
        return ((self._last_pts or 0) - self._first_pts + self._last_duration) * self._settings.time_base

    def _pts(self, frame: Frame) -> int:
        pts = frame.pts if frame.time_base == self._settings.time_base else round(frame.time / self._settings.time_base)
        if self._last_pts is not None:
            # Two frames can fall on one tick of a coarser clock (GIF, AVI); none may be lost.
            pts = max(pts, self._last_pts + 1)
            self._spacing = pts - self._last_pts
            if self._settings.muxer == "avi" and self._spacing > _LONGEST_PAUSE + 1:
                pause = float(self._spacing * self._settings.time_base)
                raise OutputError(f"AVI cannot hold the film's pause of {pause:.0f} s; write mp4 or mkv instead")
            self._longest = max(self._longest, self._spacing)
        else:
            self._first_pts = pts
        self._last_pts = pts
        return pts

    def _in_time_base(self, duration: int | None, time_base: Fraction) -> int | None:
        return None if not duration else max(1, round(duration * time_base / self._settings.time_base))

    def _timed(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        for packet in packets:
            packet.stream = self.stream
            self._mend_dts(packet)
            # The muxer knows all durations but the last frame's by the next frame's time.
            known = None if packet.pts is None else self._durations.pop(packet.pts, None)
            packet.duration = known or self._spacing
        return packets

    def _stretch(self, packet: Packet[VideoStream]) -> None:
        """Give the last packet coded the long duration of the last frame shown, where that was coded before it.

        mp4 has no durations of frames, only the distances of what is coded.
        """
        if packet.dts is not None and packet.pts != self._last_pts and self._last_duration > self._spacing:
            packet.duration = (self._last_pts or 0) + self._last_duration - packet.dts

    def _mend_dts(self, packet: Packet[VideoStream]) -> None:
        """Replace what libx265 leaves of the memory before it as dts in a film of one or two frames."""
        if packet.pts is None or packet.dts is None:
            return
        if not self._first_pts - _DEEPEST_REORDERING * self._longest <= packet.dts <= packet.pts:
            packet.dts = packet.pts  # so short a film is not reordered


def _open_stream(container: OutputContainer, settings: VideoSettings) -> VideoStream:
    codec = settings.codec
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to stderr otherwise
    try:
        stream = container.add_stream(codec.name, rate=settings.told_rate, hwaccel=_hardware(codec))
        assert isinstance(stream, VideoStream)
        stream.time_base = settings.time_base
        settings.configure(stream.codec_context)
        stream.codec_context.open()
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        why = _words_for(error, settings)
        raise OutputError(f"the encoder {codec.name} does not start ({why}); choose another codec or format") from error
    return stream


def _words_for(error: Exception, settings: VideoSettings) -> str:
    """The encoder's own reason for not opening, heard at a second attempt.

    FFmpeg's log stays off otherwise: PyAV takes the interpreter's lock for each line, and a decoder that is
    closed under that lock while one of its threads has something to say never returns.
    """
    if not isinstance(error, av.error.FFmpegError) or av.logging.get_level() is not None:
        return reason(error)
    context = settings.codec.create("video")
    settings.configure(context)
    context.thread_count = 1  # else the last words are that its threads did not start
    av.logging.set_level(av.logging.PANIC)
    try:
        context.open()
    except av.error.FFmpegError as again:
        return reason(again)
    finally:
        av.logging.set_level(None)
    return reason(error)


def _hardware(codec: av.Codec) -> HWAccel | None:
    """What a VAAPI encoder needs besides its name; the others find their device themselves."""
    return HWAccel("vaapi") if codec.name.endswith("_vaapi") else None
