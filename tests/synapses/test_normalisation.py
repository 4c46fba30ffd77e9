"""SpikeLinear and batch norm in one, against the two modules of PyTorch and the reference scan."""

import copy

import pytest
import torch
from torch import nn

from silif_plugins.dynamics import with_reset
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan, scan_layer
from silif_plugins.surrogate import Boxcar
from silif_plugins.synapses import SpikeLinear, can_normalise, connect, normalised, spike_linear

# Steps, sequences, inputs, neurons; then how the layer is made and used, each value with each shape.
SHAPES = [(40, 3, 40, 32), (20, 2, 70, 45), (17, 5, 3, 130)]
WAYS = [
    {},
    {"events": "never"},
    {"dropout": 0.3},
    {"events": "never", "dropout": 0.3, "bias": True},
    {"padded": True, "bias": True},
    {"padded": True, "events": "never", "bias": True},
    {"reset": "zero", "padded": True},
    {"surrogate": "atan"},
    {"surrogate": "triangle", "reset": "zero"},
    {"surrogate": "fast_sigmoid", "events": "never"},
    {"training": False},
    {"training": False, "padded": True, "events": "never", "bias": True},
    {"affine": False, "track_running_stats": False},
    {"affine": False, "momentum": None},
]


def modules(inputs, neurons, dtype, *, bias=False, events="always", dropout=0.0, training=True, **norm_options):
    linear = SpikeLinear(inputs, neurons, bias=bias, events=events, dropout=dropout)
    norm = nn.BatchNorm1d(neurons, **{"momentum": 0.05, **norm_options})
    if norm.affine:
        nn.init.normal_(norm.weight, 2, 0.5)
        nn.init.normal_(norm.bias)
    if norm.running_mean is not None:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 2)
    layer = nn.ModuleDict({"linear": linear, "norm": norm, "neuron": SiLIF(neurons)}).to(dtype)
    return layer.train(training)


def by_modules(layer, inputs, valid, reset, surrogate):
    linear, norm = layer["linear"], layer["norm"]
    dropout = linear.dropout if linear.training else 0.0
    y = spike_linear(inputs, linear.weight, linear.bias, events="never", dropout=dropout)
    if valid is None:
        current = norm(y.flatten(0, 1)).view_as(y)
    else:
        normalised = norm(y[valid])
        current = normalised.new_zeros(y.shape).index_put((valid,), normalised)
    lengths = None if valid is None else valid.sum(0)
    dynamics = with_reset(layer["neuron"].dynamics(), reset)
    spikes, _ = scan(dynamics, current, surrogate=surrogate, lengths=lengths, backend="reference")
    return spikes


