"""The film that is written: times, colours, transparency, sizes, and the target's name."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.reading import write_film
from tests.media.writing import (
    GivenReader,
    as_rgb,
    copy_film,
    first_frame,
    given,
    noise,
    patch_error,
    patch_picture,
    times,
)
from vidstyle.errors import OutputError, UsageError
from vidstyle.frames import ColourInfo, ImageArray
from vidstyle.media.reader import open_reader
from vidstyle.media.writer import EncodeOptions, open_writer

VARIABLE = [0, 3003, 3900, 9009, 9010, 45045]


def exact(name: str) -> EncodeOptions:
    return EncodeOptions(codec=name)


def moving(count: int) -> list[ImageArray]:
    """What x264 makes B-frames of."""
    wide = np.kron(noise(1, 40, 12)[0], np.ones((6, 6, 1), np.uint8))
    return [np.ascontiguousarray(wide[:, k : k + 64]) for k in range(count)]


def packet_times(path: Path) -> list[Fraction]:
    """When each packet of a film's pictures is decoded, in seconds; shown as well, where none is reordered."""
    with av.open(str(path)) as film:
        return [packet.dts * packet.time_base for packet in film.demux(video=0) if packet.size]


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_every_frame_keeps_its_own_time(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    copy_film(given(noise(6), pts=VARIABLE, time_base=Fraction(1, 90000)), target)
    assert times(target) == [Fraction(pts, 90000) for pts in VARIABLE]


def test_matroska_keeps_times_to_its_millisecond(tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    copy_film(given(noise(4), pts=[0, 1001, 2002, 3003], time_base=Fraction(1, 30000)), target)
    assert times(target) == [Fraction(ms, 1000) for ms in (0, 33, 67, 100)]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *[("o.mpg", None), ("o.mpeg", None), ("o.vob", None), ("o.dvd", None)],
        *[(f"o.{suffix}", "mpeg2video") for suffix in ("ts", "mp4", "mov", "mkv", "avi")],
    ],
)
def test_what_counts_frames_gets_them_on_the_films_grid(tmp_path: Path, name: str, codec: str | None) -> None:
    reader = given(noise(6), pts=[3003 * n for n in range(6)], time_base=Fraction(1, 90000), rate=Fraction(30000, 1001))
    warnings = copy_film(reader, tmp_path / name, options=EncodeOptions(codec=codec))
    assert any("one frame rate" in line for line in warnings)
    shown = packet_times(tmp_path / name)
    assert [round((t - shown[0]) * 30000 / 1001, 1) for t in shown] == [0, 1, 2, 3, 4, 5]


def test_a_rate_that_a_codec_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"does not support 25/2 fps.*choose another codec or format"):
        open_writer(tmp_path / "o.mpg", source=given(noise(1), rate=Fraction(25, 2)))


def test_mpeg4_has_times_as_fine_as_it_can_say(tmp_path: Path) -> None:
    stamps = [0, 3003, 9009, 10000]
    reader = given(noise(4), pts=stamps, time_base=Fraction(1, 90000))
    assert copy_film(reader, tmp_path / "o.mp4", options=exact("mpeg4")) == []
    shown = times(tmp_path / "o.mp4")
    assert all(abs(time - Fraction(pts, 90000)) <= Fraction(1, 90000) for time, pts in zip(shown, stamps, strict=True))


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_a_variable_rate_keeps_its_times_in_avi(tmp_path: Path, codec: str) -> None:
    """On the grid of the average rate, frames that are closer would be pushed behind their sound."""
    stamps = [*range(30), *range(30, 300, 30)]
    film = write_film(tmp_path / "in.mp4", moving(len(stamps)), pts=stamps, time_base=Fraction(1, 30))
    copy_film(open_reader(film), tmp_path / "out.avi", options=exact(codec))
    assert packet_times(tmp_path / "out.avi") == [Fraction(n, 30) for n in stamps]


