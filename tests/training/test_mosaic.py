"""The mosaic is written where it is asked for, or it is said that it is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vidstyle.errors import OutputError, UsageError, VidstyleError
from vidstyle.training import mosaic


@pytest.mark.parametrize(
    ("words", "error"),
    [([], UsageError), (["m.jpg"], UsageError), (["m.png", "n.png"], UsageError), (["nowhere/m.png"], OutputError)],
)
def test_words_that_name_no_picture_are_refused(
    words: list[str], error: type[VidstyleError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        mosaic.main(words)


def test_the_picture_is_written_in_its_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.full((4, 4, 3), (200, 100, 10), np.uint8)
    monkeypatch.setattr(mosaic, "draw_mosaic", lambda: drawn)
    mosaic.main([str(tmp_path / "m.png")])
    assert np.array_equal(cv2.imread(str(tmp_path / "m.png"), cv2.IMREAD_COLOR_RGB), drawn)
