"""Phones' photographs: tiles are put together, upright, in sRGB."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.media.reading import CORNERS, field_colours, frames_of, near, quarters, write_film
from tests.media.test_colour_profile import in_srgb, p3_profile
from vidstyle.cli.app import run
from vidstyle.errors import InputError
from vidstyle.media.heif import code_points, is_heif_picture
from vidstyle.media.reader import open_reader
from vidstyle.media.tonemap import bt709_cube

# 128x64 in two tiles of 64x64: left red, right blue over green. Nothing from the registries writes tiles;
# libheif's own program did: heif-enc -q 80 --cut-tiles 64 picture.png
TILED_HEIC = base64.b64decode(
    """
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAfdtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAABBpZGF0AAAAAQCA
AEAAAABMaWxvYwEAAABEQAADAAEAAQAAAAAAAAABAAAAAAAAAAgAAgAAAAAAAAIbAAEAAAAAAAAAHgADAAAAAAAAAjkAAQAAAAAAAACUAAAATWlpbmYA
AAAAAAMAAAAVaW5mZQIAAAAAAQAAZ3JpZAAAAAAVaW5mZQIAAAEAAgAAaHZjMQAAAAAVaW5mZQIAAAEAAwAAaHZjMQAAAAAOcGl0bQAAAAAAAQAAAPdp
cHJwAAAAy2lwY28AAAAUaXNwZQAAAAAAAACAAAAAQAAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMA
HroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAU
aXNwZQAAAAAAAABAAAAAQAAAABBwaXhpAAAAAAMICAgAAAAkaXBtYQAAAAAAAAADAAEDAYUDAAIEggMEBQADBIIDBAUAAAAcaXJlZgAAAAAAAAAQZGlt
ZwABAAIAAgADAAAAum1kYXQAAAAaKAGvBPhBMmnb/7+////pMx2X9lYaT0cYNvwAAACQKAGvBPhBMmnb/9fv/5H+Rkf/+99iT5/DffyblX//Dup//zYc
gZTbITNI7Iu/d6A4lbo7RUyzro5aMdZdU/UlmnNQjjMG99fcD+zSJlVHHLZPFano3oP5+/31ZuE/OBVsVdvUF82MchCpk0PlWE97p2PdCETVGyyr1n5c
AXNcBaX1pRabhiN0u8RdB5w0sefA
"""
)


def test_tiles_are_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(TILED_HEIC)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert (reader.info.width, reader.info.height, reader.info.rate) == (128, 64, None)
    assert np.abs(frame.image[8, 8].astype(int) - (200, 40, 40)).max() <= 4
    assert np.abs(frame.image[8, 120].astype(int) - (40, 40, 200)).max() <= 4
    assert np.abs(frame.image[56, 120].astype(int) - (40, 200, 40)).max() <= 4


@pytest.mark.skipif(sys.platform != "linux", reason="only there a file that is standard input has a name")
def test_as_standard_input_too(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(TILED_HEIC)
    program = "from vidstyle.media.reader import probe; print(probe('-').width)"
    with path.open("rb") as file:
        done = subprocess.run([sys.executable, "-c", program], stdin=file, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "128"


def test_orientation_profile_and_transparency(tmp_path: Path) -> None:
    path, exif = tmp_path / "photo.avif", Image.Exif()
    exif[0x0112] = 6
    image = np.full((32, 64, 4), (90, 160, 90, 255), np.uint8)
    image[:, 32:, 3] = 0
    Image.fromarray(image).save(path, quality=100, subsampling="4:4:4", exif=exif, icc_profile=p3_profile())
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert frame.image.shape == (64, 32, 3)
    assert np.abs(frame.image[8, 16].astype(int) - in_srgb(image[None, 0, 0, :3])[0]).max() <= 4
    assert frame.alpha is not None
    assert frame.alpha[8, 16] == 255
    assert frame.alpha[56, 16] == 0


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 16), (9, 18)], ids=["Display P3", "PQ", "HLG"])
def test_code_points_are_believed(tmp_path: Path, primaries: int, transfer: int) -> None:
    """As cameras' HDR pictures and a browser's Display P3 have them, without a profile."""
    path = tmp_path / "photo.avif"
    image = np.full((64, 64, 3), (200, 90, 60), np.uint8)
    Image.fromarray(image).save(path, quality=100, subsampling="4:4:4")
    coded = path.read_bytes()
    assert coded.count(b"colrnclx") == 1
    at = coded.index(b"colrnclx") + 8
    path.write_bytes(coded[:at] + bytes([0, primaries, 0, transfer]) + coded[at + 4 :])
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert any("to BT.709" in line for line in reader.warnings)
    expected = bt709_cube(primaries=primaries, transfer=transfer, size=52)[40, 18, 12] * 255  # steps of 5
    assert np.abs(frame.image[32, 32] - expected).max() <= 4


def test_depth_that_is_lost_is_said(tmp_path: Path) -> None:
    path = write_film(tmp_path / "photo.avif", [quarters()], codec="libsvtav1", pixel_format="yuv420p10le")
    with open_reader(path) as reader:
        assert reader.warnings == ["10-bit pictures were reduced to 8 bits"]
        assert near(field_colours(frames_of(reader)[0].image), CORNERS)


def test_code_points_that_contradict_each_other_are_left_alone() -> None:
    assert code_points(b"colrnclx\0\x0c\0\x0d colrnclx\0\x09\0\x10") is None  # a gain map's own


def test_a_moving_avif_is_a_film(tmp_path: Path) -> None:
    path = tmp_path / "moving.avif"
    pictures = [Image.new("RGB", (64, 48), (level, 0, 0)) for level in (0, 120, 240)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    assert not is_heif_picture(path.read_bytes())
    with open_reader(path) as reader:
        assert len(frames_of(reader)) == 3


@pytest.mark.parametrize("length", [40, 300, 500])
def test_a_damaged_one_is_one_line(tmp_path: Path, length: int, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(TILED_HEIC[:length])
    assert run(["render", str(path), str(tmp_path / "out.png")]) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"vidstyle: error: cannot read '{path}': a damaged picture")


def test_a_damaged_avif_too(tmp_path: Path) -> None:
    path = tmp_path / "photo.avif"
    Image.fromarray(quarters()).save(path)
    coded = bytearray(path.read_bytes())
    coded[-20:] = bytes(20)
    path.write_bytes(coded)
    with pytest.raises(InputError, match="a damaged picture"):
        open_reader(path)


def test_one_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(TILED_HEIC)
    with pytest.raises(InputError, match="128x64"):
        open_reader(path, max_pixels=1000)


def test_paintings_and_photographs_to_learn_from_too(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the torch extra")
    from vidstyle.training.photographs import read_painting

    path = tmp_path / "painting.heic"
    path.write_bytes(TILED_HEIC)
    assert read_painting(path, longest=512).shape == (1, 3, 64, 128)
    path.write_bytes(TILED_HEIC[:300])
    with pytest.raises(InputError, match="damaged picture"):
        read_painting(path, longest=512)