@pytest.mark.parametrize("suffix", ["m2v", "h264"])
def test_a_stream_without_times_plays_at_the_average_rate(tmp_path: Path, suffix: str) -> None:
    """At the rate of the grid that its times fall on the film would rush: nothing stands for pauses."""
    stamps = [*range(10), 21]  # 11 frames in 22 fiftieths of a second
    film = write_film(tmp_path / "in.mp4", moving(len(stamps)), pts=stamps, time_base=Fraction(1, 50))
    warnings = copy_film(open_reader(film), tmp_path / f"out.{suffix}")
    assert any("holds no times: frames follow each other evenly, 25 a second" in line for line in warnings)
    with av.open(str(tmp_path / f"out.{suffix}")) as out:
        assert out.streams.video[0].guessed_rate == 25
        assert len(list(out.decode(video=0))) == 11


def test_a_stream_without_times_has_a_rate_that_its_codec_knows(tmp_path: Path) -> None:
    warnings = copy_film(given(noise(4), rate=Fraction(725, 47)), tmp_path / "out.m2v")
    assert any("frames follow each other evenly, 15 a second" in line for line in warnings)


def test_a_slow_slide_show_keeps_its_times_in_avi(tmp_path: Path) -> None:
    """Its last picture is short, which raises the average rate."""
    film = write_film(tmp_path / "in.mp4", moving(8), pts=[15 * n for n in range(8)], time_base=Fraction(1))
    with open_reader(film) as reader:
        assert reader.info.rate is not None
        assert reader.info.rate > Fraction(1, 15)
    copy_film(open_reader(film), tmp_path / "out.avi")
    assert packet_times(tmp_path / "out.avi") == [15 * n for n in range(8)]


def test_a_film_without_times_keeps_its_rate_in_avi(tmp_path: Path) -> None:
    """FFmpeg calls the rate of its fields the base rate of H.264."""
    film = write_film(tmp_path / "in.h264", moving(10), codec="h264", time_base=Fraction(1, 25))
    copy_film(open_reader(film), tmp_path / "out.avi", options=exact("mpeg4"))
    with av.open(str(tmp_path / "out.avi")) as out:
        assert out.streams.video[0].average_rate == 25


def test_times_on_no_grid_are_nearly_kept_in_avi(tmp_path: Path) -> None:
    stamps = [0, 7, 31, 67, 101, 133, 211, 499, 512, 600, 617, 640, 707, 1000, 1041, 1087]
    film = write_film(tmp_path / "in.mp4", moving(len(stamps)), pts=stamps, time_base=Fraction(1, 1000))
    copy_film(open_reader(film), tmp_path / "out.avi")
    shown = packet_times(tmp_path / "out.avi")
    assert all(abs(time - Fraction(ms, 1000)) <= Fraction(1, 60) for time, ms in zip(shown, stamps, strict=True))


