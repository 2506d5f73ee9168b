"""Names, quality and pixel formats of the video encoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Literal

import av
from av.codec.codec import UnknownCodecError

from vidstyle.errors import UsageError
from vidstyle.suggest import did_you_mean

CODECS: Mapping[str, str] = {
    "h264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
    "ffv1": "ffv1",
    "gif": "gif",
    "png": "png",
}
"""The short names of `--codec`; any other is taken for one of FFmpeg's own encoder names."""


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """How the painted frames are to be encoded; None leaves the choice to vidstyle.

    `codec` is a key of `CODECS` or an FFmpeg encoder (`h264_nvenc`); None goes by the target's suffix.
    `crf` is the encoder's own constant-quality number. `size` is (width, height) of the painted frames,
    None for the film's own. `threads` is for the encoder, 0 lets it choose. `preset` is the encoder's own word.
    """

    codec: str | None = None
    crf: float | None = None
    audio: Literal["copy", "none"] = "copy"
    bit_depth: int = 8
    size: tuple[int, int] | None = None
    preset: str | None = None
    threads: int = 0

    def __post_init__(self) -> None:
        if self.bit_depth not in (8, 10):
            raise UsageError(f"films are written with 8 or 10 bits, not {self.bit_depth}")
        if self.audio not in ("copy", "none"):
            raise UsageError(
                f"audio is 'copy' or 'none', not {self.audio!r}{did_you_mean(self.audio, ('copy', 'none'))}"
            )
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"{self.size[0]}x{self.size[1]} is no size for a picture")


@dataclass(frozen=True)
class _Tuning:
    """Options of one encoder: `quality` is its constant-quality option, from 0 to `worst`, with what vidstyle sets
    unless told."""

    quality: str | None = None
    default: float = 0
    worst: float = 51
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


# Constant qualities at which painted 720p clips show no blocks; strokes hide less than film grain does. For libx264,
# superfast at 19 is as near to the painting as veryfast at 18, in two thirds of the time and a sixth more bytes.
_TUNING: Mapping[str, _Tuning] = {
    "libx264": _Tuning("crf", 19, preset="superfast"),
    "libx265": _Tuning("crf", 20, preset="veryfast", options={"x265-params": "log-level=error"}),
    "libsvtav1": _Tuning("crf", 28, 63, "9"),
    "libvpx-vp9": _Tuning("crf", 24, 63, None, {"deadline": "good", "cpu-used": "5", "row-mt": "1"}),
    "libvpx": _Tuning("crf", 10, 63, None, {"deadline": "good", "cpu-used": "5"}),
    "prores_ks": _Tuning(options={"profile": "hq", "vendor": "apl0"}),
    "dnxhd": _Tuning(options={"profile": "dnxhr_hq"}),  # DNxHD itself has a few broadcast sizes and rates only
    "ffv1": _Tuning(options={"level": "3", "slicecrc": "1", "g": "1"}),
    "gif": _Tuning(),
    "png": _Tuning(),
}
_HARDWARE_TUNING: Mapping[str, _Tuning] = {
    "nvenc": _Tuning("cq", 20, preset="p4", options={"rc": "vbr"}),
    "qsv": _Tuning("global_quality", 20, preset="medium"),
    "vaapi": _Tuning("qp", 20, options={"rc_mode": "CQP"}),
    "amf": _Tuning("qp_i", 20, options={"rc": "cqp", "qp_p": "22"}),
}
_LOSSLESS = frozenset({"ffv1", "png", "apng", "gif", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "rawvideo", "qtrle"})

# Not by their pixel formats: NVENC takes BGRA and drops the A, x265 lists formats that it then refuses.
_WITH_ALPHA = frozenset(
    {"ffv1", "png", "apng", "gif", "prores_ks", "libvpx-vp9", "libvpx", "qtrle", "utvideo", "ffvhuff", "magicyuv"}
    | {"libwebp", "libwebp_anim", "tiff", "targa", "bmp"}
)

# Their streams say themselves how colours are coded; for the rest only the container can.
_COLOURS_INSIDE = frozenset({"h264", "hevc", "av1", "vp9", "prores", "mpeg2video"})

