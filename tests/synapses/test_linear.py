"""SpikeLinear against nn.Linear: outputs and gradients to rounding, states interchangeable, dropout the same."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan_with_gate
from silif_plugins.synapses import SpikeLinear, events, spike_linear

# Rows, inputs, outputs: around vectors of 16, words of 64 inputs, panels of two, pieces of 1024, tiles of 64 rows and
# four of them, strips of 128 outputs.
SHAPES = [(50, 64, 32), (270, 300, 40), (33, 100, 20), (7, 1500, 130), (9, 2100, 300), (5, 3, 1), (0, 4, 4)]


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


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_any_share_of_events_and_gates_gives_the_dense_gradients(density, dtype, monkeypatch):
    monkeypatch.setattr(events, "gate_break_even", lambda outputs, dropout: 2)
    tolerance = 1e-10 if dtype == torch.float64 else 2e-3
    inputs = problem(600, 130, 150, dtype, density)
    gate = torch.rand(inputs[0].shape) < density
    for dense, sparse in zip(run(*inputs, "never"), run(*inputs, "always", gate=gate), strict=True):
        if dense.shape == gate.shape:
            dense = dense * gate
        torch.testing.assert_close(sparse, dense, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 3), (70, 129), (0, 4)], ids=str)
def test_count(shape, dtype):
    x = torch.randint(0, 3, shape).to(dtype)
    assert events.count(x) == (x != 0).sum()


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
    apply = events.SpikeLinearFunction.apply
    module = sys.modules[spike_linear.__module__]  # the function hides the module of its name
    monkeypatch.setattr(module.SpikeLinearFunction, "apply", lambda *args: calls.append(1) or apply(*args))
    weight = torch.randn(20, 100)
    for density, outputs, expected in ((0.02, 20, 1), (0.5, 20, 0), (0.5, 512, 1), (0.9, 512, 0)):
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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.float64])
def test_a_gate_of_numbers_is_open_where_they_are_not_zero(dtype, monkeypatch):
    monkeypatch.setattr(events, "gate_break_even", lambda outputs, dropout: 0.5)
    inputs = problem(50, 64, 32)
    gate = torch.rand(50, 64) < 0.1
    expected = run(*inputs, "always", gate=gate)
    assert all(torch.equal(*pair) for pair in zip(run(*inputs, "always", gate=gate.to(dtype)), expected, strict=True))


@pytest.mark.parametrize("mode", ["auto", "always", "never"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64, torch.bfloat16])
def test_spikes_of_any_data_type_are_taken_in_that_of_the_weight(dtype, mode):
    spikes, weight, bias = problem(50, 64, 32, torch.float32)
    spikes = spikes.to(dtype)
    expected = functional.linear(spikes.float(), weight, bias)
    torch.testing.assert_close(spike_linear(spikes, weight, bias, events=mode), expected)


def test_complex_spikes_are_refused():
    with pytest.raises(TypeError, match="complex64"):
        spike_linear(torch.zeros(5, 6, dtype=torch.complex64), torch.ones(3, 6))


@pytest.mark.parametrize("given", ["x", "weight", "bias"])
def test_derivatives_in_forward_mode(given):
    inputs = dict(zip(("x", "weight", "bias"), problem(50, 64, 32), strict=True))
    tangent = torch.randn_like(inputs[given])

    def derivative(function):
        return torch.func.jvp(lambda value: function(*(inputs | {given: value}).values()), (inputs[given],), (tangent,))

    for got, expected in zip(derivative(spike_linear), derivative(functional.linear), strict=True):
        torch.testing.assert_close(got, expected)
    with pytest.raises(ValueError, match="forward mode"):
        derivative(lambda *args: spike_linear(*args, events="always"))
    with pytest.raises(RuntimeError, match="events='never'"):
        derivative(lambda x, w, b: events.spike_linear_forward(x, w, b, None, 0.0, 0))


@pytest.mark.parametrize("mode", ["auto", "always"])
def test_transforms(mode):
    spikes, weight, bias = problem(20, 30, 10)
    weights, gates = torch.stack([weight, 2 * weight]), torch.rand(20, 30) < 0.5

    def by_events(x, weight):
        return spike_linear(x, weight, bias, events=mode, gate=gates)

    def dense(x, weight):
        return functional.linear(gates * x + ~gates * x.detach(), weight, bias)

    for transform in (
        lambda f: torch.func.vmap(torch.func.grad(lambda w, x: f(x, w).square().sum()), (0, None))(weights, spikes),
        lambda f: torch.func.vmap(f, (1, None))(spikes.expand(2, -1, -1).transpose(0, 1), weight),
        lambda f: torch.func.jacrev(f, 1)(spikes, weight),
    ):
        torch.testing.assert_close(transform(by_events), transform(dense))
    second = torch.func.hessian(lambda w: spike_linear(spikes, w, bias).square().sum())(weight)
    torch.testing.assert_close(second[3, :, 3], 2 * spikes.t() @ spikes)


@pytest.mark.parametrize("change", [{"weight": torch.float32}, {"bias": torch.float32}, {"gate": torch.uint8}])
def test_the_operator_refuses_other_data_types(change):
    inputs = dict(zip(("x", "weight", "bias"), problem(20, 30, 10), strict=True))
    inputs["gate"] = torch.rand(20, 30) < 0.2
    for name, dtype in change.items():
        inputs[name] = inputs[name].to(dtype)
        with pytest.raises(TypeError, match=name):
            events.spike_linear_forward(*inputs.values(), 0.0, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dynamic_quantisation_reaches_it():
    net = nn.Sequential(SpikeLinear(64, 32), nn.ReLU(), nn.Linear(32, 8))
    quantised = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    assert type(quantised[0]) is type(quantised[2]) is torch.ao.nn.quantized.dynamic.Linear
    spikes = (torch.rand(50, 64) < 0.1).float()
    torch.testing.assert_close(quantised(spikes), net(spikes), atol=0.05, rtol=0.05)
    only = torch.ao.quantization.quantize_dynamic(net, {nn.LSTM}, dtype=torch.qint8)
    assert type(only[0]) is SpikeLinear


def test_only_itself_counts_as_linear():
    class Other(SpikeLinear):
        pass

    assert SpikeLinear == nn.Linear
    assert {nn.Linear: 1}.get(SpikeLinear) == 1
    assert Other not in {nn.Linear: 1, SpikeLinear: 1}
    assert nn.Bilinear != SpikeLinear


def test_weights_that_are_not_plain_memory_go_the_dense_way():
    class Wrapped(torch.Tensor):
        pass

    spikes, weight, bias = problem(20, 30, 10, density=0.01)
    outputs = spike_linear(spikes, weight.as_subclass(Wrapped), bias)
    torch.testing.assert_close(outputs.as_subclass(torch.Tensor), functional.linear(spikes, weight, bias))