@pytest.mark.parametrize("frames", [60_001, 60_002])
def test_a_pause_that_avi_cannot_hold_is_refused_in_words(tmp_path: Path, frames: int) -> None:
    reader = given(noise(2), pts=[0, frames])
    if frames == 60_001:
        copy_film(reader, tmp_path / "out.avi", options=exact("mpeg4"))
        assert packet_times(tmp_path / "out.avi") == [0, Fraction(60_001, 25)]
    else:
        with pytest.raises(OutputError, match="AVI cannot hold the film's pause of 2400 s; write mp4 or mkv"):
            copy_film(reader, tmp_path / "out.avi", options=exact("mpeg4"))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_film_that_begins_late_still_does(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    copy_film(given(noise(5), pts=[250, 251, 252, 253, 260]), target)
    first = times(target)[0]
    assert first == 10
    assert [t - first for t in times(target)] == [Fraction(n, 25) for n in (0, 1, 2, 3, 10)]


def test_the_last_frame_is_shown_as_long_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    copy_film(given(noise(3), pts=[0, 1, 2], durations=[1, 1, 50]), target)
    with av.open(str(target)) as film:
        assert film.duration == pytest.approx(52 / 25 * av.time_base, abs=1000)


@pytest.mark.parametrize("count", [8, 9, 15, 16, 17, 29, 36])
def test_no_frame_is_cut_off_where_the_last_one_coded_is_not_the_last_one_shown(tmp_path: Path, count: int) -> None:
    copy_film(given(moving(count)), tmp_path / "out.mp4")
    assert times(tmp_path / "out.mp4") == [Fraction(k, 25) for k in range(count)]
    with av.open(str(tmp_path / "out.mp4")) as film:
        stream = film.streams.video[0]
        assert stream.duration * stream.time_base == Fraction(count, 25)
        assert film.duration == pytest.approx(count / 25 * av.time_base, abs=1000)


def test_a_single_frame_has_a_duration(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    copy_film(given(noise(1)), target)
    with av.open(str(target)) as film:
        assert film.streams.video[0].duration * film.streams.video[0].time_base == Fraction(1, 25)


def test_ffv1_gives_every_level_back(tmp_path: Path) -> None:
    pictures = noise(3, width=61, height=47)
    copy_film(given(pictures), tmp_path / "out.mkv", options=exact("ffv1"))
    with av.open(str(tmp_path / "out.mkv")) as film:
        for frame, picture in zip(film.decode(video=0), pictures, strict=True):
            assert np.array_equal(frame.to_ndarray(format="rgb24"), picture)


@pytest.mark.parametrize(
    ("codec", "suffix", "bits"),
    [
        *[("h264", "mp4", 8), ("h264", "mp4", 10), ("hevc", "mp4", 8), ("av1", "mp4", 8), ("vp9", "webm", 8)],
        *[("prores", "mov", 10), ("ffv1", "mkv", 8), ("ffv1", "mkv", 10), ("libx264rgb", "mkv", 8)],
        *[("mpeg4", "avi", 8), ("libvpx", "webm", 8), ("dnxhd", "mov", 8), ("dnxhd", "mov", 10)],
    ],
)
def test_colours_survive_and_are_tagged(tmp_path: Path, codec: str, suffix: str, bits: int) -> None:
    target = tmp_path / f"out.{suffix}"
    picture = patch_picture(320, 128)  # DNxHR has a least size
    copy_film(given([picture] * 2), target, options=EncodeOptions(codec=codec, bit_depth=bits))
    frame = first_frame(target)
    assert patch_error(as_rgb(frame)) <= (12 if codec in ("mpeg4", "libvpx") else 4)
    assert frame.format.components[0].bits == bits
    if codec not in ("mpeg4", "libvpx"):  # which have no place to say so, and are read as BT.601
        assert frame.colorspace in (0, 1)
        assert frame.color_range == (2 if frame.format.is_rgb else 1)


@pytest.mark.parametrize(("name", "codec"), [("out.mov", "png"), ("out.apng", "apng")])
def test_png_pictures_of_films_tell_of_no_gamma(tmp_path: Path, name: str, codec: str) -> None:
    """Browsers believe it, and would show them lighter than the film."""
    copy_film(given(noise(2)), tmp_path / name, options=EncodeOptions(codec=codec))
    assert b"gAMA" not in (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("codec", "matrix"), [*[("h264", matrix) for matrix in (1, 5, 6, 9)], ("prores", 1), ("prores", 9)]
)
def test_the_matrix_is_the_films_own(tmp_path: Path, codec: str, matrix: int) -> None:
    colour = ColourInfo(matrix=matrix, primaries=matrix, transfer=1, full_range=True)
    copy_film(given([patch_picture()], colour=colour), tmp_path / "out.mov", options=EncodeOptions(codec=codec))
    frame = first_frame(tmp_path / "out.mov")
    assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (matrix, matrix, 1, 1)
    assert patch_error(as_rgb(frame)) <= 4


def test_what_was_hdr_is_tagged_as_what_it_has_become(tmp_path: Path) -> None:
    colour = ColourInfo(matrix=9, primaries=9, transfer=16)
    copy_film(given([patch_picture()], colour=colour), tmp_path / "out.mp4")
    frame = first_frame(tmp_path / "out.mp4")
    assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)


@pytest.mark.parametrize(("width", "height"), [(161, 121), (8, 8), (1, 1), (160, 91)])
def test_no_size_is_changed(tmp_path: Path, width: int, height: int) -> None:
    warnings = copy_film(given(noise(2, width, height)), tmp_path / "out.mp4")
    frame = first_frame(tmp_path / "out.mp4")
    assert (frame.width, frame.height) == (width, height)
    assert any("4:4:4" in line for line in warnings) == bool(width % 2 or height % 2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "gif"])
