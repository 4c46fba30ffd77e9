"""A neuron that takes the place of another starts as that very neuron, and learns from there."""

import copy

import pytest
import snntorch as snn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from silif_plugins import neurons
from silif_plugins.dynamics import spectral_radius
from silif_plugins.snntorch import CSiLIF, SiLIF, from_leaky

T, B, N = 200, 4, 6

pytestmark = pytest.mark.usefixtures("double")

STARTS = {"SiLIF": SiLIF, "CSiLIF without rotation": lambda size, **options: CSiLIF(size, omega=0.0, **options)}
BETAS = {"number": 0.9, "fast": 0.3, "none": 0.0, "per neuron": torch.linspace(0.05, 0.99, N)}
# A threshold that is a number meets snnTorch's float32 spikes in float32: one that float32 holds exactly, or an array.
THRESHOLDS = {"1": 1.0, "0.25": 0.25, "negative": -0.5, "per neuron": torch.linspace(0.3, 1.3, N)}


def stepped(lif, currents, start=None):
    """Run as written for snn.Leaky."""
    mem = lif.init_leaky() if start is None else start
    record = []
    for cur in currents:
        spk, mem = lif(cur, mem)
        record.append((spk, mem))
    return tuple(map(torch.stack, zip(*record, strict=True)))


@pytest.mark.parametrize("sequence", [False, True], ids=["stepped", "sequence"])
@pytest.mark.parametrize("reset_mechanism", ["subtract", "zero", "none"])
@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("make", STARTS)
def test_it_starts_as_snn_leaky(make, beta, threshold, reset_mechanism, sequence):
    options = {"beta": BETAS[beta], "threshold": THRESHOLDS[threshold], "reset_mechanism": reset_mechanism}
    leaky = snn.Leaky(**options)
    lif = STARTS[make](N, sequence=sequence, output=sequence, **options)
    currents = torch.randn(T, B, N)
    expected_spk, expected_mem = stepped(leaky, currents)
    spk, mem = lif(currents) if sequence else stepped(lif, currents)
    assert torch.equal(spk, expected_spk.to(spk))
    assert expected_spk.any()
    torch.testing.assert_close(mem, expected_mem, rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    beta=st.floats(0, 1),
    threshold=st.floats(0.01, 10),
    scale=st.floats(0.1, 10),
    reset_mechanism=st.sampled_from(["subtract", "zero", "none"]),
    seed=st.integers(0, 1000),
)
def test_it_starts_as_any_snn_leaky(beta, threshold, scale, reset_mechanism, seed):
    torch.manual_seed(seed)
    threshold = torch.full((N,), threshold)
    leaky = snn.Leaky(beta=beta, threshold=threshold, reset_mechanism=reset_mechanism)
    currents = scale * torch.randn(50, B, N)
    expected_spk, expected_mem = stepped(leaky, currents)
    spk, mem = stepped(from_leaky(leaky, size=N), currents)
    # A decay of 1 is held at 1 - 1e-13, one of 0 at 1e-13.
    assert torch.equal(spk, expected_spk.to(spk))
    torch.testing.assert_close(mem, expected_mem, rtol=1e-9, atol=1e-9)


def test_before_training_all_gradients_that_leaky_has_are_leaky_s():
    """With the reset's gradient cut off, as snnTorch does."""
    x = torch.randn(30, B, 3)
    net = nn.ModuleDict({"fc": nn.Linear(3, N), "lif": snn.Leaky(beta=0.9)})
    ours = copy.deepcopy(net)
    ours["lif"] = from_leaky(net["lif"], size=N)
    grads = []
    for each in (net, ours):
        spk, mem = stepped(each["lif"], each["fc"](x))
        ((spk * torch.arange(N)).sum() + mem.square().sum()).backward()
        grads.append(each["fc"].weight.grad)
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-5, atol=1e-5)  # snnTorch's surrogate computes in float32


