from __future__ import annotations

import json
import shutil
from pathlib import Path

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
