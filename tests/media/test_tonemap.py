"""HDR and wide colour to BT.709: the curves of the standards, and what becomes of whites and hues."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from tests.media.reading import frames_of
from vidstyle.media import tonemap
from vidstyle.media.notes import Notes
from vidstyle.media.reader import open_reader
from vidstyle.media.rgb_converter import RgbConverter


def test_the_curves_pass_through_the_points_of_the_standards() -> None:
    # Report BT.2408, table 1: diffuse white of 203 cd/m2 is 58 % of PQ and 75 % of HLG
    assert tonemap.light_to_pq(np.array(203.0)) == pytest.approx(0.58, abs=0.005)
    assert tonemap.hlg_to_light(np.full((1, 3), 0.75)) == pytest.approx(203, abs=1)
    assert tonemap.hlg_to_light(np.ones((1, 3))) == pytest.approx(1000, rel=1e-3)
    light = np.geomspace(0.01, 10000, 50)
    assert tonemap.pq_to_light(tonemap.light_to_pq(light)) == pytest.approx(light, rel=1e-6)


@pytest.mark.parametrize("primaries", [9, 12])
def test_white_stays_white_and_the_gamut_is_kept(primaries: int) -> None:
    matrix = tonemap.matrix_to_bt709(primaries)
    assert matrix @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-3)
    assert matrix[0, 0] > 1  # red is wider than BT.709's


@pytest.mark.parametrize("transfer", [tonemap.PQ, tonemap.HLG, 1])
def test_cubes_are_monotone_and_reach_black_and_white(transfer: int) -> None:
    cube = tonemap.bt709_cube(primaries=9, transfer=transfer)
    greys = cube[range(33), range(33), range(33)]
    assert np.ptp(greys, axis=1).max() < 0.003  # grey stays grey
    assert (np.diff(greys[:, 1]) >= 0).all()
    assert greys[0].max() < 0.01
    assert greys[-1].min() > 0.99
    assert cube.min() >= 0
    assert cube.max() <= 1


def test_dark_and_middle_greys_are_not_touched_by_the_roll_off() -> None:
    cube = tonemap.bt709_cube(primaries=9, transfer=tonemap.PQ, peak=1000, size=65)
    for nits in (1.0, 10.0, 50.0):
        code = float(tonemap.light_to_pq(np.array(nits))) * 64
        grey = np.interp(code, range(65), cube[range(65), range(65), range(65), 0])
        assert grey == pytest.approx((nits / 203) ** (1 / 2.4), abs=0.01)


@pytest.mark.parametrize(("nits", "lowest", "highest"), [(203, 220, 245), (1000, 254, 255), (26, 106, 110), (0, 0, 1)])
def test_pq_frames(nits: float, lowest: int, highest: int) -> None:
    code = round(float(tonemap.light_to_pq(np.array(nits))) * 876 + 64)
    frame = VideoFrame(64, 48, "yuv420p10le")
    for plane, value in zip(frame.planes, (code, 512, 512), strict=True):
        plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
    frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 9, 1, 9, 16
    notes = Notes()
    picture = RgbConverter(width=64, height=48, alpha=False, notes=notes).convert(frame)
    assert lowest <= picture.image.min()
    assert picture.image.max() <= highest
    assert notes.lines() == ["HDR (PQ) was mapped to BT.709"]


def test_a_film_in_hdr_says_that_its_frames_are_bt709(tmp_path: Path) -> None:
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 9, 1, 9, 18
        frame = VideoFrame(64, 48, "yuv420p10le")
        for plane, value in zip(frame.planes, (721, 512, 512), strict=True):  # 75 % of HLG: diffuse white
            plane.update(np.full(plane.buffer_size // 2, value, np.uint16).tobytes())
        frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 9, 1, 9, 18
        frame.pts = 0
        film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    with open_reader(path) as reader:
        (given,) = frames_of(reader)
        colour = reader.info.colour
        assert (colour.matrix, colour.primaries, colour.transfer) == (1, 1, 1)
        assert not colour.is_hdr
        assert "HDR (HLG) was mapped to BT.709" in reader.warnings
    assert 220 <= given.image.mean() <= 240