def in_one(layer, inputs, valid, reset, surrogate):
    assert can_normalise(layer["linear"], layer["norm"], inputs)
    current, affine, events = normalised(layer["linear"], layer["norm"], inputs, None, valid)
    assert events == (inputs != 0).sum()
    dynamics = with_reset(layer["neuron"].dynamics(), reset)
    lengths = None if valid is None else valid.sum(0)
    fired = scan_layer(dynamics, current, affine=affine, surrogate=surrogate, lengths=lengths, backend="cpu")
    assert torch.equal(fired.counts, fired.spikes.double().sum((0, 1)))
    return fired.spikes


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_spikes_gradients_and_running_statistics_are_those_of_the_modules(shape, way):
    steps, batch, inputs, neurons = shape
    options = {"reset": "subtract", "surrogate": "boxcar", "padded": False, **way}
    reset, surrogate, padded = (options.pop(name) for name in ("reset", "surrogate", "padded"))
    layer = modules(inputs, neurons, torch.float64, **options)
    x = torch.randint(1, 3, (steps, batch, inputs)) * (torch.rand(steps, batch, inputs) < 0.2)
    valid = torch.arange(steps)[:, None] < torch.randint(2, steps + 1, (batch,)) if padded else None
    weights, results = torch.randn(steps, batch, neurons, dtype=torch.float64), []
    for run in (by_modules, in_one):
        here, inputs_ = copy.deepcopy(layer), x.double().requires_grad_()
        torch.manual_seed(5)
        spikes = run(here, inputs_, valid, reset, surrogate)
        assert 0.001 < spikes.mean() < 0.7
        gradients = torch.autograd.grad((spikes * weights).sum(), [inputs_, *here.parameters()])
        results.append([spikes, *gradients, *here["norm"].buffers()])
    assert torch.equal(results[0][0], results[1][0])
    for modular, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, modular, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("events", ["always", "never"])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_float32_is_at_least_as_exact_as_the_modules(mean, events):
    layer = modules(40, 64, torch.float32, bias=True, events=events)
    with torch.no_grad():
        layer["linear"].bias += mean
    exact, x = copy.deepcopy(layer).double(), (torch.rand(300, 32, 40) < 0.2).float()
    weights, results = torch.randn(300, 32, 64), {}
    for name, each in (("exact", exact), ("modules", copy.deepcopy(layer)), ("fused", copy.deepcopy(layer))):
        inputs = x.to(each["linear"].weight.dtype)
        if name == "fused":
            current, (centre, scale, shift), _ = normalised(each["linear"], each["norm"], inputs)
            current = (current - centre) * scale + shift
        else:
            current = each["norm"](each["linear"](inputs).flatten(0, 1)).view(300, 32, 64)
        parameters = [each["linear"].weight, *each["norm"].parameters()]
        gradients = torch.autograd.grad((current.tanh() * weights).sum(), parameters)
        results[name] = [current, *gradients, each["norm"].running_mean, each["norm"].running_var]

    def error(name, index):
        return (results[name][index] - results["exact"][index]).double().square().mean().sqrt()

    for index, true in enumerate(results["exact"]):
        assert error("fused", index) <= 1.2 * error("modules", index) + 1e-7 * true.abs().max()


@pytest.mark.parametrize("events", ["always", "never"])
@pytest.mark.parametrize("padded", [False, True])
def test_gradients_are_those_of_finite_differences(events, padded):
    layer = modules(6, 5, torch.float64, bias=True, events=events)
    valid = torch.arange(7)[:, None] < torch.tensor([7, 3]) if padded else None

    def result_of(inputs, *parameters):
        named = dict(zip([name for name, _ in layer.named_parameters()][:4], parameters, strict=True))
        linear, norm = copy.deepcopy(layer["linear"]), copy.deepcopy(layer["norm"])
        for name, value in named.items():
            module, last = name.split(".")
            del (linear if module == "linear" else norm)._parameters[last]
            setattr(linear if module == "linear" else norm, last, value)
        current, (mean, scale, shift), _ = normalised(linear, norm, inputs, None, valid)
        result = (current - mean) * scale + shift
        return result if valid is None else result[valid]

    inputs = [torch.rand(7, 2, 6).double().requires_grad_(), *list(layer.parameters())[:4]]
    assert torch.autograd.gradcheck(result_of, inputs, atol=1e-6)


def test_the_number_of_threads_changes_nothing():
    layer, x = modules(140, 300, torch.float32), (torch.rand(200, 16, 140) < 0.1).float()
    results, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            here = copy.deepcopy(layer)
            spikes = in_one(here, x, None, "subtract", "boxcar")
            weights = torch.linspace(-1, 1, spikes.numel()).view_as(spikes)
            results.append([spikes, *torch.autograd.grad((spikes * weights).sum(), list(here.parameters()))])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


