"""The linear layer that leaves zeros out, against the plain form in float64, with every gradient."""

import pytest
import torch

from silif_plugins.synapses import AxonalLinear
from silif_plugins.synapses.gaps import linear_with_gaps, without_ends

from . import behind_lags
from .behind_lags import plain, with_gradients

SHAPES = [  # steps, past, batch, inputs, outputs, lags
    (50, 0, 2, 200, 130, 25),
    (7, 3, 3, 5, 6, 4),
    (1, 8, 2, 40, 70, 9),
    (33, 0, 2, 140, 20, 1),
    (18, 5, 3, 64, 64, 12),
]


def taps_of(lags, inputs):
    return torch.rand(lags, inputs) * (torch.rand(lags, inputs) < 0.7)


def operands(shape, dtype, rate=0.1):
    return behind_lags.operands(shape, dtype, taps_of, rate)


def assert_close(found, expected, bound):
    for one, two in zip(found, expected, strict=True):
        assert one.shape == two.shape
        assert (one - two).abs().max() <= bound * two.abs().max()


@pytest.mark.parametrize("layout", ["contiguous", "batch first"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 5e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_plain_form(shape, dtype, bound, layout):
    inputs, grad = operands(shape, dtype)
    if layout == "batch first":
        inputs[0], grad = (each.transpose(0, 1).contiguous().transpose(0, 1) for each in (inputs[0], grad))
        inputs[1] = inputs[1].t().contiguous().t()
    found = with_gradients(lambda *each: linear_with_gaps(*each, shape[0]), inputs, grad)
    exact = with_gradients(lambda *each: plain(*each, shape[0]), [each.double() for each in inputs], grad)
    assert_close(found, exact, bound)


@pytest.mark.parametrize("rate", [0.0, 0.02, 1.0])
def test_any_share_of_events(rate):
    inputs, grad = operands((20, 0, 2, 70, 40, 6), torch.float64, rate)
    found = with_gradients(lambda *each: linear_with_gaps(*each, 20), inputs, grad)
    assert_close(found, with_gradients(lambda *each: plain(*each, 20), inputs, grad), 1e-13)


def test_results_are_the_same_on_several_threads():
    inputs, grad = operands((40, 0, 8, 300, 200, 9), torch.float32)
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(with_gradients(lambda *each: linear_with_gaps(*each, 40), inputs, grad))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    for one, two in zip(*results, strict=True):  # what comes from a dense product may be summed in another order
        torch.testing.assert_close(one, two)


def test_frozen_parts_get_no_gradient():
    inputs, grad = operands((18, 0, 3, 64, 64, 12), torch.float32)
    _, *every = with_gradients(lambda *each: linear_with_gaps(*each, 18), inputs, grad)
    for index, expected in enumerate(every):
        some = list(inputs)
        some[index] = some[index].clone().requires_grad_()
        (alone,) = torch.autograd.grad(linear_with_gaps(*some, 18), some[index], grad)
        assert torch.equal(alone, expected)


def test_second_derivatives():
    inputs, _ = operands((6, 2, 2, 5, 4, 3), torch.float64, 0.5)

    def penalty(function, *inputs):
        first = torch.autograd.grad(function(*inputs, 6).pow(3).sum(), inputs, create_graph=True)
        return sum(each.square().sum() for each in first)

    found, exact = (
        with_gradients(lambda *each, run=run: penalty(run, *each), inputs, torch.ones(()))
        for run in (linear_with_gaps, plain)
    )
    assert_close(found, exact, 1e-12)


def test_ends_of_a_gaussian_are_below_rounding():
    """What is left out changes no output by more than float32 rounds anyway."""
    layer = AxonalLinear(50, 4, 24, sigma=0.23)
    taps = layer.delays.taps()
    assert (without_ends(taps) > 0).sum(0).max() <= 6
    assert (taps - without_ends(taps)).sum(0).max() < torch.finfo(torch.float32).eps


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("sigma", "outputs"), [(0.23, 256), (0.23, 20), (12.0, 64)])
def test_the_layer_is_that_of_dense_products(sigma, outputs, bias, dropout):
    """Whichever way it takes, with the gradients of the other ones, and those of float64."""
    torch.manual_seed(0)
    layer = AxonalLinear(64, outputs, 24, bias, sigma=sigma, dropout=dropout)
    spikes, results = (torch.rand(40, 4, 64) < 0.1).float(), []
    gate = torch.rand(40, 4, 64) < 0.3
    for events, dtype in (("auto", torch.float32), ("never", torch.float32), ("always", torch.float64)):
        layer.linear.events = events
        layer.to(dtype).zero_grad()
        inputs = spikes.clone().to(dtype).requires_grad_()
        torch.manual_seed(1)
        outputs_ = layer(inputs, gate)
        outputs_.square().sum().backward()
        results.append([outputs_.double(), inputs.grad * gate, *(each.grad.clone() for each in layer.parameters())])
    for found in results[:2]:
        assert_close(found, results[2], 1e-5)


def test_always_is_refused_where_it_cannot_be_had():
    layer = AxonalLinear(6, 4, 3, events="always")
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(ValueError, match="events: 'always' needs spikes"):
        layer(torch.rand(5, 2, 6))
    assert layer.run(torch.rand(0, 2, 6))[0].shape == (0, 2, 4)
