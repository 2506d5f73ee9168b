"""Upright pictures, whatever the display matrix or EXIF says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from tests.media.reading import field_colours, frames_of, near, quarters, set_display_matrix, write_film
from vidstyle.frames import ImageArray
from vidstyle.media.orientation import ORIENTATIONS, exif_orientation, from_display_matrix
from vidstyle.media.reader import open_reader


def expected(picture: ImageArray, tag: int) -> ImageArray:
    """What EXIF's orientation `tag`, 1 to 8, asks for."""
    transposed = picture.transpose(1, 0, 2)
    return [
        picture,
        picture[:, ::-1],
        picture[::-1, ::-1],
        picture[::-1],
        transposed,
        np.rot90(picture, -1),
        transposed[::-1, ::-1],
        np.rot90(picture, 1),
    ][tag - 1]


@pytest.mark.parametrize("tag", range(1, 9))
def test_display_matrix_of_a_film(tmp_path: Path, tag: int) -> None:
    path = write_film(tmp_path / "film.mp4", [quarters()] * 2)
    set_display_matrix(path, ORIENTATIONS[tag - 1].matrix)
    want = expected(quarters(), tag)
    with open_reader(path) as reader:
        frames = frames_of(reader)
        assert (reader.info.width, reader.info.height) == (want.shape[1], want.shape[0])
        assert reader.info.orientation == ORIENTATIONS[tag - 1].name
    assert len(frames) == 2
    assert all(frame.image.shape == want.shape for frame in frames)
    assert near(field_colours(frames[1].image), field_colours(want))


@pytest.mark.parametrize("tag", [1, 3, 6, 8])
def test_display_matrix_of_a_film_in_rgb(tmp_path: Path, tag: int) -> None:
    """Its angle alone, as such frames may be of PNG, whose side data cannot be read."""
    path = write_film(tmp_path / "film.mov", [quarters()] * 2, codec="qtrle", pixel_format="rgb24")
    set_display_matrix(path, ORIENTATIONS[tag - 1].matrix)
    with open_reader(path) as reader:
        assert np.array_equal(frames_of(reader)[0].image, expected(quarters(), tag))


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("form", ["png", "tiff", "webp"])
def test_exif_of_other_pictures(tmp_path: Path, tag: int, form: str) -> None:
    path, exif = tmp_path / f"picture.{form}", Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(quarters()).save(path, exif=exif, **({"lossless": True} if form == "webp" else {}))
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert frame.image.shape == expected(quarters(), tag).shape
    assert near(field_colours(frame.image), field_colours(expected(quarters(), tag)))


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("pixel_format", ["yuvj420p", "yuvj422p"])
def test_exif_of_a_photograph(tmp_path: Path, tag: int, pixel_format: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_with_exif(quarters(), tag, pixel_format))
    want = expected(quarters(), tag)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
    assert frame.image.shape == want.shape
    assert near(field_colours(frame.image), field_colours(want))


def test_pixel_aspect_turns_with_the_picture(tmp_path: Path) -> None:
    wide = VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(format="yuv420p")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        wide.pts, wide.time_base = 0, Fraction(1, 25)
        film.mux(stream.encode(wide))
        film.mux(stream.encode(None))
    with open_reader(path) as reader:
        assert reader.info.pixel_aspect == Fraction(4, 3)
    set_display_matrix(path, ORIENTATIONS[5].matrix)
    with open_reader(path) as reader:
        assert reader.info.pixel_aspect == Fraction(3, 4)


def test_slanted_matrices_go_to_the_nearest_turn() -> None:
    one = 65536
    assert from_display_matrix((one, one // 9, 0, -one // 9, one, 0, 0, 0, 1)).name == "upright"
    assert from_display_matrix((one // 9, one, 0, -one, one // 9, 0, 0, 0, 1)).name == "turned 90"


@pytest.mark.parametrize("order", ["little", "big"])
def test_exif_in_both_byte_orders_and_damaged(order: str) -> None:
    block = exif_block(8, order)
    assert exif_orientation(b"\xff\xd8\xff\xe1\0\0Exif\0\0" + block) == 8
    assert exif_orientation(b"\x89PNG....eXIf" + block) == 8
    for length in range(len(block)):
        assert 1 <= exif_orientation(b"\xff\xd8\xff\xe1\0\0Exif\0\0" + block[:length]) <= 8


def exif_block(tag: int, order: str = "little") -> bytes:
    """A TIFF structure with the orientation as its only entry."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if order == "little" else "big")

    start = b"II*\0" if order == "little" else b"MM\0*"
    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(tag, 2) + b"\0\0"
    return start + number(8, 4) + number(1, 2) + entry + number(0, 4)


def jpeg_with_exif(picture: ImageArray, tag: int, pixel_format: str) -> bytes:
    """A JPEG file with the orientation in its EXIF block."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.shape[1], picture.shape[0], pixel_format
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"q": "2"}
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    (packet,) = [*encoder.encode(frame.reformat(format=pixel_format)), *encoder.encode(None)]
    data = bytes(packet)
    segment = b"Exif\0\0" + exif_block(tag)
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]
