from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidstyle.cli import app

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def own(library_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's own styles: a copy that a test may change."""
    folder = Path(shutil.copytree(library_root, tmp_path / "own"))
    monkeypatch.setenv("VIDSTYLE_DATA_DIR", str(folder))
    return folder


def test_list_is_a_table_or_json(capsys: Captured) -> None:
    assert app.run(["styles", "list"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["style", "networks", "title", "by"]
    assert any(line.startswith("waves ") for line in table)
    assert app.run(["styles", "list", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)
    assert {"mosaic", "waves"} <= {card["name"] for card in cards}
    assert "identity" not in {card["name"] for card in cards}


def test_show_tells_what_the_card_says(capsys: Captured) -> None:
    assert app.run(["styles", "show", "waves", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["name"], card["title"], card["shipped"]) == ("waves", "test", False)
    assert app.run(["styles", "show", "wavs"]) == 5
    assert "did you mean 'waves'" in capsys.readouterr().err


def test_remove_takes_away_a_style_of_ones_own(own: Path, capsys: Captured) -> None:
    assert app.run(["styles", "remove", "waves"]) == 0
    assert not (own / "styles" / "waves").exists()
    assert (own / "styles" / "mosaic").exists()
    assert app.run(["styles", "remove", "waves"]) == 5


def test_a_shipped_style_is_not_removed(own: Path, capsys: Captured) -> None:
    shutil.rmtree(own / "styles")
    assert app.run(["styles", "remove", "mosaic"]) == 2
    assert "came with vidstyle" in capsys.readouterr().err


def _photograph(path: Path) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8))
    return path


def test_sheet_shows_every_picture_in_every_style(tmp_path: Path) -> None:
    photographs = [str(_photograph(tmp_path / name)) for name in ("a.png", "b.png")]
    styles = ["--style", "mosaic", "--style", "waves"]
    assert app.run(["styles", "sheet", *photographs, str(tmp_path / "sheet.png"), *styles, "--size", "96"]) == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] >= 3 * 64
    assert sheet.shape[1] >= 2 * 96
    painted = sheet[8 : 8 + 64, 8 : 8 + 96], sheet[-8 - 22 - 64 : -8 - 22, 8 : 8 + 96]
    assert np.abs(painted[0].astype(int) - painted[1]).mean() > 1


def test_sheet_keeps_what_is_there_and_wants_a_png(tmp_path: Path, capsys: Captured) -> None:
    photograph = _photograph(tmp_path / "a.png")
    assert app.run(["styles", "sheet", str(photograph), str(tmp_path / "sheet.jpg")]) == 2
    (tmp_path / "sheet.png").write_bytes(b"mine")
    assert app.run(["styles", "sheet", str(photograph), str(tmp_path / "sheet.png")]) == 4
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    assert app.run(["styles", "sheet", str(photograph), str(tmp_path / "nowhere" / "sheet.png")]) == 4
    err = capsys.readouterr().err
    assert "there is no folder" in err
    assert err.count("\n") == 3


def test_a_sheet_too_large_for_the_memory_is_refused(tmp_path: Path, capsys: Captured) -> None:
    words = ["styles", "sheet", str(_photograph(tmp_path / "a.png")), str(tmp_path / "sheet.png"), "-s", "mosaic"]
    assert app.run([*words, "--size", "12000"]) == 2
    assert "24000x6750 pixels, more than 134 million; use a smaller --size" in capsys.readouterr().err
    assert not (tmp_path / "sheet.png").exists()


def test_sheet_shows_pictures_whole_and_no_empty_columns(tmp_path: Path) -> None:
    upright = np.full((120, 80, 3), 90, np.uint8)
    upright[:10], upright[-10:] = (0, 0, 255), (255, 0, 0)
    cv2.imwrite(str(tmp_path / "a.png"), upright)
    words = ["styles", "sheet", str(tmp_path / "a.png"), str(tmp_path / "sheet.png"), "--style", "mosaic"]
    assert app.run([*words, "--size", "80", "--strength", "0"]) == 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    height = 80 * 4 // 3  # the tallest that a cell becomes; the picture is narrower there
    cell = sheet[8 : 8 + height, 8 : 8 + 80]
    assert cell[2, 40].tolist() == [0, 0, 255]
    assert cell[-3, 40].tolist() == [255, 0, 0]
    assert cell[50, 1].tolist() == [255, 255, 255]
    assert sheet.shape[1] == 2 * (80 + 8) + 8


def test_preview_says_that_there_is_nothing_to_paint(
    own: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app.run(["styles", "preview", "wavs"]) == 5
    assert "did you mean 'waves'" in capsys.readouterr().err
    shutil.rmtree(own / "styles")
    assert app.run(["styles", "preview"]) == 0
    assert "nothing to paint" in capsys.readouterr().err
