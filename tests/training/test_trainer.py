"""Training learns, resumes to the same numbers, tunes only what it should, and publishes what it learned."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

import cv2  # noqa: E402

from vidstyle.errors import InputError, OutputError, StyleError  # noqa: E402
from vidstyle.networks.architecture import Architecture  # noqa: E402
from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.training.losses import LossWeights  # noqa: E402
from vidstyle.training.photographs import Photographs, read_painting, read_picture  # noqa: E402
from vidstyle.training.recipes import Recipe, StyleTarget  # noqa: E402
from vidstyle.training.trainer import Progress, Trainer  # noqa: E402

TINY = Architecture(unshuffle=4, widths=(8, 8), blocks=2, end_kernel=3, skips=True)
CPU = torch.device("cpu")
GREY = torch.full((1, 3, 32, 32), 0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs and a painting."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for i in range(4):
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{i}.png"), cv2.resize(coarse, (96, 72), interpolation=cv2.INTER_CUBIC))
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = (255, 40, 10)
    cv2.imwrite(str(folder / "stripes.png"), stripes)
    return folder


@pytest.fixture
def recipe(folder: Path) -> Recipe:
    return Recipe(
        architecture=TINY,
        styles=(StyleTarget(name="stripes", paintings=(folder / "stripes.png",), size=64),),
        steps=8,
        batch=2,
        crop=48,
        weights=LossWeights(content_layers=("relu2_1",), style_layers=("relu1_1",)),
    )


def trainer(recipe: Recipe) -> Trainer:
    torch.manual_seed(5)
    return Trainer(recipe, VGG(), device=CPU, samples=[GREY])


def test_training_lowers_the_loss(recipe: Recipe, folder: Path) -> None:
    reports: list[Progress] = []
    longer = replace(recipe, steps=60, crop=32, rate=1e-2, weights=replace(recipe.weights, steadiness=0, identity=0))
    beginner = trainer(recipe)
    start = beginner.network.state_dict(), {name: beginner.vector(name) for name in beginner.names}
    # With a start, so that no weight rises meanwhile.
    learner = Trainer(longer, VGG(), device=CPU, samples=[GREY], start=start)
    learner.run(Photographs(folder / "photos", 32), report=reports.append, every=20)
    assert [r.step for r in reports] == [20, 40, 60]
    assert reports[-1].losses["style"] < 0.8 * reports[0].losses["style"]


def test_resumed_training_equals_the_uninterrupted_one(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    photographs = Photographs(folder / "photos", 48)
    checkpoint = tmp_path / "checkpoint.pt"

    class Stop(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.step == 4:
            raise Stop

    whole, first, second = trainer(recipe), trainer(recipe), trainer(recipe)
    whole.run(photographs, every=4, save_to=tmp_path / "whole.pt")
    with pytest.raises(Stop):
        first.run(photographs, every=4, save_to=checkpoint, report=stop)
    second.resume(checkpoint)
    assert second.step == 4
    second.run(photographs, every=4)
    assert torch.equal(whole.vectors, second.vectors)
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("tune", "moving"), [("style", set()), ("decoder", {"block1", "up0", "head"})])
def test_tuning_leaves_the_rest_alone(recipe: Recipe, folder: Path, tune, moving: set[str]) -> None:
    start = trainer(recipe)
    before = {k: v.clone() for k, v in start.network.state_dict().items()}
    vectors = {name: start.vector(name) for name in start.names}
    recipe = replace(recipe, tune=tune, identity_share=0, steps=4)
    tuned = Trainer(recipe, VGG(), device=CPU, samples=[GREY], start=(before, vectors))
    tuned.run(Photographs(folder / "photos", 48))
    changed = {k.split(".")[0] for k, v in tuned.network.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == moving
    assert not torch.equal(tuned.vector("stripes"), vectors["stripes"])
    assert torch.equal(tuned.vector("identity"), vectors["identity"])


@pytest.mark.parametrize(("steps", "warm"), [(20, 2), (400, 40), (4000, 100)])
def test_the_rate_rises_over_a_tenth_of_a_short_training(recipe: Recipe, steps: int, warm: int) -> None:
    learner = trainer(replace(recipe, steps=steps))
    rates = []
    for learner.step in range(steps):
        rates.append(learner._learning_rate())
    assert rates.index(max(rates)) == warm - 1
    assert rates[0] == pytest.approx(recipe.rate / warm)


def test_a_checkpoint_of_something_else_is_refused(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    saved = trainer(recipe)
    saved.save(tmp_path / "c.pt")
    other = trainer(replace(recipe, styles=(replace(recipe.styles[0], name="other"),)))
    with pytest.raises(StyleError, match="trained the styles"):
        other.resume(tmp_path / "c.pt")
    (tmp_path / "painting.png").write_bytes((folder / "photos" / "0.png").read_bytes())
    for change, what in (
        ({"paintings": (tmp_path / "painting.png",)}, "painting of stripes"),
        ({"size": 48, "trim": 0.1}, "size of stripes, trim of stripes"),
    ):
        other = trainer(replace(recipe, styles=(replace(recipe.styles[0], **change),)))
        with pytest.raises(StyleError, match=f"is of a training with another {what}; -y without --resume starts anew"):
            other.resume(tmp_path / "c.pt")
    (tmp_path / "torn.pt").write_bytes((tmp_path / "c.pt").read_bytes()[:1000])
    with pytest.raises(StyleError, match="not a checkpoint"):
        saved.resume(tmp_path / "torn.pt")


def test_a_vector_goes_on_in_its_own_network_only(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    first = trainer(replace(recipe, tune="style"))
    first.save(tmp_path / "c.pt")
    with torch.no_grad():
        next(first.network.parameters()).add_(1)
    start = first.network.state_dict(), {name: first.vector(name) for name in first.names}
    other = Trainer(first.recipe, VGG(), device=CPU, samples=[GREY], start=start)
    with pytest.raises(StyleError, match="with another network; -y without --resume starts anew"):
        other.resume(tmp_path / "c.pt")
    with pytest.raises(StyleError, match="with another --tune"):
        trainer(recipe).resume(tmp_path / "c.pt")


def test_a_checkpoint_that_does_not_say_what_it_is_of_is_refused(recipe: Recipe, folder: Path, tmp_path: Path) -> None:
    """As they were written at first."""
    saved = trainer(recipe)
    saved.save(tmp_path / "c.pt")
    state = torch.load(tmp_path / "c.pt", weights_only=True)
    del state["fingerprint"]
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(StyleError, match="an earlier vidstyle did not say in it what it trained"):
        saved.resume(tmp_path / "c.pt")


def test_a_disk_that_fills_up_is_one_line_and_leaves_the_checkpoint_before(recipe: Recipe, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no limits of a file's size here")
    learner = trainer(recipe)
    learner.save(tmp_path / "c.pt")
    before = (tmp_path / "c.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"c\.pt cannot be written"):
            learner.save(tmp_path / "c.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.glob("c.pt*")] == ["c.pt"]
    assert (tmp_path / "c.pt").read_bytes() == before


def test_no_photographs_and_unreadable_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no photographs"):
        Photographs(tmp_path, 48)
    (tmp_path / "broken.jpg").write_text("not a picture")
    with pytest.raises(InputError, match="none of its 1 photographs can be used"):
        next(Photographs(tmp_path, 48).batches(1, seed=0))


def test_a_photograph_that_cannot_be_read_is_told_of_once_and_left_out(folder: Path, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(folder / "photos", tmp_path / "photos"))
    (photos / "broken.jpg").write_text("not a picture")
    (photos / "empty.jpg").touch()
    said: list[str] = []
    photographs = Photographs(photos, 48, say=said.append)
    assert len(photographs.samples(50, longest=64)) == len(photographs.paths) - 2
    batch = photographs.batches(8, seed=0)
    for _ in range(4):
        assert next(batch).shape == (8, 3, 48, 48)
    assert sorted(line.split(":")[0].rpartition("/")[2] for line in said) == ["broken.jpg", "empty.jpg"]


def test_odd_photographs_are_left_out(folder: Path, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(folder / "photos", tmp_path / "photos"))
    for name, sides in (("thin", (4, 3000)), ("tall", (3000, 4)), ("tiny", (6, 6))):
        cv2.imwrite(str(photos / f"{name}.png"), np.zeros((*sides, 3), np.uint8))
    (photos / "enormous.png").write_bytes(b"P6 40000 40000 255\n")
    said: list[str] = []
    photographs = Photographs(photos, 48, say=said.append)
    samples = photographs.samples(50, longest=64)
    assert len(samples) == 4
    assert min(side for sample in samples for side in sample.shape[2:]) > 16
    assert len(said) == 4
    assert f"{photos / 'enormous.png'}: not a picture that OpenCV can read (more than 2^30 pixels?)" in said[0]
    assert "3000x4 pixels, too narrow to learn from; the others are taken" in said[1]
    batches = photographs.batches(8, seed=0)
    assert all(next(batches).shape == (8, 3, 48, 48) for _ in range(4))


def test_a_picture_is_reduced_to_a_line_but_not_to_nothing(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "thin.png"), np.full((4, 3000, 3), 90, np.uint8))
    assert read_picture(tmp_path / "thin.png", longest=64).shape == (1, 3, 1, 64)


def test_trimming_leaves_something(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "line.png"), np.zeros((2, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r"line\.png: 8x0 pixels when 0\.4 of each side is cut off, too narrow"):
        read_painting(tmp_path / "line.png", longest=32, trim=0.4)


def test_a_painting_that_is_narrow_when_it_is_reduced_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "scroll.png"), np.zeros((40, 1300, 3), np.uint8))
    assert read_painting(tmp_path / "scroll.png", longest=520).shape == (1, 3, 16, 520)
    with pytest.raises(InputError, match=r"scroll\.png: 1300x40 pixels, too narrow to take a style from"):
        read_painting(tmp_path / "scroll.png", longest=512)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("number", [np.uint8, np.uint16])
def test_a_transparent_painting_lies_on_white(tmp_path: Path, suffix: str, number: type[np.integer]) -> None:
    picture = np.zeros((32, 32, 4))
    picture[:, :16] = (0, 0, 1, 1)
    picture[:, 16:24] = (1, 0, 0, 0)
    picture[:, 24:] = (0, 0, 0, 0.5)
    cv2.imwrite(str(tmp_path / f"p{suffix}"), (picture * np.iinfo(number).max).round().astype(number))
    found = read_painting(tmp_path / f"p{suffix}", longest=32)[0, :, 5]
    wanted = torch.tensor([[1.0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]])
    assert torch.allclose(found[:, [8, 20, 28]].T, wanted, atol=0.01)


def test_what_is_trimmed_is_no_part_of_the_style(tmp_path: Path) -> None:
    framed = np.zeros((60, 80, 3), np.uint8)
    framed[6:-6, 8:-8] = 200
    cv2.imwrite(str(tmp_path / "framed.png"), framed)
    trimmed = read_painting(tmp_path / "framed.png", longest=32, trim=0.1)
    assert trimmed.shape == (1, 3, 24, 32)
    assert torch.allclose(trimmed, torch.tensor(200 / 255), atol=1e-3)
    assert read_picture(tmp_path / "framed.png").min() == 0


def test_divergence_is_an_error_that_says_what_to_do(recipe: Recipe, folder: Path) -> None:
    broken = trainer(recipe)
    broken.vectors.data.fill_(float("nan"))
    with pytest.raises(StyleError, match="diverged at step"):
        broken.run(Photographs(folder / "photos", 48), every=2)
