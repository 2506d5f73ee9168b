"""A new style begins at the known style that paints most like its painting."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

import cv2  # noqa: E402

from vidstyle.networks.architecture import Architecture  # noqa: E402
from vidstyle.networks.transform import TransformNetwork, identity_style  # noqa: E402
from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.training.losses import LossWeights  # noqa: E402
from vidstyle.training.nearest import begin_at_nearest  # noqa: E402
from vidstyle.training.recipes import Recipe, StyleTarget  # noqa: E402
from vidstyle.training.trainer import Trainer  # noqa: E402

TINY = Architecture(unshuffle=4, widths=(8, 8), blocks=1, end_kernel=3, skips=True)


@pytest.fixture
def known() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    vectors = {name: identity_style(TINY) + torch.randn(TINY.style_size) for name in ("dull", "bright", "odd")}
    return {"identity": identity_style(TINY)} | vectors


def trainer(folder: Path, names: list[str], known: dict[str, torch.Tensor], painting: torch.Tensor) -> Trainer:
    pixels = (painting[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
    cv2.imwrite(str(folder / "painting.png"), pixels[..., ::-1])
    torch.manual_seed(2)
    start = TransformNetwork(TINY).state_dict(), known
    recipe = Recipe(
        architecture=TINY,
        styles=tuple(StyleTarget(name=name, paintings=(folder / "painting.png",)) for name in names),
        steps=1,
        weights=LossWeights(content=0, style_layers=("relu1_1", "relu2_1")),
        tune="style",
    )
    return Trainer(recipe, VGG(), device=torch.device("cpu"), samples=[painting], start=start)


@pytest.mark.parametrize("nearest", ["dull", "bright", "odd"])
def test_the_style_that_paints_the_painting_is_found(nearest: str, known, tmp_path: Path) -> None:
    photograph = torch.rand(1, 3, 48, 48)
    torch.manual_seed(2)
    network = TransformNetwork(TINY).eval()
    with torch.no_grad():
        painting = network(photograph, known[nearest][None])
    learner = trainer(tmp_path, ["new", "odd"], known, painting)
    assert begin_at_nearest(learner, known, photograph) == {"new": nearest}
    assert torch.equal(learner.vector("new"), known[nearest])
    assert torch.equal(learner.vector("odd"), known["odd"])  # what the network knows goes on from where it was
    assert torch.equal(learner.vector("identity"), known["identity"])
    assert learner.network.training


def test_every_known_style_is_looked_at_once(known, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many styles are new, and without what the choice does not ask for."""
    learner = trainer(tmp_path, ["new", "newer"], known, torch.rand(1, 3, 48, 48))
    monkeypatch.setattr("vidstyle.training.losses.on_lattice", lambda *args: pytest.fail("the lattice was measured"))
    looks, vgg = [], learner.loss.vgg
    monkeypatch.setattr(learner.loss, "vgg", lambda pictures, layers: looks.append(pictures) or vgg(pictures, layers))
    assert begin_at_nearest(learner, known, torch.rand(1, 3, 48, 48)).keys() == {"new", "newer"}
    assert len(looks) == 2 * 3  # the photograph and what is painted of it, by each of three known styles


def test_where_only_identity_is_known_nothing_is_near(known, tmp_path: Path) -> None:
    only = {"identity": known["identity"]}
    learner = trainer(tmp_path, ["new"], only, torch.rand(1, 3, 48, 48))
    assert begin_at_nearest(learner, only, torch.rand(1, 3, 48, 48)) == {}
    assert torch.equal(learner.vector("new"), known["identity"])
