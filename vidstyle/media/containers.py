"""What each file format can hold, and which one a target's name asks for.

The lists say what players open, not what FFmpeg can force in: raw PCM in an mp4 is legal and
silent in most of them, so it is not on the list and gets converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Literal

import av

from vidstyle.errors import UsageError
from vidstyle.media.codecs import find_codec
from vidstyle.suggest import did_you_mean

# Fragments and clusters close after a quarter of a second of film, in microseconds and milliseconds: so far a killed
# run falls back, besides what the encoder looks ahead. Each costs some hundred bytes.
_MOV_OPTIONS = {
    # Fragments while writing, so that a killed run leaves a film; an ordinary index once the file is closed.
    # Without delay_moov the index is written before the first packet and knows no start offsets.
    "movflags": "hybrid_fragmented+delay_moov",
    "frag_duration": "250000",
}
_AVI_OPTIONS = {
    # The silence that MP3 begins with, before 0, would move the film by part of a frame, and so by a whole one.
    "avoid_negative_ts": "disabled",
}
_MATROSKA_OPTIONS = {
    # "passthrough" keeps the flags of the source; the muxer's own rule would mark a default of every kind.
    "default_mode": "passthrough",
    "cluster_time_limit": "250",
}

_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS


@dataclass(frozen=True, kw_only=True)
class ContainerFormat:
    """One file format. Codec names are FFmpeg's descriptors (`subrip`, not `srt`).

    `video` is what may be written into it, `audio` and `subtitles` what may be copied; None where FFmpeg's own table
    decides.
    `audio_encoder` and `text_subtitles` are what the rest is converted to, None where it is left out.
    `subtitles_apart` says that they are added after the film, which needs a file that can be searched.
    `cover` is where an attached picture goes: "attachment" (Matroska), "atom" (mp4) or "none".
    `constant_rate` says that it has times on the grid of one frame rate only, `timeless` that it has none.
    """

    muxer: str
    codec: str
    alpha_codec: str | None = None
    video: frozenset[str] | None = None
    audio: frozenset[str] | None = frozenset()
    audio_encoder: str | None = None
    subtitles: frozenset[str] | None = frozenset()
    text_subtitles: str | None = None
    subtitles_apart: bool = False
    attachments: bool = False
    chapters: bool = False
    cover: Literal["attachment", "atom", "none"] = "none"
    data: frozenset[str] = frozenset()
    constant_rate: bool = False
    timeless: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    stream_options: Mapping[str, str] = field(default_factory=dict)


# FFmpeg's table has AV1, VP8 and VP9 as well, which its muxer then refuses at the first packet, and raw video in pixel
# formats that QuickTime has no name for.
_QUICKTIME_PICTURES = frozenset(
    {"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4v3", "prores", "dnxhd", "dvvideo", "cfhd"}
    | {"mjpeg", "jpeg2000", "png", "tiff", "targa", "sgi", "dpx", "exr", "gif", "qtrle", "magicyuv", "dxv"}
    | {"avrp", "r10k", "r210", "v210", "v308", "v408", "v410", "y41p", "yuv4"}
    | {"cinepak", "msrle", "rpza", "smc", "svq1"}
)
_QUICKTIME_SOUND = frozenset(
    {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "dts", "amr_nb", "amr_wb", "adpcm_ima_qt"}
    | {f"pcm_{kind}" for kind in ("u8", "s8", "alaw", "mulaw")}
    | {
        f"pcm_{kind}{bits}{order}"
        for kind, bits in (("s", 16), ("s", 24), ("s", 32), ("f", 32), ("f", 64))
        for order in ("le", "be")
    }
)
_MP4 = ContainerFormat(
    muxer="mp4",
    codec="h264",
    audio=frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"}),
    audio_encoder="aac",
    subtitles=frozenset({"mov_text"}),
    text_subtitles="mov_text",
    subtitles_apart=True,
    chapters=True,
    cover="atom",
    options=_MOV_OPTIONS,
    # What cannot seek (a pipe) gets fragments and keeps them.
    stream_options={"movflags": "frag_keyframe+delay_moov+default_base_moof+skip_trailer"},
)
_MOV = ContainerFormat(
    muxer="mov",
    codec="h264",
    alpha_codec="prores",
    video=_QUICKTIME_PICTURES,
    audio=_QUICKTIME_SOUND,
    audio_encoder="aac",
    subtitles=frozenset({"mov_text"}),
    text_subtitles="mov_text",
    subtitles_apart=True,
    chapters=True,
    options=_MOV_OPTIONS,
    stream_options=_MP4.stream_options,
)
_MATROSKA = ContainerFormat(
    muxer="matroska",
    codec="h264",
    alpha_codec="ffv1",
    audio=None,
    audio_encoder="flac",
    subtitles=frozenset({"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}),
    text_subtitles="subrip",
    attachments=True,
    chapters=True,
    cover="attachment",
    options=_MATROSKA_OPTIONS,
    stream_options={"default_mode": "passthrough"},
)
_WEBM = ContainerFormat(
    muxer="webm",
    codec="vp9",
    alpha_codec="vp9",
    audio=frozenset({"opus", "vorbis"}),
    audio_encoder="libopus",
    subtitles=frozenset({"webvtt"}),
    text_subtitles="webvtt",
    chapters=True,
    options=_MATROSKA_OPTIONS,
    stream_options={"default_mode": "passthrough"},
)
_MPEG_TS = ContainerFormat(
    muxer="mpegts",
    codec="h264",
    # The muxer takes any other as private data, in which no player finds a film.
    video=frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4"}),
    audio=frozenset({"aac", "aac_latm", "ac3", "eac3", "mp2", "mp3", "dts", "truehd", "opus", "pcm_bluray", "s302m"}),
    audio_encoder="aac",
    subtitles=frozenset({"dvb_subtitle", "dvb_teletext"}),
    data=frozenset({"klv", "timed_id3", "scte_35"}),
)
_AVI = ContainerFormat(
    muxer="avi",
    codec="h264",
    alpha_codec="ffv1",
    audio=frozenset({"mp3", "mp2", "ac3", "dts", "pcm_s16le", "pcm_u8"}),
    audio_encoder="libmp3lame",
    constant_rate=True,
    options=_AVI_OPTIONS,
    stream_options=_AVI_OPTIONS,
)
# FFmpeg's table has MPEG-4 and H.263, which its muxer refuses, and PCM, at which it aborts the process.
_FLV = ContainerFormat(
    muxer="flv",
    codec="h264",
    video=frozenset({"h264", "hevc", "av1", "vp9", "flv1"}),
    audio=frozenset({"aac", "mp3"}),
    audio_encoder="aac",
)
_GIF = ContainerFormat(muxer="gif", codec="gif", alpha_codec="gif", video=frozenset({"gif"}))
_PICTURE_STREAM = ContainerFormat(muxer="image2pipe", codec="png", alpha_codec="png", video=frozenset({"png"}))

_BY_SUFFIX = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _MOV,
    ".qt": _MOV,
    ".mkv": _MATROSKA,
    ".webm": _WEBM,
    ".ts": _MPEG_TS,
    ".mts": _MPEG_TS,
    ".m2ts": _MPEG_TS,
    ".m2t": _MPEG_TS,
    ".avi": _AVI,
    ".flv": _FLV,
    ".gif": _GIF,
}
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".tga", ".ppm"})
"""Names of single and of numbered pictures, which need no container."""


def container_for(target: str, *, codec: str | None = None) -> ContainerFormat:
    """The format that `target`'s suffix names; `-` (stdout) is Matroska unless `codec` says otherwise.

    Raises UsageError for a suffix that no muxer has.
    """
    if target == "-":
        return {"gif": _GIF, "png": _PICTURE_STREAM}.get(codec or "", _MATROSKA)
    suffix = PurePath(target).suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    return _from_ffmpeg(suffix, target)


def _from_ffmpeg(suffix: str, target: str) -> ContainerFormat:
    """A format that vidstyle has no rules for, by FFmpeg's own tables."""
    films, pictures = ", ".join(sorted(_BY_SUFFIX)), ", ".join(sorted(PICTURE_SUFFIXES))
    known = f"{films}, or for pictures {pictures}"
    if not suffix:
        raise UsageError(f"{target} has no suffix to tell the format by; use one of {known}")
    try:
        file = av.open(f"file{suffix}", "w")
    except ValueError as error:
        hint = did_you_mean(suffix, [*_BY_SUFFIX, *PICTURE_SUFFIXES])
        raise UsageError(f"no format is called {suffix}{hint}; use one of {known}") from error
    muxer = str(file.format.name)
    if muxer == "image2":
        raise UsageError(f"vidstyle writes no {suffix} pictures; use one of {pictures}")
    if muxer in ("gxf", "mxf"):
        raise UsageError(f"{suffix} files hold broadcast's own sizes, rates and sound only; use .mov or .mpg")
    if muxer in ("amv", "dirac", "swf", "yuv4mpegpipe"):
        raise UsageError(f"vidstyle writes no {suffix} files; use one of {known}")
    encoders = _encoders(muxer)
    if not any(codec.type == "video" for codec in encoders):
        raise UsageError(f"{suffix} files hold no pictures; use one of {known}")
    names = {codec.name for codec in encoders}
    return ContainerFormat(
        muxer=muxer,
        codec="h264" if "libx264" in names else file.default_video_codec,
        audio=None,
        audio_encoder=next((name for name in (file.default_audio_codec, "aac") if name in names), None),
        subtitles=None,
        timeless=bool(file.format.flags & _NO_TIMESTAMPS),
    )


def holds(container: ContainerFormat, codec: str, kind: Literal["video", "audio", "subtitle"]) -> bool:
    """Whether streams of `codec` (FFmpeg's descriptor name) can be put into `container`."""
    listed = {"video": container.video, "audio": container.audio, "subtitle": container.subtitles}[kind]
    return codec in (supported_codecs(container.muxer) if listed is None else listed)


@cache
def supported_codecs(muxer: str) -> frozenset[str]:
    """Every codec, by descriptor name and by coder name, that FFmpeg's muxer accepts."""
    names = av.open("f", "w", format=muxer).supported_codecs
    return frozenset(names) | {_descriptor(name) for name in names}


def _descriptor(coder: str) -> str:
    codec = find_codec(coder, "r") or find_codec(coder, "w")
    return codec.canonical_name if codec else coder


def _encoders(muxer: str) -> list[av.Codec]:
    return [codec for name in supported_codecs(muxer) if (codec := find_codec(name, "w"))]
