"""SpArchNet: published sizes, directions, recurrence, normalisation, and what it refuses."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, vmap

from silif_plugins.dynamics import StateSpace
from silif_plugins.neurons import NEURONS, Neuron
from silif_plugins.sparch import SpArchNet, SpArchOutput

ALL = list(NEURONS)


@pytest.mark.parametrize(
    ("sizes", "neuron", "recurrent", "count"),
    [
        ((140, 128, 128, 20), "SiLIF", False, 38_716),
        ((140, 128, 128, 20), "C-SiLIF", False, 38_460),
        ((140, 128, 128, 20), "cAdLIF", False, 38_460),
        ((140, 128, 128, 20), "AdLIF", False, 38_460),
        ((140, 512, 512, 20), "SiLIF", False, 351_292),
        ((140, 512, 512, 20), "C-SiLIF", False, 350_268),
        ((140, 512, 512, 20), "cAdLIF", False, 350_268),
        ((140, 512, 512, 35), "SiLIF", False, 359_017),
        ((140, 512, 512, 35), "C-SiLIF", False, 357_993),
        ((140, 512, 512, 35), "cAdLIF", False, 357_993),
        ((140, 512, 512, 35), "RF", False, 355_945),
        ((140, 512, 512, 35), "LIF", False, 354_921),
        ((140, 512, 512, 35), "LIF", True, 879_209),
        ((140, 512, 512, 35), "AdLIF", True, 882_281),
        ((40, 512, 512, 35), "SiLIF", False, 307_817),
        ((40, 512, 512, 35), "C-SiLIF", False, 306_793),
        ((40, 1024, 1024, 35), "SiLIF", False, 1_139_817),
    ],
)
def test_parameter_counts_of_the_papers(sizes, neuron, recurrent, count):
    net = SpArchNet(sizes[0], sizes[1:-1], sizes[-1], neuron=neuron, recurrent=recurrent)
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize("neuron", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"recurrent": True},
        {"bidirectional": True, "recurrent": True, "normalization": "layernorm"},
        {"normalization": "none", "bias": True, "dropout": 0.5, "initial_state": "uniform"},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_every_neuron_trains_in_every_form(neuron, options):
    net = SpArchNet(10, (16, 12), 5, neuron=neuron, neuron_options={"dt": 0.05} if neuron == "RF" else None, **options)
    out = net((torch.rand(4, 30, 10) * 8).round())
    assert out.scores.shape == (4, 5)
    torch.testing.assert_close(out.scores.sum(dim=1), torch.full((4,), 30.0))
    assert out.firing_rates.shape == ((16 + 12) * (1 + options.get("bidirectional", False)),)
    (torch.nn.functional.cross_entropy(out.scores, torch.arange(4)) + out.firing_rates.sum()).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_bidirectional_reads_both_ways():
    """Reversing the input in time swaps the two halves of the output and reverses them."""
    layer = SpArchNet(6, (8,), 3, bidirectional=True, normalization="none").hidden[0]
    inputs = torch.rand(20, 2, 6) * 10
    forwards, backwards = layer(inputs).chunk(2, dim=2)
    swapped_forwards, swapped_backwards = layer(inputs.flip(0)).chunk(2, dim=2)
    assert torch.equal(swapped_forwards, backwards.flip(0))
    assert torch.equal(swapped_backwards, forwards.flip(0))
    assert not torch.equal(forwards, backwards)


def test_no_neuron_feeds_itself():
    layer = SpArchNet(4, (6,), 2, recurrent=True).hidden[0]
    with torch.no_grad():
        layer.recurrent.fill_(1.0)
    assert torch.equal(layer.recurrent_weights(), 1 - torch.eye(6))


def test_batch_members_do_not_mix_in_evaluation():
    net = SpArchNet(10, (16,), 4).eval()
    inputs = (torch.rand(5, 20, 10) * 5).round()
    with torch.no_grad():
        together = net(inputs).scores
        apart = torch.cat([net(one[None]).scores for one in inputs])
    torch.testing.assert_close(together, apart)


def test_synaptic_operations_by_hand():
    """Every non-zero activity times the weights it meets; a bin of several spikes counts once."""
    net = SpArchNet(3, (4,), 2, recurrent=True, normalization="none").eval()
    inputs = torch.tensor([[[2.0, 0.0, 1.0], [0.0, 0.0, 9.0]]])
    with torch.no_grad():
        spikes = net.hidden[0].spikes(inputs.transpose(0, 1))
        operations = net(inputs).synaptic_operations
    assert operations.item() == 3 * 4 + spikes.sum().item() * (2 + 3)


def test_a_user_model_by_its_class():
    class Integrator(Neuron):
        def __init__(self, size):
            super().__init__(size)
            self.register_values(True, gain=torch.ones(self.size))

        def state_space(self):
            return StateSpace.of(a11=1.0, b1=self.gain, r1=-1.0, threshold=self.threshold)

    out = SpArchNet(5, (6,), 3, neuron=Integrator)(torch.rand(2, 10, 5))
    assert out.scores.shape == (2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpArchNet(3, (), 2), "hidden_sizes"),
        (lambda: SpArchNet(3, (4,), 2, neuron="GRU"), "neuron: got 'GRU'; it must be one of LIF"),
        (lambda: SpArchNet(3, (4,), 2, normalization="groupnorm"), "normalization: got 'groupnorm'"),
        (lambda: SpArchNet(3, (4,), 2, initial_state="random"), "initial_state: got 'random'"),
        (lambda: SpArchNet(3, (4,), 2, surrogate="box"), "surrogate: got 'box'"),
        (lambda: SpArchNet(3, (4,), 2)(torch.rand(2, 10, 5)), r"inputs: got shape \(2, 10, 5\); it must be"),
        (lambda: SpArchNet(3, (4,), 2)(torch.rand(10, 3)), "inputs"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"recurrent": True}], ids=str)
@pytest.mark.parametrize("surrogate", ["boxcar", "atan"])
def test_events_change_nothing(surrogate, options):
    """Weights that visit only events give the dense network's scores, rates and gradients, dropout included."""
    inputs = (torch.rand(6, 40, 30) < 0.1).double()
    results = []
    for events in ("always", "never"):
        torch.manual_seed(2)
        net = SpArchNet(30, (24, 20), 5, dropout=0.3, surrogate=surrogate, events=events, **options).double()
        torch.manual_seed(3)
        out = net(inputs)
        (torch.nn.functional.cross_entropy(out.scores, torch.arange(6) % 5) + out.firing_rates.sum()).backward()
        results.append([out.scores, out.firing_rates, *(parameter.grad for parameter in net.parameters())])
    assert results[0][1].mean() > 0.005  # they fire
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-11)


