"""FiTS, ALIF and D-LinOSS: against loops of their published equations, stable, bounded, differentiable."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from silif_plugins.dynamics import ModalSpace, StateSpace, is_stable, oscillates, spectral_radius
from silif_plugins.neurons import ALIF, DRF, FITS, FITSTS, NEURONS, DLinOSS
from silif_plugins.neurons.fits import CEILING, limit
from silif_plugins.scan import scan
from silif_plugins.testing import values

MODELS = {
    "FiTS": FITS,
    "FiTS, one filter": lambda size, **options: FITSTS(size, mix=(0.05, 0.25), beta=(-0.8, 0.8), **options),
    "FiTS, two filters": lambda size, **options: FITSTS(size, stages=2, mix=(0.05, 0.25), beta=(-0.8, 0.8), **options),
    "ALIF": ALIF,
    "D-LinOSS": DLinOSS,
    "D-RF": DRF,
    "D-RF, three branches": lambda size, **options: DRF(size, branches=3, **options),
}
DRIVE = {"FiTS": 1.0, "FiTS, one filter": 1.0, "FiTS, two filters": 1.0, "ALIF": 8.0, "D-LinOSS": 0.5}
DRIVE |= {"D-RF": 1.0, "D-RF, three branches": 1.0}
"""How strong a current, with mean 0, makes it fire now and then."""

LINEAR = [name for name in MODELS if "filter" not in name and "RF" not in name]
"""Those of two states."""


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fits(p, neuron, current):
    """Algorithm 1 of the paper, with its closed form of the coupling at the frequency that the neuron says."""
    mu, rho, dt = 1 / 0.04, 1 / 0.2, 0.004
    ratio = 2 * np.pi * neuron.frequencies().detach().numpy() / rho
    eta = np.sqrt(rho * (rho + mu) * (np.sqrt(1 + (1 + ratio**2) ** 2 / (1 + mu / rho) ** 2) - 1))
    stages = [stage for stage in (1, 2) if f"raw_beta_{stage}" in p]
    betas = [np.tanh(p[f"raw_beta_{stage}"]) for stage in stages]
    mixes = [sigmoid(p[f"raw_mix_{stage}"]) for stage in stages]
    v = a = 0.0
    before = [0.0] * (len(stages) + 1)
    for now in current:
        levels = [(1 - mu * dt) * v - eta * dt * a + now]
        a = (1 - rho * dt) * a + eta * dt * levels[0]
        for m, beta in enumerate(betas):
            levels.append(beta * (before[m + 1] - levels[m]) + before[m])
        before, v = levels, levels[-1]
        for m in reversed(range(len(mixes))):
            v = (1 - mixes[m]) * levels[m] + mixes[m] * v
        yield v > 1
        v = v - (v > 1)


def alif(p, neuron, current):
    u = r = s = 0.0
    for now in current:
        u = p["decay_u"] * u + (1 - p["decay_u"]) * now - s
        r = p["decay_r"] * r + (1 - p["decay_r"]) * s
        s = u > 1 + p["rise"] * r
        yield s


def dlinoss(p, neuron, current):
    dt, g = sigmoid(p["logit_dt"]), np.exp(p["log_damping"])
    root = np.sqrt(1 + dt * g)
    a = p["stiffness"].clip((2 + dt * g - 2 * root + 1e-3) / dt**2, (2 + dt * g + 2 * root - 1e-3) / dt**2)
    z = y = 0.0
    for now in current:
        z = (z + dt * (now - a * y)) / (1 + dt * g)
        y = y + dt * z
        yield y > np.exp(p["log_level"])


def drf(p, neuron, current):
    branches = range(1, neuron.branches + 1)
    poles = [np.exp(np.exp(p["log_dt"]) * (-np.exp(p[f"log_decay_{i}"]) + 1j * p[f"omega_{i}"])) for i in branches]
    z, r, s = [0j] * len(poles), 0.0, 0.0
    for now in current:
        z = [pole * each + now for pole, each in zip(poles, z, strict=True)]
        r = np.exp(-np.exp(p["log_recovery"])) * r + s
        membrane = sum(p[f"weight_{i}"] * each.real for i, each in zip(branches, z, strict=True))
        s = membrane > 1 + p["rise"] * r
        yield s


LOOPS = dict(zip(MODELS, (fits, fits, fits, alif, dlinoss, drf, drf), strict=True))


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
def test_gradcheck_with_a_smooth_surrogate(name):
    neuron, current = drawn(name, size=3, steps=6)
    names = [key for key, _ in neuron.named_parameters()]
    options = {"surrogate": lambda x: torch.sigmoid(3 * x), "backend": "reference"}

    def run(current, *values):
        return functional_call(neuron, dict(zip(names, values, strict=True)), (current,), options)[0]

    inputs = [current[:, :1].clone(), *(p.detach().clone() for p in neuron.parameters())]
    assert torch.autograd.gradcheck(run, [value.requires_grad_() for value in inputs])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_finite_and_reach_every_parameter(name):
    neuron = MODELS[name](64)
    scan(neuron, DRIVE[name] * torch.randn(100, 4, 64), surrogate="atan")[0].sum().backward()
    for key, parameter in neuron.named_parameters():
        assert parameter.grad.isfinite().all(), key
        # A stiffness at its bound has none.
        assert (parameter.grad != 0).float().mean() > (0.8 if key == "stiffness" else 0.9), key


@pytest.mark.parametrize("name", [*LINEAR, "D-RF"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_parameter_gives_a_stable_neuron(name, data):
    neuron = MODELS[name](1).double()
    with torch.no_grad():
        for value in neuron.parameters():
            value.copy_(data.draw(values() | values(low=-20, high=10)))
    space = neuron.dynamics()
    numbers = space.coefficients() if isinstance(space, ModalSpace) else space
    assert all(number.isfinite().all() for number in numbers)
    assert spectral_radius(space).item() < 1
    assert is_stable(space).item()
    sum(number.sum() for number in numbers if number.requires_grad).backward()
    assert all(value.grad.isfinite().all() for value in neuron.parameters())


@pytest.mark.parametrize("name", LINEAR)
def test_so_does_every_one_in_float32(name):
    """A grid of extremes and likely values, each with each."""
    extremes = torch.tensor([-1e4, -30.0, -8.0, -1.0, 0.0, 0.5, 1.0, 8.0, 30.0, 1e4])
    parameters = list(MODELS[name](1).parameters())
    grid = torch.cartesian_prod(*[extremes] * len(parameters)).view(-1, len(parameters))
    neuron = MODELS[name](len(grid))
    with torch.no_grad():
        for value, column in zip(neuron.parameters(), grid.T, strict=True):
            value.copy_(column)
    assert is_stable(neuron.dynamics()).all()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, 2]), st.data())
def test_no_filter_makes_fits_unstable(stages, data):
    """The criterion of its docstring, by the eigenvalues of all three or four states."""
    dt, tau_m, tau_a = sorted(data.draw(st.lists(st.floats(1e-3, 1), min_size=3, max_size=3, unique=True)))
    if dt == tau_m:
        return
    neuron = FITSTS(1, stages=stages, dt=dt, tau_m=tau_m, tau_a=tau_a, frequency=0.01 / tau_a).double()
    with torch.no_grad():
        for value in neuron.parameters():
            value.copy_(data.draw(values(low=-8, high=8) | values(low=-2, high=2)))
    space = neuron.dynamics()
    assert space.transition.isfinite().all()
    assert np.abs(np.linalg.eigvals(space.transition.detach().numpy())).max() < 1
    assert is_stable(space).item()


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_without_filters_the_limit_is_that_of_jury(p, q):
    torch.testing.assert_close(limit(p, q, torch.zeros(1)).item(), (1 + p) * (1 + q), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("times", "critical"), [((0.004, 0.04, 0.2), 77.2), ((0.01, 0.1, 0.5), 30.9)], ids=["SHD", "GSC"]
)
def test_critical_frequencies_are_the_published_ones_and_out_of_reach(times, critical):
    neuron = FITS(3, dt=times[0], tau_m=times[1], tau_a=times[2], frequency=5.0)
    with torch.no_grad():
        neuron.logit.copy_(torch.tensor([100.0, 10.0, 0.0]))
    kappa = neuron.coupling().double() ** 2 / CEILING
    assert neuron._resonance(kappa[0]).item() == pytest.approx(critical, abs=0.05)
    assert neuron.frequencies().max() < critical
    with pytest.raises(ValueError, match=r"frequency: got 80 Hz; .* it must be below"):
        FITS(3, dt=times[0], tau_m=times[1], tau_a=times[2], frequency=80.0)


def test_fits_resonates_where_it_says():
    """The response of the differential equation to a sine is largest at the frequency."""
    neuron = FITS(5, frequency=(1.0, 50.0)).double()
    torch.testing.assert_close(
        neuron.frequencies().detach(), torch.logspace(0, math.log10(50), 5, dtype=torch.float64), rtol=1e-5, atol=0
    )
    kappa = (neuron.coupling() / 0.004) ** 2
    s = 2j * math.pi * torch.logspace(-1, 2.5, 20000, dtype=torch.float64)
    for each, f in zip(kappa.detach(), neuron.frequencies().detach(), strict=True):
        response = 1 / (s + 1 / 0.04 + each / (s + 1 / 0.2))
        assert s[response.abs().argmax()].imag / (2 * math.pi) == pytest.approx(f.item(), rel=1e-3)


def test_dlinoss_rings_with_the_root_of_its_determinant():
    space = DLinOSS(500).double().state_space()
    determinant = space.a11 * space.a22 - space.a12 * space.a21
    torch.testing.assert_close(spectral_radius(space), determinant.sqrt(), rtol=1e-6, atol=0)
    assert oscillates(space).float().mean() > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_state_stays_bounded_over_ten_thousand_steps(name):
    neuron = MODELS[name](32)
    with torch.no_grad():
        if "FiTS" in name:
            neuron.logit.copy_(torch.linspace(-6, 6, 32))
        state, largest = None, []
        for _ in range(10):
            spikes, state = neuron(DRIVE[name] * (2 * torch.rand(1000, 1, 32) - 1), state)
            assert spikes.any()
            largest.append(max(field.abs().max().item() for field in state))
    assert max(largest) < 20 * max(largest[:1])


@pytest.mark.parametrize("name", ["FiTS", "FiTS-TS", "ALIF", "D-LinOSS", "D-RF"])
def test_which_have_a_state_space(name):
    model = NEURONS[name]
    assert model.has_state_space() == isinstance(model(2).dynamics(), StateSpace) == (name not in ("FiTS-TS", "D-RF"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FITS(3, dt=0.05), "dt, tau_m, tau_a: got 0.05, 0.04, 0.2"),
        (lambda: FITS(3, frequency=(-1.0, 1.0)), "frequency: got -1; it must be positive"),
        (lambda: FITSTS(3, stages=3), "stages: got 3; it must be 1 or 2"),
        (lambda: FITSTS(3, beta=1.0), "beta must be between -1 and 1"),
        (lambda: FITSTS(3, mix=0.0), "mix between 0 and 1"),
        (lambda: DRF(3, branches=4), "branches: got 4; it must be 1 to 3"),
        (lambda: DLinOSS(3, damping=0.0), "damping: got 0; it must be positive"),
    ],
)
def test_values_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
