"""The losses mean what they say: zero at the target, one at nothing, whatever the scale."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from torch import Tensor  # noqa: E402

from vidstyle.networks.vgg import VGG  # noqa: E402
from vidstyle.training.evaluation import CONTENT_LAYER, STYLE_LAYERS  # noqa: E402
from vidstyle.training.losses import (  # noqa: E402
    LossWeights,
    PerceptualLoss,
    content_loss,
    gram,
    off_palette,
    on_lattice,
    palette,
    style_loss,
    total_variation,
)


def test_gram_is_the_textbook_sum() -> None:
    features = torch.rand(2, 3, 4, 5)
    expected = torch.einsum("nihw,njhw->nij", features, features) / (3 * 4 * 5)
    assert torch.allclose(gram(features), expected, atol=1e-6)
    assert torch.allclose(gram(features.contiguous(memory_format=torch.channels_last)), expected, atol=1e-6)


@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_the_gradient_of_gram_matrices_is_the_textbooks(order: torch.memory_format) -> None:
    ours = torch.rand(2, 3, 4, 5).contiguous(memory_format=order).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    slope = torch.randn(2, 3, 3)  # not symmetric
    (gram(ours) * slope).sum().backward()
    (torch.einsum("nihw,njhw->nij", theirs, theirs) / (3 * 4 * 5) * slope).sum().backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_relative_losses() -> None:
    a = torch.rand(2, 3, 4, 4)
    assert content_loss(a, a).tolist() == [0, 0]
    assert torch.allclose(content_loss(torch.zeros_like(a), a), torch.ones(2))
    assert torch.allclose(content_loss(3 * a, 3 * (a + 1)), content_loss(a, a + 1))
    assert style_loss(gram(a), gram(a)).tolist() == [0, 0]
    assert torch.allclose(style_loss(0 * gram(a), gram(a)), torch.ones(2))


def test_content_is_relative_to_no_less_than_an_ordinary_photograph() -> None:
    torch.manual_seed(0)
    weights = LossWeights(content_layers=("relu2_1",))
    painting, photograph = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    smooth = 0.5 + 0.1 * (photograph - 0.5)
    vgg = VGG()
    wanted = {name: vgg(x, ["relu2_1"])["relu2_1"] for name, x in {"ordinary": photograph, "smooth": smooth}.items()}
    painted = vgg(painting, ["relu2_1"])["relu2_1"]
    loss = PerceptualLoss(vgg, weights, period=8, photographs=[photograph])
    difference = (painted - wanted["smooth"]).square().sum() / wanted["ordinary"].square().sum()
    assert loss.look(painting, smooth)[1].item() == pytest.approx(difference.item(), rel=1e-5)
    assert difference < content_loss(painted, wanted["smooth"])
    assert loss.look(painting, photograph)[1].item() == pytest.approx(
        content_loss(painted, wanted["ordinary"]).item(), rel=1e-5
    )


def test_what_is_learned_is_what_is_judged() -> None:
    assert LossWeights().style_layers == STYLE_LAYERS
    assert LossWeights().content_layers == (CONTENT_LAYER,)


def test_total_variation_of_stripes() -> None:
    stripes = torch.zeros(1, 3, 8, 8)
    stripes[..., ::2] = 1
    assert total_variation(stripes).item() == pytest.approx(1)
    assert total_variation(torch.full((1, 3, 8, 8), 0.3)).item() == 0


def test_perceptual_loss_falls_when_the_picture_nears_its_targets() -> None:
    torch.manual_seed(0)
    weights = LossWeights(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"))
    painting, photograph = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    loss = PerceptualLoss(VGG(), weights, period=8, photographs=[photograph])
    targets = {layer: g[None] for layer, g in loss.targets([painting]).items()}
    content, style, _ = loss(photograph, photograph, targets)
    assert content.item() == 0
    assert style.item() > 0
    content, style, _ = loss(painting, photograph, targets)
    assert content.item() > 0
    assert style.item() < 1e-9


def test_several_paintings_make_one_target() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 24, 16)
    loss = PerceptualLoss(VGG(), LossWeights(style_layers=("relu1_1",)), period=8, photographs=[a])
    both = loss.targets([a, b])["relu1_1"]
    assert torch.allclose(both, (loss.targets([a])["relu1_1"] + loss.targets([b])["relu1_1"]) / 2)


def test_only_colours_that_the_paintings_lack_are_off_their_palette() -> None:
    torch.manual_seed(0)
    spread = torch.tensor([0.2, 0.1, 0.02])[:, None, None]
    paintings = [0.5 + spread * torch.randn(1, 3, 40, 50) for _ in range(2)]
    mean, precision = (part[None] for part in palette(paintings))
    grey = torch.full((1, 3, 8, 8), 0.5)
    assert off_palette(grey, mean, precision).item() == 0
    redder, bluer = grey.clone(), grey.clone()
    redder[:, 0] += 0.4
    bluer[:, 2] += 0.4
    assert off_palette(redder, mean, precision).item() == 0
    assert off_palette(bluer, mean, precision).item() > 50
    bluer[:, :, :4] = 0.5
    assert 25 < off_palette(bluer, mean, precision).item() < 100


def test_a_painting_of_one_colour_has_a_palette() -> None:
    mean, precision = (part[None] for part in palette([torch.zeros(1, 3, 8, 8)]))
    assert off_palette(torch.full((1, 3, 4, 4), 0.02), mean, precision).item() == 0
    assert off_palette(torch.full((1, 3, 4, 4), 0.2), mean, precision).item() > 50


@pytest.fixture
def ring() -> Tensor:
    ring = torch.zeros(8, 8)
    ring[1:7, 1:7] = 0.05
    ring[2:6, 2:6] = 0
    return ring


def stamped(mark: Tensor, share: float) -> Tensor:
    """A mark in a share of the cells of an even picture, (1, 3, 224, 224)."""
    cells = (torch.rand(28, 28) < share).float()
    return 0.4 + torch.kron(cells, mark).expand(1, 3, -1, -1)


def test_marks_on_a_lattice_are_seen_and_strokes_are_not(ring: Tensor) -> None:
    torch.manual_seed(0)
    places = (torch.rand(1, 1, 224, 224) < 0.01).float()
    strokes = torch.nn.functional.max_pool2d(places, (3, 9), 1, (1, 4)).expand(1, 3, -1, -1) * 0.4
    left_bare = strokes * (torch.arange(224) < 112)
    marks = stamped(ring, 0.2)
    moved = torch.nn.functional.pad(marks, (3, 0, 5, 0))[..., :224, :224]
    assert on_lattice(strokes, 8).item() < 0.01
    assert on_lattice(left_bare + marks, 8).item() > 5 * on_lattice(left_bare, 8).item()
    assert on_lattice(moved, 8).item() > 0.02  # wherever the lattice begins
    assert on_lattice(marks, 7).item() < 0.1 * on_lattice(marks, 8).item()
    assert on_lattice(torch.full((1, 3, 40, 40), 0.3), 8).item() < 1e-6


def test_marks_are_what_the_cells_show_on_average() -> None:
    """The definition, step by step, on a picture with half a cell left over and contrast that differs."""
    torch.manual_seed(0)
    picture = (torch.rand(1, 3, 44, 36) * torch.linspace(0.1, 1, 36)).requires_grad_()
    cells = picture[..., :40, :32].unflatten(3, (4, 8)).unflatten(2, (5, 8))
    detail = cells - cells.mean((3, 5), keepdim=True)
    contrast = torch.nn.functional.avg_pool2d(
        detail.detach().square().mean((1, 3, 5)), 5, 1, 2, count_include_pad=False
    )
    even = (contrast + 0.02**2 * contrast.max()).rsqrt()[:, None, :, None, :, None]
    expected = (detail * even).mean((2, 4)).square().mean()
    (slope,) = torch.autograd.grad(expected, picture)
    found = on_lattice(picture, 8)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    assert torch.allclose(torch.autograd.grad(found.sum(), picture)[0], slope, atol=1e-3 * slope.abs().max().item())


def test_marks_whose_mean_is_even_are_seen_by_vgg(ring: Tensor) -> None:
    """Rings and their negatives leave no trace in the mean colour of a cell; edges have no sign."""
    torch.manual_seed(0)
    weights = LossWeights(content_layers=("relu2_1",), style_layers=("relu2_1", "relu3_1"))
    both = stamped(ring, 0.5) - stamped(ring, 0.5) + 0.4
    loss = PerceptualLoss(VGG(), weights, period=8, photographs=[both])
    rolled = both.clone()  # every row of cells by another offset: the same rings, not on a lattice
    for row in range(28):
        rolled[:, :, 8 * row : 8 * row + 8] = both[:, :, 8 * row : 8 * row + 8].roll(int(torch.randint(8, ())), -1)
    targets = {layer: g[None] for layer, g in loss.targets([both]).items()}
    assert on_lattice(both, 8).item() < 0.02
    assert loss(both, both, targets)[2].item() > 1.5 * loss(rolled, rolled, targets)[2].item()


def test_a_blank_picture_has_a_slope_off_the_lattice() -> None:
    blank = torch.zeros(1, 3, 32, 32, requires_grad=True)
    on_lattice(blank, 8).sum().backward()
    assert blank.grad is not None
    assert torch.isfinite(blank.grad).all()
