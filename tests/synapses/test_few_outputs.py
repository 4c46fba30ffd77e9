"""The linear layer of few outputs behind lags, against the plain form in float64, with every gradient."""

import pytest
import torch

from silif_plugins.synapses.few_outputs import onto_few_outputs

from . import behind_lags
from .behind_lags import plain, with_gradients

SHAPES = [  # steps, past, batch, inputs, outputs, lags
    (50, 0, 2, 200, 20, 25),
    (7, 3, 3, 5, 6, 4),
    (1, 8, 2, 40, 1, 9),
    (33, 0, 2, 140, 32, 1),
    (18, 5, 3, 64, 17, 12),
]


def taps_of(lags, inputs):
    ends, lag = torch.randint(lags, (2, inputs)).sort(0).values, torch.arange(lags).unsqueeze(1)
    return (0.1 + torch.rand(lags, inputs)) * ((lag >= ends[0]) & (lag <= ends[1]))


def operands(shape, dtype, rate=0.1):
    return behind_lags.operands(shape, dtype, taps_of, rate)


def assert_close(found, expected, bound, taps):
    """Shares of lags that are 0 have no gradient: a Gaussian has none there."""
    for index, (one, two) in enumerate(zip(found, expected, strict=True)):
        assert one.shape == two.shape
        one, two = (each * (taps > 0) if index == 3 else each for each in (one, two))
        assert (one - two).abs().max() <= bound * two.abs().max()


@pytest.mark.parametrize("openness", [None, 0.05, 0.9])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 5e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_plain_form(shape, dtype, bound, openness):
    inputs, grad = operands(shape, dtype)
    shut, options = openness is not None and not shape[1], {}
    gate = torch.rand(inputs[0].shape) < openness if shut else None
    if not shape[1]:
        options = {"dropout": 0.3, "seed": 7}
    found = with_gradients(lambda *each: onto_few_outputs(*each, shape[0], gate=gate, **options), inputs, grad)
    exact = with_gradients(lambda *each: plain(*each, shape[0], **options), [each.double() for each in inputs], grad)
    if gate is not None:
        found, exact = ([a, b * gate, *c] for a, b, *c in (found, exact))
    assert_close(found, exact, bound, inputs[2])


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_any_share_of_events(rate):
    inputs, grad = operands((20, 0, 2, 70, 10, 6), torch.float64, rate)
    found = with_gradients(lambda *each: onto_few_outputs(*each, 20), inputs, grad)
    assert_close(found, with_gradients(lambda *each: plain(*each, 20), inputs, grad), 1e-13, inputs[2])


def test_results_are_the_same_on_several_threads():
    inputs, grad = operands((40, 0, 8, 300, 20, 9), torch.float32)
    gate, results, before = torch.rand(40, 8, 300) < 0.1, [], torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(with_gradients(lambda *each: onto_few_outputs(*each, 40, gate=gate), inputs, grad))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_frozen_parts_get_no_gradient():
    inputs, grad = operands((18, 0, 3, 64, 12, 12), torch.float32)
    _, *every = with_gradients(lambda *each: onto_few_outputs(*each, 18), inputs, grad)
    for index, expected in enumerate(every):
        some = list(inputs)
        some[index] = some[index].clone().requires_grad_()
        (alone,) = torch.autograd.grad(onto_few_outputs(*some, 18), some[index], grad)
        assert torch.equal(alone, expected)


def test_second_derivatives():
    inputs, _ = operands((6, 2, 2, 5, 4, 3), torch.float64, 0.5)
    inputs[2] = inputs[2] + 0.1

    def penalty(function, *inputs):
        first = torch.autograd.grad(function(*inputs, 6).pow(3).sum(), inputs, create_graph=True)
        return sum(each.square().sum() for each in first)

    found, exact = (
        with_gradients(lambda *each, run=run: penalty(run, *each), inputs, torch.ones(()))
        for run in (onto_few_outputs, plain)
    )
    assert_close(found, exact, 1e-12, inputs[2])
