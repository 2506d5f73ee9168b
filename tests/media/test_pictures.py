"""Single pictures and numbered sequences as targets."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.media.writing import GivenReader, as_rgb, copy_film, first_frame, given, noise, patch_error, patch_picture
from vidstyle.errors import OutputError, UsageError
from vidstyle.frames import VideoInfo
from vidstyle.media.reader import open_reader
from vidstyle.media.writer import EncodeOptions, open_writer


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "tga", "ppm"])
def test_a_picture_has_the_colours_it_was_given(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    copy_film(given([patch_picture()]), target)
    lossy = suffix in ("jpg", "jpeg", "webp")
    assert patch_error(as_rgb(first_frame(target))) <= (4 if lossy else 0)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "bmp", "tga"])
def test_pictures_keep_transparency(tmp_path: Path, suffix: str) -> None:
    alpha = np.arange(64 * 48, dtype=np.uint32).reshape(48, 64).astype(np.uint8)
    copy_film(given(noise(1), alpha=[alpha]), tmp_path / f"out.{suffix}")
    shown = first_frame(tmp_path / f"out.{suffix}").reformat(format="rgba").to_ndarray()
    assert np.array_equal(shown[..., 3], alpha)


def test_jpeg_says_that_transparency_is_lost(tmp_path: Path) -> None:
    alpha = np.zeros((48, 64), np.uint8)
    warnings = copy_film(given(noise(1), alpha=[alpha]), tmp_path / "out.jpg")
    assert any("transparency" in line for line in warnings)
    assert as_rgb(first_frame(tmp_path / "out.jpg")).max() < 4


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff"])
@pytest.mark.parametrize("size", [None, (64, 24)])
def test_pictures_keep_the_shape_of_pixels(tmp_path: Path, suffix: str, size: tuple[int, int] | None) -> None:
    source = given(noise(1, *(size or (64, 48))), pixel_aspect=Fraction(4, 3))
    source.info = replace(source.info, width=64, height=48)
    assert copy_film(source, tmp_path / f"out.{suffix}", options=EncodeOptions(size=size)) == []
    with open_reader(tmp_path / f"out.{suffix}") as reader:
        assert reader.info.pixel_aspect == Fraction(4, 3) / (2 if size else 1)


def test_a_shape_of_pixels_that_is_lost_is_said(tmp_path: Path) -> None:
    warnings = copy_film(given(noise(1), pixel_aspect=Fraction(4, 3)), tmp_path / "out.bmp")
    assert warnings == ["pixels are not square (4/3): .bmp files cannot say so"]


@pytest.mark.parametrize(("suffix", "told"), [("png", b"pHYs\0\0\0\1\0\0\0\1\0"), ("jpg", b"JFIF\0\1\2\0\0\1\0\1")])
def test_square_pixels_are_said_too(tmp_path: Path, suffix: str, told: bytes) -> None:
    """Left to itself FFmpeg tells of pixels that are 0:1 in PNG files, and leaves out JPEG's JFIF header."""
    copy_film(given(noise(1)), tmp_path / f"out.{suffix}")
    assert told in (tmp_path / f"out.{suffix}").read_bytes()


def test_png_is_exact(tmp_path: Path) -> None:
    (picture,) = noise(1, 161, 121)
    copy_film(given([picture]), tmp_path / "out.png")
    assert np.array_equal(as_rgb(first_frame(tmp_path / "out.png")), picture)


def test_a_sequence_is_numbered_from_one_in_a_folder_that_is_made(tmp_path: Path) -> None:
    pictures = noise(3)
    warnings = copy_film(given(pictures), tmp_path / "new" / "deep" / "f_%04d.png")
    names = sorted(path.name for path in (tmp_path / "new" / "deep").iterdir())
    assert names == ["f_0001.png", "f_0002.png", "f_0003.png"]
    for name, picture in zip(names, pictures, strict=True):
        assert np.array_equal(as_rgb(first_frame(tmp_path / "new" / "deep" / name)), picture)
    assert warnings == []


