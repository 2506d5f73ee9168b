"""What the pages promise is there: keys of JSON, environment variables, files that are linked to."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from vidstyle.bench.cases import Timing
from vidstyle.bench.report import Results
from vidstyle.diagnosis import Finding
from vidstyle.live.statistics import Statistics
from vidstyle.motion.metrics import Steadiness
from vidstyle.report import RenderReport
from vidstyle.styles import StyleCard

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("kind", [RenderReport, StyleCard, Timing, Results, Steadiness, Finding])
def test_every_key_of_the_json_is_documented(kind: type) -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    missing = [field.name for field in fields(kind) if f"`{field.name}`" not in page]
    assert not missing


def test_every_key_of_the_webcams_json_is_documented() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert not [key for key in Statistics().as_json() if f"`{key}`" not in page]


def test_every_environment_variable_is_documented() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "vidstyle").rglob("*.py"))
    used = {name for source in sources for name in re.findall(r"\bVIDSTYLE_[A-Z_]+\b", source)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert used
    assert not [name for name in sorted(used) if f"`{name}`" not in readme]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_the_files_of_media_that_the_architecture_names_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## Films, cameras, outputs\n")[2].partition("\n## ")[0]
    named = {name for row in section.splitlines() if "? |" in row for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert not [name for name in sorted(named) if not (ROOT / "vidstyle" / "media" / f"{name}.py").exists()]
