"""One suite for Norse's own neurons and ours, with and without recurrence.

Two tiers. Parity: what Norse's neurons do, which ours must do too; every neuron passes. Hardening: what users run
into; ours pass, and where a neuron of Norse does not, it is marked with the reason.
"""

import copy
import functools
import io
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

pytest.importorskip("norse")

import norse.torch as snn
from norse.torch.functional.regularization import voltage_accumulator
from norse.torch.module.receptive_field import TemporalReceptiveField

from silif_plugins import norse as ours
from silif_plugins.neurons import LIF, RF, Neuron
from silif_plugins.norse.forms import FORMS, Forms

T, B, N = 12, 3, 4


class NeuronSpec(NamedTuple):
    """A neuron as the suite sees it: constructors of its four modules, and how much input makes it fire."""

    name: str
    cell: Callable[..., Any]
    layer: Callable[..., Any]
    recurrent_cell: Callable[..., Any]
    recurrent_layer: Callable[..., Any]
    drive: float

    def make(self, *, recurrent: bool = False, time: bool = True, **options: Any) -> Any:
        """One of the four modules; recurrent ones have as many inputs as neurons, so that all take one input."""
        torch.manual_seed(1)
        if recurrent:
            return (self.recurrent_layer if time else self.recurrent_cell)(N, N, **options)
        return (self.layer if time else self.cell)(**options)

    def input(self, *shape: int) -> torch.Tensor:
        return self.drive * torch.rand(shape or (T, B, N), generator=torch.Generator().manual_seed(2))


def named(model: type[Neuron], forms: Forms) -> NeuronSpec:
    """A named neuron of ours: those with a tuple of parameters share them, others are made with a size."""
    if issubclass(forms.layer, ours.NeuronLayer):
        # A step of RF's own length would take a long time to fire.
        of_model = {"dt": 0.05} if model is RF else {}
        cell, layer = (functools.partial(form, N, **of_model) for form in (forms.cell, forms.layer))
        recurrent = [functools.partial(form, **of_model) for form in (forms.recurrent_cell, forms.recurrent)]
    else:
        cell, layer, recurrent = forms.cell, forms.layer, [forms.recurrent_cell, forms.recurrent]
    made = layer()
    gain = made.p.state_space(made.dt).b1.mean().item()
    return NeuronSpec(model.__name__, cell, layer, *recurrent, 2.0 / gain)


SPECS = [
    NeuronSpec("LIF", snn.LIFCell, snn.LIF, snn.LIFRecurrentCell, snn.LIFRecurrent, 10.0),
    NeuronSpec("LSNN", snn.LSNNCell, snn.LSNN, snn.LSNNRecurrentCell, snn.LSNNRecurrent, 10.0),
    NeuronSpec("LIFAdEx", snn.LIFAdExCell, snn.LIFAdEx, snn.LIFAdExRecurrentCell, snn.LIFAdExRecurrent, 10.0),
    *(named(*entry) for entry in FORMS.items()),
    NeuronSpec(
        "hosted LIF",
        lambda **options: ours.NeuronCell(LIF(N), **options),
        lambda **options: ours.NeuronLayer(LIF(N), **options),
        lambda inputs, hidden, **options: ours.NeuronRecurrentCell(inputs, LIF(hidden), **options),
        lambda inputs, hidden, **options: ours.NeuronRecurrent(inputs, LIF(hidden), **options),
        10.0,
    ),
]
RECURRENT = [False, True]