@pytest.mark.parametrize("way", [{}, {"padded": True, "dropout": 0.3}, {"training": False}], ids=str)
@pytest.mark.parametrize("shape", [(20, 2, 70, 45), (17, 3, 30, 64)], ids=str)
@pytest.mark.parametrize("kind", ["axonal", "delayed", "dendritic"])
def test_currents_of_delays_are_normalised_as_by_the_modules(kind, shape, way):
    steps, batch, inputs, neurons = shape
    connection = connect(kind, inputs, neurons, bias=True, dropout=way.get("dropout", 0.0), options={"max_delay": 6})
    layer = nn.ModuleDict({"linear": connection, "norm": nn.BatchNorm1d(neurons), "neuron": SiLIF(neurons)}).double()
    layer.train(way.get("training", True))
    nn.init.normal_(layer["norm"].weight, 4 if layer.training else 20, 0.5)
    x = (torch.rand(steps, batch, inputs) < 0.3).double()
    valid = torch.arange(steps)[:, None] < torch.randint(2, steps + 1, (batch,)) if "padded" in way else None
    results = []
    for fused in (False, True):
        here, inputs_ = copy.deepcopy(layer), x.clone().requires_grad_()
        torch.manual_seed(5)
        if fused:
            assert can_normalise(here["linear"], here["norm"], inputs_)
            current, affine, events = normalised(here["linear"], here["norm"], inputs_, None, valid)
            assert events is None
            fired = scan_layer(
                here["neuron"], current, affine=affine, lengths=None if valid is None else valid.sum(0), backend="cpu"
            )
            spikes = fired.spikes
        else:
            current = here["linear"](inputs_)
            every = torch.ones(steps, batch, dtype=torch.bool) if valid is None else valid
            current = torch.zeros_like(current).index_put((every,), here["norm"](current[every]))
            lengths = None if valid is None else valid.sum(0)
            spikes, _ = scan(here["neuron"], current, lengths=lengths, backend="reference")
        assert 0.001 < spikes.mean() < 0.7
        weights = torch.linspace(-1, 1, spikes.numel(), dtype=torch.float64).view_as(spikes)
        gradients = torch.autograd.grad((spikes * weights).sum(), [inputs_, *here.parameters()])
        results.append([spikes, *gradients, *here["norm"].buffers()])
    assert torch.equal(results[0][0], results[1][0])
    for modular, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, modular, rtol=1e-9, atol=1e-9)


def test_evaluation_is_the_folded_layer():
    layer = modules(30, 20, torch.float64, bias=True, training=False)
    folded = torch.nn.utils.fusion.fuse_linear_bn_eval(layer["linear"], layer["norm"])
    x = (torch.rand(50, 4, 30) < 0.2).double()
    spikes = in_one(layer, x, None, "subtract", "boxcar")
    assert 0 < spikes.mean() < 1
    assert torch.equal(spikes, scan(layer["neuron"], folded(x))[0])


def test_a_gate_leaves_gradients_out():
    layer, x = modules(300, 40, torch.float64), (torch.rand(50, 4, 300) < 0.1).double()
    gate, gradients = torch.rand(50, 4, 300) < 0.02, []
    for given in (None, gate):
        inputs = x.clone().requires_grad_()
        current, affine, _ = normalised(layer["linear"], layer["norm"], inputs, given)
        fired = scan_layer(layer["neuron"], current, affine=affine)
        gradients.append(torch.autograd.grad(fired.spikes.square().sum(), inputs)[0])
    torch.testing.assert_close(gradients[1], gradients[0] * gate, rtol=1e-9, atol=1e-9)


def test_only_plain_modules_are_taken_together():
    x = torch.zeros(3, 2, 4)
    linear, norm = SpikeLinear(4, 5), nn.BatchNorm1d(5)
    assert can_normalise(linear, norm, x)
    assert not can_normalise(nn.Linear(4, 5), norm, x)
    assert can_normalise(connect("axonal", 4, 5, options={"max_delay": 3}), norm, x)
    assert not can_normalise(linear, nn.LayerNorm(5), x)
    assert not can_normalise(linear, norm, x.double())
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_normalise(linear, norm, x)
    handle = norm.register_forward_hook(lambda *arguments: None)
    assert not can_normalise(linear, norm, x)
    handle.remove()
    assert can_normalise(linear, norm, x)
    torch.nn.utils.parametrizations.weight_norm(linear)
    assert not can_normalise(linear, norm, x)


