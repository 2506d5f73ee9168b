"""From painted RGB frames to compressed packets, with times, colours and pixel aspect told truly."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from vidstyle.errors import OutputError
from vidstyle.frames import ColourInfo, Frame, VideoInfo
from vidstyle.media.codecs import EncodeOptions, bit_rate, encoder_options, is_rgb
from vidstyle.media.palette import Palette
from vidstyle.media.part_file import reason

_SWS_MATRIX = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
_UNSPECIFIED = (0, 2, 3)
_SECONDS_BETWEEN_KEYFRAMES = 5


def output_colour(source: ColourInfo, pixel_format: str) -> ColourInfo:
    """The colours to encode in and to tag: the film's own, limited range; BT.709 where the film was HDR.

    HDR is tone-mapped to BT.709 when it is read. Limited range, also where the film had full range: what
    ignores the tag, and much does, shows the same picture. RGB formats have no matrix and are full range.
    """
    rgb = is_rgb(pixel_format)
    full = rgb or pixel_format.startswith("yuvj")
    if source.is_hdr:
        return ColourInfo(matrix=0 if rgb else 1, full_range=full)
    matrix = {10: 9}.get(source.matrix, source.matrix)
    return ColourInfo(
        matrix=0 if rgb else matrix if matrix in _SWS_MATRIX else 1,
        primaries=1 if source.primaries in _UNSPECIFIED else source.primaries,
        transfer=1 if source.transfer in _UNSPECIFIED else source.transfer,
        full_range=full,
    )


class FrameConverter:
    """Turns frames into the encoder's pixel format with the stated matrix and range."""

    def __init__(self, *, pixel_format: str, colour: ColourInfo, alpha: bool) -> None:
        """With `alpha` the frames' transparency is kept, without it they are laid on black."""
        self._format = pixel_format
        self._colour = colour
        self._alpha = alpha
        self._reformatter = VideoReformatter()

    def convert(self, frame: Frame) -> VideoFrame:
        """The frame as FFmpeg's, without its time."""
        rgb = self._rgb_frame(frame)
        converted = self._reformatter.reformat(
            rgb,
            format=self._format,
            dst_colorspace=_SWS_MATRIX.get(self._colour.matrix),
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._colour.full_range else ColorRange.MPEG,
            # Averaging is what a camera's chroma is made of; the default filter rings at painted edges.
            interpolation=Interpolation.AREA,
            threads=1,
        )
        if self._colour.matrix in (0, *_SWS_MATRIX):
            converted.colorspace = self._colour.matrix
        converted.color_range = ColorRange.JPEG if self._colour.full_range else ColorRange.MPEG
        return converted

    def _rgb_frame(self, frame: Frame) -> VideoFrame:
        if frame.alpha is None and not self._alpha:
            return VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame.image), format="rgb24")
        alpha = np.full(frame.image.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha
        if self._alpha:
            rgba = np.concatenate([frame.image, alpha[..., None]], axis=2)
            return VideoFrame.from_numpy_buffer(rgba, format="rgba")
        # 16 bits hold 255 * 255; adding half of the divisor rounds.
        on_black = (frame.image.astype(np.uint16) * alpha[..., None] + 127) // 255
        return VideoFrame.from_numpy_buffer(on_black.astype(np.uint8), format="rgb24")


class VideoEncoder:
    """One video stream of an output, fed with frames. Not to be used from two threads at once."""

    def __init__(
        self,
        container: OutputContainer,
        codec: av.Codec,
        *,
        info: VideoInfo,
        options: EncodeOptions,
        pixel_format: str,
        time_base: Fraction,
        pixel_aspect: Fraction,
        alpha: bool,
    ) -> None:
        """Add the stream and open the encoder. Raises OutputError where it does not open, UsageError for options."""
        self.size = options.size or (info.width, info.height)
        self.time_base = time_base
        self.colour = output_colour(info.colour, pixel_format)
        self._rate = info.rate or Fraction(25)
        self._palette = Palette(size=self.size) if pixel_format == "pal8" else None
        self._converter = FrameConverter(
            pixel_format="rgba" if self._palette else pixel_format, colour=self.colour, alpha=alpha
        )
        self._durations: dict[int, int | None] = {}
        self._last_pts: int | None = None
        self._spacing = max(1, round(1 / (self._rate * time_base)))
        settings = encoder_options(codec, options, pixel_format=pixel_format)
        os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to stderr otherwise

        def configure(context: VideoCodecContext) -> None:
            context.width, context.height = self.size
            context.pix_fmt = pixel_format
            context.time_base = time_base
            context.framerate = self._rate
            context.gop_size = max(12, round(_SECONDS_BETWEEN_KEYFRAMES * self._rate))
            context.sample_aspect_ratio = pixel_aspect
            context.thread_count = options.threads
            # PyAV's default of slice threads makes x264 cut pictures in slices: slower and larger.
            context.thread_type = ThreadType.AUTO
            _tag(context, self.colour)
            context.bit_rate = bit_rate(codec, options, size=self.size, rate=float(self._rate))
            context.options = settings

        try:
            stream = container.add_stream(codec.name, rate=self._rate, hwaccel=_hardware(codec))
            assert isinstance(stream, VideoStream)
            stream.time_base = time_base
            configure(stream.codec_context)
            if codec.name == "libx265" and container.format.name in ("mp4", "mov"):
                stream.codec_context.codec_tag = "hvc1"  # Apple's players do not open FFmpeg's default, hev1
            stream.codec_context.open()
        except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
            why = _words_for(error, codec, configure)
            raise OutputError(f"the encoder {codec.name} does not start ({why}); choose another codec") from error
        self.stream = stream
        self._context = stream.codec_context

    def encode(self, frame: Frame) -> list[Packet[VideoStream]]:
        """The packets that become ready with this frame. Raises OutputError."""
        height, width = frame.image.shape[:2]
        if (width, height) != self.size:
            raise OutputError(
                f"frame {frame.index} is {width}x{height}, the film being written {self.size[0]}x{self.size[1]}"
            )
        picture = self._converter.convert(frame)
        if self._palette:
            picture = self._palette.convert(picture)
        picture.time_base = self.time_base
        picture.pts = self._pts(frame)
        self._durations[picture.pts] = self._in_time_base(frame.duration, frame.time_base)
        return self._timed(self._context.encode(picture))

    def flush(self) -> list[Packet[VideoStream]]:
        """The packets still inside the encoder."""
        if self._last_pts is None:
            return []  # some encoders crash when flushed before their first frame
        return self._timed(self._context.encode(None))

    def _pts(self, frame: Frame) -> int:
        pts = frame.pts if frame.time_base == self.time_base else round(frame.time / self.time_base)
        if self._last_pts is not None:
            # Two frames can fall on one tick of a coarser clock (GIF, AVI); none may be lost.
            pts = max(pts, self._last_pts + 1)
            self._spacing = pts - self._last_pts
        self._last_pts = pts
        return pts

    def _in_time_base(self, duration: int | None, time_base: Fraction) -> int | None:
        return None if not duration else max(1, round(duration * time_base / self.time_base))

    def _timed(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        for packet in packets:
            packet.stream = self.stream
            # The muxer knows all durations but the last frame's by the next frame's time.
            known = None if packet.pts is None else self._durations.pop(packet.pts, None)
            packet.duration = known or self._spacing
        return packets


def _tag(context: VideoCodecContext, colour: ColourInfo) -> None:
    context.colorspace = colour.matrix
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    context.color_range = ColorRange.JPEG if colour.full_range else ColorRange.MPEG


def _words_for(error: Exception, codec: av.Codec, configure: Callable[[VideoCodecContext], None]) -> str:
    """The encoder's own reason for not opening, heard at a second attempt.

    FFmpeg's log stays off otherwise: PyAV takes the interpreter's lock for each line, and a decoder that is
    closed under that lock while one of its threads has something to say never returns.
    """
    if not isinstance(error, av.error.FFmpegError) or av.logging.get_level() is not None:
        return reason(error)
    context = codec.create("video")
    configure(context)
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
