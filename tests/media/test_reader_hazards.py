"""The real world's hazards, where their corpus is at hand (VIDSTYLE_TEST_DATA)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.media.reading import split
from vidstyle.errors import InputError
from vidstyle.media.reader import open_reader

FRAMES = {
    "t01_cfr_bframes.mp4": 50,
    "t02_vfr.mp4": 29,
    "t04_ntsc_ms.mkv": 60,
    "t05_ts_start10.ts": 50,
    "t07_video_late.mp4": 50,
    "t08_editlist_trim.mp4": 45,
    "t09_raw_nopts.h264": 50,
    "t11_ts_discont.ts": 50,
    "t13_midgop_start.ts": 38,
    "t17_120fps.mp4": 60,
    "t18_dup_pts.mkv": 20,
    "g01_rot90.mp4": 25,
    "g10_res_change.ts": 50,
    "g12_tiny.mp4": 10,
    "i01_mpeg2_tff.mpg": 25,
    "a01_prores4444.mov": 10,
    "a03_anim.gif": 6,
    "s01_everything.mkv": 50,
    "s02_cover_subs.mp4": 50,
    "x03_cut.mkv": 29,
    "x07_bitflips.ts": 49,
    "x09_png_named.mp4": 1,
    "p01_exif6.jpg": 1,
    "p03_seq/f_%04d.png": 9,
}
REFUSED = ("t15_zero_frames.mp4", "x01_no_moov.mp4", "x04_empty.mp4", "x05_html.mp4", "p04_bomb.png")


@pytest.mark.parametrize("name", FRAMES)
def test_frames_and_order(test_data: Path, name: str) -> None:
    with open_reader(test_data / "hazards" / name) as reader:
        frames, _ = split(reader)
        info = reader.info
    assert len(frames) == FRAMES[name]
    assert all(later.pts > earlier.pts for earlier, later in pairwise(frames))
    assert {frame.image.shape for frame in frames} == {(info.height, info.width, 3)}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(test_data: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        open_reader(test_data / "hazards" / name)


def test_a_damaged_stamp_does_not_stretch_the_film(test_data: Path) -> None:
    with open_reader(test_data / "hazards" / "x07_bitflips.ts") as reader:
        frames, _ = split(reader)
    assert frames[-1].time - frames[0].time == Fraction(49, 25)


def test_real_clips(test_data: Path) -> None:
    clips = sorted((test_data / "clips").iterdir())
    assert clips
    for clip in clips:
        with open_reader(clip, end=Fraction(1)) as reader:
            frames, _ = split(reader)
        assert frames, clip.name
