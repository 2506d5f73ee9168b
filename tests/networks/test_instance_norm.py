"""Conditional instance norm: PyTorch's own function, and its gradient by differences."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from vidstyle.networks.instance_norm import conditional_instance_norm  # noqa: E402


def _inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64) * 3 + 1
    return x, torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)


def test_equals_instance_norm_scaled_and_shifted() -> None:
    x, scale, shift = _inputs()
    expected = F.instance_norm(x, eps=1e-5) * scale[:, :, None, None] + shift[:, :, None, None]
    torch.testing.assert_close(conditional_instance_norm(x, scale, shift, epsilon=1e-5), expected)


@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_are_those_of_differences(channels_last: bool) -> None:
    x, scale, shift = _inputs()
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    inputs = [t.requires_grad_() for t in (x, scale, shift)]
    assert torch.autograd.gradcheck(lambda *a: conditional_instance_norm(*a, epsilon=1e-5), inputs)


def test_leaves_channels_last_memory_as_it_is() -> None:
    x = torch.randn(2, 16, 6, 5).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = conditional_instance_norm(x, torch.ones(2, 16), torch.zeros(2, 16), epsilon=1e-5)
    y.backward(torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last)
