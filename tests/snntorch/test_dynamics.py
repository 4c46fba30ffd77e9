"""Spikes, states and gradients are those of the core, however the layer is called."""

import pytest
import snntorch as snn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins import neurons
from silif_plugins.dynamics import State
from silif_plugins.scan import scan
from silif_plugins.snntorch import RF, CSiLIF, Membrane, SecondOrderState, SiLIF, Spiking

T, B, N = 30, 4, 5

pytestmark = pytest.mark.usefixtures("double")


def currents(requires_grad=False):
    return (4 * torch.randn(T, B, N)).requires_grad_(requires_grad)


def explicit(lif, current):
    """As written for snn.Synaptic."""
    syn, mem = lif.init_synaptic()
    record = []
    for now in current.unbind():
        spk, syn, mem = lif(now, syn, mem)
        record.append((spk, syn, mem))
    return [torch.stack(x) for x in zip(*record, strict=True)]


def packed(lif, current):
    """As written for snn.Leaky."""
    state = lif.init_leaky()
    record = []
    for now in current.unbind():
        spk, state = lif(now, state)
        assert isinstance(state, Membrane)
        record.append((spk, state.syn, state))
    return [torch.stack(x) for x in zip(*record, strict=True)]


def hidden(lif, current):
    """With the states in the module."""
    lif.reset_mem()
    record = [(lif(now)[0], lif.syn, lif.mem) for now in current.unbind()]
    return [torch.stack(x) for x in zip(*record, strict=True)]


def sequence(lif, current):
    """All steps in one call."""
    lif.sequence, lif.output = True, True
    spk, mem = lif(current)
    return spk, mem.syn, mem


def core(lif, current):
    """The definition."""

    def surrogate(x):  # snnTorch's surrogates return float32
        return lif.spike_grad(x).to(x.dtype)

    _, _, states = scan(
        lif.state_space(),
        current,
        surrogate=surrogate,
        return_states=True,
        backend="reference",
        detach_reset=lif.detach_reset,
    )
    return states.spk, states.ada, states.mem


WAYS = {"explicit": explicit, "packed": packed, "hidden": hidden, "sequence": sequence}
SURROGATES = {
    "boxcar": "boxcar",
    "atan": "atan",
    "snntorch's": snn.surrogate.custom_surrogate(lambda x, grad, spikes: grad / (1 + 5 * x.abs()) ** 2),
}


@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("way", WAYS)
def test_spikes_states_and_gradients_are_the_cores(ours, way, surrogate, detach_reset):
    lif = ours(
        N,
        spike_grad=SURROGATES[surrogate],
        learn_threshold=True,
        threshold=torch.linspace(0.8, 1.2, N),
        detach_reset=detach_reset,
    )
    current = currents(requires_grad=True)
    weights = [torch.randn(T, B, N) for _ in range(3)]
    results, gradients = [], []
    for run in (core, WAYS[way]):
        found = run(lif, current)
        loss = sum((x * w).sum() for x, w in zip(found, weights, strict=True))
        trained = [current, *lif.parameters()]
        gradients.append(torch.autograd.grad(loss, [p for p in trained if p.requires_grad], allow_unused=True))
        results.append(found)
    assert results[0][0].sum() > 4
    for expected, actual in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)
    for (name, _), expected, actual in zip(
        [("current", None), *lif.named_parameters()], *(g for g in gradients), strict=True
    ):
        assert expected is not None, name
        # snnTorch's surrogates differentiate in float32, whatever they are given.
        tolerance = 1e-6 if surrogate == "snntorch's" else 1e-9
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", WAYS)
def test_spikes_equal_the_cores_to_the_last_bit(ours, way, dtype):
    lif = ours(64).to(dtype)
    current = (4 * torch.randn(100, 8, 64)).to(dtype)
    expected = core(lif, current)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = WAYS[way](lif, current)
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], expected[1])
        assert torch.equal(found[2], expected[2])


