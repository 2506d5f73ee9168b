"""Pictures that FFmpeg does not read whole, or in other colours: those made for print, and Photoshop's."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.reading import frames_of
from vidstyle.media.reader import open_reader

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
        assert reader.warnings == ["colours were converted from  to sRGB"]
    assert np.abs(frame.image[24, 8].astype(int) - 255).max() <= 3
    assert np.abs(frame.image[24, 56].astype(int) - CYAN_ON_A_SCREEN).max() <= 6


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_what_they_are_called(tmp_path: Path, form: str) -> None:
    path = tmp_path / "poster"
    Image.new("CMYK", (64, 48), (255, 0, 0, 0)).save(path, form)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert not reader.info.has_alpha
        assert reader.warnings == ["the colours of inks (CMYK) are only nearly right: no profile says what they are"]
    assert np.abs(frame.image[24, 24].astype(int) - (0, 255, 255)).max() <= 3


def test_photoshops_files_are_read_compressed_as_most_are(tmp_path: Path) -> None:
    """Row by row by PackBits, of which FFmpeg reads some."""
    path = tmp_path / "painting.psd"
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 48, 64, 8, 3) + bytes(12)  # no palette, no resources, no layers
    rows = [struct.pack("bB", 1 - 64, level) for level in (200, 90, 40) for _ in range(48)]
    path.write_bytes(head + b"\0\1" + b"".join(struct.pack(">H", len(row)) for row in rows) + b"".join(rows))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert not reader.warnings
    assert (frame.image == (200, 90, 40)).all()