def every_neuron(failures: dict[str, str] | str | None = None, recurrent: list[bool] = RECURRENT):
    """Run a test for every neuron, with and without recurrence.

    Args:
        failures: Reason by the name of a neuron, "Norse" for all of Norse's own, that is known to fail; a name
            followed by " recurrent" or " plain" is one of the two.
        recurrent: Which of the two to run.
    """
    known = failures or {}
    cases = []
    for spec in SPECS:
        for flag in recurrent:
            kind = "recurrent" if flag else "plain"
            hosts = ["Norse"] if spec.name in ("LIF", "LSNN", "LIFAdEx") else []
            reason = next((known[key] for n in (spec.name, *hosts) for key in (n, f"{n} {kind}") if key in known), None)
            marks = pytest.mark.xfail(reason=reason, strict=True) if reason else ()
            cases.append(pytest.param(spec, flag, id=f"{spec.name}-{kind}", marks=marks))
    return pytest.mark.parametrize(("spec", "recurrent"), cases)


def fields(state: Any) -> dict[str, torch.Tensor]:
    return state._asdict()


def assert_same_state(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    for name, value in fields(a).items():
        torch.testing.assert_close(value, getattr(b, name), msg=name)


# Parity


@every_neuron()
def test_shapes(spec, recurrent):
    x = spec.input()
    z, state = spec.make(recurrent=recurrent)(x)
    assert z.shape == x.shape
    assert all(field.shape == x.shape[1:] for field in state)
    z, state = spec.make(recurrent=recurrent, time=False)(x[0])
    assert z.shape == x.shape[1:]


@every_neuron()
def test_fires_and_has_a_gradient(spec, recurrent):
    x = spec.input().requires_grad_()
    z, _ = spec.make(recurrent=recurrent)(x)
    assert set(z.unique().tolist()) == {0.0, 1.0}
    z.sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0


@every_neuron()
def test_state_goes_on(spec, recurrent):
    """Two chunks are the whole; the state of the first carries the gradient to its input."""
    layer = spec.make(recurrent=recurrent)
    x = spec.input()
    whole, end = layer(x)
    first = x[:5].clone().requires_grad_()
    z1, middle = layer(first)
    z2, last = layer(x[5:], middle)
    assert torch.equal(torch.cat([z1, z2]), whole)
    assert_same_state(last, end)
    last.v.sum().backward()
    assert first.grad.abs().sum() > 0


@every_neuron()
def test_layer_is_lifted_cell(spec, recurrent):
    layer, cell = spec.make(recurrent=recurrent), spec.make(recurrent=recurrent, time=False)
    cell.load_state_dict(layer.state_dict())
    x = spec.input()
    z, state = layer(x)
    lifted, lifted_state = snn.Lift(cell)(x)
    assert torch.equal(lifted, z)
    assert_same_state(lifted_state, state)


@every_neuron()
def test_record_states(spec, recurrent):
    layer = spec.make(recurrent=recurrent, record_states=True)
    x = spec.input()
    z, states = layer(x)
    layer.record_states = False
    _, last = layer(x)
    assert_same_state(type(states)(*(field[-1] for field in states)), last)
    z_first, first = layer(x[:1])
    assert_same_state(type(states)(*(field[0] for field in states)), first)
    assert torch.equal(z[:1], z_first)


@every_neuron()
def test_sequential_state(spec, recurrent):
    network = snn.SequentialState(
        nn.Linear(N, N), spec.make(recurrent=recurrent), nn.Linear(N, N), snn.LSNNRecurrent(N, N), nn.RNN(N, 2)
    )
    assert network.stateful_layers == [False, True, False, True, True]
    x = spec.input()
    out, state = network(x)
    assert out.shape == (T, B, 2)
    assert state[0] is None
    assert state[1].v.shape == (B, N)
    again, _ = network(x, state)
    assert not torch.equal(again, out)
    again.sum().backward()


@every_neuron()
def test_hidden_outputs_and_hooks(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    network = snn.SequentialState(nn.Identity(), layer, snn.LIF(), return_hidden=True)
    seen = []
    network.register_forward_state_hooks(lambda module, inputs, output: seen.append((module, output[0])))
    x = spec.input()
    hidden, state = network(x)
    assert torch.equal(hidden[1], layer(x)[0])
    assert len(hidden) == 3
    assert [module for module, _ in seen[:2]] == [layer, network[2]]
    assert torch.equal(seen[0][1], hidden[1])
    network.remove_forward_state_hooks()
    seen.clear()
    network(x, state)
    assert seen == []


@every_neuron()
def test_recurrent_sequential(spec, recurrent):
    cell = spec.make(recurrent=recurrent, time=False)
    looped = snn.RecurrentSequential(cell)
    x = spec.input()
    z, state = looped(x[0])
    expected, inner = cell(x[0])
    assert torch.equal(z, expected)
    z, state = looped(x[1], state)
    assert torch.equal(z, cell(x[1] + expected, inner)[0])


@every_neuron()
def test_regularisation(spec, recurrent):
    cell = spec.make(recurrent=recurrent, time=False)
    spikes, voltages = snn.RegularizationCell(), snn.RegularizationCell(voltage_accumulator)
    state, count, potential = None, 0, 0
    for now in spec.input():
        z, state = cell(now, state)
        _, total = spikes(z, state)
        _, summed = voltages(z, state)
        count, potential = count + z.sum(), potential + state.v
    assert total == count > 0
    assert torch.equal(summed, potential)


@every_neuron(recurrent=[False])
def test_temporal_receptive_field(spec, recurrent):
    states_of = {
        "LIF": lambda t: snn.LIFParameters(tau_mem_inv=t),
        "LSNN": lambda t: snn.LSNNParameters(tau_mem_inv=t),
        "LIFAdEx": lambda t: snn.LIFAdExParameters(tau_mem_inv=t),
        "SiLIF": lambda t: ours.SiLIFParameters(log_inv_tau_u=t),
        "CSiLIF": lambda t: ours.CSiLIFParameters(log_decay=t),
    }
    if spec.name not in states_of:
        pytest.skip("the receptive field makes a parameter tuple from a tensor; a hosted neuron has none")
    rates = torch.tensor([20.0, 100.0]).view(2, 1, 1, 1).expand(2, N, 1, 1).contiguous()
    if spec.name in ("SiLIF", "CSiLIF"):
        rates = rates.log()
    field = TemporalReceptiveField((N, 5, 6), 2, spec.cell, states_of[spec.name], time_constants=rates)
    z, state = field(spec.input(B, N, 5, 6))
    z, state = field(spec.input(B, N, 5, 6), state)
    assert z.shape == (B, 2, N, 5, 6)
    state.v.sum().backward()
    assert field.ps.grad.abs().sum() > 0


@every_neuron()
def test_deepcopy_and_state_dict(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    x = spec.input()
    z, state = layer(x)
    copied = copy.deepcopy(layer)
    assert torch.equal(copied(x)[0], z)
    other = spec.make(recurrent=recurrent)
    for parameter in other.parameters():
        parameter.data.add_(1)
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert_same_state(other(x)[1], state)


@every_neuron()
def test_double(spec, recurrent):
    layer = spec.make(recurrent=recurrent).double()
    z, state = layer(spec.input().double())
    assert z.dtype == state.v.dtype == torch.float64


# Hardening


NO_PARAMETERS = "its parameters are a plain tuple, no part of the module"
UNCHECKED = "the shape of a state is not checked: it broadcasts"
REQUIRES_GRAD = "its initial state requires gradients, whatever is trained"
GIVEN_WEIGHTS = "the diagonal of given weights is overwritten, requires_grad set, and a tensor is not registered"
HOOK = "autapses are removed once, and held off by a hook on the gradient that copies and loaded weights do not have"


@every_neuron({"LIF": "the spikes of an input in bfloat16 are float32"})
def test_bfloat16(spec, recurrent):
    low, low_state = spec.make(recurrent=recurrent).bfloat16()(spec.input().bfloat16())
    assert low.dtype == low_state.v.dtype == torch.bfloat16


@every_neuron(dict.fromkeys(["LSNN", "LIFAdEx"], "the state becomes bfloat16, where slow decays round to 1"))
def test_autocast_keeps_the_state_in_float32(spec, recurrent):
    network = snn.SequentialState(nn.Linear(N, N), spec.make(recurrent=recurrent), nn.Linear(N, N))
    with torch.autocast("cpu", torch.bfloat16):
        out, state = network(spec.input())
        out, state = network(spec.input(), state)
    assert out.dtype == torch.bfloat16
    assert state[1].v.dtype == torch.float32
    out.float().sum().backward()


@every_neuron(
    {
        "LIF recurrent": "torch's linear refuses booleans",
        "LSNN": "the initial state takes the type of the input, and requires gradients",
        "LIFAdEx": "the initial state takes the type of the input, and requires gradients",
    }
)
def test_boolean_input(spec, recurrent):
    x = spec.input() > spec.drive / 2
    layer = spec.make(recurrent=recurrent)
    z, _ = layer(x)
    assert z.dtype == torch.float32
    assert torch.equal(z, layer(x.float())[0])


@every_neuron({"Norse": "an empty list of outputs cannot be stacked"})
def test_no_steps(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    z, state = layer(spec.input()[:0])
    assert z.shape == (0, B, N)
    whole, _ = layer(spec.input(), state)
    assert torch.equal(whole, layer(spec.input())[0])


@every_neuron({"LIF": "pickle does not find the class of its parameters, which a metaclass has made"})
def test_pickle(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    z, state = layer(spec.input())
    restored, restored_state = pickle.loads(pickle.dumps((layer, state)))
    assert_same_state(restored_state, state)
    assert torch.equal(restored(spec.input())[0], z)


@every_neuron({"Norse": REQUIRES_GRAD})
def test_inference_has_no_graph(spec, recurrent):
    layer = spec.make(recurrent=recurrent).requires_grad_(False)
    z, state = layer(spec.input())
    assert not z.requires_grad
    assert not any(field.requires_grad for field in state)


@every_neuron({"Norse": REQUIRES_GRAD + "; some fields are a single number"})
def test_initial_state_is_whole_and_fresh(spec, recurrent):
    cell = spec.make(recurrent=recurrent, time=False)
    state = cell.initial_state(spec.input()[0])
    for field in state:
        assert field.shape == (B, N)
        assert field.is_leaf
        assert not field.requires_grad
        field.fill_(7)
    assert not any((field == 7).any() for field in cell.initial_state(spec.input()[0]))


class OtherState(NamedTuple):
    z: torch.Tensor


@every_neuron()
def test_state_of_another_model_raises(spec, recurrent):
    with pytest.raises((TypeError, AttributeError)):
        spec.make(recurrent=recurrent)(spec.input(), OtherState(torch.zeros(B, N)))


@every_neuron()
def test_state_of_another_batch_raises(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    _, state = layer(spec.input())
    with pytest.raises((ValueError, RuntimeError)):
        layer(spec.input(), type(state)(*(field[:2] for field in state)))


@every_neuron({"LIF": UNCHECKED, "LIFAdEx": UNCHECKED})
def test_state_of_a_batch_of_one_raises(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    _, state = layer(spec.input())
    with pytest.raises((ValueError, RuntimeError)):
        layer(spec.input(), type(state)(*(field[:1] for field in state)))


@every_neuron({"Norse": UNCHECKED})
def test_recorded_states_fed_back_raise(spec, recurrent):
    _, states = spec.make(recurrent=recurrent, record_states=True)(spec.input())
    with pytest.raises((ValueError, RuntimeError)):
        spec.make(recurrent=recurrent)(spec.input(), states)


@pytest.mark.slow
@every_neuron({"Norse": "its initial state sets requires_grad, which torch.compile cannot trace"})
def test_compile_whole_graph(spec, recurrent):
    torch._dynamo.reset()
    layer = spec.make(recurrent=recurrent)
    x = spec.input(3, B, N)
    z, state = layer(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    z_compiled, state_compiled = compiled(x)
    assert torch.equal(z_compiled, z)
    again, _ = compiled(x, state_compiled)
    assert torch.equal(again, layer(x, state)[0])
    again.sum().backward()


@pytest.mark.slow
@every_neuron()
def test_export(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    x = spec.input(3, B, N)
    program = torch.export.export(layer, (x,))
    z, state = program.module()(x)
    assert torch.equal(z, layer(x)[0])
    assert_same_state(state, layer(x)[1])


@every_neuron({"Norse": NO_PARAMETERS})
def test_parameters_train_and_move(spec, recurrent):
    layer = spec.make(recurrent=recurrent)
    own = {name for name, _ in layer.named_parameters()} - {"input_weights", "recurrent_weights"}
    assert own
    z, state = layer(spec.input())
    (z.sum() + state.v.sum()).backward()
    assert any(parameter.grad.abs().sum() > 0 for name, parameter in layer.named_parameters() if name in own)
    moved = layer.to("meta")
    assert moved(spec.input().to("meta"))[0].device.type == "meta"


# Recurrence


@every_neuron(recurrent=[True])
def test_no_autapses(spec, recurrent):
    cell = spec.make(recurrent=True, time=False)
    assert cell.recurrent_weights.diagonal().abs().sum() == 0
    allowed = spec.make(recurrent=True, time=False, autapses=True)
    assert allowed.recurrent_weights.diagonal().abs().sum() > 0


def assert_no_autapses(cell, spec):
    """The diagonal of the weights has no effect on a population whose neurons have all fired."""
    masked = spec.make(recurrent=True, time=False)
    weights = cell.recurrent_weights.detach().clone().fill_diagonal_(0)
    masked.load_state_dict(cell.state_dict() | {"recurrent_weights": weights})
    x = spec.input()[0]
    _, state = cell(x)
    state = state._replace(z=torch.ones_like(state.z))
    assert_same_state(cell(x, state)[1], masked(x, state)[1])


@every_neuron({"Norse": HOOK}, recurrent=[True])
def test_no_autapses_in_a_trained_copy(spec, recurrent):
    cell = copy.deepcopy(spec.make(recurrent=True, time=False))
    optimiser = torch.optim.SGD(cell.parameters(), lr=0.1)
    x = spec.input()[0]
    for _ in range(3):
        optimiser.zero_grad()
        _, state = cell(x)
        state = state._replace(z=torch.ones_like(state.z))
        before = cell.recurrent_weights.detach().clone()
        sum(field.sum() for field in cell(x, state)[1]).backward()
        optimiser.step()
        assert not torch.equal(cell.recurrent_weights, before)
    assert_no_autapses(cell, spec)


@every_neuron({"Norse": HOOK}, recurrent=[True])
def test_no_autapses_in_loaded_weights(spec, recurrent):
    cell = spec.make(recurrent=True, time=False)
    cell.load_state_dict(cell.state_dict() | {"recurrent_weights": torch.ones(N, N)})
    assert_no_autapses(cell, spec)


@every_neuron({"Norse": GIVEN_WEIGHTS}, recurrent=[True])
def test_given_weights_are_left_alone(spec, recurrent):
    weights = {name: torch.rand(N, N) for name in ("input_weights", "recurrent_weights")}
    before = copy.deepcopy(weights)
    cell = spec.make(recurrent=True, time=False, **weights)
    cell(spec.input()[0])
    for name, value in weights.items():
        assert torch.equal(value, before[name])
        assert not value.requires_grad
        assert name in cell.state_dict()


@every_neuron({"Norse": GIVEN_WEIGHTS}, recurrent=[True])
def test_given_parameters_are_shared(spec, recurrent):
    weights = nn.Parameter(torch.rand(N, N))
    before = weights.detach().clone()
    cells = [spec.make(recurrent=True, time=False, recurrent_weights=weights) for _ in range(2)]
    assert cells[0].recurrent_weights is cells[1].recurrent_weights is weights
    assert torch.equal(weights, before)
    for cell in cells:
        assert_no_autapses(cell, spec)
