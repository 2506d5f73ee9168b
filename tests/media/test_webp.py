"""Moving WebP pictures: every one at its own time, in its colours."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.reading import frames_of
from tests.media.test_colour_profile import in_srgb, p3_profile
from vidstyle.errors import InputError
from vidstyle.media.reader import open_reader

LASTS = [40, 200, 30]  # milliseconds
LEVELS = [10, 120, 240]


def moving_webp(*, alpha: int | None = None, profile: bytes | None = None) -> bytes:
    colour = [(level, 50, 90) if alpha is None else (level, 50, 90, alpha) for level in LEVELS]
    first, *others = [Image.new("RGB" if alpha is None else "RGBA", (64, 48), c) for c in colour]
    file = BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=LASTS, lossless=True, icc_profile=profile)
    return file.getvalue()


def test_every_picture_at_its_own_time(tmp_path: Path) -> None:
    path = tmp_path / "moving.webp"
    path.write_bytes(moving_webp())
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert not reader.info.has_alpha
        assert not reader.warnings
    assert [round(frame.time * 1000) for frame in frames] == [0, 40, 240]
    assert [round((frame.duration or 0) * frame.time_base * 1000) for frame in frames] == LASTS
    assert [int(frame.image[0, 0, 0]) for frame in frames] == LEVELS


def test_transparency_stays(tmp_path: Path) -> None:
    path = tmp_path / "sticker.webp"
    path.write_bytes(moving_webp(alpha=100))
    with open_reader(path) as reader:
        alphas = [frame.alpha for frame in frames_of(reader)]
    assert [alpha is not None and np.all(alpha == 100) for alpha in alphas] == [True] * len(LEVELS)


def test_a_damaged_one_and_one_that_is_too_large_are_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "moving.webp", moving_webp()
    path.write_bytes(whole)
    with pytest.raises(InputError, match="64x48"):
        open_reader(path, max_pixels=1000)
    for length in (21, 30, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot read"):
            open_reader(path)


@pytest.mark.parametrize("alpha", [None, 100])
def test_colour_profile(tmp_path: Path, alpha: int | None) -> None:
    path = tmp_path / "moving.webp"
    path.write_bytes(moving_webp(alpha=alpha, profile=p3_profile()))
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert reader.warnings == ["colours were converted from sRGB built-in to sRGB"]
    for frame, level in zip(frames, LEVELS, strict=True):
        assert np.abs(frame.image[0, 0].astype(int) - in_srgb(np.array([level, 50, 90]))).max() <= 2


def test_a_flag_alone_is_no_transparency(tmp_path: Path) -> None:
    """Encoders set it, too, where they leave out what stays from one picture to the next."""
    path, coded = tmp_path / "moving.webp", bytearray(moving_webp())
    coded[20] |= 0x10
    path.write_bytes(coded)
    with Image.open(path) as stored:
        assert stored.mode == "RGBA"
    with open_reader(path) as reader:
        assert not reader.info.has_alpha
        assert len(frames_of(reader)) == 3
