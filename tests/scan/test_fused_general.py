"""Neurons with a general reset on the CPU kernels against the loop: outputs to the last bit, gradients to rounding."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from silif_plugins.dynamics import GeneralReset
from silif_plugins.neurons import GeneralResetNeuron
from silif_plugins.scan import scan, scan_with_gate
from silif_plugins.scan.fused_general import packed
from silif_plugins.scan.fused_system import run_forward
from silif_plugins.scan.system_layout import SystemForward

TERNARY = {"outputs": 2, "spikes": "ternary"}
BY_STATE = {"transition": "dense", "states": 3, "outputs": 2, "condition": "state", "learn": ("gate", "c", "r")}
LARGE = [
    {"outputs": 3, "states": 4, "spikes": "2-bit", "condition": "any"},
    {"outputs": 2, "condition": "output", "spikes": "ternary", "action": "zero"},
    {"outputs": 2, "transition": "dense", "states": 1, "action": "scale", "learn": ("gate", "c")},
]
"""Every one is a kernel of its own, which takes seconds to compile."""


def system_of(options, neurons, dtype=torch.float64):
    """Neurons away from their start, where many values are equal; their numbers are leaves."""
    neuron = GeneralResetNeuron(neurons, **options).to(dtype)
    with torch.no_grad():
        for value in neuron.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return leaves(neuron.general_reset())[0]


def leaves(system):
    values = {field.name: getattr(system, field.name) for field in fields(system)}
    found = {name: value.detach().clone() for name, value in values.items() if isinstance(value, Tensor)}
    return replace(system, **found), [value.requires_grad_() for value in found.values()]


def outputs_and_gradients(backend, system, current, state, **options):
    """Run a scan and a loss that reaches every output; return outputs, and gradients of all inputs."""
    neurons, inputs = leaves(system)
    inputs += [current.detach().clone().requires_grad_(), *(field.clone().requires_grad_() for field in state)]
    before = type(state)(*inputs[-len(state) :])
    spikes, *states = scan(neurons, inputs[-len(state) - 1], before, backend=backend, **options)
    outputs = [spikes, *(field for each in states for field in each)]
    generator = torch.Generator().manual_seed(1)
    weights = (torch.randn(output.shape, generator=generator, dtype=output.dtype) for output in outputs)
    loss = sum((output * weight).sum() for output, weight in zip(outputs, weights, strict=True))
    return outputs, torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)


def assert_equals_reference(system, current, *, tolerance=1e-10, **options):
    rest = system.rest(current.shape[1:], dtype=current.dtype)
    state = type(rest)(*(torch.rand_like(field) for field in rest))
    expected = outputs_and_gradients("reference", system, current, state, **options)
    got = outputs_and_gradients("cpu", system, current, state, **options)
    for index, (one, other) in enumerate(zip(expected[0], got[0], strict=True)):
        assert torch.equal(one, other), f"output {index}"
    for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
        scale = one.abs().max().clamp(min=1e-30) if one.numel() else 1
        assert ((one - other).abs() <= tolerance * scale).all(), f"gradient {index}"
    return got[0][0]


@pytest.mark.parametrize("options", [TERNARY, BY_STATE], ids=str)
@pytest.mark.parametrize("shape", [(33, 2, 129), (64, 2, 64), (65, 5, 7), (40, 130, 1), (20, 20, 512)], ids=str)
def test_equals_reference_over_shapes(options, shape):
    torch.manual_seed(0)
    current = 2 * torch.randn(shape, dtype=torch.float64)
    spikes = assert_equals_reference(system_of(options, shape[2]), current, return_states=True)
    assert spikes.shape == (*shape, 2)
    assert 0.02 < (spikes != 0).double().mean() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("options", LARGE, ids=str)
def test_equals_reference_whatever_the_kind(options):
    torch.manual_seed(0)
    current = 2 * torch.randn(50, 3, 40, dtype=torch.float64)
    for surrogate, detach_reset, lengths in (("boxcar", True, None), ("atan", False, torch.tensor([50, 0, 20]))):
        more = {"surrogate": surrogate, "detach_reset": detach_reset, "lengths": lengths}
        assert assert_equals_reference(system_of(options, 40), current, return_states=True, **more).any()


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 80),
    batch=st.integers(1, 5),
    neurons=st.sampled_from([1, 7, 16, 32, 100]),
    options=st.sampled_from([TERNARY, BY_STATE]),
    layout=st.sampled_from([(0, 1, 2), (1, 0, 2), (2, 1, 0)]),
    surrogate=st.sampled_from(["boxcar", "atan", "fast_sigmoid", "triangle"]),
    cut=st.booleans(),
    traced=st.booleans(),
    detach_reset=st.booleans(),
)
def test_equals_reference_whatever_is_asked_for(
    steps, batch, neurons, options, layout, surrogate, cut, traced, detach_reset
):
    torch.manual_seed(steps)
    current = 2 * torch.randn(steps, batch, neurons, dtype=torch.float64)
    current = current.permute(layout).contiguous().permute([layout.index(axis) for axis in range(3)])
    lengths = torch.randint(steps + 1, (batch,)) if cut else None
    more = {"surrogate": surrogate, "lengths": lengths, "return_states": traced, "detach_reset": detach_reset}
    assert_equals_reference(system_of(options, neurons), current, **more)


@pytest.mark.slow
def test_float32_has_the_same_spikes_and_states():
    torch.manual_seed(0)
    current = 2 * torch.randn(40, 3, 32)
    assert_equals_reference(system_of(TERNARY, 32, torch.float32), current, tolerance=0.05, return_states=True)


@pytest.mark.parametrize("options", [TERNARY, BY_STATE], ids=str)
@pytest.mark.parametrize("shape", [(0, 3, 5), (10, 0, 5)])
def test_nothing_to_do(options, shape):
    current = torch.zeros(shape, dtype=torch.float64)
    assert_equals_reference(system_of(options, 5), current, return_states=True)


def test_populations_of_any_shape():
    system = system_of(TERNARY, (4, 1))
    current = 2 * torch.randn(40, 3, 4, 5, dtype=torch.float64)
    assert_equals_reference(system, current, return_states=True)


def test_pieces_are_the_whole():
    system, current = system_of(BY_STATE, 6), 2 * torch.randn(60, 2, 6, dtype=torch.float64)
    spikes, last = scan(system, current, backend="cpu")
    first, middle = scan(system, current[:23], backend="cpu")
    second, end = scan(system, current[23:], middle, backend="cpu")
    again, kept = scan(system, current, backend="cpu", checkpoint_chunks=3)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert torch.equal(again, spikes)
    assert all(torch.equal(*fields) for fields in zip(last, end, strict=True))
    assert all(torch.equal(*fields) for fields in zip(last, kept, strict=True))


def test_several_outputs_have_no_gate():
    current = 2 * torch.randn(50, 3, 8, dtype=torch.float64)
    spikes, _, gate = scan_with_gate(system_of(TERNARY, 8), current)
    assert gate is None
    assert spikes.shape == (50, 3, 8, 2)


@pytest.mark.parametrize(
    ("options", "more", "reason"),
    [
        ({"states": 5}, {}, "it has 10 real states"),
        ({"outputs": 5}, {}, "it has more than 4 outputs"),
        ({"outputs": 2, "condition": lambda x, y, s, h: s}, {}, "its reset condition is a function"),
        ({"outputs": 2}, {"surrogate": lambda x: (x > 0).to(x)}, "the surrogate must be boxcar"),
    ],
)
def test_what_has_no_kernel_runs_on_the_reference(options, more, reason):
    system, current = system_of(options, 6), 2 * torch.randn(40, 2, 6, dtype=torch.float64)
    assert isinstance(system, GeneralReset)
    expected = scan(system, current, backend="reference", **more)
    assert torch.equal(scan(system, current, **more)[0], expected[0])
    with pytest.raises(ValueError, match=reason):
        scan(system, current, backend="cpu", **more)


@pytest.mark.parametrize("options", [TERNARY, BY_STATE], ids=str)
def test_opcheck(options):
    system, current = system_of(options, 5), torch.randn(40, 2, 5, dtype=torch.float64).requires_grad_()
    coefficients, initial, form = packed(system, current, torch.Size((5,)), system.rest((2, 5)))
    call = SystemForward(current, coefficients.detach().requires_grad_(), initial.requires_grad_(), None, True, 1, 2.0,
                         0.0, False, None, *form)  # fmt: skip
    torch.library.opcheck(run_forward, tuple(call))
