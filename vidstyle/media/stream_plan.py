"""Which of a film's other streams go into the painted one, and how: copied, encoded anew or left out, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream

from vidstyle.media.audio_route import is_reduced
from vidstyle.media.containers import ContainerFormat, holds

Action = Literal["copy", "audio", "subtitle", "cover"]

_BITMAP_SUBTITLES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "dvb_teletext", "xsub"})
_SEEN_ON_LIPS = Fraction(1, 25)  # seconds by which sound is too early (EBU R 37)


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """One stream of the input (`index` there) that goes into the output, and how."""

    index: int
    action: Action


@dataclass(frozen=True, kw_only=True)
class RemuxPlan:
    """All that goes along with the film; `warnings` says what does not, or not as it was."""

    streams: tuple[StreamPlan, ...]
    warnings: tuple[str, ...]


def plan_streams(
    source: InputContainer,
    target: ContainerFormat,
    *,
    video: int | None,
    audio: Literal["copy", "none"],
    searchable: bool = True,
) -> RemuxPlan:
    """Decide for every stream but the film (`video`) whether and how `target` can hold it.

    `searchable` says whether the target is a file, to which something can be added after the film.
    """
    if not searchable and target.subtitles_apart:
        target = replace(target, subtitles=frozenset(), text_subtitles=None, cover="none")
    streams, warnings = [], []
    for stream in source.streams:
        if stream.index == video or (stream.type == "audio" and audio == "none"):
            continue
        decided = _decide(stream, target, source)
        if isinstance(decided, _Left):
            if decided.why:
                warnings.append(f"{_describe(stream)} left out: {decided.why}")
            continue
        streams.append(StreamPlan(index=stream.index, action=decided))
        if decided == "audio":
            how = _encoding(stream, target)
            warnings.append(f"{_describe(stream)} is encoded anew ({how}): {target.muxer} cannot hold it as it is")
        elif decided == "subtitle":
            text = target.text_subtitles
            warnings.append(
                f"{_describe(stream)} becomes {text}, without its fonts and places: all {target.muxer} holds"
            )
    if source.chapters() and not target.chapters:
        warnings.append(f"{len(source.chapters())} chapters left out: {target.muxer} holds none")
    return RemuxPlan(streams=tuple(streams), warnings=tuple(warnings))


def _encoding(stream: Stream, target: ContainerFormat) -> str:
    assert isinstance(stream, AudioStream)
    assert target.audio_encoder is not None
    return f"{target.audio_encoder}, in stereo" if is_reduced(stream, target.audio_encoder) else target.audio_encoder


@dataclass(frozen=True)
class _Left:
    """A stream that does not go along; `why` is empty where nothing is lost by it."""

    why: str = ""


def _decide(stream: Stream, target: ContainerFormat, source: InputContainer) -> Action | _Left:
    codec = codec_name(stream)
    if stream.type == "video":
        return _decide_picture(stream, target)
    if stream.type == "attachment":
        return "copy" if target.attachments else _Left(f"{target.muxer} holds no attachments")
    if stream.type == "data":
        # QuickTime's chapter track says what the chapters say; its time code goes along as a tag.
        if (source.chapters() and codec in ("bin_data", "")) or "timecode" in stream.metadata:
            return _Left()
        return "copy" if codec in target.data else _Left(f"{target.muxer} holds no {codec or 'such'} data")
    if stream.type not in ("audio", "subtitle"):
        return _Left("FFmpeg does not know what it is")
    if stream.codec_context is None:
        return _Left("FFmpeg cannot read its codec")
    if stream.type == "audio":
        return _decide_audio(stream, target, source)
    if holds(target, codec, "subtitle"):
        return "copy"
    if codec in _BITMAP_SUBTITLES:
        return _Left(f"{target.muxer} holds no subtitles that are pictures")
    return "subtitle" if target.text_subtitles else _Left(f"{target.muxer} holds no subtitles")


def _decide_audio(stream: Stream, target: ContainerFormat, source: InputContainer) -> Action | _Left:
    assert isinstance(stream, AudioStream)
    # Where all streams begin at once, only sound that is encoded anew can have the silence before it.
    needs_silence = target.constant_rate and _begins(stream, source) > _SEEN_ON_LIPS
    if holds(target, codec_name(stream), "audio") and not needs_silence:
        # No muxer takes sound without its rate, and MPEG-TS tells that in the sound's own packets only.
        is_known = stream.codec_context.sample_rate and stream.codec_context.layout.nb_channels
        return "copy" if is_known else _Left("no sound was found in it where the film begins")
    return "audio" if target.audio_encoder else _Left(f"{target.muxer} holds no sound")


def _begins(stream: Stream, source: InputContainer) -> Fraction:
    """Seconds after the film's beginning; 0 where it does not say."""
    if stream.start_time is None or stream.time_base is None or source.start_time is None:
        return Fraction(0)
    return stream.start_time * stream.time_base - Fraction(source.start_time, av.time_base)


def _decide_picture(stream: Stream, target: ContainerFormat) -> Action | _Left:
    if not stream.disposition & Disposition.attached_pic:
        return _Left("only one film is painted, and this is another")
    if stream.disposition & Disposition.timed_thumbnails:
        return _Left("thumbnails of the unpainted film")
    if target.cover == "none" or codec_name(stream) not in ("mjpeg", "png"):
        return _Left(f"{target.muxer} holds no such cover picture")
    return "cover"


def codec_name(stream: Stream) -> str:
    """FFmpeg's descriptor name of a stream's codec; empty where it has none."""
    if stream.codec_context is not None:
        return stream.codec_context.codec.canonical_name
    return getattr(stream, "name", None) or ""


def _describe(stream: Stream) -> str:
    language = stream.metadata.get("language")
    spoken = f"({language})" if language not in (None, "und") else ""
    words = [stream.type, f"#{stream.index}", codec_name(stream), spoken]
    return " ".join(word for word in words if word)
