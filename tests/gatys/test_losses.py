"""The losses mean what they say, and tiles give the same gradient as the whole."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from tests.gatys.random_vgg import SHALLOW, random_vgg
from vidstyle.errors import UsageError
from vidstyle.gatys.losses import Before, Objective, gram, style_target
from vidstyle.gatys.tiles import TiledObjective


def _pictures(height: int = 64, width: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.rand(1, 3, height, width), torch.rand(1, 3, 48, 56), torch.rand(1, 3, height, width)


def test_content_of_the_photograph_and_style_of_the_painting_are_0() -> None:
    vgg, (photograph, painting, _) = random_vgg(), _pictures()
    target = style_target(vgg, [(painting, 1.0)], SHALLOW.style_layers)
    objective = Objective.of(vgg, photograph, target, SHALLOW)
    assert objective.evaluate(photograph)[1].content == pytest.approx(0, abs=1e-9)
    assert objective.evaluate(photograph)[1].style > 1e-3
    same = Objective.of(vgg, painting, target, SHALLOW)
    assert same.evaluate(painting)[1].style == pytest.approx(0, abs=1e-6)


def test_a_term_of_no_weight_adds_to_terms_on_any_device() -> None:
    vgg, (photograph, painting, _) = random_vgg(), _pictures()
    target = style_target(vgg, [(painting, 1.0)], SHALLOW.style_layers)
    objective = Objective.of(vgg, photograph, target, replace(SHALLOW, content=0))
    terms = objective.terms(photograph)
    elsewhere = {name: term if name == "content" else term.to("meta") for name, term in terms.items()}
    assert objective.total(elsewhere).device.type == "meta"
    wanted = terms["style"] * SHALLOW.style + terms["variation"] * SHALLOW.variation
    assert float(objective.total(terms)) == pytest.approx(float(wanted))


def test_losses_do_not_depend_on_the_scale_of_the_weights() -> None:
    photograph, painting, picture = _pictures()
    found = []
    for scale in (1.0, 255.0):
        vgg = copy.deepcopy(random_vgg())
        with torch.no_grad():
            vgg.convolutions["conv1_1"].weight *= scale
        objective = Objective.of(vgg, photograph, style_target(vgg, [(painting, 1.0)], SHALLOW.style_layers), SHALLOW)
        found.append(objective.evaluate(picture)[1])
    assert found[0].style == pytest.approx(found[1].style, rel=1e-3)
    assert found[0].content == pytest.approx(found[1].content, rel=1e-3)


def test_weights_of_paintings_are_relative() -> None:
    vgg, (a, b, _) = random_vgg(), _pictures()
    layers = SHALLOW.style_layers
    once = style_target(vgg, [(a, 1.0), (b, 3.0)], layers).grams[0]["conv1_1"]
    again = style_target(vgg, [(a, 2.0), (b, 6.0)], layers).grams[0]["conv1_1"]
    torch.testing.assert_close(once, again)


def test_masked_gram_sees_its_region_only() -> None:
    features = torch.rand(1, 4, 8, 8)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4] = 1
    torch.testing.assert_close(gram(features, mask), gram(features[..., :4]))


def test_temporal_loss_counts_valid_pixels_only() -> None:
    vgg, (photograph, painting, picture) = random_vgg(), _pictures()
    valid = torch.zeros(1, 1, 64, 64)
    valid[..., :32] = 1
    other = picture.clone()
    other[..., 32:] = 0
    target = style_target(vgg, [(painting, 1.0)], SHALLOW.style_layers)
    before = [Before(picture=other, valid=valid)]
    assert Objective.of(vgg, photograph, target, SHALLOW, before=before).evaluate(picture)[1].temporal == 0
    before = [Before(picture=other + 0.1, valid=valid)]
    found = Objective.of(vgg, photograph, target, SHALLOW, before=before).evaluate(picture)[1].temporal
    assert found == pytest.approx(0.005, rel=1e-3)


def test_tiles_give_the_gradient_of_the_whole() -> None:
    vgg = random_vgg()
    photograph, painting, picture = _pictures(192, 208)
    options = replace(SHALLOW, tile=128)
    target = style_target(vgg, [(painting, 1.0)], options.style_layers)
    whole, losses = Objective.of(vgg, photograph, target, options).evaluate(picture)
    tiled, tiled_losses = TiledObjective.of(vgg, photograph, target, options).evaluate(picture)
    assert tiled_losses.total == pytest.approx(losses.total, rel=1e-4)
    assert (tiled - whole).norm() < 1e-3 * whole.norm()


def test_tiles_refuse_masks() -> None:
    vgg, (photograph, painting, _) = random_vgg(), _pictures()
    target = style_target(vgg, [(painting, 1.0)], SHALLOW.style_layers, masks=[torch.ones(1, 1, 8, 8)])
    with pytest.raises(UsageError, match="masks"):
        TiledObjective.of(vgg, photograph, target, SHALLOW)