def test_one_row_has_no_variance():
    with pytest.raises(ValueError, match="several rows"):
        normalised(SpikeLinear(4, 5), nn.BatchNorm1d(5), torch.zeros(1, 1, 4))
    with pytest.raises(ValueError, match="last dimension must be 4"):
        normalised(SpikeLinear(4, 5), nn.BatchNorm1d(5), torch.zeros(3, 2, 3))


@pytest.mark.parametrize("loss", [lambda unscaled: unscaled.current.sum(), lambda unscaled: unscaled.affine.sum()])
def test_second_derivatives_are_refused(loss):
    linear, norm = SpikeLinear(20, 5), nn.BatchNorm1d(5)
    inputs = (torch.rand(10, 4, 20) < 0.3).float().requires_grad_()
    gradients = torch.autograd.grad(loss(normalised(linear, norm, inputs)), linear.weight, create_graph=True)
    with pytest.raises(RuntimeError, match="batch norm inside kernels can be differentiated once"):
        gradients[0].sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("way", "surrogate"),
    [
        ({}, "boxcar"),
        ({"events": "auto", "dropout": 0.25, "bias": True}, "boxcar"),
        ({"events": "never"}, "boxcar"),
        ({"events": "never", "dropout": 0.25}, "triangle"),
        ({"dropout": 0.4}, "atan"),
        ({"events": "never"}, "fast_sigmoid"),
        ({"wide": True, "dropout": 0.25}, "boxcar"),
    ],
    ids=str,
)
def test_inputs_as_bits_give_the_same(way, surrogate, padded, dtype):
    if wide := "wide" in way:  # nearly all gates are open, and the gradient goes by dense products
        surrogate = Boxcar(5.0)
    options = {name: value for name, value in way.items() if name != "wide"}
    steps, batch, inputs, neurons = 37, 6, 128, 70
    layer, before = modules(inputs, neurons, dtype, **options), SiLIF(inputs).to(dtype)
    currents, weights = 3 * torch.randn(steps, batch, inputs, dtype=dtype), torch.randn(neurons, dtype=dtype)
    valid = torch.arange(steps)[:, None] < torch.randint(2, steps + 1, (batch,)) if padded else None
    lengths, results = None if valid is None else valid.sum(0), []
    for as_bits in (False, True):
        here, neuron = copy.deepcopy(layer), copy.deepcopy(before)
        fired = scan_layer(neuron, currents, surrogate=surrogate, lengths=lengths, backend="cpu", as_bits=as_bits)
        torch.manual_seed(7)
        current, affine, events = normalised(here["linear"], here["norm"], fired.spikes, fired.gate, valid, fired.bits)
        assert events == fired.counts.sum()
        second = scan_layer(here["neuron"], current, affine=affine, lengths=lengths)
        loss = (second.spikes * weights).sum()
        gradients = torch.autograd.grad(loss, [*here.parameters(), *neuron.parameters()])
        results.append([second.spikes, *gradients, *here["norm"].buffers()])
    assert not wide or fired.bits.open.numel() > 0.5 * currents.numel()
    for plain, with_bits in zip(*results, strict=True):
        torch.testing.assert_close(with_bits, plain)


def test_as_bits_no_dense_gradient_is_made():
    layer, before = modules(128, 64, torch.float32), SiLIF(128)
    fired = scan_layer(before, 3 * torch.randn(30, 4, 128), backend="cpu", as_bits=True)
    current, affine, _ = normalised(layer["linear"], layer["norm"], fired.spikes, None, None, fired.bits)
    result = scan_layer(layer["neuron"], current, affine=affine)
    (gradient,) = torch.autograd.grad(result.spikes.sum(), fired.bits.open)
    assert gradient.shape == fired.bits.open.shape
    assert gradient.count_nonzero() > 0


def test_delays_read_no_bits():
    fired = scan_layer(SiLIF(64), torch.randn(10, 2, 64), backend="cpu", as_bits=True)
    delayed = connect("delayed", 64, 5, options={"max_delay": 3})
    with pytest.raises(ValueError, match="bits: got spikes as bits; a DelayedLinear does not read them"):
        normalised(delayed, nn.BatchNorm1d(5), fired.spikes, bits=fired.bits)
