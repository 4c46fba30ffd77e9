"""Coefficients as one node of the graph, against their definition by PyTorch's operations: to the last bit."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from silif_plugins.dynamics import PackedSpace, StateSpace
from silif_plugins.neurons import LIF, PRF, RF, AdLIF, CAdLIF, CSiLIF, SiLIF
from silif_plugins.neurons.coefficients import _program, coefficients
from silif_plugins.neurons.csilif import csilif_space
from silif_plugins.neurons.lif import lif_space
from silif_plugins.neurons.silif import silif_space
from silif_plugins.scan import scan

MODELS = pytest.mark.parametrize("model", [SiLIF, CSiLIF, AdLIF, CAdLIF, LIF, RF, PRF])


def by_definition(neuron, monkeypatch):
    """The state space by PyTorch's own operations."""
    with monkeypatch.context() as patch:
        patch.setattr("silif_plugins.neurons.coefficients.LLVM", False)
        return neuron.state_space()


def trained_values(neuron, space):
    """Gradients of a sum of all coefficients, each with a weight."""
    torch.manual_seed(1)
    weights = torch.randn(9, *neuron.size)
    packed = torch.stack([field.expand(neuron.size) for field in space]) if isinstance(space, StateSpace) else space
    return torch.autograd.grad(packed, list(neuron.parameters()), weights.to(packed), retain_graph=True)


@MODELS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [13, (4, 1, 1)], ids=str)
def test_equals_the_definition(model, dtype, size, monkeypatch):
    neuron = model(size, threshold=0.7).to(dtype)
    expected, space = by_definition(neuron, monkeypatch), neuron.state_space()
    assert type(expected) is StateSpace
    assert isinstance(space, PackedSpace)
    assert space.packed.grad_fn is not None
    for name, one, other in zip(StateSpace._fields, space, expected, strict=True):
        assert torch.equal(one, other), name
        assert one.requires_grad == other.requires_grad, name
        assert one.shape == other.shape, name
    gradients = trained_values(neuron, expected)
    assert all(torch.equal(*pair) for pair in zip(gradients, trained_values(neuron, space), strict=True))
    assert all(torch.equal(*pair) for pair in zip(gradients, trained_values(neuron, space.packed), strict=True))
    assert all(torch.equal(*pair) for pair in zip(space, neuron.requires_grad_(False).state_space(), strict=True))


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=5, max_size=5))
@pytest.mark.parametrize(("function", "count"), [(silif_space, 5), (csilif_space, 4)])
def test_any_parameters(function, count, values):
    inputs = [torch.tensor([value, 0.1], requires_grad=True) for value in values[:count]]
    threshold = torch.tensor(1.0)
    expected, found = function(*inputs, threshold), coefficients(function, *inputs, threshold)
    weights = torch.randn(9, 2)
    pairs = [
        torch.autograd.grad(torch.stack([field.expand(2) for field in space]), inputs, weights)
        for space in (expected, found)
    ]
    assert all(torch.equal(*pair) for pair in zip(*pairs, strict=True))


@MODELS
def test_gradients_by_differences_and_second_ones(model):
    neuron = model(3).double()
    names, values = zip(*neuron.named_parameters(), strict=True)

    def fields(*values):
        return torch.func.functional_call(
            Fields(neuron), {f"neuron.{n}": v for n, v in zip(names, values, strict=True)}
        )

    inputs = tuple(value.detach().clone().requires_grad_() for value in values)
    assert torch.autograd.gradcheck(fields, inputs)
    assert torch.autograd.gradgradcheck(fields, inputs)


class Fields(torch.nn.Module):
    def __init__(self, neuron):
        super().__init__()
        self.neuron = neuron

    def forward(self):
        packed = self.neuron.state_space().packed
        assert packed is not None
        return packed


def test_what_is_made_of_it_has_no_such_tensor():
    space = SiLIF(5).state_space()
    assert space._replace(b1=2 * space.b1).packed is None
    assert type(space.double()) is StateSpace
    leaves, form = torch.utils._pytree.tree_flatten(space)
    assert len(leaves) == 9
    assert torch.utils._pytree.tree_unflatten(leaves, form).packed is None
    current = 3 * torch.randn(20, 2, 5)
    changed = space._replace(b1=2 * space.b1)
    assert torch.equal(scan(changed, current)[0], scan(space, 2 * current)[0])


def test_others_are_left_to_pytorch(monkeypatch):
    neuron = SiLIF(5)
    twin = copy.deepcopy(neuron)
    mapped = torch.func.vmap(lambda x: silif_space(x, x, x, x, x).a11)(torch.randn(3, 5))
    assert mapped.shape == (3, 5)
    twin.a = torch.nn.Parameter(twin.a.detach().half().float()[:1].expand(5))  # with gaps
    assert type(twin.state_space()) is StateSpace
    per_neuron = LIF(3, threshold=torch.tensor([1.0, 2.0, 3.0]))
    assert isinstance(per_neuron.state_space(), PackedSpace)
    assert type(coefficients(lif_space, torch.full((3,), 0.9).half().requires_grad_(), torch.tensor(1.0).half())) is (
        StateSpace
    )
    assert _program(lambda x: (x.tanh(),), 1, torch.float32, ()) is None


def test_the_scan_reads_that_tensor_and_gives_the_same(monkeypatch):
    torch.manual_seed(0)
    neuron, current = SiLIF(6), 5 * torch.randn(40, 2, 6)
    results = []
    for space in (neuron.state_space(), by_definition(neuron, monkeypatch)):
        neuron.zero_grad()
        spikes, state = scan(space, current)
        (spikes.sum() + state.mem.sum()).backward()
        results.append([spikes, *state, *(parameter.grad.clone() for parameter in neuron.parameters())])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
    maps = SiLIF((3, 1, 1))  # three sets of parameters for all positions
    spikes, _ = scan(maps, 5 * torch.randn(20, 2, 3, 4, 4))
    spikes.sum().backward()
    assert maps.log_dt.grad.shape == (3, 1, 1)


def test_the_first_call_may_be_where_subclasses_are_not_asked():
    neuron = CSiLIF(3, half_reset=False)
    _program.cache_clear()
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        first = neuron.state_space()
    assert all(
        torch.equal(*pair)
        for pair in zip(first, csilif_space(*neuron.parameters(), neuron.threshold, reset=1.0), strict=True)
    )
