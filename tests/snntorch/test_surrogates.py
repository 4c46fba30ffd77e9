"""Surrogates: snnTorch's own default, and its functions as the core's classes."""

import pickle

import pytest
import snntorch as snn
import torch

from silif_plugins.snntorch import SiLIF
from silif_plugins.surrogate import ATan, Boxcar, FastSigmoid, Sigmoid, resolve

T, B, N = 20, 3, 4

TRANSLATED = {
    "atan": (snn.surrogate.atan(), ATan(2.0)),
    "atan(5)": (snn.surrogate.atan(alpha=5), ATan(5)),
    "fast_sigmoid": (snn.surrogate.fast_sigmoid(), FastSigmoid(25)),
    "fast_sigmoid(3)": (snn.surrogate.fast_sigmoid(slope=3.0), FastSigmoid(3.0)),
    "sigmoid": (snn.surrogate.sigmoid(), Sigmoid(25)),
}
UNTOUCHED = {
    "triangular": snn.surrogate.triangular(),
    "straight through": snn.surrogate.straight_through_estimator(),
    "custom": snn.surrogate.custom_surrogate(lambda input_, grad_input, spikes: grad_input * (1 + spikes)),
    "a function": torch.sigmoid,
    "trained slope": snn.surrogate.atan(torch.tensor(2.0)),
}


def gradients(lif, x, sequence):
    lif.sequence = sequence
    lif.reset_mem()
    spikes = lif(x) if sequence else torch.stack([lif(now) for now in x])
    weighted = (spikes * torch.arange(N)).sum()
    return spikes, torch.autograd.grad(weighted, [x, *lif.parameters()], allow_unused=True)


def test_the_default_is_snntorchs():
    """Its gradient reaches every neuron; the paper's boxcar is for nets with normalised inputs."""
    lif = SiLIF(3)
    assert lif.spike_grad == ATan(2.0)
    x = torch.linspace(-2, 2, 9, requires_grad=True)
    theirs = snn.Leaky(beta=0.9).spike_grad
    ours, expected = (torch.autograd.grad(f(x).sum(), x)[0] for f in (lif.spike_grad, theirs))
    torch.testing.assert_close(ours, expected)
    assert SiLIF(3, spike_grad="boxcar").spike_grad == Boxcar()


def test_a_silent_net_learns_to_speak():
    """Small inputs, no batch norm: what a net written for snn.Leaky feeds its neurons."""
    for surrogate, learns in ((None, True), ("boxcar", False)):
        torch.manual_seed(0)
        lif = SiLIF(N, init_hidden=True, spike_grad=surrogate, unit_gain=False)
        net = torch.nn.Sequential(torch.nn.Linear(N, N), lif)
        spikes = torch.stack([net(torch.rand(B, N)) for _ in range(T)])
        assert not spikes.any()
        spikes.sum().backward()
        assert net[0].weight.grad.any() == learns


@pytest.mark.parametrize("name", TRANSLATED)
def test_snntorchs_become_the_cores(name):
    theirs, ours = TRANSLATED[name]
    lif = SiLIF(N, init_hidden=True, spike_grad=theirs)
    assert lif.spike_grad == ours
    assert pickle.loads(pickle.dumps(lif)).spike_grad == ours


@pytest.mark.parametrize("name", ["atan(5)", "fast_sigmoid(3)"])
@pytest.mark.parametrize("sequence", [False, True])
def test_with_the_gradients_that_they_had(name, sequence):
    theirs, _ = TRANSLATED[name]
    lif = SiLIF(N, init_hidden=True, threshold=0.5, spike_grad=theirs)
    x = (2 * torch.rand(T, B, N)).requires_grad_()
    spikes, found = gradients(lif, x, sequence)
    lif.spike_grad = theirs  # set later, it is called as it is
    expected_spikes, expected = gradients(lif, x, sequence)
    assert torch.equal(spikes, expected_spikes)
    assert spikes.any()
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_those_of_snntorchs_main_branch_become_the_cores_too(monkeypatch):
    """There atan makes an object of a class, which keeps alpha."""

    class ATanSurrogate:
        def __init__(self, alpha=2.0):
            self.alpha = alpha

        def __call__(self, x):
            return snn.surrogate.ATan.apply(x, self.alpha)

    monkeypatch.setattr(ATanSurrogate, "__module__", snn.surrogate.__name__)
    assert isinstance(SiLIF(N, spike_grad=ATanSurrogate(3.0)).spike_grad, ATanSurrogate)  # atan makes others
    monkeypatch.setattr(snn.surrogate, "atan", ATanSurrogate)
    assert SiLIF(N, spike_grad=snn.surrogate.atan(3.0)).spike_grad == ATan(3.0)


@pytest.mark.parametrize("name", UNTOUCHED)
def test_others_stay_what_they_are(name):
    assert SiLIF(N, spike_grad=UNTOUCHED[name]).spike_grad is UNTOUCHED[name]


def test_far_below_the_threshold_sigmoids_gradient_is_zero_not_nan():
    lif = SiLIF(N, spike_grad=snn.surrogate.sigmoid(), init_hidden=True)
    x = torch.full((B, N), -1000.0, requires_grad=True)
    lif(x), lif(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros(B, N))
    theirs = torch.full((1,), -1000.0, requires_grad=True)
    snn.surrogate.sigmoid()(theirs).backward()
    if theirs.grad.isfinite():
        pytest.xfail("snnTorch mended its sigmoid: the core's need not stand in for it")


def test_names():
    assert SiLIF(N, spike_grad="fast_sigmoid").spike_grad == resolve("fast_sigmoid") == FastSigmoid()


@pytest.mark.parametrize("name", ["atan", "fast_sigmoid", "Sigmoid"])
def test_what_makes_a_surrogate_is_none(name):
    """The parentheses were forgotten."""
    with pytest.raises(TypeError, match=rf"spike_grad: got surrogate.{name}, .* write surrogate.{name.lower()}\(\)"):
        SiLIF(N, spike_grad=getattr(snn.surrogate, name))
