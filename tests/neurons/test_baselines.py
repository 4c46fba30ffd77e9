"""Neurons that others published, each against its equations written out in a loop, and its proof of stability."""

import importlib
import math

import pytest
import torch
from hypothesis import given, settings

from silif_plugins.dynamics import is_stable
from silif_plugins.neurons import (
    BRF,
    NEURONS,
    AdLIF,
    SEAdLIF,
    canonical_name,
    is_recurrent,
    neuron_class,
    register_neuron,
)
from silif_plugins.scan import scan, step
from silif_plugins.sparch import SpArchNet
from silif_plugins.surrogate import Boxcar, DoubleGaussian, Slayer
from silif_plugins.testing import values
from silif_plugins.training import TrainConfig

T, B, N = 200, 3, 16
MODELS = {"SE-adLIF": 6.0, "BRF": 60.0}
"""How strong a current makes them fire."""


def seadlif_loop(neuron, current, spike):
    tau_u, tau_w = 5 + 20 * neuron.theta_u.clamp(0, 1), 60 + 240 * neuron.theta_w.clamp(0, 1)
    du, dw = torch.exp(-1 / tau_u), torch.exp(-1 / tau_w)
    u = w = torch.zeros_like(current[0])
    spikes = []
    for now in current:
        u = du * u + (1 - du) * (now - w)
        s = spike(u - 1)
        u = u * (1 - s.detach())
        w = dw * w + (1 - dw) * 120 * (neuron.a.clamp(0, 1) * u + neuron.b.clamp(0, 2) * s)
        spikes.append(s)
    return torch.stack(spikes), (u, w)


def brf_loop(neuron, current, spike):
    dt, omega = 0.01, neuron.omega.abs()
    p = (torch.sqrt(1 - (dt * omega) ** 2) - 1) / dt
    u = torch.zeros_like(current[0], dtype=torch.complex128)
    q = torch.zeros_like(current[0])
    spikes = []
    for now in current:
        b = p - neuron.offset.abs() - q
        u = u + dt * (torch.complex(b, omega.expand_as(b)) * u + now)
        s = spike(u.real - 1 - q)
        q = 0.9 * q + s
        spikes.append(s)
    return torch.stack(spikes), (u, q)


LOOPS = {"SE-adLIF": seadlif_loop, "BRF": brf_loop}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", MODELS)
def test_spikes_and_gradients_are_those_of_the_equations(name, seed):
    torch.manual_seed(seed)
    neuron = NEURONS[name](N).double()
    current = (MODELS[name] * torch.randn(T, B, N, dtype=torch.float64)).requires_grad_()
    surrogate = Slayer() if name == "SE-adLIF" else DoubleGaussian()
    weight = torch.randn(T, B, N, dtype=torch.float64)
    spikes, last = neuron(current)
    expected, (u, second) = LOOPS[name](neuron, current, surrogate)
    assert torch.equal(spikes, expected)
    assert 0.02 < spikes.mean() < 0.9
    if name == "SE-adLIF":
        torch.testing.assert_close((last.mem * (1 - last.spk), last.ada), (u, second))
    else:
        torch.testing.assert_close(torch.complex(last.mem, last.imaginary), u)
        torch.testing.assert_close(0.9 * last.refractory + last.spk, second)
    inputs = [current, *neuron.parameters()]
    found = torch.autograd.grad((spikes * weight).sum(), inputs)
    torch.testing.assert_close(found, torch.autograd.grad((expected * weight).sum(), inputs))
    assert all(gradient.isfinite().all() and gradient.any() for gradient in found)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("recurrent", [False, True])
def test_gradients_of_a_smooth_spike(name, recurrent):
    options = {"detach_reset": False} if name == "SE-adLIF" else {}
    neuron = NEURONS[name](3, **options).double()
    names = [each for each, _ in neuron.named_parameters()]
    weights = torch.randn(3, 3, dtype=torch.float64, requires_grad=True) if recurrent else None

    def run(current, weights, *parameters):
        for each, value in zip(names, parameters, strict=True):
            delattr(neuron, each)
            setattr(neuron, each, value)
        spikes, state = scan(neuron, current, surrogate=lambda x: torch.sigmoid(4 * x), recurrent=weights)
        return (spikes, *state)

    current = MODELS[name] * torch.randn(6, 2, 3, dtype=torch.float64)
    parameters = [value.detach().clone().requires_grad_() for value in neuron.parameters()]
    assert torch.autograd.gradcheck(run, (current.requires_grad_(), weights, *parameters))


