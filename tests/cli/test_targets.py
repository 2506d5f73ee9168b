"""What a command may write its sheet to."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidstyle.cli import app

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    "words",
    [
        "styles sheet b.png a.png a.png",
        "styles sheet a.png link.png",
        "explore content a.png a.png",
        "explore texture a.png a.png",
        "explore compare a.png a.png --painting b.png",
        "explore compare b.png a.png --painting a.png",
    ],
)
def test_a_sheet_never_replaces_what_it_is_made_from(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"mine")
    Path("b.png").write_bytes(b"another")
    Path("link.png").symlink_to("a.png")
    assert app.run([*words.split(), "-y"]) == 2
    assert "a.png would be written over while it is read" in capsys.readouterr().err
    assert Path("a.png").read_bytes() == b"mine"
