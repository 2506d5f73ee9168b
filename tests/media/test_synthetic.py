from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vidstyle.errors import OutputError, UsageError, VidstyleError
from vidstyle.media.synthetic import main, melody, scene, write_film


@pytest.mark.parametrize("size", [(64, 48), (161, 90), (90, 160), (16, 9), (2, 2)])
def test_the_scene_has_any_size(size: tuple[int, int]) -> None:
    width, height = size
    picture = scene(width, height)
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8


def test_the_scene_is_a_function_of_time() -> None:
    first = scene(160, 90, seconds=1.0)
    assert np.array_equal(first, scene(160, 90, seconds=1.0))
    moved = np.abs(first.astype(int) - scene(160, 90, seconds=1.04)).max(axis=2) > 8
    assert 0.001 < moved.mean() < 0.3  # something moves, most stands still


def test_the_scene_has_strong_and_varied_colours() -> None:
    picture = scene(160, 90).astype(int)
    assert picture.max() > 230
    assert picture.min() < 60
    assert picture.std(axis=(0, 1)).min() > 30


def test_sound_does_not_clip() -> None:
    sound = melody(2)
    assert sound.shape == (96000,)
    assert 0.1 < np.abs(sound).max() < 1


def test_the_film_has_motion_sound_and_colour_tags(tmp_path: Path) -> None:
    path = tmp_path / "scene.mp4"
    write_film(path, width=64, height=36, seconds=1, rate=10)
    with av.open(str(path)) as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        assert (video.width, video.height, video.average_rate) == (64, 36, Fraction(10))
        assert video.codec_context.colorspace == 6
        frames = list(film.decode(video))
    assert len(frames) == 10
    assert audio.codec_context.name == "aac"
    with av.open(str(path)) as film:
        assert abs(sum(frame.samples for frame in film.decode(audio=0)) - 48000) <= 2048


@pytest.mark.parametrize(
    ("words", "error"),
    [([], UsageError), (["a", "b"], UsageError), (["x.webm"], UsageError), (["nowhere/x.mp4"], OutputError)],
)
def test_words_that_name_no_film_are_refused(
    words: list[str], error: type[VidstyleError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        main(words)


def test_the_module_says_in_one_line_what_it_wants() -> None:
    command = [sys.executable, "-m", "vidstyle.media.synthetic"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = "vidstyle: error: name the film to write: python -m vidstyle.media.synthetic OUT.mp4\n"
    assert (done.returncode, done.stderr) == (2, line)