def test_what_the_reset_of_seadlif_lets_through():
    """Nothing by default, as published; the jump of the adaptation stays, unless the caller cuts it, too."""
    gradients = []
    for own, all_of_it in ((True, False), (False, False), (True, True)):
        neuron = SEAdLIF(1, theta_u=0.5, theta_w=0.0, a=0.0, b=1.0, detach_reset=own).double()
        current = torch.tensor([20.0, 0.0], dtype=torch.float64).view(2, 1, 1).requires_grad_()
        _, last = neuron(current, surrogate="atan", detach_reset=all_of_it)
        gradients.append(torch.autograd.grad(last.mem.sum(), current)[0][0].item())
    assert gradients[0] < 0  # through the jump alone: more adaptation
    assert gradients[1] < gradients[0]  # and a membrane that is emptied
    assert gradients[2] == 0


def test_without_its_own_surrogate_a_model_has_the_boxcar():
    for neuron, kind in ((SEAdLIF(4), Slayer), (BRF(4), DoubleGaussian), (AdLIF(4), Boxcar)):
        assert type(SpArchNet(3, (4,), 2, neuron=type(neuron)).hidden[0].surrogate) is kind
        current = 20 * torch.rand(30, 1, 4)
        found = []
        for surrogate in (None, kind()):
            x = current.clone().requires_grad_()
            neuron(x, surrogate=surrogate)[0].sum().backward()
            found.append(x.grad)
        assert torch.equal(*found)
    assert SpArchNet(3, (4,), 2, neuron="BRF", surrogate="boxcar").hidden[0].surrogate == Boxcar()


UNIT = {"low": 0, "high": 1}


@settings(max_examples=200, deadline=None)
@given(values() | values(**UNIT), values() | values(**UNIT), values() | values(**UNIT))
def test_seadlif_is_stable_whatever_its_parameters(theta_u, theta_w, a):
    """Its own proof: A is stable, and shrinks the norm c α u² + (1-α) w² in which a spike shrinks, too."""
    dynamics = SEAdLIF(1, theta_u=theta_u, theta_w=theta_w, a=a).double().dynamics()
    space = dynamics.between_spikes()
    assert is_stable(space).all()
    alpha, beta, c = dynamics.alpha, dynamics.beta, dynamics.coupling
    assert (c < 1 + beta).all()
    if bool((c * alpha > 1e-30).all()):
        scale = torch.cat([(c * alpha).sqrt(), (1 - alpha).sqrt()]).double()
        scaled = scale.unsqueeze(1) * space.transition[0] / scale
        assert torch.linalg.matrix_norm(scaled, ord=2) < 1


def test_the_system_between_spikes_is_that_of_the_steps():
    neuron = SEAdLIF(N, threshold=math.inf).double()
    current = torch.randn(50, B, N, dtype=torch.float64)
    _, last = scan(neuron, current)
    _, linear = scan(neuron.dynamics().between_spikes(), current)
    torch.testing.assert_close((last.mem, last.ada), (linear.mem, linear.ada))


@settings(max_examples=200, deadline=None)
@given(values(low=-300, high=300), values(low=-300, high=300), values(low=0, high=10))
def test_brf_is_stable_where_it_says(omega, offset, refractory):
    neuron = BRF(1, omega=omega, offset=offset).double()
    dynamics = neuron.dynamics()
    rho = torch.sqrt(1 - (0.01 * dynamics.omega) ** 2)
    state = [dynamics.rest((1, 1))._replace(refractory=refractory[None] / 0.9, **{part: torch.ones(1, 1).double()})
             for part in ("mem", "imaginary")]  # fmt: skip
    columns = [dynamics.step(torch.zeros(1, 1), each, Boxcar()) for each in state]
    matrix = torch.stack([torch.cat([column.mem, column.imaginary]).flatten() for column in columns], dim=1)
    damped = 0.01 * (offset.abs() + refractory)
    radius = torch.linalg.eigvals(matrix).abs().max()
    if bool((damped > 1e-9) & (damped < 2 * rho - 1e-9)):
        assert radius < 1
    elif bool(damped > 2 * rho + 1e-9):
        assert radius > 1


@pytest.mark.parametrize("strength", [1.0, 10.0])
@pytest.mark.parametrize("name", MODELS)
def test_bounded_for_a_long_time(name, strength):
    neuron = NEURONS[name](32)
    state, largest = None, []
    with torch.no_grad():
        for _ in range(10):
            current = strength * MODELS[name] * (2 * torch.rand(1000, 2, 32) - 1)
            spikes, state = neuron(current, state)
            assert spikes.any()
            largest.append(max(field.abs().max().item() for field in state))
    assert max(largest) < 200 * strength


