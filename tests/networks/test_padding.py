"""Reflection padding gives what PyTorch's own gives, and the same gradient, without leaving the memory's order."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from torch.nn import functional as F  # noqa: E402

from vidstyle.networks.padding import reflect  # noqa: E402


@pytest.mark.parametrize("border", [0, 1, 4])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_padding_and_its_gradient_are_pytorchs(border: int, order: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours = torch.randn(2, 5, 5, 9, dtype=torch.float64).contiguous(memory_format=order).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    slope = torch.randn(2, 5, 5 + 2 * border, 9 + 2 * border, dtype=torch.float64)
    padded, expected = reflect(ours, border), F.pad(theirs, (border,) * 4, mode="reflect")
    assert torch.equal(padded, expected)
    padded.backward(slope.contiguous(memory_format=order))
    expected.backward(slope)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad)


def test_channels_stay_last_in_memory() -> None:
    x = torch.randn(2, 8, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    padded = reflect(x, 2)
    assert padded.is_contiguous(memory_format=torch.channels_last)
    padded.square().sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last)