def test_the_picture_is_shown_as_wide_as_it_was(tmp_path: Path, suffix: str) -> None:
    copy_film(given(noise(1), pixel_aspect=Fraction(4, 3)), tmp_path / f"out.{suffix}")
    with av.open(str(tmp_path / f"out.{suffix}")) as film:
        aspect = film.streams.video[0].sample_aspect_ratio
        shown = aspect * film.streams.video[0].width / film.streams.video[0].height
    assert abs(shown - Fraction(4, 3) * Fraction(64, 48)) < Fraction(1, 48)


@pytest.mark.parametrize(("size", "aspect"), [((32, 24), Fraction(4, 3)), ((24, 24), Fraction(16, 9))])
def test_another_size_is_shown_as_wide_as_before(tmp_path: Path, size: tuple[int, int], aspect: Fraction) -> None:
    reader = given(noise(1), pixel_aspect=Fraction(4, 3))
    with open_writer(tmp_path / "o.mp4", source=reader, options=EncodeOptions(size=size)) as writer:
        writer.write(reader.frames[0].with_image(noise(1, *size)[0]))
    with av.open(str(tmp_path / "o.mp4")) as film:
        assert film.streams.video[0].sample_aspect_ratio == aspect


def transparent() -> GivenReader:
    alpha = np.zeros((48, 64), np.uint8)
    alpha[:, 32:], alpha[:, 48:] = 128, 255
    return given([np.full((48, 64, 3), 200, np.uint8)] * 2, alpha=[alpha] * 2)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "ffv1"), ("mov", "prores"), ("webm", "vp9"), ("gif", "gif")])
def test_transparency_chooses_a_codec_that_keeps_it(tmp_path: Path, suffix: str, codec: str) -> None:
    target = tmp_path / f"out.{suffix}"
    warnings = copy_film(transparent(), target)
    frame = first_frame(target, decoder="libvpx-vp9" if codec == "vp9" else None)
    alpha = frame.reformat(format="rgba").to_ndarray()[..., 3]
    assert alpha[24, 8] < 3
    assert alpha[24, 60] > 252
    if codec != "gif":  # which knows all or nothing
        assert abs(int(alpha[24, 40]) - 128) < 4
        assert any(codec in line for line in warnings) == (suffix != "webm")  # whose codec it is anyway


def test_transparency_that_cannot_be_kept_is_laid_on_black_and_said(tmp_path: Path) -> None:
    warnings = copy_film(transparent(), tmp_path / "out.mp4")
    assert any("transparency" in line for line in warnings)
    shown = as_rgb(first_frame(tmp_path / "out.mp4")).astype(int)
    assert [abs(shown[24, x] - level).max() < 4 for x, level in ((8, 0), (40, 100), (60, 200))] == [True] * 3


def test_a_gif_keeps_few_colours_exactly(tmp_path: Path) -> None:
    copy_film(given([patch_picture()] * 3, pts=[0, 4, 8], time_base=Fraction(1, 100)), tmp_path / "out.gif")
    assert patch_error(as_rgb(first_frame(tmp_path / "out.gif"))) == 0
    assert times(tmp_path / "out.gif") == [Fraction(t, 100) for t in (0, 4, 8)]


def test_frames_closer_than_the_targets_clock_are_all_kept(tmp_path: Path) -> None:
    copy_film(given(noise(6), pts=[0, 1, 2, 3, 4, 5], time_base=Fraction(1, 240)), tmp_path / "out.gif")
    assert len(times(tmp_path / "out.gif")) == 6