def test_an_oscillation_faster_than_the_timestep_is_finite():
    """Where the published code takes the root of a negative number."""
    neuron = BRF(2, omega=torch.tensor([150.0, -99.5]))
    spikes, state = neuron(50 * torch.rand(50, 1, 2))
    (spikes.sum() + state.mem.sum()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in neuron.parameters())
    assert state.mem.isfinite().all()


def test_published_starts():
    se, brf = SEAdLIF(4000), BRF(4000)
    for parameter, low, high in (
        (se.theta_u, 0, 1), (se.theta_w, 0, 1), (se.a, 0, 1), (se.b, 0, 2), (brf.omega, 5, 10), (brf.offset, 2, 3),
    ):  # fmt: skip
        assert low <= parameter.min() < low + 0.01
        assert high - 0.01 < parameter.max() <= high
    assert se.dynamics().alpha.min().item() == pytest.approx(math.exp(-1 / 5), rel=1e-3)
    assert se.dynamics().beta.max().item() == pytest.approx(math.exp(-1 / 300), rel=1e-4)
    assert (brf.timestep, repr(BRF(3))) == (torch.tensor(0.01), "BRF(3, threshold=1, dt=0.01)")
    with pytest.raises(ValueError, match="dt: got 0; it must be a positive time"):
        BRF(3, dt=0)


@pytest.mark.parametrize(
    ("neuron", "sizes", "bias", "count"),
    [
        ("SE-adLIF", (140, 128, 20), True, 37_544),
        ("SE-adLIF", (140, 360, 360, 20), True, 450_040),
        ("BRF", (700, 128, 20), False, 108_820),
    ],
)
def test_published_parameter_counts(neuron, sizes, bias, count):
    net = SpArchNet(
        sizes[0], sizes[1:-1], sizes[-1], neuron=neuron, recurrent=True, normalization="none", bias=bias
    )  # fmt: skip
    assert sum(parameter.numel() for parameter in net.parameters()) == count


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_in_sparchs_network(name):
    torch.manual_seed(0)
    net = SpArchNet(10, (24,), 2, neuron=name, recurrent=True)
    torch.nn.init.constant_(net.hidden[0].current.norm.weight, MODELS[name])
    classes = torch.arange(40) % 2
    inputs = (torch.rand(40, 30, 10) < 0.05 + 0.2 * classes.view(-1, 1, 1)).float()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        output = net(inputs)
        loss = torch.nn.functional.cross_entropy(output.scores, classes)
        loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in net.parameters())
        optimizer.step()
    assert 0.001 < output.firing_rates.mean() < 0.9
    assert (output.scores.argmax(1) == classes).float().mean() > 0.9


def test_rlif_and_radlif_are_names_of_recurrent_layers():
    for name, own in (("RLIF", "LIF"), ("radlif", "AdLIF")):
        torch.manual_seed(0)
        net = SpArchNet(5, (6, 4), 3, neuron=name)
        torch.manual_seed(0)
        same = SpArchNet(5, (6, 4), 3, neuron=own, recurrent=True)
        assert neuron_class(name) is NEURONS[own]
        assert net.state_dict().keys() == same.state_dict().keys()
        assert all(torch.equal(*pair) for pair in zip(net.parameters(), same.parameters(), strict=True))
        inputs = 5 * torch.rand(2, 20, 5)
        assert torch.equal(net(inputs).scores, same(inputs).scores)
    assert (canonical_name("rad-lif"), TrainConfig(neuron="radlif").label) == ("RadLIF", "RadLIF")
    assert not is_recurrent(AdLIF)
    with pytest.raises(ValueError, match="did you mean RadLIF"):
        canonical_name("RadLI")
    with pytest.raises(ValueError, match="name: got 'R-LIF' for Mine; it is the name of a recurrent layer"):
        register_neuron("R-LIF")(type("Mine", (AdLIF,), {}))


def test_one_step_is_the_sequence():
    for name, strength in MODELS.items():
        neuron, current, state = NEURONS[name](5), strength * torch.rand(20, 2, 5), None
        spikes, _ = neuron(current)
        for now, expected in zip(current, spikes, strict=True):
            got, state = step(neuron, now, state)
            assert torch.equal(got, expected)


def test_snntorch_says_at_once_what_runs_it():
    pytest.importorskip("snntorch")
    plugin = importlib.import_module("silif_plugins.snntorch")
    for name in MODELS:
        model = NEURONS[name]
        assert not model.has_state_space()
        says = f"neuron: got {model.__name__}, which has no state space; run it by scan, in SpArchNet, or by AnyNeuron"
        with pytest.raises(TypeError, match=says):
            plugin.Spiking(model(4))
