"""Inputs spread over lags by the kernels, against a loop in float64, with every gradient."""

import pytest
import torch

from silif_plugins.synapses import AxonalDelay, AxonalLinear
from silif_plugins.synapses.channel_filter import spread_over_lags
from silif_plugins.synapses.linear import dense_linear

SHAPES = [  # steps, past, batch, channels, lags
    (100, 0, 2, 200, 25),
    (33, 0, 3, 140, 1),
    (7, 3, 3, 5, 4),
    (1, 8, 2, 40, 9),
    (9, 2, 1, 64, 12),
    (3, 0, 2, 33, 8),
]


def loop(window, taps, steps):
    past = len(window) - steps
    return torch.stack(
        [
            sum(taps[lag] * window[past + step - lag] for lag in range(len(taps)) if past + step >= lag)
            for step in range(steps)
        ]
    )


def with_gradients(function, inputs, grad):
    inputs = [each.detach().clone(memory_format=torch.preserve_format).requires_grad_() for each in inputs]
    outputs = function(*inputs)
    return outputs, *torch.autograd.grad(outputs, inputs, grad.to(outputs))


def assert_close(found, expected, dtype):
    bound = 5e-6 if dtype == torch.float32 else 1e-13
    for one, two in zip(found, expected, strict=True):
        assert one.shape == two.shape
        assert (one - two).abs().max() <= bound * two.abs().max()


@pytest.mark.parametrize("layout", ["contiguous", "batch first"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_a_loop(shape, dtype, layout):
    steps, past, batch, channels, lags = shape
    window, taps = torch.randn(past + steps, batch, channels, dtype=dtype), torch.rand(lags, channels, dtype=dtype)
    grad = torch.randn(steps, batch, channels, dtype=dtype)
    if layout == "batch first":
        window, grad = (each.transpose(0, 1).contiguous().transpose(0, 1) for each in (window, grad))
    found = with_gradients(lambda window, taps: spread_over_lags(window, taps, steps), (window, taps), grad)
    exact = with_gradients(lambda window, taps: loop(window, taps, steps), (window.double(), taps.double()), grad)
    assert_close(found, exact, dtype)


def test_results_are_the_same_on_several_threads():
    window, taps = torch.randn(60, 4, 300), torch.rand(20, 300)
    grad, before = torch.randn(60, 4, 300), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(
                with_gradients(lambda window, taps: spread_over_lags(window, taps, 60), (window, taps), grad)
            )
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_frozen_parts_get_no_gradient():
    window, taps, grad = torch.randn(20, 2, 10), torch.rand(5, 10), torch.randn(20, 2, 10)
    _, *both = with_gradients(lambda window, taps: spread_over_lags(window, taps, 20), (window, taps), grad)
    for index, expected in enumerate(both):
        inputs = [window, taps]
        inputs[index] = inputs[index].clone().requires_grad_()
        (alone,) = torch.autograd.grad(spread_over_lags(*inputs, 20), inputs[index], grad)
        assert torch.equal(alone, expected)


@pytest.mark.parametrize("function", [lambda x, w: spread_over_lags(x, w, 5), dense_linear])
def test_second_derivatives(function):
    """A gradient of a gradient, against the plain forms in float64."""
    inputs = torch.randn(5, 2, 6), torch.rand(4, 6)
    plain = torch.nn.functional.linear if function is dense_linear else lambda x, w: loop(x, w, 5)

    def penalty(function, *inputs):
        first = torch.autograd.grad(function(*inputs).pow(3).sum(), inputs, create_graph=True)
        return sum(each.square().sum() for each in first)

    found = with_gradients(lambda *each: penalty(function, *each), inputs, torch.ones(()))
    exact = with_gradients(lambda *each: penalty(plain, *each), [each.double() for each in inputs], torch.ones(()))
    for one, two in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("shape", [(7, 3, 5), (1, 5), (4, 0, 5), (5,)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_products(shape, bias):
    x, weight = torch.randn(shape), torch.randn(6, 5)
    inputs = (x, weight, torch.randn(6)) if bias else (x, weight)
    grad = torch.randn(*shape[:-1], 6)
    exact = with_gradients(torch.nn.functional.linear, [each.double() for each in inputs], grad)
    found = with_gradients(dense_linear, inputs, grad)
    for one, two in zip(found, exact, strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-5)


def test_transforms_and_empty_sequences():
    """What kernels cannot do goes the plain way, with the same results."""
    layer, inputs = AxonalLinear(6, 4, 3), torch.randn(9, 2, 6)
    torch.testing.assert_close(
        torch.func.vmap(layer, in_dims=1, out_dims=1)(inputs.unsqueeze(2)).squeeze(2), layer(inputs)
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lower = layer(inputs)
    torch.testing.assert_close(lower.float(), layer(inputs), rtol=0.1, atol=0.1)
    assert AxonalDelay(6, 3)(inputs[:0]).shape == (0, 2, 6)
    assert AxonalDelay(6, 3)(inputs[:, :0]).shape == (9, 0, 6)


def test_state_is_no_view_of_the_inputs():
    layer, inputs = AxonalDelay(6, 3), torch.randn(9, 2, 6)
    _, state = layer.run(inputs)
    before = state.clone()
    inputs.zero_()
    assert torch.equal(state, before)
