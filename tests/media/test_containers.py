"""Which format a name asks for, and what goes into it."""

from __future__ import annotations

import av
import pytest

from vidstyle.errors import UsageError
from vidstyle.media.codecs import CODECS, EncodeOptions, pixel_format, video_encoder
from vidstyle.media.containers import container_for, holds


@pytest.mark.parametrize(
    ("name", "muxer", "codec"),
    [
        *[("a.mp4", "mp4", "h264"), ("a.MOV", "mov", "h264"), ("a.mkv", "matroska", "h264"), ("a.webm", "webm", "vp9")],
        *[("a.ts", "mpegts", "h264"), ("a.avi", "avi", "h264"), ("a.gif", "gif", "gif"), ("a.flv", "flv", "h264")],
        *[("dir.mp4/a.b.mkv", "matroska", "h264"), ("-", "matroska", "h264")],
    ],
)
def test_the_suffix_names_format_and_codec(name: str, muxer: str, codec: str) -> None:
    found = container_for(name)
    assert (found.muxer, found.codec) == (muxer, codec)


@pytest.mark.parametrize(("codec", "muxer"), [("gif", "gif"), ("png", "image2pipe"), ("ffv1", "matroska")])
def test_stdout_goes_by_the_codec(codec: str, muxer: str) -> None:
    assert container_for("-", codec=codec).muxer == muxer


def test_a_slip_of_the_finger_is_understood() -> None:
    with pytest.raises(UsageError, match=r"did you mean '\.mkv'"):
        container_for("film.mkvv")


@pytest.mark.parametrize(
    ("name", "codec", "kind", "expected"),
    [
        *[("a.mp4", "aac", "audio", True), ("a.mp4", "vorbis", "audio", False), ("a.mp4", "vp8", "video", False)],
        *[
            ("a.mkv", "vorbis", "audio", True),
            ("a.mkv", "mov_text", "subtitle", False),
            ("a.mkv", "prores", "video", True),
        ],
        *[("a.webm", "h264", "video", False), ("a.ts", "hevc", "video", True), ("a.gif", "h264", "video", False)],
        *[("a.mov", "pcm_s24le", "audio", True), ("a.mov", "opus", "audio", False)],
        # FFmpeg's muxers take the first as private data, and have the others in their table but refuse their packets.
        *[("a.ts", "prores", "video", False), ("a.m2ts", "vp9", "video", False), ("a.m2t", "vp9", "video", False)],
        *[(f"a.{suffix}", "av1", "video", suffix == "mp4") for suffix in ("mp4", "mov", "ts")],
        *[("a.mov", "vp8", "video", False), ("a.mov", "vp9", "video", False), ("a.mov", "rawvideo", "video", False)],
        *[("a.flv", codec, "video", codec == "hevc") for codec in ("hevc", "mpeg4", "h263")],
        *[("a.flv", "pcm_s16le", "audio", False), ("a.flv", "mp3", "audio", True)],
        *[("a.ts", "mpeg2video", "video", True), ("a.mov", "prores", "video", True), ("a.mov", "png", "video", True)],
    ],
)
def test_containers_hold_what_players_open(name: str, codec: str, kind: str, expected: bool) -> None:
    assert holds(container_for(name), codec, kind) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.y4m", "a.swf", "a.ogg"])
def test_formats_that_cannot_be_written_are_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"^.*use one of \.avi, "):
        container_for(name)


@pytest.mark.parametrize("name", ["a.heic", "a.jpgg", "a"])
def test_whoever_asks_for_a_picture_format_that_is_not_written_learns_which_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"or for pictures \.bmp, \.jpeg, \.jpg, "):
        container_for(name)


@pytest.mark.parametrize(("name", "encoder"), [("a.3gp", "aac"), ("a.wmv", "wmav2"), ("a.h264", None)])
def test_sound_is_encoded_by_what_this_build_has(name: str, encoder: str | None) -> None:
    assert container_for(name).audio_encoder == encoder


@pytest.mark.parametrize("name", CODECS)
def test_every_short_name_is_an_encoder_of_this_build(name: str) -> None:
    assert video_encoder(name).is_encoder


@pytest.mark.parametrize(("wrong", "right"), [("h24", "h264"), ("proress", "prores"), ("libsvtav", "libsvtav1")])
def test_unknown_encoders_are_answered_with_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean '{right}"):
        video_encoder(wrong)


@pytest.mark.parametrize(
    ("codec", "size", "bit_depth", "alpha", "expected"),
    [
        *[("h264", (64, 48), 8, False, "yuv420p"), ("h264", (63, 48), 8, False, "yuv444p")],
        *[("h264", (64, 48), 10, False, "yuv420p10le"), ("h264", (64, 47), 10, False, "yuv444p10le")],
        *[("hevc", (63, 47), 8, False, "yuv444p"), ("vp9", (63, 47), 8, False, "yuv420p")],
        *[("vp9", (64, 48), 8, True, "yuva420p"), ("av1", (64, 48), 10, False, "yuv420p10le")],
        *[("prores", (64, 48), 8, False, "yuv422p10le"), ("prores", (64, 48), 10, True, "yuva444p10le")],
        *[("ffv1", (63, 47), 8, False, "bgr0"), ("ffv1", (64, 48), 10, True, "gbrap10le")],
        *[
            ("gif", (64, 48), 8, False, "pal8"),
            ("png", (64, 48), 8, True, "rgba"),
            ("h264_qsv", (64, 48), 8, False, "nv12"),
        ],
    ],
)
def test_pixel_formats(codec: str, size: tuple[int, int], bit_depth: int, alpha: bool, expected: str) -> None:
    try:
        encoder = av.Codec(CODECS.get(codec, codec), "w")
    except ValueError:
        pytest.skip(f"this FFmpeg has no {codec}")
    assert pixel_format(encoder, size=size, bit_depth=bit_depth, alpha=alpha) == expected


@pytest.mark.parametrize(("codec", "size", "bit_depth"), [("vp9", (64, 48), 10), ("gif", (64, 48), 10)])
def test_an_explicit_wish_never_falls_back_in_silence(codec: str, size: tuple[int, int], bit_depth: int) -> None:
    with pytest.raises(UsageError):
        pixel_format(video_encoder(codec), size=size, bit_depth=bit_depth, alpha=False)


def test_encode_options_default_to_the_targets_own_choice() -> None:
    assert EncodeOptions() == EncodeOptions(codec=None, crf=None, audio="copy", bit_depth=8, size=None)
