"""Conditional instance norm: PyTorch's own function, and its gradient by differences."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from vidstyle.networks.instance_norm import (  # noqa: E402
    SPIKE,
    conditional_instance_norm,
    conditional_instance_norm_and_spikes,
)


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


def test_spikes_are_what_stands_out_of_a_channel() -> None:
    x = torch.randn(2, 3, 40, 50, dtype=torch.float64)
    x[1, 2, 7, 8] = 100
    painted, spikes = conditional_instance_norm_and_spikes(x, torch.ones(2, 3), torch.zeros(2, 3), epsilon=1e-5)
    assert torch.equal(painted, conditional_instance_norm(x, torch.ones(2, 3), torch.zeros(2, 3), epsilon=1e-5))
    expected = (painted[1, 2, 7, 8] - SPIKE) ** 2 / x[1].numel()
    torch.testing.assert_close(spikes, torch.stack([torch.zeros_like(expected), expected]), check_dtype=False)


def test_gradients_of_spikes_are_those_of_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 8, 7, dtype=torch.float64)
    x[:, :, 3, 3] *= 1000
    scale, shift = torch.randn(2, 2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (x, scale, shift)]
    assert conditional_instance_norm_and_spikes(*inputs, epsilon=1e-5)[1].min() > 0.01
    assert torch.autograd.gradcheck(lambda *a: conditional_instance_norm_and_spikes(*a, epsilon=1e-5), inputs)


def test_leaves_channels_last_memory_as_it_is() -> None:
    x = torch.randn(2, 16, 6, 5).bfloat16().contiguous(memory_format=torch.channels_last).requires_grad_()
    y = conditional_instance_norm(x, torch.ones(2, 16), torch.zeros(2, 16), epsilon=1e-5)
    y.backward(torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last)


def test_gives_group_norm_the_memory_that_it_takes_off_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it refuses channels-last memory, by a rule that the `meta` device does not have."""
    group_norm, seen = torch.native_group_norm, []

    def strict(x: torch.Tensor, *rest: object) -> object:
        seen.append(x.is_contiguous())
        return group_norm(x, *rest)

    monkeypatch.setattr(torch, "native_group_norm", strict)
    x = torch.empty(2, 16, 6, 5, device="meta").contiguous(memory_format=torch.channels_last).requires_grad_()
    values = torch.empty(2, 16, device="meta")
    conditional_instance_norm(x, values, values, epsilon=1e-5).sum().backward()
    assert seen == [True]
