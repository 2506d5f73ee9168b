"""Sheets and plots hold what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from tests.gatys.random_vgg import SHALLOW, random_vgg
from tests.motion.moves import texture
from vidstyle.gatys.explore import compare_sheet, texture_sheet
from vidstyle.gatys.sheets import plot, save_picture, sheet
from vidstyle.gatys.stills import Palette, StillPainter, to_tensor


def test_labels_never_overlap_their_neighbours() -> None:
    cells = [(np.zeros((20, 20, 3), np.uint8), "a label far wider than its picture\nloss 1.0")] * 4
    page = sheet(cells, columns=2)
    black = np.flatnonzero((page[8:28] == 0).all(axis=2).all(axis=0))
    assert len(black) == 40
    assert np.diff(black).max() > 150


def test_a_plot_has_its_curves_and_gaps() -> None:
    full = plot({"short": [1.0, 2.0, 3.0]}, label="levels")
    gap = plot({"short": [None, 2.0, 3.0]}, label="levels")
    coloured = [int((p.min(axis=2) < 100).sum()) for p in (full, gap)]
    assert coloured[0] > coloured[1] > 0


def test_a_texture_is_shown_beside_the_middle_of_its_painting() -> None:
    """Not beside a squeezed one: the strokes are to be compared."""
    painting = torch.zeros(1, 3, 32, 96)
    painting[..., 32:64] = 1
    asked = replace(SHALLOW, iterations=1, style_layers=(("conv1_1", 1.0),))
    page = texture_sheet(random_vgg(), painting, options=asked, quick=None, size=32, say=lambda line: None)
    assert (page[8:40, 8:40] == 255).all()


def test_comparing_shows_each_network_and_gatys(tmp_path: Path) -> None:
    painting = to_tensor(texture(32, 32, seed=2))
    stills = StillPainter(random_vgg(), Palette(paintings=[(painting, 1.0)]), replace(SHALLOW, iterations=3))
    said: list[str] = []
    page = compare_sheet(stills, torch.rand(1, 3, 32, 40), [("negative", lambda p: 255 - p)], say=said.append)
    save_picture(tmp_path / "sheet.png", page)
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == page.shape
    assert [line.split(",")[0] for line in said] == ["negative", "gatys"]