@pytest.mark.parametrize(
    ("start", "kept"), [(None, [1001, 1002, 1004]), (Fraction(1, 25), [1002, 1004]), (Fraction(2, 25), [1004])]
)
def test_pictures_that_were_numbered_keep_their_numbers(
    tmp_path: Path, start: Fraction | None, kept: list[int]
) -> None:
    for number in (1001, 1002, 1004):
        copy_film(given(noise(1)), tmp_path / f"f_{number}.png")
    copy_film(open_reader(tmp_path / "f_%04d.png", start=start), tmp_path / "o_%05d.png")
    assert sorted(path.name for path in tmp_path.glob("o_*")) == [f"o_{number:05}.png" for number in kept]


@pytest.mark.parametrize(
    ("pts", "said"),
    [([0, 33, 67, 100], []), ([0, 40, 120], ["frames did not all last as long: numbered pictures cannot say so"])],
)
def test_a_variable_rate_that_is_lost_is_said(tmp_path: Path, pts: list[int], said: list[str]) -> None:
    film = given(noise(len(pts)), pts=pts, time_base=Fraction(1, 1000))
    assert copy_film(film, tmp_path / "f_%d.png") == said


def test_older_pictures_beyond_the_new_ones_are_mentioned(tmp_path: Path) -> None:
    for number in range(1, 11):
        (tmp_path / f"f_{number}.png").write_bytes(b"old")
    reader = given(noise(2))
    with open_writer(tmp_path / "f_%d.png", source=reader, overwrite=True) as writer:
        for frame in reader:
            writer.write(frame)
    assert writer.warnings == ["8 older pictures of the same pattern remain, from f_3.png on"]


def test_a_picture_has_its_name_only_at_the_end(tmp_path: Path) -> None:
    reader = given(noise(1))
    writer = open_writer(tmp_path / "out.png", source=reader)
    writer.write(reader.frames[0])
    assert not (tmp_path / "out.png").exists()
    writer.close(commit=False)
    assert list(tmp_path.iterdir()) == []


def test_one_picture_does_not_hold_a_film(tmp_path: Path) -> None:
    reader = given(noise(2))
    writer = open_writer(tmp_path / "out.png", source=reader)
    writer.write(reader.frames[0])
    with pytest.raises(OutputError, match=r"out_%04d\.png"):
        writer.write(reader.frames[1])
    writer.close(commit=False)
    counted = GivenReader(reader.frames, VideoInfo(width=64, height=48, time_base=Fraction(1, 25), frames=2))
    with pytest.raises(UsageError, match=r"out_%04d\.png"):
        open_writer(tmp_path / "out.png", source=counted, overwrite=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("o.png", EncodeOptions(codec="h264")),
        ("o.jpg", EncodeOptions(crf=3)),
        ("o_%03d.png", EncodeOptions(bit_depth=10)),
    ],
)
def test_what_pictures_cannot_do_is_refused(tmp_path: Path, name: str, options: EncodeOptions) -> None:
    with pytest.raises(UsageError):
        open_writer(tmp_path / name, source=given(noise(1)), options=options)


@pytest.mark.parametrize(("suffix", "longest"), [("webp", 16383), ("jpg", 65500), ("tga", 65535)])
def test_what_is_too_wide_is_refused_before_it_is_painted(tmp_path: Path, suffix: str, longest: int) -> None:
    copy_film(given(noise(1, longest, 2)), tmp_path / f"widest.{suffix}")
    with pytest.raises(UsageError, match=f"no more than {longest} pixels a side, the picture is {longest + 1}x2"):
        open_writer(tmp_path / f"wider.{suffix}", source=given(noise(1, longest + 1, 2)))
    with pytest.raises(UsageError, match="a side"):
        open_writer(tmp_path / f"w.{suffix}", source=given(noise(1)), options=EncodeOptions(size=(9, longest + 1)))


def test_the_codec_may_be_named(tmp_path: Path) -> None:
    copy_film(given(noise(1)), tmp_path / "f_%04d.png", options=EncodeOptions(codec="png"))
    assert (tmp_path / "f_0001.png").exists()


def test_a_picture_of_a_film_says_that_its_sound_is_left_out(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as film:
        voice = film.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), format="s16", layout="mono")
        samples.sample_rate, samples.pts = 8000, 0
        film.mux(voice.encode(samples))
    reader = given(noise(1))
    reader.container = av.open(str(tmp_path / "in.mkv"))
    assert copy_film(reader, tmp_path / "f_%d.png") == ["audio left out: picture files hold none"]
