"""TIFF files of which FFmpeg makes a black picture, or shows the preview."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.media.reading import field_colours, frames_of, near, quarters
from tests.media.test_colour_profile import grey_profile, in_srgb, p3_profile
from tests.media.test_orientation import expected
from vidstyle.errors import InputError
from vidstyle.frames import ImageArray
from vidstyle.media.reader import open_reader

TILE = 16


def read(path: Path) -> ImageArray:
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert reader.info.rate is None
    return frame.image


def tiff(tags: dict[int, Sequence[int]], data: bytes, *, order: str) -> bytes:
    """A TIFF file of one picture whose tags are all of type LONG."""
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(data)) + data
    at = len(head) + 2 + 12 * len(tags) + 4
    entries = behind = b""
    for tag, values in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}I", *values)
        place = content if len(values) == 1 else struct.pack(f"{order}I", at + len(behind))
        behind += b"" if len(values) == 1 else content
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + place
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind


def tiled(image: npt.NDArray[Any], *, order: str) -> bytes:
    """(H, W, C) of 8 or 16 bits as an uncompressed TIFF file in tiles; sides are multiples of TILE."""
    height, width, channels = image.shape
    stored = image.astype(image.dtype.newbyteorder(order))
    tiles = [
        stored[y : y + TILE, x : x + TILE].tobytes() for y in range(0, height, TILE) for x in range(0, width, TILE)
    ]
    bits = 8 * image.dtype.itemsize
    tags: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [bits] * channels,
        259: [1],
        262: [2 if channels == 3 else 1],
        277: [channels],
        322: [TILE],
        323: [TILE],
        324: [8 + i * len(tiles[0]) for i in range(len(tiles))],
        325: [len(tiles[0])] * len(tiles),
    }
    return tiff(tags, b"".join(tiles), order=order)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"])
def test_whatever_the_compression(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(quarters()).save(path, compression=compression)
    assert near(field_colours(read(path)), field_colours(quarters()))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_put_together(tmp_path: Path, order: str, bits: int, channels: int) -> None:
    path, image = tmp_path / "scan.tif", quarters()[..., -channels:]
    path.write_bytes(tiled(image if bits == 8 else image.astype(np.uint16) * 257, order=order))
    assert np.abs(read(path).astype(int) - image).max() <= 1  # 16 bits of grey are rounded by FFmpeg


def test_orientation_and_profile(tmp_path: Path) -> None:
    path, exif = tmp_path / "scan.tif", Image.Exif()
    exif[0x0112] = 6
    image = np.full((32, 64, 3), (90, 160, 90), np.uint8)
    Image.fromarray(image).save(path, compression="jpeg", quality=100, exif=exif, icc_profile=p3_profile())
    picture = read(path)
    assert picture.shape == (64, 32, 3)
    assert np.abs(picture[8, 8].astype(int) - in_srgb(image)[0, 0]).max() <= 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_tiles_from_a_pipe_are_refused_in_words(tmp_path: Path) -> None:
    path, fifo = tmp_path / "scan.tif", tmp_path / "fifo"
    path.write_bytes(tiled(quarters(), order="<"))
    os.mkfifo(fifo)
    with (
        subprocess.Popen(["cp", str(path), str(fifo)], stderr=subprocess.DEVNULL),
        pytest.raises(InputError, match="given as a file, not through a pipe"),
    ):
        open_reader(fifo)


def test_depth_that_is_lost_in_tiles_is_said(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(tiled(quarters().astype(np.uint16) * 257, order="<"))
    with open_reader(path) as reader:
        assert reader.warnings == ["16-bit pictures were reduced to 8 bits"]


def test_grey_tiles_have_the_profile_of_their_grey(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.new("L", (32, 32), 128).save(path, compression="jpeg", quality=100, icc_profile=grey_profile())
    assert np.abs(read(path).astype(int) - 188).max() <= 2


def test_cielab(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.new("LAB", (32, 32), (round(54.29 * 2.55), 128 + 81, 128 + 70)).save(path)  # sRGB's red, by the light of D50
    assert np.abs(read(path).astype(int) - (255, 0, 0)).max() <= 6


def test_files_that_may_be_larger_than_4_gb(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(quarters()).save(path, big_tiff=True)
    assert path.read_bytes().startswith(b"II+")
    assert np.array_equal(read(path), quarters())


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_pages_that_are_not_read_are_said(tmp_path: Path, compression: str) -> None:
    path, pages = tmp_path / "scan.tif", [Image.fromarray(np.roll(quarters(), 8 * k, axis=1)) for k in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression=compression)
    with open_reader(path) as reader:
        assert reader.warnings == ["the file has 3 pages: only the first one is read"]
        assert near(field_colours(frames_of(reader)[0].image), field_colours(quarters()))


def test_smaller_copies_are_no_pages(tmp_path: Path) -> None:
    path, small = tmp_path / "scan.tif", Image.fromarray(quarters(32, 24))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.fromarray(quarters()).save(path, save_all=True, append_images=[small])
    with open_reader(path) as reader:
        assert not reader.warnings


def test_what_says_whether_it_is_a_page_may_be_damaged(tmp_path: Path) -> None:
    path, image = tmp_path / "scan.tif", quarters()
    rows: dict[int, Sequence[int]] = {273: [8], 277: [3], 278: [48], 279: [image.nbytes]}
    tags: dict[int, Sequence[int]] = {254: [0], 256: [64], 257: [48], 258: [8, 8, 8], 259: [1], 262: [2]}
    coded = bytearray(tiff(tags | rows, image.tobytes(), order="<"))
    entry = coded.index(struct.pack("<H", 254))
    coded[entry + 2 : entry + 4] = struct.pack("<H", 2)  # a text instead of a number
    path.write_bytes(coded)
    assert np.array_equal(read(path), image)


@pytest.mark.parametrize("tag", range(1, 9))
def test_floating_point_is_turned_upright(tmp_path: Path, tag: int) -> None:
    """FFmpeg's own filter for it ends the process."""
    path, (height, width) = tmp_path / "scan.tif", (48, 64)
    light = ((quarters(width, height) / 255) ** 2.2).astype("<f4").tobytes()
    rows: dict[int, Sequence[int]] = {273: [8], 277: [3], 278: [height], 279: [len(light)], 339: [3, 3, 3]}
    tags: dict[int, Sequence[int]] = {256: [width], 257: [height], 258: [32, 32, 32], 259: [1], 262: [2], 274: [tag]}
    path.write_bytes(tiff(tags | rows, light, order="<"))
    picture, want = read(path), expected(quarters(width, height), tag)
    assert picture.shape == want.shape
    assert near(field_colours(picture), field_colours(want))


