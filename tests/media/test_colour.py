"""Code values become the colours that were meant: by the tags, or by the rule where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from PIL import Image

from tests.media.reading import CORNERS, field_colours, frames_of, near, quarters, write_film
from vidstyle.media.camera_stream import open_film
from vidstyle.media.colour import has_alpha
from vidstyle.media.live_protocol import CameraRequest
from vidstyle.media.notes import Notes
from vidstyle.media.reader import open_reader
from vidstyle.media.rgb_converter import RgbConverter


@pytest.mark.parametrize(
    ("matrix", "code_range", "pixel_format"),
    [
        (1, 1, "yuv420p"),
        (1, 2, "yuv420p"),
        (5, 1, "yuv422p"),
        (6, 2, "yuv444p"),
        (1, 1, "yuv420p10le"),
        (7, 1, "yuv444p"),
    ],
)
def test_tags_are_believed(tmp_path: Path, matrix: int, code_range: int, pixel_format: str) -> None:
    path = write_film(
        tmp_path / "film.mkv",
        [quarters()],
        codec="ffv1" if matrix == 7 else "libx264",
        pixel_format=pixel_format,
        colour=(matrix, code_range),
    )
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        colour = reader.info.colour
        assert not colour.assumed
        assert colour.matrix == (matrix if matrix in (1, 5, 6) else 1)
        assert colour.full_range == (code_range == 2)
        assert ("10-bit pictures were reduced to 8 bits" in reader.warnings) == ("10" in pixel_format)
    assert near(field_colours(frame.image), CORNERS, within=2)


@pytest.mark.parametrize(
    ("tag", "matrix"),
    [
        *[(1, Colorspace.ITU709), (4, Colorspace.FCC), (6, Colorspace.ITU601), (7, Colorspace.SMPTE240M)],
        *[(9, Colorspace.BT2020), (10, Colorspace.BT2020), (14, Colorspace.ITU709)],  # 14 (ICtCp): swscale has none
    ],
)
def test_a_camera_reads_every_matrix_as_a_film_does(tmp_path: Path, tag: int, matrix: Colorspace) -> None:
    coded = VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(
        format="yuv444p", dst_colorspace=matrix, src_color_range=2, dst_color_range=1
    )
    path = write_film(tmp_path / "film.mkv", [coded], pixel_format="yuv444p", colour=(tag, 1))
    camera = open_film(CameraRequest(source=str(path)))
    try:
        assert near(field_colours(camera.read()), CORNERS, within=3)
    finally:
        camera.close()


@pytest.mark.parametrize(("size", "matrix"), [((640, 480), 6), ((1280, 536), 1), ((960, 720), 1)])
def test_untagged_films_are_read_by_their_size(tmp_path: Path, size: tuple[int, int], matrix: int) -> None:
    coded = VideoFrame.from_ndarray(quarters(*size), format="rgb24").reformat(
        format="yuv420p", dst_colorspace=matrix, src_color_range=2, dst_color_range=1
    )
    coded.colorspace, coded.color_range = 2, 0
    path = write_film(tmp_path / "film.mkv", [coded])
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert reader.info.colour.assumed
        assert reader.info.colour.matrix == matrix
        assert any("assumed" in line for line in reader.warnings)
    assert near(field_colours(frame.image), CORNERS, within=2)


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "rgb24", "gbrp", "bgr0", "yuv411p", "yuv440p", "rgb48le"])
def test_odd_formats(pixel_format: str) -> None:
    frame = VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(
        format=pixel_format, dst_colorspace=5, dst_color_range=1
    )
    picture = RgbConverter(width=64, height=48, alpha=False, notes=Notes()).convert(frame)
    if pixel_format.startswith("gray"):
        grey = [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in CORNERS]
        assert near(field_colours(picture.image), grey, within=2)
    else:
        assert near(field_colours(picture.image), CORNERS, within=4)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 5), (17, 1), (161, 121), (162, 90)])
def test_any_size_without_padding(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    frame = VideoFrame.from_ndarray(picture, format="rgb24")
    given = RgbConverter(width=size[0], height=size[1], alpha=False, notes=Notes()).convert(frame)
    assert np.array_equal(given.image, picture)
    assert given.image.flags.c_contiguous
    yuv = frame.reformat(format="yuv420p")
    assert (
        RgbConverter(width=size[0], height=size[1], alpha=False, notes=Notes()).convert(yuv).image.shape
        == picture.shape
    )


def test_alpha_stands_beside_the_picture() -> None:
    rgba = np.dstack([quarters(), np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))])
    for pixel_format in ("rgba", "bgra", "yuva444p", "gbrap", "yuva444p12le", "rgba64le"):
        frame = VideoFrame.from_ndarray(rgba, format="rgba").reformat(
            format=pixel_format, dst_colorspace=5, dst_color_range=1
        )
        assert has_alpha(frame, codec="")
        picture = RgbConverter(width=64, height=48, alpha=True, notes=Notes()).convert(frame)
        assert picture.alpha is not None
        assert np.abs(picture.alpha.astype(int) - rgba[..., 3]).max() <= 1
        assert near(field_colours(picture.image), CORNERS, within=4)


def test_a_palette_has_alpha_only_if_a_colour_in_use_has() -> None:
    frame = VideoFrame(16, 16, "pal8")
    palette = np.zeros((256, 4), np.uint8)
    palette[0] = (10, 20, 30, 255)
    frame.planes[1].update(palette.tobytes())
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    assert not has_alpha(frame, codec="")  # the unused entries are transparent
    palette[0, 3] = 0
    frame.planes[1].update(palette.tobytes())
    assert has_alpha(frame, codec="")


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_pictures_without_transparency_have_none_whatever_they_are_decoded_to(tmp_path: Path, form: str) -> None:
    """Else a GIF would be written as ProRes or FFV1, for the sake of its transparency."""
    path = tmp_path / f"opaque.{form}"
    Image.fromarray(quarters()).save(path, lossless=True)
    with open_reader(path) as reader:
        (frame,) = frames_of(reader)
        assert not reader.info.has_alpha
    assert near(field_colours(frame.image), CORNERS, within=2)


def test_transparency_that_comes_later_is_said_to_be_lost(tmp_path: Path) -> None:
    path = tmp_path / "fades.gif"
    opaque, clear = Image.new("P", (64, 48), 1), Image.new("P", (64, 48), 0)
    opaque.putpalette([0, 0, 0, 200, 40, 40])
    opaque.save(path, save_all=True, append_images=[clear], disposal=2, transparency=0, optimize=False)
    with open_reader(path) as reader:
        assert [frame.alpha for frame in reader] == [None, None]
        assert reader.warnings == ["frames with transparency, lost because the first one has none: 1"]


@pytest.mark.parametrize(("codec", "pixel_format"), [("qtrle", "rgb24"), ("png", "rgb24"), ("libx264", "yuv420p")])
def test_a_picture_that_is_painted_over_reaches_no_other(tmp_path: Path, codec: str, pixel_format: str) -> None:
    pictures = [quarters() for _ in range(6)]
    for index, picture in enumerate(pictures):
        picture[:8, 8 * index : 8 * index + 8] = 255
    path = write_film(tmp_path / "film.mov", pictures, codec=codec, pixel_format=pixel_format)
    given = 0
    with open_reader(path) as reader:
        for frame, picture in zip(reader, pictures, strict=True):
            assert near(field_colours(frame.image), field_colours(picture))
            frame.image[:] = 0  # qtrle, for one, decodes the next picture from this one
            given += 1
    assert given == 6
