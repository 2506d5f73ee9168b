"""How a film is encoded, decided before its first frame: by what it is, what is asked for and what the target holds."""

from __future__ import annotations

from fractions import Fraction

import av
from av.video.stream import VideoStream

from vidstyle.errors import UsageError
from vidstyle.frames import VideoInfo
from vidstyle.media.codecs import (
    EncodeOptions,
    coarsened,
    counts_frames,
    holds_alpha,
    nearest_rate,
    pixel_format,
    video_encoder,
)
from vidstyle.media.containers import ContainerFormat, holds
from vidstyle.media.encoder import USUAL_RATE, VideoSettings
from vidstyle.media.notes import Notes
from vidstyle.media.protocol import FilmSource
from vidstyle.media.shape import output_shape

_FINEST_GRID = Fraction(60)  # no frame is moved by more than 8 ms


def film_settings(
    source: FilmSource, target: ContainerFormat, options: EncodeOptions, *, notes: Notes
) -> VideoSettings:
    """What the encoder is to be set to; what is lost by it goes to `notes`. Raises UsageError."""
    info = source.info
    codec = _choose_codec(info, target, options, notes)
    grid = _grid(source, target, codec, notes)
    shape = output_shape(info, options.size, codec=codec, muxer=target.muxer)
    alpha = info.has_alpha and holds_alpha(codec)
    settings = VideoSettings(
        codec=codec,
        info=info,
        grid=grid,
        options=options,
        pixel_format=pixel_format(codec, size=shape.coded, bit_depth=options.bit_depth, alpha=alpha),
        time_base=1 / grid if grid else _time_base(info, target, codec),
        shape=shape,
        alpha=alpha,
        muxer=target.muxer,
    )
    _say_what_is_lost(settings, notes)
    return settings


def _choose_codec(info: VideoInfo, target: ContainerFormat, options: EncodeOptions, notes: Notes) -> av.Codec:
    default = target.alpha_codec if info.has_alpha and target.alpha_codec else target.codec
    codec = video_encoder(options.codec or default)
    if options.codec is None and info.has_alpha and default != target.codec:
        notes.add(f"the film has transparency: written with {default}, which keeps it")
    if not holds(target, codec.canonical_name, "video"):
        usual = ("h264", "hevc", "av1", "vp9", "prores", "ffv1")
        offer = ", ".join(name for name in usual if holds(target, video_encoder(name).canonical_name, "video"))
        raise UsageError(f"{target.muxer} files cannot hold {codec.canonical_name}; use {offer or target.codec}")
    return codec


def _grid(source: FilmSource, target: ContainerFormat, codec: av.Codec, notes: Notes) -> Fraction | None:
    """The one rate, in frames a second, of a target without times of its own; None where frames keep theirs."""
    muxer = target.muxer
    if target.timeless:
        rate = nearest_rate(codec, source.info.rate or USUAL_RATE)
        notes.add(f"{muxer} holds no times: frames follow each other evenly, {float(rate):.5g} a second")
        return rate
    if target.constant_rate:
        notes.add(f"{muxer} has one frame rate and no start times: frames are moved to its grid")
    elif counts_frames(codec):
        notes.add(f"{codec.canonical_name} has one frame rate: frames are moved to its grid")
    else:
        return None
    return _grid_rate(source)


def _grid_rate(source: FilmSource) -> Fraction:
    """Frames a second of a target that has one rate: of a film of variable rate the base rate, which all times fall on.

    On the grid of the average rate, frames that are closer than the average would be pushed behind their sound. A film
    whose times fall on no grid gets one that is fine enough.
    """
    average = source.info.rate or USUAL_RATE
    if source.container is None or source.video_stream is None:
        return average
    film = source.container.streams[source.video_stream]
    assert isinstance(film, VideoStream)
    base = film.base_rate or average
    if base == 2 * average:  # FFmpeg counts fields, of H.264 above all
        return average
    if film.frames and 0 < (average - base) * film.frames <= average:  # only for the last frame, which is shorter
        return base
    return max(average, min(base, _FINEST_GRID))


def _time_base(info: VideoInfo, target: ContainerFormat, codec: av.Codec) -> Fraction:
    return Fraction(1, 100) if target.muxer == "gif" else coarsened(codec, info.time_base)


def _say_what_is_lost(settings: VideoSettings, notes: Notes) -> None:
    muxer, name, (width, height) = settings.muxer, settings.codec.canonical_name, settings.shape.coded
    if settings.info.has_alpha and not settings.alpha:
        notes.add(f"transparency is laid on black: {name} in {muxer} cannot hold it")
    if settings.shape.made_square:
        notes.add(f"pixels are made square, {width}x{height}: {name} in {muxer} cannot say their shape")
    if (width % 2 or height % 2) and "444" in settings.pixel_format and name in ("h264", "hevc"):
        notes.add(f"{width}x{height} is odd: written in 4:4:4, which some players cannot show")
