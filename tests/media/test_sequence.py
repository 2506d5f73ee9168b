"""Numbered pictures: where they start, which are missing, and when each is shown."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.media.reading import frames_of, quarters, write_film
from vidstyle.errors import InputError, UsageError
from vidstyle.media.jpeg import is_cut_short
from vidstyle.media.reader import open_reader, probe
from vidstyle.media.scale import resize


def write_pictures(folder: Path, numbers: list[int], *, name: str = "f_{:04d}.png") -> Path:
    for number in numbers:
        picture = np.full((48, 64, 3), number % 256, np.uint8)
        write_film(folder / "one.png", [picture], codec="png", pixel_format="rgb24").rename(
            folder / name.format(number)
        )
    return folder / "f_%04d.png"


def test_start_and_gaps_are_said_and_kept_in_time(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [7, 8, 9, 11, 14])
    with open_reader(pattern) as reader:
        frames = frames_of(reader)
        warnings = reader.warnings
        assert (reader.container, reader.video_stream) == (None, None)
        assert (reader.info.frames, reader.info.rate, reader.info.duration) == (5, 25, Fraction(8, 25))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [7, 8, 9, 11, 14]
    assert [(frame.pts, frame.duration) for frame in frames] == [(0, 1), (1, 1), (2, 2), (4, 3), (7, 1)]
    assert warnings[0] == "the sequence has 5 pictures, 7 to 14"
    assert warnings[1].startswith("3 missing from the sequence (10, 12 to 13)")


@pytest.mark.parametrize("first", [0, 1])
def test_a_whole_sequence_is_nothing_to_warn_of(tmp_path: Path, first: int) -> None:
    with open_reader(write_pictures(tmp_path, [first, first + 1])) as reader:
        assert len(frames_of(reader)) == 2
        assert reader.warnings == []


def test_a_part_of_a_sequence(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [0, 1, 2, 3, 4, 5])
    with open_reader(pattern, start=Fraction(2, 25), end=Fraction(4, 25)) as reader:
        frames = frames_of(reader)
    assert [(frame.pts, int(frame.image[0, 0, 0])) for frame in frames] == [(0, 2), (1, 3)]


def test_a_part_that_begins_between_two_pictures_begins_at_once(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [0, 1, 2, 3])
    with open_reader(pattern, start=Fraction(1, 100)) as reader:
        assert [frame.pts for frame in frames_of(reader)] == [0, 1, 2]


@pytest.mark.parametrize("rate", [Fraction(24_000, 1001), 24])
def test_a_sequence_has_the_rate_that_is_asked_for_and_a_film_its_own(tmp_path: Path, rate: Fraction) -> None:
    pattern = write_pictures(tmp_path, [0, 1, 2, 3])
    apart = Fraction(1) / rate
    with open_reader(pattern, start=apart, rate=rate) as reader:
        assert (reader.info.rate, reader.info.time_base, reader.info.duration) == (rate, apart, 3 * apart)
        assert [frame.time for frame in frames_of(reader)] == [0, apart, 2 * apart]
    film = write_film(tmp_path / "a.mp4", [quarters()] * 2)
    with pytest.raises(UsageError, match="its own times"):
        open_reader(film, rate=rate)


def test_another_size_is_scaled_and_a_damaged_picture_passed_over(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [1, 2, 3])
    write_film(tmp_path / "large.png", [quarters(128, 96)], codec="png", pixel_format="rgb24").rename(
        tmp_path / "f_0002.png"
    )
    (tmp_path / "f_0003.png").write_bytes(b"damaged")
    with open_reader(pattern) as reader:
        frames = frames_of(reader)
        warnings = "\n".join(reader.warnings)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 2
    assert "pictures of another size, scaled to the first one's 64x48: 1" in warnings
    assert "f_0003.png" in warnings


def test_another_size_is_scaled_as_everywhere(tmp_path: Path) -> None:
    """By areas on the way down, with colours at their own resolution, and transparency likewise."""
    write_pictures(tmp_path, [])
    random = np.random.default_rng(1)
    for number, (width, height) in enumerate([(64, 48), (200, 150), (32, 24)]):
        rgba = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
        frame = VideoFrame.from_ndarray(rgba, format="rgba")
        write_film(tmp_path / "one.png", [frame], codec="png", pixel_format="rgba").rename(
            tmp_path / f"f_{number:04d}.png"
        )
        with open_reader(tmp_path / f"f_{number:04d}.png") as reader:
            (alone,) = frames_of(reader)
        with open_reader(tmp_path / "f_%04d.png") as reader:
            scaled = frames_of(reader)[number]
        assert np.array_equal(scaled.image, resize(alone.image, width=64, height=48))
        assert alone.alpha is not None
        assert scaled.alpha is not None
        assert np.array_equal(scaled.alpha, resize(alone.alpha, width=64, height=48))


def test_a_damaged_first_picture_is_passed_over_like_any_other(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [1, 2, 3])
    (tmp_path / "f_0001.png").write_bytes(b"damaged")
    with open_reader(pattern) as reader:
        info = reader.info
        frames = frames_of(reader)
        warnings = reader.warnings
    assert (info.width, info.height, info.duration) == (64, 48, Fraction(3, 25))
    assert [(frame.pts, int(frame.image[0, 0, 0])) for frame in frames] == [(1, 2), (2, 3)]
    assert sum("f_0001.png" in line for line in warnings) == 1


def test_a_sequence_of_damaged_pictures_is_refused_with_the_first_ones_reason(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"f_{number:04d}.png").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"f_0001\.png"):
        open_reader(tmp_path / "f_%04d.png")


def write_png(path: Path, frame: VideoFrame) -> None:
    write_film(path.with_name("one.png"), [frame], codec="png", pixel_format=frame.format.name).rename(path)


def test_what_every_picture_loses_is_said_once(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [1])
    deep = VideoFrame.from_ndarray(np.full((48, 64, 3), 999, np.uint16), format="rgb48be")
    for number in (2, 3):
        write_png(tmp_path / f"f_{number:04d}.png", deep)
    with open_reader(pattern) as reader:
        assert len(frames_of(reader)) == 3
        assert reader.warnings == ["16-bit pictures were reduced to 8 bits"]


def test_transparency_after_an_opaque_picture_is_said_to_be_lost(tmp_path: Path) -> None:
    pattern = write_pictures(tmp_path, [1])
    for number, alpha in ((2, 255), (3, 128), (4, 0)):
        rgba = np.full((48, 64, 4), alpha, np.uint8)
        write_png(tmp_path / f"f_{number:04d}.png", VideoFrame.from_ndarray(rgba, format="rgba"))
    with open_reader(pattern) as reader:
        assert len(frames_of(reader)) == 4
        assert reader.warnings == ["pictures with transparency, laid on black because the first one has none: 2"]


def test_two_pictures_of_one_number_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, [1, 2], name="f_{}.png")
    write_pictures(tmp_path, [2, 3], name="f_{:02d}.png")
    with pytest.raises(InputError, match=r"f_02\.png and f_2\.png are both number 2"):
        open_reader(tmp_path / "f_%d.png")
    assert probe(tmp_path / "f_%02d.png").frames == 2


def test_a_jpeg_that_ends_too_early_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    small, large = (
        write_film(
            tmp_path / "one.jpg",
            [random.integers(0, 256, (height, width, 3), dtype=np.uint8)],
            codec="mjpeg",
            pixel_format="yuvj420p",
        ).read_bytes()
        for width, height in ((16, 16), (64, 48))
    )
    exif = b"Exif\0\0" + small  # whose own end is not the picture's
    whole = large[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + large[2:]
    for number, data in enumerate([whole, whole[: -len(large) // 2], whole + b"a phone's film after the picture"], 1):
        (tmp_path / f"f_{number:04d}.jpg").write_bytes(data)
    with open_reader(tmp_path / "f_%04d.jpg") as reader:
        assert len(frames_of(reader)) == 3
        assert len(reader.warnings) == 1
        assert "f_0002.jpg' is cut short" in reader.warnings[0]
    with open_reader(tmp_path / "f_0002.jpg") as reader:
        assert "f_0002.jpg' is cut short" in reader.warnings[0]


def test_a_jpeg_ls_has_markers_of_its_own(tmp_path: Path) -> None:
    """Its coded picture may hold bytes that are markers in other JPEG files, so nothing is said of its end."""
    path = tmp_path / "ls.jpg"
    path.write_bytes(b"\xff\xd8" + b"\xff\xf7\x00\x04\x00\x00" + b"\xff\x12coded")
    assert not is_cut_short(path.read_bytes())


def test_patterns_match_numbers_only(tmp_path: Path) -> None:
    write_pictures(tmp_path, [1, 2])
    (tmp_path / "f_0003.png.bak").touch()
    (tmp_path / "f_12.png").touch()  # too few digits for %04d
    assert probe(tmp_path / "f_%04d.png").frames == 2
    write_pictures(tmp_path, [10000], name="f_{:04d}.png")
    assert probe(tmp_path / "f_%04d.png").frames == 3  # as FFmpeg writes them: at least four digits
    with pytest.raises(InputError, match="has such a name"):
        open_reader(tmp_path / "g_%d.png")


def test_a_file_that_is_called_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    write_film(tmp_path / "a.png", [quarters()], codec="png", pixel_format="rgb24").rename(tmp_path / "f_%d.png")
    assert probe(tmp_path / "f_%d.png").container == "image2"
