"""What a film or a still picture is: from its headers and its first frame."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidstyle.frames import VideoInfo
from vidstyle.media.colour import bit_depth, frames_colour, has_alpha, source_colour
from vidstyle.media.demux import frame_rate, time_base_of
from vidstyle.media.orientation import Orientation
from vidstyle.media.window import TimeWindow


def describe(
    container: InputContainer,
    stream: VideoStream,
    first: VideoFrame,
    *,
    orientation: Orientation,
    window: TimeWindow,
    still: bool,
) -> VideoInfo:
    """What is known before the first frame, of the part that `window` holds; `first` as it was decoded."""
    aspect = Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    size = (first.width, first.height)
    whole = window.first is None and window.last is None
    frames = (1 if still else stream.frames or None) if whole else None
    return VideoInfo(
        width=size[1] if orientation.swaps_sides else size[0],
        height=size[0] if orientation.swaps_sides else size[1],
        time_base=window.tick,
        rate=None if still else frame_rate(stream),
        frames=frames,
        duration=window.part_of(_duration(container, stream)),
        pixel_aspect=1 / aspect if orientation.swaps_sides else aspect,
        colour=frames_colour(source_colour(first)),
        bit_depth=bit_depth(first),
        has_alpha=has_alpha(first, codec=stream.codec_context.codec.canonical_name),
        orientation=orientation.name,
        interlaced=first.interlaced_frame and has_fields(stream.codec_context.codec.canonical_name),
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
    )


def has_fields(codec: str) -> bool:
    """Whether FFmpeg's flag means two fields, not PNG's seven passes over one picture."""
    return codec not in ("png", "apng")


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The film's length in seconds, where the file says it."""
    if stream.duration is not None:
        return stream.duration * time_base_of(stream)
    return None if container.duration is None else Fraction(container.duration, av.time_base)
