"""RGB and scaling in torch are the host's, within a level: here on the processor, with the code that GPUs run."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.media.reading import write_film
from vidstyle.frames import ImageArray
from vidstyle.media.colour import source_colour
from vidstyle.media.device_pictures import SITINGS, Siting, rgb_from_nv12, shrunk
from vidstyle.media.notes import Notes
from vidstyle.media.nvdec import chroma_siting
from vidstyle.media.rgb_converter import RgbConverter
from vidstyle.media.scale import resize

torch = pytest.importorskip("torch")


def busy_picture(width: int, height: int) -> ImageArray:
    """Patches and points of every colour: strong edges in luma and chroma, whites and blacks beyond the range."""
    random = np.random.default_rng(width)
    patches = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)[:height, :width]
    points = random.random((height, width, 1)) < 0.1
    return np.where(points, random.integers(0, 256, (height, width, 3)), patches).astype(np.uint8)


def decoded(path: Path) -> VideoFrame:
    with av.open(str(path)) as film:
        return next(film.decode(video=0))


def converted(frame: VideoFrame, siting: Siting) -> tuple[ImageArray, ImageArray]:
    """The frame by way of NV12 or P010 planes, and as the host converts it."""
    surface = frame.reformat(format="p010le" if frame.format.components[0].bits == 10 else "nv12")
    luma, chroma = (torch.from_dlpack(plane.__dlpack__()) for plane in surface.planes)
    colour = source_colour(frame)
    there = rgb_from_nv12(luma, chroma, matrix=colour.matrix, full_range=colour.full_range, siting=siting)
    host = RgbConverter(width=frame.width, height=frame.height, alpha=False, notes=Notes()).convert(frame).image
    return there.numpy(), host


def assert_within_a_level(one: ImageArray, other: ImageArray) -> None:
    error = np.abs(one.astype(int) - other)
    assert error.max() <= 1
    assert (error > 0).mean() < 0.02


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("code_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5, 6])
def test_rgb_is_the_hosts(tmp_path: Path, matrix: int, code_range: int, pixel_format: str) -> None:
    for width, height in ((2, 2), (64, 48), (66, 50), (322, 182)):
        film = write_film(
            tmp_path / f"{width}.mkv",
            [busy_picture(width, height)],
            pixel_format=pixel_format,
            colour=(matrix, code_range),
        )
        frame = decoded(film)
        assert (source_colour(frame).matrix, source_colour(frame).full_range) == (matrix, code_range == 2)
        assert_within_a_level(*converted(frame, SITINGS[0]))


@pytest.mark.parametrize(("number", "siting"), list(enumerate(SITINGS)))
def test_chroma_lies_where_the_film_says(tmp_path: Path, number: int, siting: Siting) -> None:
    options = {"crf": "4", "preset": "ultrafast", "x264-params": f"chromaloc={number}"}
    frame = decoded(write_film(tmp_path / "a.mkv", [busy_picture(64, 48)], options=options, colour=(1, 1)))
    assert chroma_siting(frame) == siting
    assert_within_a_level(*converted(frame, siting))
    wrong, host = converted(frame, next(other for other in SITINGS if other != siting))
    assert np.abs(wrong.astype(int) - host).max() > 10


def test_the_siting_is_found_in_a_black_picture(tmp_path: Path) -> None:
    """Many films begin so."""
    options = {"x264-params": "chromaloc=1"}
    frame = decoded(write_film(tmp_path / "a.mkv", [np.zeros((48, 64, 3), np.uint8)], options=options))
    assert chroma_siting(frame) == (0.5, 0.5)


@pytest.mark.parametrize("size", [(60, 40), (34, 26), (49, 33), (64, 47), (64, 48)])
def test_shrinking_is_the_hosts(size: tuple[int, int]) -> None:
    pytest.importorskip("cv2")
    width, height = size
    pictures = np.stack([busy_picture(64, 48), busy_picture(48, 64).swapaxes(0, 1)])
    there = shrunk(torch.from_numpy(pictures), width=width, height=height).numpy()
    host = np.stack([resize(picture, width=width, height=height) for picture in pictures])
    assert there.shape == (2, height, width, 3)
    assert np.abs(there.astype(int) - host).max() <= 1
