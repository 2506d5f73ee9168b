"""Moving WebP pictures, every one at its own time, and pictures made for print, by the colours of their inks."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.reading import frames_of
from vidstyle.errors import InputError
from vidstyle.media.reader import open_reader

LASTS = [40, 200, 30]  # milliseconds
LEVELS = [10, 120, 240]


def moving_webp(*, alpha: int | None = None) -> bytes:
    colour = [(level, 50, 90) if alpha is None else (level, 50, 90, alpha) for level in LEVELS]
    first, *others = [Image.new("RGB" if alpha is None else "RGBA", (64, 48), c) for c in colour]
    file = BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=LASTS, lossless=True)
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
    assert all(alpha is not None and np.all(alpha == 100) for alpha in alphas)


def test_a_damaged_one_and_one_that_is_too_large_are_refused(tmp_path: Path) -> None:
    path, whole = tmp_path / "moving.webp", moving_webp()
    path.write_bytes(whole)
    with pytest.raises(InputError, match="64x48"):
        open_reader(path, max_pixels=1000)
    for length in (21, 30, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot read"):
            open_reader(path)


CYAN_INK = (56, -36, -48)  # L*a*b*, and the same in sRGB, cut off at its edge
CYAN_ON_A_SCREEN = (0, 153, 217)


def print_profile() -> bytes:
    """A press whose paper is white and whose ink of cyan is `CYAN_INK`; the others are black."""
    lab = [(100, 0, 0) if not k else CYAN_INK if k == 8 else (0, 0, 0) for k in range(16)]  # cyan is the highest bit
    grid = b"".join(bytes([round(light * 2.55), a + 128, b + 128]) for light, a, b in lab)
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + bytes(range(256)) * 4 + grid + bytes(range(256)) * 3
    table += bytes(-len(table) % 4)
    tags = struct.pack(">I4sII", 1, b"A2B0", 144, len(table))
    head = struct.pack(">II", 144 + len(table), 0) + b"\x02\x40\0\0" + b"prtrCMYKLab "
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + tags + table


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_have_the_colours_of_their_profile(tmp_path: Path, form: str) -> None:
    path, image = tmp_path / "poster", Image.new("CMYK", (64, 48), (255, 0, 0, 0))
    image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    image.save(path, form, icc_profile=print_profile())
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert not reader.info.has_alpha
    assert np.abs(frame.image[24, 8].astype(int) - 255).max() <= 3
    assert np.abs(frame.image[24, 56].astype(int) - CYAN_ON_A_SCREEN).max() <= 6


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_what_they_are_called(tmp_path: Path, form: str) -> None:
    path = tmp_path / "poster"
    Image.new("CMYK", (64, 48), (255, 0, 0, 0)).save(path, form)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert not reader.info.has_alpha
    assert np.abs(frame.image[24, 24].astype(int) - (0, 255, 255)).max() <= 3