def test_from_there_everything_learns():
    lif = SiLIF(N, beta=0.9)
    spk, mem = stepped(lif, 2 * torch.rand(50, B, N))
    (mem.square().sum() + spk.sum()).backward()
    for name, parameter in lif.neuron.named_parameters():
        if name != "log_inv_tau_w":  # without a coupling nothing enters the adaptation yet
            assert parameter.grad.abs().min() > 0, name
    with torch.no_grad():
        lif.neuron.a += 0.1
    lif.zero_grad()
    spk, mem = stepped(lif, 2 * torch.rand(50, B, N))
    mem.square().sum().backward()
    assert lif.neuron.log_inv_tau_w.grad.abs().min() > 0


def test_after_training_it_is_the_paper_s_neuron_in_other_units():
    """Of the current by the one scale, of the spikes that reset by the other."""
    lif = SiLIF(N, beta=0.9, a=(0.0, 1.0), b=(0.0, 2.0))
    for scale, expected in ((lif.input_scale, 10.0), (lif.reset_scale, 1 / 0.9)):
        torch.testing.assert_close(scale, torch.full((N,), expected))
    paper = lif.neuron.state_space()
    for name, value in lif.state_space()._asdict().items():
        scale = {"b1": 10.0, "r1": 1 / 0.9, "r2": 1 / 0.9}.get(name, 1.0)
        torch.testing.assert_close(value, (getattr(paper, name) * scale).expand(value.shape))
    restored = SiLIF(N)
    restored.load_state_dict(lif.state_dict())
    x = torch.randn(20, B, N)
    assert torch.equal(stepped(restored, x)[1], stepped(lif, x)[1])


def test_a_constant_current_moves_the_default_start_as_far_as_leaky():
    """Up to a limit, which slow neurons would saturate beyond."""
    lif = SiLIF(N, a=0.0, b=0.0, threshold=100.0, tau_u=torch.tensor([0.004, 0.01, 0.02, 0.04, 0.07, 0.1]))
    _, mem = stepped(lif, torch.ones(2000, 1, N))
    expected = (1 / (1 - lif.decays()[0])).clamp(max=SiLIF.LARGEST_GAIN)
    assert expected.min() < 2
    assert (expected == SiLIF.LARGEST_GAIN).sum() == 2
    torch.testing.assert_close(mem[-1, 0], expected)
    assert torch.equal(SiLIF(N, scale_input=False).input_scale, torch.ones(N))


@pytest.mark.parametrize("kind", [SiLIF, CSiLIF])
def test_the_paper_s_start_is_kept_by_name(kind):
    lif = kind.paper(1000, generator=torch.Generator().manual_seed(0))
    core = getattr(neurons, kind.__name__)(1000, generator=torch.Generator().manual_seed(0))
    for name, value in core.state_dict().items():
        assert torch.equal(lif.neuron.state_dict()[name], value), name
    for one, two in zip(lif.state_space(), core.state_space(), strict=True):
        assert torch.equal(one.expand(1000), two.expand(1000))
    assert not lif.detach_reset
    assert kind.paper(3, threshold=0.5, b=0.0).threshold == 0.5


@pytest.mark.parametrize("make", STARTS)
@given(beta=st.floats(0, 1), alpha=st.floats(0, 1), dt=st.floats(1e-5, 1.0))
@settings(max_examples=50, deadline=None)
def test_every_start_is_stable(make, beta, alpha, dt):
    lif = STARTS[make](3, beta=beta, alpha=alpha, dt=dt)
    assert (spectral_radius(lif.state_space()) < 1).all()
    assert all(field.isfinite().all() for field in lif.state_space())


def test_in_the_place_of_synaptic_it_has_the_gain_of_both():
    synaptic = snn.Synaptic(alpha=0.8, beta=0.9, threshold=1000.0)
    lif = from_leaky(synaptic, size=N)
    syn, mem = synaptic.init_synaptic()
    ours = lif.init_synaptic()
    for _ in range(500):
        _, syn, mem = synaptic(torch.ones(1, N), syn, mem)
        _, *ours = lif(torch.ones(1, N), *ours)
    torch.testing.assert_close(ours[1], mem.to(ours[1]), rtol=1e-4, atol=1e-4)
