"""Recordings of live sessions: how they are encoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.media.writing import noise
from vidstyle.media.live_film import LiveFilm
from vidstyle.media.live_protocol import LiveFrame, PictureFormat


def record(path: Path) -> Path:
    film = LiveFilm(str(path))
    film.open(PictureFormat(width=64, height=48, rate=Fraction(25), sound=None))
    for index, image in enumerate(noise(5)):
        film.write(LiveFrame(image=image, captured=100 + index / 25, index=index))
    film.close()
    return path


@pytest.mark.parametrize("suffix", ["mp4", "m4v", "mov", "qt", "mkv", "ts", "mts", "m2ts", "avi", "flv"])
def test_x264_is_at_its_quickest_in_every_container(tmp_path: Path, suffix: str) -> None:
    with av.open(str(record(tmp_path / f"a.{suffix}"))) as film:
        head = (film.streams.video[0].codec_context.extradata or b"") + bytes(next(film.demux(video=0)))
    assert b"cabac=0" in head  # x264 writes its settings into its stream; of all presets only ultrafast has no CABAC


@pytest.mark.parametrize("name", ["a.webm", "a.gif", "f_%04d.png"])
def test_what_has_no_presets_is_not_told_one(tmp_path: Path, name: str) -> None:
    record(tmp_path / name)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".part"]
