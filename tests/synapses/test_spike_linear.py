"""SpikeLinear against nn.Linear: outputs and gradients to rounding, states interchangeable, dropout the same."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan_with_gate
from silif_plugins.synapses import SpikeLinear, events, spike_linear

# Rows, inputs, outputs: around vectors of 16, words of 64 and panels of 256 inputs, pieces of 1024, blocks of 64 rows
# and of 128 outputs.
SHAPES = [(50, 64, 32), (150, 300, 40), (33, 100, 20), (7, 1500, 130), (9, 2100, 300), (5, 3, 1), (0, 4, 4)]


def problem(rows, inputs, outputs, dtype=torch.float64, density=0.1):
    counts = torch.randint(1, 4, (rows, inputs)) * (torch.rand(rows, inputs) < density)
    return counts.to(dtype), torch.randn(outputs, inputs, dtype=dtype), torch.randn(outputs, dtype=dtype)


def run(spikes, weight, bias, events, **options):
    inputs = [tensor.clone().requires_grad_() for tensor in (spikes, weight, bias)]
    torch.manual_seed(3)
    outputs = spike_linear(*inputs, events=events, **options)
    outputs.backward(torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs))
    return [outputs.detach(), *(tensor.grad for tensor in inputs)]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_dense_layer(shape, dtype, dropout):
    inputs = problem(*shape, dtype)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    for dense, sparse in zip(
        run(*inputs, "never", dropout=dropout), run(*inputs, "always", dropout=dropout), strict=True
    ):
        torch.testing.assert_close(sparse, dense, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("openness", [0.05, 0.9])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_gradient_of_the_input_is_the_dense_one_where_the_gate_is_open(shape, openness, dropout, monkeypatch):
    monkeypatch.setattr(events, "gate_break_even", lambda outputs, dropout: 0.5)
    inputs = problem(*shape)
    gate = torch.rand(inputs[0].shape) < openness
    dense = run(*inputs, "never", dropout=dropout)
    sparse = run(*inputs, "always", dropout=dropout, gate=gate)
    torch.testing.assert_close(sparse[1] * gate, dense[1] * gate, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(sparse[2], dense[2], rtol=1e-10, atol=1e-10)
    if openness < 0.5:
        assert not sparse[1][~gate].any()  # not computed: the test would not see the gate otherwise


@pytest.mark.parametrize("surrogate", ["boxcar", "triangle", "atan"])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("shape", [(60, 3, 40), (40, 2, 300)], ids=str)
def test_a_network_learns_as_with_the_dense_layer(shape, backend, surrogate):
    first, second = SiLIF(shape[2]).double(), nn.Linear(shape[2], 10).double()
    current = 6 * torch.randn(*shape, dtype=torch.float64)
    gradients = []
    for mode in ("never", "always"):
        x = current.clone().requires_grad_()
        spikes, _, gate = scan_with_gate(first.state_space(), x, surrogate=surrogate, backend=backend)
        assert (gate is None) == (surrogate == "atan")
        assert 0.01 < spikes.mean() < 0.5
        outputs = spike_linear(spikes, second.weight, second.bias, gate=gate, events=mode)
        loss = outputs.square().sum()
        gradients.append(torch.autograd.grad(loss, [x, *first.parameters(), *second.parameters()]))
    for dense, sparse in zip(*gradients, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("layout", ["time first", "batch first"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("neurons", [(20,), (150,), (3, 5, 5)], ids=str)
def test_backends_give_the_same_gate(neurons, dtype, layout):
    space = SiLIF(neurons).to(dtype).state_space()
    current = 6 * torch.randn(50, 4, *neurons, dtype=dtype)
    if layout == "batch first":
        current = current.transpose(0, 1).contiguous().transpose(0, 1)
    runs = [scan_with_gate(space, current, backend=backend) for backend in ("reference", "cpu")]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][2], runs[1][2])
    assert 0.01 < runs[0][2].float().mean() < 0.6


def test_dropout_scales_what_it_keeps_and_keeps_its_share():
    ones = torch.ones(400, 500)
    outputs = spike_linear(ones, torch.eye(500), dropout=0.25, events="always")
    kept = outputs != 0
    assert torch.allclose(outputs[kept], torch.tensor(1 / 0.75))
    assert abs(kept.float().mean() - 0.75) < 0.005  # 5 standard deviations
    for dim in (0, 1):
        share = kept.float().mean(dim=dim)
        assert 0.7 < share.std() / (0.75 * 0.25 / kept.shape[dim]) ** 0.5 < 1.3
    again = spike_linear(ones, torch.eye(500), dropout=0.25, events="always")
    assert not torch.equal(outputs, again)
    assert not spike_linear(ones, torch.eye(500), dropout=0.0, events="always").eq(0).any()


def test_dropout_follows_its_generator():
    layer = SpikeLinear(50, 20, dropout=0.5, events="always", generator=torch.Generator().manual_seed(1))
    other = SpikeLinear(50, 20, dropout=0.5, events="never", generator=torch.Generator().manual_seed(1))
    other.load_state_dict(layer.state_dict())
    spikes = torch.ones(10, 50)
    torch.testing.assert_close(layer(spikes), other(spikes))
    torch.testing.assert_close(layer.eval()(spikes), other.eval()(spikes))


def test_parameters_are_those_of_linear():
    dense, sparse = nn.Linear(30, 20), SpikeLinear(30, 20)
    sparse.load_state_dict(dense.state_dict())
    dense.load_state_dict(sparse.state_dict())
    spikes = (torch.rand(4, 5, 30) < 0.1).float()
    torch.testing.assert_close(sparse(spikes), dense(spikes))
    assert isinstance(sparse, nn.Linear)


def test_auto_goes_by_the_activity(monkeypatch):
    calls = []
    forward = events.spike_linear_forward
    module = sys.modules[spike_linear.__module__]  # the function hides the module of its name
    monkeypatch.setattr(module, "spike_linear_forward", lambda *args: calls.append(1) or forward(*args))
    weight = torch.randn(20, 100)
    for density, outputs, expected in ((0.02, 20, 1), (0.2, 20, 0), (0.2, 512, 1), (0.9, 512, 0)):
        calls.clear()
        spike_linear((torch.rand(300, 100) < density).float(), torch.randn(outputs, 100))
        assert len(calls) == expected
    calls.clear()
    spike_linear(torch.zeros(300, 100).half(), weight.half())
    assert not calls


def test_threads_change_nothing():
    inputs = problem(500, 300, 260, torch.float32)
    gate = torch.rand(500, 300) < 0.1
    runs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        runs.append(run(*inputs, "always", dropout=0.2, gate=gate))
    for other in runs[1:]:
        assert all(torch.equal(*pair) for pair in zip(runs[0], other, strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_opcheck(dropout):
    inputs = [tensor.requires_grad_() for tensor in problem(20, 30, 10)]
    torch.library.opcheck(events.spike_linear_forward, (*inputs, torch.rand(20, 30) < 0.2, dropout, 7))


def test_compile_fullgraph():
    layer, spikes = SpikeLinear(30, 20), (torch.rand(10, 4, 30) < 0.1).float()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(spikes), layer(spikes))
    compiled(spikes).sum().backward()
    expected = functional.linear(spikes, layer.weight, layer.bias).sum()
    torch.testing.assert_close(layer.weight.grad, torch.autograd.grad(expected, layer.weight)[0])


def test_second_derivatives_are_refused_clearly():
    inputs = [tensor.requires_grad_() for tensor in problem(20, 30, 10)]
    loss = spike_linear(*inputs, events="always").square().sum()
    (gradient,) = torch.autograd.grad(loss, inputs[1], create_graph=True)
    with pytest.raises(RuntimeError, match="events='never'"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((5, 7), {}, "last dimension must be 6"),
        ((5, 6), {"gate": torch.ones(6, 5) > 0}, "gate"),
        ((5, 6), {"dropout": 1.0}, "dropout"),
        ((5, 6), {"events": "sometimes"}, "'auto', 'always' or 'never'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        spike_linear(torch.ones(shape), torch.ones(3, 6), **options)


def test_events_cannot_be_had_everywhere():
    with pytest.raises(ValueError, match="'always' needs"):
        spike_linear(torch.ones(5, 6).half(), torch.ones(3, 6).half(), events="always")
    with pytest.raises(ValueError, match="dropout"):
        SpikeLinear(3, 4, dropout=-0.1)
    with pytest.raises(ValueError, match="events"):
        SpikeLinear(3, 4, events="often")
