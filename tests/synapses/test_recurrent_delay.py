"""Recurrent delays against a loop over the formula; chunks, steps and whole delays; cells of every host."""

import gc
import weakref

import pytest
import torch
from torch import nn

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet
from silif_plugins.synapses import AxonalLinear, DelayedLinear, DendriticLinear, RecurrentDelay, connect, triangle_taps
from silif_plugins.synapses.delay_line import DelayLine

T, B, N, MAX_DELAY = 30, 3, 5, 6
KINDS = ["axonal", "delayed", "dendritic"]


def cell(current, state=None):
    """A smooth neuron without memory: what returns is all that there is."""
    return torch.tanh(current), state


def layer_of(kind, **options):
    torch.manual_seed(0)
    feedback = connect(kind, N, N, bias=True, options={"max_delay": MAX_DELAY, "dtype": torch.float64, **options})
    return RecurrentDelay(cell, feedback)


def delays_of(feedback):
    return feedback if isinstance(feedback, DelayedLinear) else feedback.delays


def by_formula(layer, inputs):
    """r[t, i] = sum over j, l of W[i, j] share[l, i, j] s[t - 1 - l, j], plus the bias."""
    feedback = layer.connection
    taps = delays_of(feedback).taps()
    shares = {"AxonalLinear": lambda: taps.unsqueeze(1), "DendriticLinear": lambda: taps.unsqueeze(2)}.get(
        type(feedback).__name__, lambda: taps
    )()
    spikes = []
    for t, now in enumerate(inputs):
        returned = feedback.bias.expand(B, N)
        for lag in range(MAX_DELAY + 1):
            if t - 1 - lag >= 0:
                returned = returned + spikes[t - 1 - lag] @ (feedback.weight * shares[lag]).t()
        spikes.append(cell(now + returned)[0])
    return torch.stack(spikes)


