"""Recipe files: what is read, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the torch extra")

from vidstyle.errors import UsageError
from vidstyle.networks.architecture import LIVE
from vidstyle.training.recipes import read_recipe

GOOD = """
[training]
architecture = "live"
steps = 12
rehearsal = 3
[loss]
style = 7.5
content_layers = ["relu3_1"]
[[style]]
name = "waves"
paintings = ["a.jpg", "b.jpg"]
share = 2.0
title = "Waves"
author = "Somebody"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    return folder / "recipe.toml"


def test_everything_in_the_file_arrives(tmp_path: Path) -> None:
    found = read_recipe(write(tmp_path, GOOD), tmp_path / "paintings")
    recipe = found.recipe
    assert (recipe.architecture, recipe.steps, recipe.rehearsal) == (LIVE, 12, 3)
    assert (recipe.weights.style, recipe.weights.content_layers) == (7.5, ("relu3_1",))
    (style,) = recipe.styles
    assert style.paintings == (tmp_path / "paintings" / "a.jpg", tmp_path / "paintings" / "b.jpg")
    assert style.share == 2.0
    assert found.cards["waves"]["title"] == "Waves"
    assert found.cards["waves"]["year"] == "unknown"


def test_a_files_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    """As Windows' editors and shells write it."""
    assert read_recipe(write(tmp_path, "\ufeff" + GOOD), tmp_path).recipe.steps == 12


def test_a_gallery_beside_the_recipe_adds_its_styles(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text('[[style]]\nname = "suns"\npaintings = ["s.jpg"]\ntitle = "Suns"\n')
    found = read_recipe(write(tmp_path, 'gallery = "more.toml"\n' + GOOD), tmp_path)
    assert [s.name for s in found.recipe.styles] == ["suns", "waves"]
    assert found.cards["suns"]["title"] == "Suns"


def test_a_recipe_says_which_network_it_starts_from(tmp_path: Path) -> None:
    assert read_recipe(write(tmp_path, GOOD), tmp_path).start is None
    started = GOOD.replace("steps = 12", 'steps = 12\nstart = "live"')
    assert read_recipe(write(tmp_path, started), tmp_path).start == "live"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("steps = 12", "setps = 12"), r"unknown key 'setps' in \[training\] \(did you mean 'steps'"),
        (("style = 7.5", "syle = 7.5"), r"unknown key 'syle' in \[loss\]"),
        (("share = 2.0", "shade = 2.0"), r"unknown key 'shade' in \[\[style\]\]"),
        (('"live"', '"lively"'), "architecture is one of live, classic"),
        (("[training]", "[training"), "not a readable recipe"),
        (("steps = 12", ""), "steps"),
        (('name = "waves"', ""), "needs a name"),
        (('name = "waves"', "name = 3"), "needs a name"),
        (('name = "waves"', 'name = "Waves"'), "cannot be a name"),
        (('name = "waves"', 'name = "identity"'), "identity is the network's own"),
        (("[loss]", '[[style]]\nname = "waves"\npaintings = ["c.jpg"]\n[loss]'), "one style only"),
        (("share = 2.0", "trim = 0.5"), "trim is 0.5; it runs from 0 to below 0.5"),
        (("steps = 12", 'steps = "twelve"'), r"steps in \[training\] is 'twelve'; it is a whole number"),
        (("rehearsal = 3", "batch = true"), "batch in .* is True"),
        (("rehearsal = 3", 'tune = "most"'), "one of style, decoder, all"),
        (("style = 7.5", 'style = "much"'), r"style in \[loss\] is 'much'; it is a number"),
        (('paintings = ["a.jpg", "b.jpg"]', 'paintings = "a.jpg"'), "it is a list of words"),
        (('paintings = ["a.jpg", "b.jpg"]', "paintings = []"), "it is a list of words"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_recipe(write(tmp_path, GOOD.replace(*change, 1)), tmp_path)


def test_a_recipe_without_styles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \[\[style\]\]"):
        read_recipe(write(tmp_path, GOOD[: GOOD.index("[[style]]")]), tmp_path)


def test_shipped_recipes_are_readable() -> None:
    folder = Path(__file__).parents[2] / "configs"
    recipes = [f for f in folder.glob("*.toml") if "[training]" in f.read_text(encoding="utf-8")]
    assert len(recipes) == 2
    for file in recipes:
        assert read_recipe(file, Path()).recipe.styles
