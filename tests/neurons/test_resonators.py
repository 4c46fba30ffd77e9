"""Neurons without a reset, and other resonators: against loops of complex numbers, stable, alive, differentiable."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from silif_plugins.datasets import SpokenDigits
from silif_plugins.dynamics import StateSpace, eigenvalues, is_stable, spectral_radius
from silif_plugins.neurons import HRF, NEURONS, PRF, S5RF, RAFNode, neuron_class
from silif_plugins.neurons.s5rf import held, hippo_frequencies
from silif_plugins.scan import scan
from silif_plugins.sparch import SpArchNet
from silif_plugins.testing import values

MODELS = {
    "PRF": PRF,
    "S5-RF": S5RF,
    "S5-RF, impulses": lambda size, **options: S5RF(size, zoh=False, **options),
    "HRF": HRF,
    "RAFNode": RAFNode,
}
DRIVE = {"PRF": 20.0, "S5-RF": 40.0, "S5-RF, impulses": 2.0, "HRF": 10.0, "RAFNode": 2.0}
"""How strong a current, with mean 0, makes it fire now and then."""

WITHOUT_RESET = [name for name in MODELS if name != "RAFNode"]


def prf(p, neuron, current):
    """v = exp(Δ (-1/τ + i ω)) v + Δ I."""
    dt, omega = np.exp(p["log_dt"]), np.exp(p["log_omega"])
    v = 0j
    for now in current:
        v = np.exp(dt * (-1 / 2.0 + 1j * omega)) * v + dt * now
        yield v.real > 1


def s5rf(p, neuron, current):
    """x = exp(Δ λ) x + (exp(Δ λ) - 1) / λ I, or + I."""
    dt, pole = np.exp(p["log_dt"]), -np.exp(p["log_decay"]) + 1j * p["omega"]
    gain = (np.exp(dt * pole) - 1) / pole if neuron.zoh else 1
    x = 0j
    for now in current:
        x = np.exp(dt * pole) * x + gain * now
        yield x.real > 1


def hrf(p, neuron, current, sign=1):
    """u' = 20 I - 2 b u - ω² v with the damping at the end of the step, then v' = u."""
    omega, b, dt = np.exp(p["log_omega"]), sign * np.exp(p["log_damping"]), 0.01
    u = v = 0.0
    for now in current:
        u = (u + dt * 20 * now - dt * omega**2 * v) / (1 + 2 * dt * b)
        v = v + dt * u
        yield u > 1


def rafnode(p, neuron, current):
    """z = u + i v turns and shrinks; the current enters u, the reset leaves v."""
    factor = np.exp(np.exp(p["log_dt"]) * (-np.exp(p["log_decay"]) + 1j * p["omega"]))
    z, s = 0j, 0
    for now in current:
        z = factor * (z - 1j * s) + now
        s = z.imag > 1
        yield s


LOOPS = {"PRF": prf, "S5-RF": s5rf, "S5-RF, impulses": s5rf, "HRF": hrf, "RAFNode": rafnode}


def drawn(name, size=16, steps=200):
    """A neuron in float64 and currents that make it fire."""
    return MODELS[name](size).double(), DRIVE[name] * torch.randn(steps, 3, size, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("name", MODELS)
def test_it_is_the_published_equation(name, backend, seed):
    torch.manual_seed(seed)
    neuron, current = drawn(name)
    parameters = {key: value.numpy() for key, value in neuron.state_dict().items()}
    expected = np.stack(list(LOOPS[name](parameters, neuron, current.numpy())))
    spikes, _ = scan(neuron, current, backend=backend)
    assert 0.02 < expected.mean() < 0.98
    assert np.array_equal(spikes.detach().numpy() > 0, expected)


@pytest.mark.parametrize("name", MODELS)
def test_it_resets_as_it_says(name):
    space = MODELS[name](5).dynamics()
    assert isinstance(space, StateSpace)
    assert bool(space.r1.any() or space.r2.any()) == (name not in WITHOUT_RESET)


@pytest.mark.parametrize("name", MODELS)
def test_gradcheck_with_a_smooth_surrogate(name):
    neuron, current = drawn(name, size=3, steps=6)
    names = [key for key, _ in neuron.named_parameters()]

    options = {"surrogate": lambda x: torch.sigmoid(3 * x), "backend": "reference"}

    def run(current, *values):
        return functional_call(neuron, dict(zip(names, values, strict=True)), (current,), options)[0]

    inputs = [current[:, :1].clone(), *(p.detach().clone() for p in neuron.parameters())]
    assert torch.autograd.gradcheck(run, [value.requires_grad_() for value in inputs])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_a_net_are_finite_and_reach_every_parameter(name):
    neuron = MODELS[name](64)
    scan(neuron, DRIVE[name] * torch.randn(100, 4, 64), surrogate="atan")[0].sum().backward()
    for key, parameter in neuron.named_parameters():
        assert parameter.grad.isfinite().all(), key
        # The frequency of an integrator, ω = 0, has no sign to prefer.
        assert (parameter.grad != 0).float().mean() > 0.9, key


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_parameter_gives_a_stable_neuron(name, data):
    neuron = MODELS[name](1).double()
    with torch.no_grad():
        for value in neuron.parameters():
            value.copy_(data.draw(values() | values(low=-20, high=10)))
    space = neuron.state_space()
    assert all(field.isfinite().all() for field in space)
    assert spectral_radius(space).item() < 1
    assert np.abs(np.linalg.eigvals(space.transition.detach().numpy())).max() < 1
    assert is_stable(space).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_likely_parameters_give_finite_gradients(name, dtype, data):
    neuron = MODELS[name](1).to(dtype)
    with torch.no_grad():
        for value in neuron.parameters():
            value.copy_(data.draw(values(low=-20, high=10)))
    space = neuron.state_space()
    assert spectral_radius(space).item() < 1
    sum(field.sum() for field in space if field.requires_grad).backward()
    assert all(value.grad.isfinite().all() for value in neuron.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_the_state_stays_bounded_over_ten_thousand_steps(name):
    neuron = MODELS[name](32)
    space = neuron.state_space()
    current = DRIVE[name] * (2 * torch.rand(10_000, 1, 32) - 1)
    with torch.no_grad():
        _, half = scan(space, current[:5000])
        _, last = scan(space, current[5000:], half)
    gain = max(field.abs().max().item() for field in (space.b1, space.b2))
    reset = max(field.abs().max().item() for field in (space.r1, space.r2))
    # A state may grow at first where the eigenvectors are not orthogonal, as HRF's.
    transient = np.linalg.cond(np.linalg.eig(space.transition.detach().numpy())[1]).max()
    bound = transient * 2 * (gain * DRIVE[name] + reset) / (1 - spectral_radius(space).max().item())
    assert all(value.isfinite().all() and value.abs().max() < bound for value in (*half, *last))


def test_hippo_frequencies():
    """Pairs ± of the matrix that is written out, block after block."""
    n = 4
    matrix = np.array(
        [
            [-0.5 if i == j else (-1 if i > j else 1) * math.sqrt((2 * i + 1) * (2 * j + 1)) / 2 for j in range(n)]
            for i in range(n)
        ]
    )
    expected = np.linalg.eigvals(matrix)
    np.testing.assert_allclose(expected.real, -0.5)
    np.testing.assert_allclose(hippo_frequencies((n, 1, 1)).flatten(), np.sort(expected.imag), rtol=1e-5)
    blocks = hippo_frequencies((80,))
    assert torch.equal(blocks[:32], blocks[32:64])
    assert torch.equal(blocks[64:], blocks[:16])


@pytest.mark.parametrize("size", [1e-6, 0.9e-4, 1.1e-4, 1e-3, 1.0, 25.0])
def test_the_hold_of_s5rf_keeps_its_digits(size):
    """And so does its gradient, on both sides of where the series ends."""
    z = torch.polar(torch.full((9,), size, dtype=torch.float64), torch.linspace(1.6, 3.1, 9, dtype=torch.float64))
    log_step, phase = (-z.real).log().requires_grad_(), z.imag.clone().requires_grad_()
    found = torch.complex(*held(log_step, phase))
    # The integral of exp(z x) over x from 0 to 1, by quadrature.
    nodes, weights = np.polynomial.legendre.leggauss(60)
    expected = torch.tensor(sum(w / 2 * np.exp(z.numpy() * (x + 1) / 2) for x, w in zip(nodes, weights, strict=True)))
    torch.testing.assert_close(found.detach(), expected, rtol=1e-12, atol=1e-13)
    slope = torch.tensor(
        sum(w / 2 * (x + 1) / 2 * np.exp(z.numpy() * (x + 1) / 2) for x, w in zip(nodes, weights, strict=True))
    )
    found.imag.sum().backward()
    torch.testing.assert_close(phase.grad, slope.real, rtol=1e-7, atol=1e-10)


def test_poles_of_s5rf_are_those_of_its_time():
    neuron = S5RF(8).double()
    poles = torch.complex(-neuron.log_decay.exp(), neuron.omega.abs())
    expected = (neuron.log_dt.exp() * poles).exp()
    torch.testing.assert_close(eigenvalues(neuron.state_space())[:, 0], expected)


@pytest.mark.parametrize("scheme", ["implicit", "explicit"])
def test_with_the_published_sign_of_the_damping_hrf_is_unstable_from_the_start(scheme):
    """All of its neurons; with ours, none."""
    neuron = HRF(1000).double()
    omega, damping, dt = neuron.log_omega.exp(), neuron.log_damping.exp(), 0.01

    def radius(b):
        angle, ones = dt * omega, torch.ones_like(omega)
        if scheme == "implicit":
            s = 1 / (1 + 2 * dt * b)
            rows = (s, -s * angle * omega, dt * s, 1 - angle**2 * s)
        else:
            s = 1 - 2 * dt * b
            rows = (s, -angle * omega, dt * s, ones - angle**2)
        return np.abs(np.linalg.eigvals(torch.stack(rows, -1).reshape(-1, 2, 2).detach().numpy())).max(axis=1)

    assert (radius(-damping) > 1).all()
    assert (radius(damping) < 1).all()
    if scheme == "implicit":
        np.testing.assert_allclose(radius(damping), spectral_radius(neuron.state_space()).detach(), rtol=1e-9)


@pytest.mark.parametrize("name", ["PRF", "S5-RF", "HRF", "RAFNode"])
def test_layers_fire_at_the_default_start(name):
    data = SpokenDigits("train")
    net = SpArchNet(140, (128, 128), 20, neuron=name.lower())
    rates = net(torch.stack([torch.as_tensor(data[index][0]) for index in range(64)])).firing_rates
    assert type(net.hidden[0].neuron) is neuron_class(name) is NEURONS[name]
    for layer in rates.split(128):
        assert 0.001 < layer.mean() < 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PRF(3, tau=0.0), "tau: got 0"),
        (lambda: PRF(3, omega=(-1.0, 1.0)), "omega: got"),
        (lambda: HRF(3, dt=-1.0), "dt: got -1"),
        (lambda: HRF(3, damping=0.0), "damping: got 0; it must be positive"),
        (lambda: S5RF(3, decay=-0.5), "decay: got -0.5"),
    ],
)
def test_values_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