@pytest.mark.parametrize("options", [{}, {"kernel": "triangle", "sigma": 1.3}, {"rounded": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_formula_with_its_gradients(kind, options):
    layer = layer_of(kind, **options)
    inputs = torch.randn(T, B, N, dtype=torch.float64, requires_grad=True)
    learnt = [inputs, *(each for each in layer.parameters() if each.requires_grad)]
    one, two = layer(inputs)[0], by_formula(layer, inputs)
    torch.testing.assert_close(one, two)
    grads = [torch.autograd.grad(each.square().sum(), learnt) for each in (one, two)]
    for first, second in zip(*grads, strict=True):
        torch.testing.assert_close(first, second)
    with torch.no_grad():
        torch.testing.assert_close(layer(inputs)[0], two)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_back_over_chunks_and_passes(kind):
    """To the chunk before, again where the graph is kept, and where only the first steps matter."""
    layer, inputs = layer_of(kind), torch.randn(T, B, N, dtype=torch.float64, requires_grad=True)
    learnt = [inputs, *layer.parameters()]
    parts, state = [], None
    for chunk in inputs.split([4, 26]):
        part, state = layer(chunk, state)
        parts.append(part)
    expected = by_formula(layer, inputs)
    for steps in (T, T, 9, 20):
        found = torch.autograd.grad(torch.cat(parts)[:steps].square().sum(), learnt, retain_graph=True)
        exact = torch.autograd.grad(expected[:steps].square().sum(), learnt, retain_graph=True)
        for one, two in zip(found, exact, strict=True):
            torch.testing.assert_close(one, two)
    alone = torch.autograd.grad(torch.cat(parts).square().sum(), inputs, retain_graph=True)[0]
    torch.testing.assert_close(alone, torch.autograd.grad(expected.square().sum(), inputs)[0])


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_and_steps_equal_the_whole(kind, rounded):
    layer, inputs = layer_of(kind, rounded=rounded), torch.randn(T, B, N, dtype=torch.float64)
    whole, last = layer(inputs)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            parts, state = [], None
            for chunk in inputs.split([1, 2, 17, 10]):
                part, state = layer(chunk, state)
                parts.append(part)
            torch.testing.assert_close(torch.cat(parts), whole)
            torch.testing.assert_close(state.past, last.past)
            steps, state = [], None
            for frame in inputs:
                step, state = layer.step(frame, state)
                steps.append(step)
            torch.testing.assert_close(torch.stack(steps), whole)


def test_without_delay_it_is_the_recurrent_scan():
    neuron = SiLIF(N).double()
    feedback = AxonalLinear(N, N, 0, bias=False, rounded=True, dtype=torch.float64)
    current = 3 * torch.randn(T, B, N, dtype=torch.float64)
    spikes, _ = RecurrentDelay(neuron, feedback)(current)
    expected, _ = scan(neuron, current, recurrent=feedback.weight.t())
    assert expected.mean() > 0.02
    assert torch.equal(spikes, expected)


def test_training_never_rounds():
    layer = layer_of("axonal", round_in_eval=True)
    before = layer.connection.delays.delay.clone()
    layer.eval()(torch.randn(T, B, N, dtype=torch.float64))
    layer.connection.discretised()
    assert torch.equal(layer.train().connection.delays.delay, before)
    assert layer.connection.delays.delay.requires_grad


def test_triangles_sum_to_one_and_narrow():
    delay = torch.rand(50, dtype=torch.float64) * 9
    for width in (1.0, 1.5, 2.7, 11.0):
        shares = triangle_taps(delay, torch.tensor(width, dtype=torch.float64), 9)
        torch.testing.assert_close(shares.sum(0), torch.ones_like(delay))
        assert ((shares > 0).sum(0) <= 2 * width + 1).all()
    # Whole widths need no correction where the triangle is within the lags.
    published = (4 - (torch.arange(20) - 9.3).abs()).clamp(min=0) / 16
    torch.testing.assert_close(triangle_taps(torch.tensor(9.3), torch.tensor(4.0), 19), published)


def test_widths_are_learnt():
    layer = layer_of("axonal", kernel="triangle", learn_width=True, sigma=2.0)
    layer(torch.randn(T, B, N, dtype=torch.float64))[0].sum().backward()
    assert layer.connection.delays.width.grad.abs().min() > 0
    with pytest.raises(ValueError, match="learn_width: got True; only a triangle"):
        AxonalLinear(3, 3, 4, learn_width=True)


def test_cells_of_the_hosts():
    snntorch, norse = pytest.importorskip("snntorch"), pytest.importorskip("norse.torch")
    current = torch.rand(T, B, N)
    for each in (snntorch.Leaky(0.9), norse.LIFCell(), SiLIF(N)):
        layer = RecurrentDelay(each, DendriticLinear(N, N, 4))
        spikes, state = layer(current)
        rest, _ = layer(current, state)
        assert spikes.shape == rest.shape == current.shape


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_network(kind):
    options = {"max_delay": 4, "kernel": "triangle", "round_in_eval": True}
    torch.manual_seed(0)
    net = SpArchNet(
        6,
        (9,),
        4,
        neuron_options={"threshold": 0.2},
        recurrent=True,
        recurrent_connection=kind,
        recurrent_options=options,
    )
    frames, lengths = 4 * torch.rand(3, 20, 6), torch.tensor([20, 11, 5])
    output = net(frames, lengths)
    output.scores[:, 0].sum().backward()
    assert delays_of(net.hidden[0].delayed).delay.grad.any()
    junk = frames.clone()
    junk[1, 11:] = 1e6
    for one, two in zip(net.eval()(junk, lengths), net(frames, lengths), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("neuron", ["SiLIF", "LIF"])
def test_the_network_is_that_of_the_defining_steps(neuron):
    """Steps by the kernel have the spikes of the definition, and its gradients to rounding."""
    results = []
    for backend in ("auto", "reference"):
        torch.manual_seed(0)
        options = {"recurrent": True, "recurrent_connection": "axonal", "recurrent_options": {"max_delay": 4}}
        net = SpArchNet(6, (20,), 4, neuron=neuron, backend=backend, initial_state="uniform", **options).double()
        net.hidden[0].current.norm.weight.data.mul_(3)
        torch.manual_seed(1)
        output = net(4 * torch.rand(3, 20, 6))
        output.scores[:, 0].sum().backward()
        assert output.firing_rates.mean() > 0.01
        results.append([output.firing_rates, *(each.grad for each in net.parameters())])
    assert torch.equal(results[0][0], results[1][0])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("connection", "error", "says"),
    [
        (nn.Linear(3, 3), TypeError, "connection: got Linear; it must have delays"),
        (AxonalLinear(3, 4, 2), ValueError, r"its weight has shape \(4, 3\); it must lead from N neurons to N"),
    ],
)
def test_arguments_are_named(connection, error, says):
    with pytest.raises(error, match=says):
        RecurrentDelay(cell, connection)


def test_a_delay_line_is_gone_after_its_loop():
    """What steps share must not hold a tensor of their graph, which holds it: such a circle is never collected."""
    weight = torch.ones(1, 1, requires_grad=True)
    line = DelayLine(torch.tensor([[0.0], [1.0]]), weight, None, torch.zeros(2, 1, 1), 3)
    arrived = []
    for _ in range(3):
        arrived.append(line.arrive())
        line.send(torch.sigmoid(arrived[-1]))
    torch.stack(arrived).sum().backward()
    memory = weakref.ref(line._memory)
    del line, arrived
    gc.collect()
    assert memory() is None