def test_dropout_acts_in_training_only():
    net = SpArchNet(30, (24, 20), 5, dropout=0.5)
    inputs = (torch.rand(6, 40, 30) < 0.3).float()
    assert not torch.equal(net(inputs).scores, net(inputs).scores)
    net.eval()
    assert torch.equal(net(inputs).scores, net(inputs).scores)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("events", ["auto", "always", "never"])
def test_inputs_of_any_real_data_type(dtype, events):
    net = SpArchNet(10, (8,), 3, events=events).eval()
    inputs = (torch.rand(2, 20, 10) < 0.3).to(dtype)
    for one, other in zip(net(inputs), net(inputs.float()), strict=True):
        assert torch.equal(one, other)
    layer = net.hidden[0]
    assert torch.equal(layer(inputs.transpose(0, 1)), layer(inputs.float().transpose(0, 1)))
    with pytest.raises(TypeError, match="complex64"):
        net(inputs.to(torch.complex64))


def test_second_derivatives():
    options = {"surrogate": "atan", "backend": "reference", "events": "never", "normalization": "layernorm"}
    net, inputs = SpArchNet(6, (5,), 3, **options).double(), torch.rand(2, 8, 6, dtype=torch.float64)

    def penalty(inputs):
        (gradient,) = torch.autograd.grad(net(inputs).scores[:, 0].sum(), inputs, create_graph=True)
        return gradient.square().sum()

    inputs.requires_grad_()
    (gradient,) = torch.autograd.grad(penalty(inputs), inputs)
    direction = torch.randn_like(gradient)
    _, curvature = torch.func.jvp(
        torch.func.grad(lambda x: net(x).scores[:, 0].sum()), (inputs.detach(),), (direction,)
    )
    first = torch.func.grad(lambda x: net(x).scores[:, 0].sum())(inputs.detach())
    torch.testing.assert_close((gradient * direction).sum(), 2 * (first * curvature).sum())
    fused = SpArchNet(6, (5,), 3, events="never", surrogate="atan")
    (gradient,) = torch.autograd.grad(fused(inputs).scores[:, 0].sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        gradient.sum().backward()


def test_transforms():
    net = SpArchNet(10, (8,), 3, normalization="layernorm").eval()
    inputs = (torch.rand(3, 20, 10) < 0.3).float()
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}

    def one(state, inputs):
        return functional_call(net, state, (inputs[None],)).scores[0]

    torch.testing.assert_close(vmap(one, (None, 0))(state, inputs), net(inputs).scores)
    samples = vmap(grad(lambda *args: one(*args)[0]), (None, 0))(state, inputs)
    net(inputs).scores[:, 0].sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(samples[name].sum(0), parameter.grad, rtol=1e-4, atol=1e-4)
    jacobian = jacrev(one, 1)(state, inputs[0])
    one_by_one = torch.autograd.functional.jacobian(lambda x: one(state, x), inputs[0])
    torch.testing.assert_close(jacobian, one_by_one, rtol=1e-4, atol=1e-5)
    assert jacobian.any()


