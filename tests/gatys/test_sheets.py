"""Sheets are written as films are: into the file that a link means, with the rights of the one before."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidstyle.errors import OutputError
from vidstyle.gatys.sheets import save_picture

PAGE = np.full((20, 30, 3), 200, np.uint8)


def test_a_link_stays_and_what_it_means_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real.png", tmp_path / "sheet.png"
    real.write_bytes(b"older")
    link.symlink_to(real)
    save_picture(link, PAGE)
    assert link.is_symlink()
    assert cv2.imread(str(real)).shape == PAGE.shape
    assert sorted(tmp_path.rglob("*.part")) == []


def test_a_private_picture_stays_private(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    sheet.touch(mode=0o600)
    save_picture(sheet, PAGE)
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"sheet\.png cannot be written"):
        save_picture(tmp_path / "nowhere" / "sheet.png", PAGE)