@pytest.mark.parametrize("tags", [{254: 1, 330: 8}, {50706: 1 << 24}], ids=["NEF", "DNG"])
def test_a_cameras_raw_photograph_is_refused_in_words(tmp_path: Path, tags: dict[int, int]) -> None:
    """Its first picture is a preview of 160 pixels."""
    path = tmp_path / "photo.nef"
    path.write_bytes(tiff({256: [1], 257: [1]} | {tag: [value] for tag, value in tags.items()}, b"", order="<"))
    with pytest.raises(InputError, match="a camera's raw photograph; develop it"):
        open_reader(path)


def test_canons_raw_photograph_too(tmp_path: Path) -> None:
    """CR2 says so in its header alone; its first picture is a preview."""
    path = tmp_path / "IMG_0001.CR2"
    Image.fromarray(quarters()).save(path, "TIFF", compression="jpeg")
    whole = path.read_bytes()
    first = int.from_bytes(whole[4:8], "little")
    path.write_bytes(whole[:4] + (first + 8).to_bytes(4, "little") + b"CR\2\0\0\0\0\0" + whole[8:])
    with pytest.raises(InputError, match="raw photograph"):
        open_reader(path)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_without_a_white_are_refused_in_words(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "height.tif"
    Image.fromarray(np.ones((16, 16), kind)).save(path, compression="zstd")
    with pytest.raises(InputError, match="32 bits"):
        open_reader(path)


def test_a_tag_without_its_values_is_no_surprise(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    whole = bytearray(tiled(quarters(), order="<"))
    entry = whole.index(struct.pack("<HHI", 262, 4, 1))
    whole[entry + 4 : entry + 8] = struct.pack("<I", 1 << 20)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="cannot read"):
        open_reader(path)


def test_a_damaged_one_is_no_surprise(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(quarters()).save(path, compression="jpeg")
    whole = path.read_bytes()
    for length in (4, 8, 20, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            open_reader(path)


def test_one_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    path.write_bytes(tiled(quarters(), order="<"))
    with pytest.raises(InputError, match="64x48"):
        open_reader(path, max_pixels=1000)