def test_traces_are_saved(tmp_path):
    net, inputs = SpArchNet(10, (8, 8), 3).eval(), (torch.rand(2, 20, 10) < 0.3).float()
    torch.jit.trace(net, inputs, check_trace=False).save(tmp_path / "net.pt")
    torch.testing.assert_close(torch.jit.load(tmp_path / "net.pt")(inputs)[0], net(inputs).scores)


def test_exports_are_saved(tmp_path):
    net, inputs = SpArchNet(10, (8, 8), 3).eval(), (torch.rand(2, 20, 10) < 0.3).float()
    torch.export.save(torch.export.export(net, (inputs,)), tmp_path / "net.pt2")
    output = torch.export.load(tmp_path / "net.pt2").module()(inputs)
    assert isinstance(output, SpArchOutput)
    torch.testing.assert_close(tuple(output), tuple(net(inputs)))


@pytest.mark.filterwarnings("ignore")
def test_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    net, inputs = SpArchNet(10, (8, 8), 3).eval(), (torch.rand(2, 20, 10) < 0.3).float()
    torch.onnx.export(net, (inputs,), tmp_path / "net.onnx", dynamo=False, input_names=["inputs"])
    scores, *_ = runtime.InferenceSession(tmp_path / "net.onnx").run(None, {"inputs": inputs.numpy()})
    torch.testing.assert_close(torch.from_numpy(scores), net(inputs).scores, rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dynamic_quantisation():
    net = SpArchNet(10, (8, 8), 3).eval()
    quantised = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    assert "quantized" in type(quantised.hidden[1].current.weights).__module__
    scores = quantised((torch.rand(2, 20, 10) < 0.3).float()).scores
    torch.testing.assert_close(scores.sum(1), torch.full((2,), 20.0))


def test_steps_that_do_not_count_and_a_fixed_readout():
    torch.manual_seed(0)
    options = {"neuron": "LIF", "readout_decay": 0.9}
    net = SpArchNet(5, (6,), 3, **options)
    late = SpArchNet(5, (6,), 3, skip_steps=10, **options)
    late.load_state_dict(net.state_dict())
    assert not any("readout.neuron" in name for name, _ in net.named_parameters())
    assert net.readout.neuron.decay_u.unique().item() == pytest.approx(0.9)
    inputs = 5 * torch.rand(4, 30, 5)
    net.eval()
    late.eval()
    torch.testing.assert_close(late(inputs).scores, net(inputs).scores - net(inputs[:, :10]).scores)
    lengths = torch.tensor([30, 12, 10, 4])
    scores = late(inputs, lengths).scores
    torch.testing.assert_close(scores.sum(1), torch.tensor([20.0, 2.0, 0.0, 0.0]))
    for wrong, message in (
        ({"readout_decay": 0.5}, "readout_decay: got 0.5"),
        ({"skip_steps": -1}, "skip_steps: got -1"),
    ):
        with pytest.raises(ValueError, match=message):
            SpArchNet(5, (6,), 3, **wrong)
