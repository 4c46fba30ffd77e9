"""The fast sums over lags, and the fast taps, against the convolution and the formula, with every gradient."""

import pytest
import torch

from silif_plugins.synapses import gaussian_taps
from silif_plugins.synapses import lag_products as lags
from silif_plugins.synapses.taps import convolve, weighted_taps

MAX_DELAY, B, INPUTS, OUTPUTS = 24, 3, 6, 70


def operands(steps, dtype=torch.float32):
    torch.manual_seed(0)
    window = torch.randn(MAX_DELAY + steps, B, INPUTS, dtype=dtype, requires_grad=True)
    weight = torch.randn(OUTPUTS, INPUTS, dtype=dtype, requires_grad=True)
    delay = (MAX_DELAY * torch.rand(OUTPUTS, INPUTS, dtype=dtype)).requires_grad_()
    return window, weight, delay


def gradients(outputs, inputs, **options):
    weights = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view(outputs.shape)
    return torch.autograd.grad((outputs * weights).sum(), inputs, **options)


@pytest.mark.parametrize("steps", [1, 32, 75])
@pytest.mark.parametrize(
    ("sigma", "path"),
    [(12.0, lags._BySmoothFunctions), (6.0, lags._BySmoothFunctions), (1.5, lags._ByLags), (0.23, lags.ByFewLags)],
)
def test_equals_the_convolution(sigma, path, steps, monkeypatch):
    """In float32 against the plain form in float64: the fast one is as exact as the plain one in float32 would be."""
    used = []
    run = path.apply
    monkeypatch.setattr(path, "apply", lambda *inputs: used.append(path) or run(*inputs))
    inputs = operands(steps)
    width = torch.tensor(sigma)
    outputs = lags.sum_over_lags(*inputs, width, MAX_DELAY)
    assert used == [path]
    exact = [each.detach().double().requires_grad_() for each in inputs]
    taps = exact[1] * gaussian_taps(exact[2], width.double(), MAX_DELAY)
    expected = convolve(exact[0], taps)
    for one, two in zip((outputs, *gradients(outputs, inputs)), (expected, *gradients(expected, exact)), strict=True):
        assert (one - two).abs().max() < 5e-6 * two.abs().max()


@pytest.mark.parametrize("sigma", [12.0, 1.5, 0.23])
def test_frozen_parts_get_no_gradient(sigma):
    window, weight, delay = operands(20)
    width = torch.tensor(sigma)
    alone = gradients(lags.sum_over_lags(window.detach(), weight, delay, width, MAX_DELAY), (weight, delay))
    both = gradients(lags.sum_over_lags(window, weight.detach(), delay.detach(), width, MAX_DELAY), (window,))
    every = gradients(lags.sum_over_lags(window, weight, delay, width, MAX_DELAY), (window, weight, delay))
    for one, two in zip((*both, *alone), every, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("sigma", [12.0, 1.5, 0.23])
def test_second_derivatives(sigma):
    inputs, width = operands(9), torch.tensor(sigma)

    def penalty(build):
        outputs = build()
        first = gradients(outputs, inputs, create_graph=True)
        return torch.autograd.grad(sum(each.square().sum() for each in first), inputs)

    fast = penalty(lambda: lags.sum_over_lags(*inputs, width, MAX_DELAY))
    plain = penalty(lambda: convolve(inputs[0], inputs[1] * gaussian_taps(inputs[2], width, MAX_DELAY)))
    for one, two in zip(fast, plain, strict=True):
        assert (one - two).abs().max() < 2e-5 * two.abs().max()


def test_weighted_taps_by_finite_differences():
    _, weight, delay = operands(1, torch.float64)
    small = weight.detach()[:2, :3].requires_grad_(), delay.detach()[:2, :3].requires_grad_()
    width = torch.tensor(0.7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *inputs: weighted_taps(*inputs, width, MAX_DELAY), small)
    assert torch.autograd.gradgradcheck(lambda *inputs: weighted_taps(*inputs, width, MAX_DELAY), small)


def test_transforms_take_the_plain_path():
    window, weight, delay = (each.detach() for each in operands(9))
    width = torch.tensor(12.0)

    def total(weight, delay):
        return lags.sum_over_lags(window, weight, delay, width, MAX_DELAY).square().sum()

    for one, two in zip(
        torch.func.grad(total, (0, 1))(weight, delay),
        torch.autograd.grad(total(weight.requires_grad_(), delay.requires_grad_()), (weight, delay)),
        strict=True,
    ):
        assert (one - two).abs().max() < 1e-5 * two.abs().max()