_RGB_8 = ("bgr0", "gbrp", "rgb24", "bgr24")
_YUV_8 = ("yuv420p", "nv12", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv422p10le", *_RGB_8)
_YUV_10 = ("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le")
_ALPHA_8 = ("bgra", "rgba", "argb", "abgr", "yuva420p", "yuva444p", "gbrap", "yuva444p10le", "pal8")
_ALPHA_10 = ("gbrap10le", "yuva444p10le", "yuva420p10le")


def find_codec(name: str, mode: Literal["r", "w"]) -> av.Codec | None:
    """FFmpeg's decoder ("r") or encoder ("w") of this name, its own or that of what it codes; None if it has none."""
    try:
        return av.Codec(name, mode)
    except UnknownCodecError:
        return None


def video_encoder(name: str) -> av.Codec:
    """The encoder that `name` (a key of `CODECS`, or FFmpeg's own name) means. Raises UsageError."""
    codec = find_codec(CODECS.get(name, name), "w")
    if codec is None:
        raise UsageError(f"no encoder is called {name!r}{did_you_mean(name, _names())}; {_offer()}")
    if codec.type != "video":
        raise UsageError(f"{name!r} encodes {codec.type}, not pictures; {_offer()}")
    return codec


def _offer() -> str:
    return f"there are {', '.join(CODECS)}, and FFmpeg's encoders by their own names (h264_nvenc, mpeg2video, ...)"


def _names() -> Iterable[str]:
    yield from CODECS
    for name in av.codec.codecs_available:
        if (codec := find_codec(name, "w")) and codec.type == "video":
            yield name


def _tuning(encoder: str) -> _Tuning | None:
    return _TUNING.get(encoder) or _HARDWARE_TUNING.get(encoder.rpartition("_")[2])


def encoder_options(codec: av.Codec, options: EncodeOptions, *, pixel_format: str) -> dict[str, str]:
    """FFmpeg's options for `codec`. Raises UsageError where it has no constant quality or no presets to set."""
    tuning = _tuning(codec.name)
    if tuning is None:
        return _asked_options(codec, options)
    result = dict(tuning.options)
    if codec.name == "prores_ks" and pixel_format != "yuv422p10le":
        result["profile"] = "4444"
    if codec.name == "dnxhd" and pixel_format != "yuv422p":
        result["profile"] = "dnxhr_hqx"
    if options.crf is not None and tuning.quality is None:
        raise UsageError(f"{codec.name} has no quality to set with a crf; leave it out")
    if options.crf is not None:
        _check_crf(codec, options.crf, worst=tuning.worst)
    if tuning.quality is not None:
        result[tuning.quality] = f"{tuning.default if options.crf is None else options.crf:g}"
    if options.preset is not None and tuning.preset is None:
        raise UsageError(f"{codec.name} has no presets; leave it out")
    if preset := options.preset or tuning.preset:
        result["preset"] = preset
    return result


def _asked_options(codec: av.Codec, options: EncodeOptions) -> dict[str, str]:
    """An encoder that vidstyle has no opinion on: only what the user asked for, under the encoder's own names."""
    asked = {"crf": options.crf, "preset": options.preset}
    known = {option.name: option for option in codec.create().supported_options.private}
    for name, value in asked.items():
        if value is not None and name not in known:
            raise UsageError(f"{codec.name} has no {name} to set; leave it out")
    if options.crf is not None:
        _check_crf(codec, options.crf, worst=known["crf"].max)
    return {name: str(value) for name, value in asked.items() if value is not None}


def _check_crf(codec: av.Codec, crf: float, *, worst: float) -> None:
    """Encoders would take what lies outside for their own default, or for the nearest."""
    if not 0 <= crf <= worst:
        raise UsageError(f"crf is {crf:g}; for {codec.name} it runs from 0 (best) to {worst:g}")


def bit_rate(codec: av.Codec, options: EncodeOptions, *, size: tuple[int, int], rate: float) -> int:
    """Bits a second for encoders that vidstyle cannot set to a constant quality; 0 where quality decides."""
    if options.crf is not None or _tuning(codec.name) is not None or codec.name in _LOSSLESS:
        return 0
    return int(size[0] * size[1] * rate * 0.25)  # FFmpeg's own default of 200 kbit/s shows blocks at any size


def holds_alpha(codec: av.Codec) -> bool:
    """Whether vidstyle writes transparency with this encoder."""
    return codec.name in _WITH_ALPHA


def pixel_format(codec: av.Codec, *, size: tuple[int, int], bit_depth: int, alpha: bool) -> str:
    """The pixel format to encode with. Raises UsageError where the encoder cannot do what was asked for.

    4:2:0 where the size allows it: it is what players decode in hardware. Odd sizes stay as they are, in
    4:4:4, with the encoders that refuse them in 4:2:0. FFV1 and picture formats store RGB, without any loss.
    """
    supported = [f.name for f in codec.video_formats or []]
    if not supported or supported == ["vaapi"]:
        return "p010le" if bit_depth == 10 else "nv12"  # hardware encoders that take surfaces only
    odd = size[0] % 2 == 1 or size[1] % 2 == 1
    wanted = _candidates(codec.name, bit_depth=bit_depth, alpha=alpha, odd=odd)
    for name in wanted:
        if name in supported:
            return name
    if bit_depth == 10:
        raise UsageError(f"{codec.name} cannot write 10 bits; use 8, or one of h264, hevc, av1, prores, ffv1")
    if odd:
        raise UsageError(f"{codec.name} cannot write {size[0]}x{size[1]}: it needs even sizes; use h264 or ffv1")
    return supported[0]


def _candidates(encoder: str, *, bit_depth: int, alpha: bool, odd: bool) -> tuple[str, ...]:
    lossless_rgb = encoder in _LOSSLESS
    wanted: tuple[str, ...]
    if alpha:
        return _ALPHA_10 if bit_depth == 10 else _ALPHA_8
    if bit_depth == 10:
        wanted = ("gbrp10le", *_YUV_10) if lossless_rgb else (*_YUV_10, "gbrp10le")
    else:
        wanted = (*_RGB_8, "rgba", "pal8", *_YUV_8) if lossless_rgb else _YUV_8
    if encoder == "mjpeg":  # full range by nature; it refuses the other
        wanted = tuple(name for name in wanted if name.startswith("yuvj"))
    if odd and encoder.startswith(("libx26", "h264_", "hevc_", "av1_")):
        return tuple(name for name in wanted if "444" in name or name in _RGB_8 or name == "gbrp10le")
    return wanted


def assumed_matrix(codec: av.Codec, muxer: str, *, size: tuple[int, int]) -> int | None:
    """The H.273 matrix that players take for this codec where nobody can tell them; None where a tag can.

    VP8 is BT.601 by its own specification (RFC 6386, 9.2), JPEG by JFIF's (ITU-T T.871, 7). For the others it is
    the rule for untagged material.
    """
    if codec.canonical_name in ("vp8", "mjpeg"):
        return 6
    if codec.canonical_name in _COLOURS_INSIDE or muxer in ("mp4", "mov", "matroska", "webm"):
        return None
    return 1 if size[0] >= 1280 or size[1] >= 720 else 6


def counts_frames(codec: av.Codec) -> bool:
    """Whether the codec's streams have one frame rate, in which frames are counted, and no times."""
    return codec.canonical_name in ("mpeg1video", "mpeg2video")


def nearest_rate(codec: av.Codec, rate: Fraction) -> Fraction:
    """The rate nearest to `rate`, both in frames a second, that the codec's streams can tell of; most tell of any."""
    known = [Fraction(told.numerator, told.denominator) for told in codec.frame_rates or []]
    return min(known or [rate], key=lambda told: abs(told - rate))


def coarsened(codec: av.Codec, time_base: Fraction) -> Fraction:
    """`time_base` in units that the codec has: MPEG-4's second has 65535 parts at most (ISO/IEC 14496-2, 6.3.3)."""
    return time_base * ceil(time_base.denominator / 65535) if codec.canonical_name == "mpeg4" else time_base


def is_rgb(pixel_format: str) -> bool:
    """Whether the format stores red, green and blue, so that no matrix applies."""
    return av.VideoFormat(pixel_format).is_rgb or pixel_format == "pal8"
