"""AxonalDelay against indexing the past; and a linear layer behind it."""

import copy
import math
import pickle

import pytest
import torch

from silif_plugins.synapses import AxonalDelay, AxonalLinear, DelayedLinear, connect

T, B, N = 17, 3, 5


def layer_of(max_delay=6, **options):
    return AxonalDelay(N, max_delay, dtype=torch.float64, **options)


def inputs_of(**options):
    return torch.randn(T, B, N, dtype=torch.float64, **options)


@pytest.mark.parametrize("sigma", [None, 0.0, 0.7])
@pytest.mark.parametrize("max_delay", [0, 1, 5, 6])
def test_equals_a_loop(max_delay, sigma):
    layer, inputs = layer_of(max_delay, sigma=sigma), inputs_of()
    expected = torch.zeros_like(inputs)
    for n, delay in enumerate(layer.delay.tolist()):
        g = [math.exp(-0.5 * ((lag - delay) / (layer.sigma.item() + 0.27)) ** 2) for lag in range(max_delay + 1)]
        for t in range(T):
            for lag in range(min(t, max_delay) + 1):
                expected[t, :, n] += g[lag] / (sum(g) + 1e-7) * inputs[t - lag, :, n]
    torch.testing.assert_close(layer(inputs), expected, rtol=1e-12, atol=1e-12)


def test_is_a_delayed_linear_of_equal_delays():
    """The same network, with the delay of each input at all of its synapses."""
    axonal, synaptic = AxonalLinear(N, 4, 6).double(), DelayedLinear(N, 4, 6).double()
    with torch.no_grad():
        synaptic.weight.copy_(axonal.weight)
        synaptic.bias.copy_(axonal.bias)
        synaptic.delay.copy_(axonal.delays.delay.expand(4, N))
    inputs = inputs_of()
    for one, two in ((axonal, synaptic), (axonal.discretised(), synaptic.discretised())):
        torch.testing.assert_close(one(inputs), two(inputs), rtol=1e-12, atol=1e-12)
    for layer in (axonal, synaptic):
        layer(inputs).square().sum().backward()
    torch.testing.assert_close(axonal.delays.delay.grad, synaptic.delay.grad.sum(0), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(axonal.weight.grad, synaptic.weight.grad, rtol=1e-10, atol=1e-10)


def test_gradients_by_finite_differences():
    layer, inputs = layer_of(4, sigma=0.6), inputs_of(requires_grad=True)
    layer.delay.data.uniform_(0.3, 3.7)

    def run(inputs, delay):
        return torch.func.functional_call(layer, {"delay": delay}, (inputs[:6],))

    assert torch.autograd.gradcheck(run, (inputs, layer.delay))


def test_whole_delays_are_those_of_the_past_bit_for_bit():
    exact, inputs = layer_of().discretised(), inputs_of()
    expected = torch.zeros_like(inputs)
    for n, delay in enumerate(exact.delay.int().tolist()):
        expected[delay:, :, n] = inputs[: T - delay, :, n]
    assert torch.equal(exact(inputs), expected)


def test_training_form_tends_to_the_whole_delays():
    layer, inputs = layer_of(), inputs_of()
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
@pytest.mark.parametrize("kind", [AxonalDelay, AxonalLinear])
def test_steps_and_chunks_equal_the_whole(kind, max_delay, rounded):
    sizes = (N,) if kind is AxonalDelay else (N, 4)
    layer, inputs = kind(*sizes, max_delay, rounded=rounded, dtype=torch.float64), inputs_of()
    whole, state, steps = layer(inputs), None, []
    for frame in inputs:
        outputs, state = layer.step(frame, state)
        steps.append(outputs)
    torch.testing.assert_close(torch.stack(steps), whole, rtol=1e-12, atol=1e-12)
    assert state.shape == (max_delay, B, N)
    chunks, last = [], None
    for chunk in inputs.split([1, 7, 2, 7]):
        outputs, last = layer.run(chunk, last)
        chunks.append(outputs)
    torch.testing.assert_close(torch.cat(chunks), whole, rtol=1e-12, atol=1e-12)
    assert torch.equal(last, state)


def test_samples_do_not_meet():
    layer, inputs = layer_of(), inputs_of()
    torch.testing.assert_close(layer(inputs[:, :1]), layer(inputs)[:, :1], rtol=1e-13, atol=1e-13)


def test_planted_delays_are_found():
    neurons, max_delay, steps = 40, 20, 300
    teacher, student = AxonalDelay(neurons, max_delay).discretised(), AxonalDelay(neurons, max_delay)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.3)
    start = student.sigma.item()
    for step in range(steps):
        student.sigma.fill_(start * (0.23 / start) ** min(1.0, 1.5 * step / steps))
        noise = torch.randn(60, 8, neurons)
        loss = (student(noise) - teacher(noise)).square().sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((student.discretised().delay - teacher.delay).abs() <= 1).float().mean() >= 0.95


def test_discretising_leaves_the_layer_as_it_is():
    layer = layer_of()
    before = copy.deepcopy(layer.state_dict())
    exact = layer.discretised()
    exact.delay.zero_()
    assert (exact.rounded, layer.rounded, layer.delay.requires_grad) == (True, False, True)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name])


def test_whole_delays_keep_spikes():
    spikes = (torch.rand(T, B, N) < 0.1).float()
    arrived = AxonalDelay(N, 6).discretised()(spikes)
    assert set(arrived.unique().tolist()) <= {0.0, 1.0}
    layer = AxonalLinear(N, 4, 6, events="always").discretised()
    layer(spikes).sum().backward()
    assert layer.weight.grad.any()
    assert layer.delays.delay.grad is None


def test_copies_and_files():
    layer, inputs = layer_of(), inputs_of()
    other = layer_of()
    other.load_state_dict(layer.state_dict())
    for same in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(same(inputs), layer(inputs))


def test_dropout_drops_whole_spikes():
    layer = connect("axonal", N, 4, dropout=0.5, options={"max_delay": 6})
    spikes = torch.ones(T, B, N, dtype=torch.int64)
    assert not torch.equal(layer(spikes), layer(spikes))
    assert torch.equal(layer.eval()(spikes), layer(spikes))


def test_arguments_are_named():
    with pytest.raises(ValueError, match=r"max_delay: got 2\.5; it must be a whole number of steps, 0 or more"):
        AxonalDelay(N, 2.5)
    with pytest.raises(ValueError, match="sigma: got -1; it must be a finite number of steps, 0 or more"):
        AxonalDelay(N, 2, sigma=-1)
    with pytest.raises(ValueError, match="dropout: got 2; it must be at least 0 and below 1"):
        AxonalLinear(N, 2, 3, dropout=2)
    with pytest.raises(ValueError, match=r"inputs: got shape \(2, 5\); it must be \[T, B, 5\]"):
        AxonalDelay(N, 2)(torch.zeros(2, N))
    with pytest.raises(ValueError, match=r"state: got shape \(1, 3, 5\); it must be \(2, 3, 5\)"):
        AxonalDelay(N, 2).step(torch.zeros(B, N), torch.zeros(1, B, N))
    with pytest.raises(TypeError, match="they must be real"):
        AxonalDelay(N, 2)(torch.zeros(4, 1, N) * 1j)
    with pytest.raises(ValueError, match="connection_options: lacks max_delay"):
        connect("axonal", N, 2)
