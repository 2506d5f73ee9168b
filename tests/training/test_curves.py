"""The table of losses is read as it was written, and drawn run by run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the torch extra")

from vidstyle.errors import InputError, OutputError, UsageError, VidstyleError
from vidstyle.training.curves import main, read_losses, write_losses
from vidstyle.training.trainer import Progress


def report(step: int, style: float, content: float) -> Progress:
    return Progress(step=step, steps=100, losses={"style": style, "content": content}, rate=2.0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "losses.tsv"
    write_losses(file, report(50, 8.0, 3.0), cpu=30)
    write_losses(file, report(100, 4.0, 3.5), cpu=90)
    return file


def test_processor_time_adds_up(table: Path) -> None:
    assert read_losses(table) == {"style": [(0.5, 8.0), (2.0, 4.0)], "content": [(0.5, 3.0), (2.0, 3.5)]}


def test_a_panel_for_each_loss_and_a_line_for_each_run(table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tsv"
    write_losses(other, report(50, 2.0, 1.0), cpu=240)
    main([str(tmp_path / "curves.svg"), f"style={table}", f"all & more={other}"])
    svg = ET.parse(tmp_path / "curves.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    lines = [
        [tuple(map(float, p.split(","))) for p in e.attrib["points"].split()] for e in svg.iter(f"{space}polyline")
    ]
    assert [len(line) for line in lines] == [2, 1, 2, 1]
    style, other_style, _, other_content = lines
    assert style[0][1] < style[1][1] < other_style[0][1]  # less loss, further down
    assert style[0][0] < style[1][0] < other_style[0][0] < other_content[0][0]
    assert "all & more" in {e.text for e in svg.iter(f"{space}text")}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], UsageError),
        (["x.svg"], UsageError),
        (["x.svg", "losses.tsv"], UsageError),
        (["x.svg", "run=nowhere.tsv"], InputError),
        (["x.svg", "run=empty.tsv"], InputError),
        (["x.svg", "run=other.tsv"], InputError),
        (["nowhere/x.svg", "run=losses.tsv"], OutputError),
    ],
)
def test_words_that_cannot_be_drawn_are_refused(
    words: list[str], error: type[VidstyleError], table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    Path("empty.tsv").touch()
    Path("other.tsv").write_text("50\t2.0\tnonsense\n")
    with pytest.raises(error):
        main(words)
    assert not Path("x.svg").exists()
