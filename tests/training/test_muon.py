"""The kernels' optimiser: directions count alike, steps have Adam's size."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from vidstyle.training.muon import RMS, Muon, orthogonalised  # noqa: E402


@pytest.mark.parametrize("shape", [(6, 40), (40, 6)])
def test_orthogonalised_keeps_the_singular_vectors_and_levels_their_strengths(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape) @ torch.diag(torch.logspace(0, -1, shape[1]))
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    levelled = torch.linalg.svdvals(orthogonalised(matrix))
    assert levelled.min() > 0.6
    assert levelled.max() < 1.3
    assert torch.nn.functional.cosine_similarity(orthogonalised(matrix).flatten(), (u @ vt).flatten(), dim=0) > 0.97


def test_a_step_has_the_size_of_adams() -> None:
    torch.manual_seed(0)
    kernels = torch.nn.Parameter(torch.zeros(16, 8, 3, 3))
    kernels.grad = torch.randn(16, 8, 3, 3) * 1e-6  # the size of the gradient does not matter
    Muon([kernels], lr=1e-3).step()
    step = kernels.detach().square().mean().sqrt().item()
    assert step == pytest.approx(RMS * 1e-3, rel=0.3)
    assert (kernels.detach() * kernels.grad).sum() < 0


def test_it_finds_the_bottom_of_a_narrow_valley() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(8, 4, 3, 3)
    steepness = torch.logspace(0, -3, 8).view(-1, 1, 1, 1)
    kernels = torch.nn.Parameter(torch.zeros(8, 4, 3, 3))
    optimiser = Muon([kernels], lr=0.3)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        optimiser.zero_grad()
        (steepness * (kernels - wanted).square()).sum().backward()
        optimiser.step()
    assert (kernels - wanted).square().mean() < 0.01


def test_what_got_no_gradient_stays() -> None:
    left = torch.nn.Parameter(torch.ones(4, 4))
    Muon([left], lr=1.0).step()
    assert (left == 1).all()