@pytest.mark.parametrize("way", ["explicit", "packed", "sequence"])
def test_given_states_are_used_and_receive_gradients(way):
    lif = SiLIF(N, detach_reset=False)
    start = State(*(torch.rand(B, N) * 2 for _ in range(2)), torch.empty(0))
    current = currents()
    gradients = []
    for run in ("core", way):
        syn, mem = start.ada.clone().requires_grad_(), start.mem.clone().requires_grad_()
        if run == "core":
            spk = lif.spike_grad(mem - lif.threshold)  # the layer's state has no spike: it follows from the membrane
            _, last = scan(lif.state_space(), current, State(mem, syn, spk), surrogate=lif.spike_grad)
            last = SecondOrderState(last.ada, last.mem)
        elif run == "sequence":
            lif.sequence = True
            _, *last = lif(current, syn, mem)
            last = SecondOrderState(*last)
        elif run == "explicit":
            last = (syn, mem)
            for now in current:
                _, *last = lif(now, *last)
            last = SecondOrderState(*last)
        else:
            last = Membrane.of(mem, syn)
            for now in current:
                _, last = lif(now, last)
            last = SecondOrderState(last.syn, last)
        gradients.append(torch.autograd.grad((last.mem * torch.arange(N)).sum() + last.syn.sum(), [syn, mem]))
    for expected, actual in zip(*gradients, strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def test_chunks_of_a_sequence_continue_each_other(ours):
    lif = ours(N, sequence=True)
    current = currents()
    whole, syn, mem = lif(current, *lif.init_synaptic())
    state = lif.init_leaky()
    parts = []
    for chunk in (current[:0], current[:7], current[7:8], current[8:]):
        spk, state = lif(chunk, state)
        parts.append(spk)
    assert torch.equal(torch.cat(parts), whole)
    torch.testing.assert_close(state, mem)
    torch.testing.assert_close(state.syn, syn)


def test_every_sequence_starts_at_rest(ours):
    lif = ours(N, sequence=True, init_hidden=True)
    current = currents()
    assert torch.equal(lif(current), lif(current))


def test_sequences_and_steps_can_follow_each_other():
    lif = SiLIF(N)
    current = currents()
    expected, _, _ = packed(lif, current)
    mem, spikes = lif.reset_mem(), []
    for now in current[:10]:
        spk, mem = lif(now, mem)
        spikes.append(spk)
    lif.sequence = True
    middle, mem = lif(current[10:20], mem)
    lif.sequence = False
    for now in current[20:]:
        spk, mem = lif(now, mem)
        spikes.append(spk)
    assert torch.equal(torch.stack([*spikes[:10], *middle, *spikes[10:]]), expected)


def test_sequence_returns_the_states_of_all_steps_on_request():
    lif = CSiLIF(N, sequence=True, init_hidden=True, output=True)
    current = currents()
    spk, mem = lif(current)
    assert spk.shape == current.shape
    _, _, trace = scan(lif.state_space(), current, return_states=True)
    torch.testing.assert_close(mem, trace.mem, check_dtype=True)
    torch.testing.assert_close(mem.syn, trace.ada)
    assert torch.equal(lif.mem, mem[-1])
    assert torch.equal(lif.syn, mem[-1].syn)


def loop(space, current, rule):
    """The reset mechanisms, written out."""
    mem = ada = spk = torch.zeros(B, N)
    record = []
    for now in current:
        reset = {"subtract": spk * space.threshold, "zero": spk * mem, "none": torch.zeros(B, N)}[rule]
        mem, ada = (
            space.a11 * mem + space.a12 * ada + space.b1 * now + space.r1 * reset,
            space.a21 * mem + space.a22 * ada + space.b2 * now + space.r2 * reset,
        )
        spk = (mem > space.threshold).to(mem)
        record.append((spk, ada, mem))
    return [torch.stack(x) for x in zip(*record, strict=True)]


@pytest.mark.parametrize("rule", ["subtract", "zero", "none"])
@pytest.mark.parametrize("way", WAYS)
def test_reset_mechanisms(ours, way, rule):
    threshold = torch.linspace(0.5, 1.5, N)
    lif = ours(N, reset_mechanism=rule, threshold=threshold)
    unit = lif.neuron.state_space()._replace(threshold=threshold)  # the models' own threshold is 1
    unit = unit._replace(b1=unit.b1 * lif.input_scale, b2=unit.b2 * lif.input_scale)
    current = currents()
    for expected, actual in zip(loop(unit, current, rule), WAYS[way](lif, current), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_reset_to_zero_is_that_of_snn_leaky():
    """On a leaky integrator, whose input snnTorch does not scale by 1 - β."""
    decay = 0.9
    ours = Spiking(neurons.LIF(N, decay_u=decay), reset_mechanism="zero", init_hidden=True)
    theirs = snn.Leaky(beta=decay, reset_mechanism="zero", init_hidden=True)
    for now in currents():
        assert torch.equal(ours(now / (1 - decay)).bool(), theirs(now).bool())


def test_a_layer_at_any_threshold_is_the_paper_s_neuron_with_its_inputs_scaled(ours):
    """What is subtracted is the threshold: the neuron's unit, as snnTorch has it."""
    current = currents()
    lif = ours(N)
    small = ours(N, threshold=0.125)
    small.load_state_dict(
        {name: value for name, value in lif.state_dict().items() if name != "threshold"}, strict=False
    )
    for one, other in zip(explicit(lif, current), explicit(small, current / 8), strict=True):
        scale = 1 if one.unique().numel() <= 2 else 8
        torch.testing.assert_close(other * scale, one, rtol=1e-9, atol=1e-9)


def test_a_hosted_neuron_keeps_its_own_threshold_and_reset():
    neuron = neurons.SiLIF(N, threshold=0.5)
    current = currents()
    spikes, _ = scan(neuron.state_space(), current)
    assert torch.equal(explicit(Spiking(neuron), current)[0], spikes)


def test_a_neuron_that_never_fires_is_hosted_as_a_readout():
    lif = Spiking(neurons.LI(N, decay_u=0.9), init_hidden=True, output="mem", sequence=True)
    current = currents(requires_grad=True)
    spk, mem = lif(current)
    assert not spk.any()
    mem[-1].sum().backward()
    assert current.grad.isfinite().all()
    assert current.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [3, (3, 1, 1), (3, 4, 4)])
def test_populations_of_any_shape(ours, size):
    shape = (B, 3) if size == 3 else (B, 3, 4, 4)
    lif = ours(size)
    assert lif.size == ((3,) if size == 3 else size)
    current = 4 * torch.randn(T, *shape)
    spikes, _ = scan(lif.state_space(), current)
    assert torch.equal(explicit(lif, current)[0], spikes)
    lif.sequence = True
    assert torch.equal(lif(current, *lif.reset_mem())[0], spikes)


def test_one_neuron_for_inputs_of_any_size_and_without_a_batch():
    lif = SiLIF(1)
    for shape in ((7,), (2, 7), (2, 3, 7)):
        spk, syn, mem = lif(torch.ones(shape), *lif.reset_mem())
        assert spk.shape == syn.shape == mem.shape == shape


def test_sequence_of_no_steps_returns_the_state_it_got():
    for options in ({}, {"reset_mechanism": "zero"}):
        lif = RF(N, sequence=True, **options)
        state = SecondOrderState(torch.rand(B, N), torch.rand(B, N))
        spk, after = lif(torch.empty(0, B, N), state)
        assert spk.shape == (0, B, N)
        assert torch.equal(after, state.mem)
        assert torch.equal(after.syn, state.syn)


class Trained(torch.nn.Module):
    """A surrogate with a parameter: spikes forward, a sigmoid of trained slope backward."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        soft = torch.sigmoid(self.slope * x)
        return (x > 0).float() + soft - soft.detach()


@pytest.mark.parametrize("way", WAYS)
def test_surrogates_may_have_parameters_of_their_own(way):
    lif = SiLIF(N, spike_grad=Trained())
    current = currents()
    gradients = []
    for run in (core, WAYS[way]):
        loss = (run(lif, current)[0] * torch.arange(N)).sum()
        gradients.append(torch.autograd.grad(loss, [lif.spike_grad.slope, lif.neuron.log_dt]))
    assert dict(lif.named_parameters())["spike_grad.slope"] is lif.spike_grad.slope
    for expected, actual in zip(*gradients, strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    rule=st.sampled_from(["subtract", "zero", "none"]),
    threshold=st.floats(0.05, 3),
    scale=st.floats(0.1, 30),
    seed=st.integers(0, 1000),
    make=st.sampled_from([SiLIF, CSiLIF]),
)
def test_all_ways_agree(sizes, rule, threshold, scale, seed, make):
    torch.manual_seed(seed)
    steps, batch, size = sizes
    lif = make(size, reset_mechanism=rule, threshold=threshold)
    current = scale * torch.randn(4 * steps, batch, size)
    expected = explicit(lif, current)
    for way in (packed, hidden, sequence):
        for one, two in zip(way(lif, current), expected, strict=True):
            assert torch.equal(one, two)