def test_the_target_has_its_name_only_once_it_is_complete(tmp_path: Path) -> None:
    reader, target = given(noise(3)), tmp_path / "out.mp4"
    writer = open_writer(target, source=reader)
    for frame in reader:
        writer.write(frame)
        assert not target.exists()
    writer.close(commit=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert writer.frames_written == 3


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "gif"])
def test_a_film_not_committed_stays_playable_under_another_name(tmp_path: Path, suffix: str) -> None:
    reader, target = given(noise(8)), tmp_path / f"out.{suffix}"
    writer = open_writer(target, source=reader)
    for frame in reader.frames[:5]:
        writer.write(frame)
    writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not target.exists()
    assert len(times(tmp_path / f"out.{suffix}.part")) == 5


def test_a_film_without_frames_leaves_nothing_behind(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "out.mp4", source=given(noise(1)))
    with pytest.raises(OutputError, match="no frame"):
        writer.close(commit=True)
    assert list(tmp_path.iterdir()) == []


def test_an_exact_index_replaces_the_fragments(tmp_path: Path) -> None:
    copy_film(given(noise(40)), tmp_path / "out.mp4")
    assert b"moof" not in (tmp_path / "out.mp4").read_bytes()[:48]
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert film.streams.video[0].frames == 40  # fragments leave this unknown


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    reader = given(noise(1))
    with pytest.raises(OutputError, match="32x24"), open_writer(tmp_path / "o.mp4", source=reader) as writer:
        writer.write(reader.frames[0].with_image(noise(1, 32, 24)[0]))


@pytest.mark.parametrize(
    ("name", "codec", "said"), [("o.mp4", "hevc", "libx265"), ("o.mov", "dnxhd", "at least 256x120")]
)
def test_a_failed_encoder_says_why_in_one_line(tmp_path: Path, name: str, codec: str, said: str) -> None:
    with pytest.raises(OutputError, match=said) as caught:
        open_writer(tmp_path / name, source=given(noise(1, 4, 4)), options=exact(codec))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("o.mp4", EncodeOptions(codec="h265x"), "h265"),
        ("o.webm", EncodeOptions(codec="h264"), "vp9"),
        ("o.ts", EncodeOptions(codec="vp9"), "cannot hold vp9; use h264, hevc$"),
        ("o.mov", EncodeOptions(codec="av1"), "cannot hold av1; use h264, hevc, prores$"),
        *[(f"o.{suffix}", EncodeOptions(), r"broadcast.*use \.mov or \.mpg") for suffix in ("mxf", "gxf")],
        ("o.mp4", EncodeOptions(codec="aac"), "audio"),
        ("o.mov", EncodeOptions(codec="prores", crf=20), "crf"),
        *[("o.mp4", EncodeOptions(crf=crf), "0 .best. to 51") for crf in (-1, 52, float("nan"))],
        ("o.webm", EncodeOptions(crf=64), "to 63"),
        ("o_%04d.exr", EncodeOptions(), "no .exr pictures"),
        ("o.webm", EncodeOptions(bit_depth=10), "10 bits"),
        ("o.qxz", EncodeOptions(), "qxz"),
        ("o", EncodeOptions(), "suffix"),
        ("o.mp3", EncodeOptions(), "no pictures"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_at_once(
    tmp_path: Path, name: str, options: EncodeOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        open_writer(tmp_path / name, source=given(noise(1)), options=options)
    assert list(tmp_path.iterdir()) == []


def test_motion_jpeg_is_written_in_its_own_range(tmp_path: Path) -> None:
    copy_film(given([patch_picture()]), tmp_path / "o.mov", options=EncodeOptions(codec="mjpeg"))
    frame = first_frame(tmp_path / "o.mov")
    assert frame.format.name == "yuvj420p"
    assert patch_error(as_rgb(frame)) <= 12


@pytest.mark.parametrize("arguments", [{"bit_depth": 12}, {"audio": "louder"}, {"size": (0, 4)}])
def test_options_that_mean_nothing_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        EncodeOptions(**arguments)  # type: ignore[arg-type]
