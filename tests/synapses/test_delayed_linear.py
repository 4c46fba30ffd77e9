"""DelayedLinear against loops over the published formula; steps, chunks and whole delays; delays that are found."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from silif_plugins.cli import main
from silif_plugins.sparch import SpArchNet, to_official
from silif_plugins.synapses import DelayedLinear, connect, discretised, gaussian_taps
from silif_plugins.synapses.taps import within
from silif_plugins.training import load_network

T, B, INPUTS, OUTPUTS = 17, 3, 4, 5


def layer_of(max_delay=6, **options):
    return DelayedLinear(INPUTS, OUTPUTS, max_delay, dtype=torch.float64, **options)


def inputs_of(**options):
    return torch.randn(T, B, INPUTS, dtype=torch.float64, **options)


def published_kernel(weight, position, sigma, size):
    """One synapse's kernel as DCLS writes it, elements k = 0 ... size - 1, centre size // 2."""
    g = [math.exp(-0.5 * ((k - (position + size // 2)) / (abs(sigma) + 0.27)) ** 2) for k in range(size)]
    return [weight * each / (sum(g) + 1e-7) for each in g]


def published_output(state, inputs, size):
    """Cross-correlation with inputs that are padded on the left."""
    outputs = torch.zeros(len(inputs), inputs.shape[1], len(state["weight"]), dtype=torch.float64)
    padded = torch.cat([torch.zeros(size - 1, *inputs.shape[1:], dtype=torch.float64), inputs])
    for i in range(outputs.shape[2]):
        for j in range(inputs.shape[2]):
            values = (state[name].squeeze(0)[i, j, 0].item() for name in ("P", "SIG"))
            kernel = published_kernel(state["weight"][i, j, 0].item(), *values, size)
            for t in range(len(inputs)):
                for k in range(size):
                    outputs[t, :, i] += kernel[k] * padded[t + k, :, j]
    return outputs + state["bias"]


@pytest.mark.parametrize("sigma", [None, 0.0, 0.7])
@pytest.mark.parametrize("max_delay", [0, 1, 5, 6])
def test_equals_the_published_formula(max_delay, sigma):
    layer, inputs = layer_of(max_delay, sigma=sigma), inputs_of()
    expected = published_output(layer.to_dcls(), inputs, max_delay + 1)
    torch.testing.assert_close(layer(inputs), expected, rtol=1e-12, atol=1e-12)
    single = copy.deepcopy(layer).float()
    torch.testing.assert_close(single(inputs.float()), expected.float(), rtol=1e-5, atol=1e-5)


def test_equals_the_package():
    """On kernel, outputs and gradients, in the float32 that it has."""
    construct = pytest.importorskip("DCLS.construct.modules", reason="DCLS, the oracle, is not installed")
    size = 13
    theirs = construct.Dcls1d(INPUTS, OUTPUTS, kernel_count=1, dilated_kernel_size=size, version="gauss", bias=True)
    nn.init.uniform_(theirs.P, -(size // 2), size // 2)
    nn.init.constant_(theirs.SIG, 1.5)
    ours = DelayedLinear.from_dcls(theirs.state_dict(), size - 1)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.to_dcls()[name], value)
    inputs = inputs_of().float()
    padded = nn.functional.pad(inputs.permute(1, 2, 0), (size - 1, 0))
    one, two = ours(inputs), theirs(padded).permute(2, 0, 1)
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
    for outputs in (one, two):
        (outputs * torch.linspace(-1, 1, outputs.numel()).view(T, B, OUTPUTS)).sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad.squeeze(-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.delay.grad, -theirs.P.grad[0, ..., 0], rtol=1e-4, atol=1e-5)


def test_gradients_by_finite_differences():
    layer, inputs = layer_of(4, sigma=0.6), inputs_of(requires_grad=True)
    layer.delay.data.uniform_(0.3, 3.7)
    names = ("weight", "delay", "bias")

    def run(inputs, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (inputs[:6],))

    assert torch.autograd.gradcheck(run, (inputs, *(getattr(layer, name) for name in names)))


def test_delays_beyond_the_range_count_as_the_limit_and_come_back():
    layer, inputs = layer_of(4), inputs_of()
    with torch.no_grad():
        layer.delay.copy_(torch.where(torch.rand(OUTPUTS, INPUTS) < 0.5, -1.5, 9.0))
    limited = copy.deepcopy(layer)
    limited.clamp_()
    assert limited.delay.unique().tolist() == [0, 4]
    assert torch.equal(layer(inputs), limited(inputs))
    ends = torch.tensor([-1.0, -1.0, 5.0, 5.0, 2.0], requires_grad=True)
    within(ends, 4).backward(torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]))
    assert ends.grad.tolist() == [0, -1, 1, 0, 1]


def test_shares_sum_to_one_and_narrow_to_the_whole_step():
    delay = torch.randint(7, (5, 4)).double()
    exact = (torch.arange(7).view(-1, 1, 1) == delay).double()
    distances = []
    for sigma in (5.0, 2.0, 1.0, 0.5, 0.23, 0.0):
        taps = gaussian_taps(delay, torch.tensor(sigma), 6)
        torch.testing.assert_close(taps.sum(0), torch.ones_like(delay), rtol=1e-6, atol=0)
        distances.append((taps - exact).abs().max().item())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.003  # the width never falls below 0.27


def test_training_form_tends_to_the_whole_delays():
    layer, inputs = layer_of(6), inputs_of()
    layer.delay.data.round_()
    exact = layer.discretised()(inputs)
    distances = []
    for sigma in (3.0, 1.0, 0.5, 0.23, 0.0):
        layer.sigma.fill_(sigma)
        distances.append((layer(inputs) - exact).abs().max().item())
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.01


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("max_delay", [0, 1, 6, 30])
def test_steps_and_chunks_equal_the_whole(max_delay, rounded):
    layer, inputs = layer_of(max_delay, rounded=rounded), inputs_of()
    whole, state, steps = layer(inputs), None, []
    for frame in inputs:
        outputs, state = layer.step(frame, state)
        steps.append(outputs)
    torch.testing.assert_close(torch.stack(steps), whole, rtol=1e-12, atol=1e-12)
    assert state.shape == (max_delay, B, INPUTS)
    chunks, last = [], None
    for chunk in inputs.split([1, 7, 2, 7]):
        outputs, last = layer.run(chunk, last)
        chunks.append(outputs)
    torch.testing.assert_close(torch.cat(chunks), whole, rtol=1e-12, atol=1e-12)
    assert torch.equal(last, state)


def test_a_step_leaves_the_state_that_it_was_given():
    layer, (one, two) = layer_of(), inputs_of()[:2]
    _, state = layer.step(one)
    before = state.clone()
    first, second = layer.step(two, state), layer.step(two, state)
    assert torch.equal(first[0], second[0])
    assert torch.equal(state, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_delays_are_those_of_the_past_bit_for_bit(dtype):
    """With weights and inputs of few bits, of which sums are exact in any order."""
    exact = layer_of(6).to(dtype).discretised()
    with torch.no_grad():
        for each in (exact.weight, exact.bias):
            each.mul_(64).round_().div_(64)
    inputs = torch.randint(3, (T, B, INPUTS)).to(dtype)
    expected = exact.bias.detach().repeat(T, B, 1)
    for i in range(OUTPUTS):
        for j in range(INPUTS):
            for t in range(T):
                source = t - int(exact.delay[i, j])
                if source >= 0:
                    expected[t, :, i] += exact.weight[i, j] * inputs[source, :, j]
    assert torch.equal(exact(inputs), expected)


def test_discretising_leaves_the_layer_as_it_is():
    layer = layer_of()
    before = copy.deepcopy(layer.state_dict())
    exact = layer.discretised()
    assert exact.rounded
    assert not layer.rounded
    assert layer.delay.requires_grad
    assert torch.equal(exact.delay, layer.delay.round())
    exact.weight.data.zero_()
    exact.sigma.zero_()
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])
    net = nn.Sequential(layer, nn.ReLU(), layer_of())
    assert [each.rounded for each in discretised(net)[::2]] == [True, True]
    assert [each.rounded for each in net[::2]] == [False, False]


def test_samples_do_not_meet():
    layer, inputs = layer_of(), inputs_of()
    other = inputs.clone()
    other[:, 1:] = torch.randn(T, B - 1, INPUTS)
    torch.testing.assert_close(layer(inputs)[:, 0], layer(other)[:, 0], rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(layer(inputs[:, :1]), layer(inputs)[:, :1], rtol=1e-13, atol=1e-13)


def test_no_output_knows_what_comes():
    layer, inputs = layer_of(), inputs_of()
    other = inputs.clone()
    other[9:] = 100.0
    torch.testing.assert_close(layer(inputs)[:9], layer(other)[:9], rtol=1e-13, atol=1e-13)


def test_planted_delays_are_found():
    """Weights and delays of a layer are learnt from what it answers to noise, sigma narrowed on the way."""
    inputs, outputs, max_delay = 8, 6, 20
    torch.manual_seed(1)
    teacher = DelayedLinear(inputs, outputs, max_delay, bias=False, rounded=True)
    nn.init.uniform_(teacher.weight, -1, 1)
    teacher.delay.data.round_()
    student = DelayedLinear(inputs, outputs, max_delay, bias=False)
    nn.init.zeros_(student.weight)
    optimizer = torch.optim.Adam([{"params": [student.weight], "lr": 0.03}, {"params": [student.delay], "lr": 0.3}])
    start, steps = student.sigma.item(), 800
    for step in range(steps):
        student.sigma.fill_(start * (0.23 / start) ** min(1.0, 1.5 * step / steps))
        noise = torch.randn(60, 8, inputs)
        loss = (student(noise) - teacher(noise)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    matters = teacher.weight.abs() > 0.2
    found = (student.discretised().delay - teacher.delay).abs() <= 1
    assert found[matters].float().mean() >= 0.95
    started = DelayedLinear(inputs, outputs, max_delay)
    assert ((started.delay - teacher.delay).abs() <= 1)[matters].float().mean() < 0.5


def test_copies_and_files():
    layer, inputs = layer_of(), inputs_of()
    layer.sigma.fill_(0.4)
    other = layer_of()
    other.load_state_dict(layer.state_dict())
    for same in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(same(inputs), layer(inputs))
    rounded = layer_of(rounded=True)
    rounded.load_state_dict(layer.state_dict())
    assert torch.equal(rounded(inputs), layer.discretised()(inputs))


def test_inputs_of_other_types_and_dropout():
    layer = layer_of()
    spikes = torch.randint(2, (T, B, INPUTS))
    assert torch.equal(layer(spikes), layer(spikes.double()))
    dropping = layer_of(dropout=0.5)
    assert not torch.equal(dropping(spikes), dropping(spikes))
    assert torch.equal(dropping.eval()(spikes), dropping(spikes))
    with pytest.raises(TypeError, match="they must be real"):
        layer(spikes * 1j)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_delay": -1}, "max_delay: got -1; it must be a whole number of steps, 0 or more"),
        ({"max_delay": 2.5}, "max_delay: got 2.5; it must be a whole number"),
        ({"max_delay": True}, "max_delay: got True; it must be a whole number"),
        ({"max_delay": 5, "sigma": -0.1}, "sigma: got -0.1; it must be a finite number of steps, 0 or more"),
        ({"max_delay": 5, "sigma": math.nan}, "sigma: got nan"),
        ({"max_delay": 5, "rounded": "yes"}, "rounded: got 'yes'; it must be True or False"),
        ({"max_delay": 5, "dropout": 1.0}, "dropout: got 1.0; it must be at least 0 and below 1"),
    ],
)
def test_arguments_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        DelayedLinear(INPUTS, OUTPUTS, **options)


def test_shapes_are_named():
    layer = layer_of()
    with pytest.raises(ValueError, match=r"inputs: got shape \(4, 2, 3\); it must be \[T, B, 4\]"):
        layer(torch.zeros(4, 2, 3))
    with pytest.raises(ValueError, match=r"state: got shape \(6, 2, 4\); it must be \(6, 3, 4\)"):
        layer.step(inputs_of()[0], torch.zeros(6, 2, INPUTS))
    state = layer.to_dcls()
    for name, value, says in (
        ("weight", torch.zeros(5, 4, 2), r"weight: got shape \(5, 4, 2\); it must be \[outputs, inputs, 1\]"),
        ("P", torch.zeros(1, 4, 5, 1), r"P: got shape \(1, 4, 5, 1\); it must be \(1, 5, 4, 1\)"),
        ("SIG", torch.rand(1, 5, 4, 1), "SIG: got .* to .*; it must be the same for all synapses"),
    ):
        with pytest.raises(ValueError, match=says):
            DelayedLinear.from_dcls({**state, name: value}, 6)
    del state["P"]
    with pytest.raises(ValueError, match="state: got weight, SIG, bias; it must have weight, P and SIG"):
        DelayedLinear.from_dcls(state, 6)


@pytest.mark.parametrize("kind", ["delayed", "axonal"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_reaches_nothing(kind, bidirectional):
    options = {"max_delay": 8, "sigma": 0.5}
    net = SpArchNet(
        6, (12, 12), 4, connection=kind, connection_options=options, bidirectional=bidirectional, events="never"
    ).double()
    lengths = torch.tensor([30, 11, 19])
    frames = 4 * torch.rand(3, 30, 6, dtype=torch.float64)
    results = []
    for junk in (0.0, 1e6):
        padded = frames.clone()
        for sample, length in enumerate(lengths):
            padded[sample, length:] = junk
        output = copy.deepcopy(net)(padded, lengths)
        alone = copy.deepcopy(net).eval()(padded, lengths)
        one = copy.deepcopy(net).eval()(frames[1:2, :11])
        torch.testing.assert_close(alone.scores[1], one.scores[0])
        results.append(output)
    assert results[0].firing_rates.any()
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("kind", ["delayed", "axonal"])
def test_a_run_and_its_checkpoint(kind, tmp_path):
    options = ["--connection", kind, "--connection-options", "max_delay=5,sigma=0.5"]
    quick = ["--hidden-sizes", "8", "--steps", "20", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main(["train", *options, *quick]) == 0
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    net = load_network(tmp_path / "run")[0]
    trained = net.hidden[0].current.weights
    delays = trained if kind == "delayed" else trained.delays
    assert (delays.max_delay, delays.rounded) == (5, False)
    torch.testing.assert_close(delays.sigma, torch.tensor(0.5))
    assert torch.isfinite(discretised(net)(torch.rand(2, 20, net.num_inputs).round()).scores).all()


@pytest.mark.parametrize("kind", ["delayed", "axonal"])
def test_the_official_code_has_no_delays(kind):
    net = SpArchNet(6, (8,), 4, connection=kind, connection_options={"max_delay": 3})
    with pytest.raises(ValueError, match="delay: the official code has no such tensor"):
        to_official(net)


@pytest.mark.parametrize("kind", ["delayed", "axonal"])
@pytest.mark.parametrize("shape", [(0, 3, 4), (5, 0, 4)], ids=str)
def test_nothing_gives_nothing(kind, shape):
    layer = connect(kind, 4, 5, options={"max_delay": 3})
    past = torch.rand(3, shape[1], 4)
    outputs, state = layer.run(torch.zeros(shape), past)
    assert outputs.shape == (*shape[:2], 5)
    assert shape[0] or torch.equal(state, past)


def test_the_network_says_what_a_delayed_connection_needs():
    with pytest.raises(ValueError, match="connection_options: lacks max_delay"):
        SpArchNet(6, (8,), 4, connection="delayed")
    with pytest.raises(ValueError, match="events: got 'always'; a delayed connection is dense"):
        SpArchNet(6, (8,), 4, connection="delayed", connection_options={"max_delay": 3}, events="always")


def test_sequences_get_longer_as_published():
    """Three layers of 25 lags: 100 steps become 112, 124, 136."""
    inputs, lengths = torch.rand(100, 2, INPUTS, dtype=torch.float64), []
    for _ in range(3):
        layer = DelayedLinear(INPUTS, INPUTS, 24, lengthen=True, dtype=torch.float64)
        padded = torch.cat([inputs, inputs.new_zeros(12, 2, INPUTS)])
        torch.testing.assert_close(layer(inputs), layer.run(padded)[0])
        inputs = layer(inputs)
        lengths.append(len(inputs))
    assert lengths == [112, 124, 136]
