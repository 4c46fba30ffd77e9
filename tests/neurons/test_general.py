"""The general reset neuron: against a loop of its parts, its special cases, stability, and in a network.

Where it has kernels they are those of any system, which tests/scan/test_systems.py holds against the reference.
"""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from silif_plugins.dynamics import (
    DenseSpace,
    GeneralReset,
    HardReset,
    ModalSpace,
    StateSpace,
    between_spikes,
    eigenvalues,
    spectral_radius,
)
from silif_plugins.neurons import LIF, RF, CSiLIF, GeneralResetNeuron, SiLIF
from silif_plugins.scan import scan, step
from silif_plugins.sparch import SpArchNet
from silif_plugins.testing import values

T, B, N = 200, 3, 5


def loop(neuron, current):
    """The three parts in numpy, one neuron after the other."""
    system = neuron.general_reset()
    a, b, c, d = (part.detach().numpy() for part in (system.transition, system.input, system.readout, system.skip))
    r = None if system.reset is None else system.reset.detach().numpy()
    theta = system.level.numpy()
    result = np.zeros((T, B, N, neuron.outputs))
    for sample, unit in itertools.product(range(B), range(N)):
        x, reset = np.zeros(neuron.states, dtype=a.dtype), None
        for t in range(T):
            ax = a[unit] * x if np.iscomplexobj(a) else a[unit] @ x
            if reset is not None:
                if neuron.action == "subtract":
                    ax = ax - r[unit] @ reset
                elif any(reset):
                    ax = ax * {"zero": 0, "scale": 1 - (0 if r is None else r[unit]), "none": 1}[neuron.action]
            x = ax + b[unit] * current[t, sample, unit]
            y = c[unit] @ x
            y = (2 * y.real if np.iscomplexobj(y) else y) + d[unit] * current[t, sample, unit]
            if neuron.spikes == "ternary":
                s = np.where(y > theta, 1.0, np.where(y < -theta, -1.0, 0.0))
            else:
                most = 2 ** int(neuron.spikes[0]) - 1 if "bit" in neuron.spikes else 1
                s = np.clip(np.ceil(y / theta) - 1, 0, most)
            result[t, sample, unit] = s
            reset = {
                "spike": s, "any": [float(any(s))], "output": (y > theta) * 1.0, "state": (x.real > theta) * 1.0,
            }[neuron.condition]  # fmt: skip
    return result


CASES = [
    ("diagonal", 1, 1, "binary", "spike", "subtract"),
    ("diagonal", 3, 2, "ternary", "spike", "subtract"),
    ("diagonal", 4, 2, "3-bit", "any", "zero"),
    ("diagonal", 2, 2, "binary", "state", "subtract"),
    ("diagonal", 2, 1, "2-bit", "output", "scale"),
    ("dense", 3, 2, "ternary", "output", "subtract"),
    ("dense", 4, 3, "binary", "any", "scale"),
    ("dense", 2, 1, "3-bit", "state", "zero"),
    ("dense", 5, 2, "binary", "spike", "none"),
]


def made(case, size=N, **options):
    transition, states, outputs, spikes, condition, action = case
    neuron = GeneralResetNeuron(
        size, transition=transition, states=states, outputs=outputs, spikes=spikes, condition=condition, action=action,
        **options,
    ).double()  # fmt: skip
    with torch.no_grad():  # away from the start, where many values are equal
        for value in neuron.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return neuron


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case)))
@pytest.mark.parametrize("stable", [True, False])
def test_it_is_its_three_parts(case, stable):
    for seed in range(3):
        torch.manual_seed(seed)
        neuron = made(case, stable=stable)
        current = 2 * torch.randn(T, B, N, dtype=torch.float64)
        spikes, _ = neuron(current, backend="reference")
        spikes = spikes.detach().numpy().reshape(T, B, N, -1)
        expected = loop(neuron, current.numpy())
        assert np.array_equal(spikes, expected)
        assert 0.01 < (expected != 0).mean() < 0.95


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case)))
def test_gradients_of_a_smooth_spike(case):
    neuron, current = made(case, size=2), torch.randn(5, 1, 2, dtype=torch.float64)
    names = [name for name, _ in neuron.named_parameters()]
    options = {"surrogate": lambda x: torch.sigmoid(3 * x)}

    def run(current, *values):
        return functional_call(neuron, dict(zip(names, values, strict=True)), (current,), options)[0]

    inputs = [current, *(value.detach().clone() for value in neuron.parameters())]
    assert torch.autograd.gradcheck(run, [value.requires_grad_() for value in inputs])
    neuron.float()
    neuron(torch.randn(50, 2, 2), backend="reference")[0].sum().backward()
    assert all(value.grad.isfinite().all() for value in neuron.parameters())


SPECIAL = {"SiLIF": SiLIF, "C-SiLIF": CSiLIF, "LIF": LIF, "RF": lambda size: RF(size, dt=0.05)}


@pytest.mark.parametrize("name", SPECIAL)
def test_neurons_of_two_states_are_special_cases(name):
    for seed in range(3):
        torch.manual_seed(seed)
        neuron = SPECIAL[name](N).double()
        current = {"C-SiLIF": 1.0, "RF": 60.0}.get(name, 5.0) * torch.randn(T, B, N, dtype=torch.float64)
        spikes = neuron(current)[0]
        assert 0.02 < spikes.mean() < 0.9
        assert torch.equal(GeneralResetNeuron.of(neuron.state_space())(current, backend="reference")[0], spikes)


def test_csilif_is_where_one_diagonal_state_starts():
    csilif, general = CSiLIF(N).double(), GeneralResetNeuron(N, states=1).double()
    with torch.no_grad():
        general.gate.copy_(csilif.b.unsqueeze(-1))
        general.log_dt.copy_(csilif.log_dt)
        pole = general.general_reset().transition
        general.r_real.copy_(pole.real.unsqueeze(-1) / 2)
        general.r_imag.copy_(pole.imag.unsqueeze(-1) / 2)
    current = torch.randn(T, B, N, dtype=torch.float64)
    spikes = general(current, backend="reference")[0]
    assert spikes.any()
    assert torch.equal(spikes, csilif(current)[0])


def test_s4d_with_spikes_is_a_special_case():
    """As a recursion of its own: h = exp(Δ A) h + (exp(Δ A) - 1) / A u, y = 2 Re(C h) + D u."""
    torch.manual_seed(0)
    neuron = GeneralResetNeuron(N, states=4, action="none").double()
    rng = np.random.default_rng(0)
    c, d = rng.normal(size=(N, 4)) + 1j * rng.normal(size=(N, 4)), rng.normal(size=N)
    dt = neuron.log_dt.detach().exp().numpy()[:, None]
    a = -0.5 + 1j * np.pi * np.arange(1, 5)
    gain = (np.exp(dt * a) - 1) / a
    with torch.no_grad():  # B is 1 in the recursion of S4D: its gain goes into C
        neuron.gate.fill_(1)
        neuron.c_real.copy_(torch.tensor((c * gain).real).unsqueeze(1))
        neuron.c_imag.copy_(torch.tensor((c * gain).imag).unsqueeze(1))
        neuron.skip.copy_(torch.tensor(d).unsqueeze(-1))
    current = 3 * torch.randn(T, B, N, dtype=torch.float64)
    h, expected = np.zeros((B, N, 4), dtype=complex), []
    for now in current.numpy():
        h = np.exp(dt * a) * h + now[..., None]
        expected.append(2 * (c * gain * h).sum(-1).real + d * now > 1)
    spikes = neuron(current)[0]
    assert 0.02 < spikes.mean() < 0.9
    assert np.array_equal(spikes.detach().numpy() > 0, np.stack(expected))


def test_the_lif_of_spikingssm_is_a_special_case():
    """u' = 0.125 u + y, s = H(u' - 1), u = u' (1 - s)."""
    current, u, expected = 1.5 * torch.randn(T, B, N, dtype=torch.float64), torch.zeros(B, N).double(), []
    for now in current:
        u = 0.125 * u + now
        expected.append((u > 1).double())
        u = u * (1 - expected[-1])
    lif = HardReset(StateSpace.of(a11=torch.full((N,), 0.125).double(), b1=1.0, r1=-0.125))
    assert torch.equal(GeneralResetNeuron.of(lif)(current, backend="reference")[0], torch.stack(expected))
    with pytest.raises(ValueError, match="space: got a hard reset that leaves a part"):
        GeneralResetNeuron.of(HardReset(SiLIF(3).state_space()))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["diagonal", "dense"]), st.integers(1, 5), st.data())
def test_what_is_said_to_be_stable_is(transition, states, data):
    neuron = GeneralResetNeuron(1, states=states, transition=transition).double()
    with torch.no_grad():
        for value in neuron.parameters():
            drawn = data.draw(values(value.numel(), low=-20, high=10))
            value.copy_(drawn.view_as(value))
    a = neuron.general_reset().transition.detach()
    if transition == "diagonal":
        assert a.abs().max() < 1
    else:
        assert np.abs(np.linalg.eigvals(a.numpy())).max() < 1


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[1], CASES[5], CASES[6]], ids=lambda case: " ".join(map(str, case)))
def test_stable_ones_stay_bounded_for_ten_thousand_steps(case):
    neuron, state, largest = made(case, size=4), None, []
    with torch.no_grad():
        for _ in range(10):
            _, state = neuron(2 * torch.randn(1000, 1, 4).double(), state)
            largest.append(state.x.abs().max().item())
    assert max(largest) < 20 * np.median(largest)


def test_a_reset_can_keep_an_unstable_neuron_bounded():
    """|A| = 1.02: without a reset it runs away, with one that empties it, it cannot."""
    options = {"states": 1, "stable": False, "decay": -0.2, "dt": 0.1}
    current = torch.rand(3000, 1, 8)
    with torch.no_grad():
        states = [
            GeneralResetNeuron(8, action=action, **options)(current, backend="reference")[1].x1
            for action in ("none", "zero")
        ]
    assert not states[0].abs().max() < 1e6
    assert states[1].abs().max() < 100


def test_conditions_of_your_own():
    def rarely(states, outputs, spikes, surrogate):
        return surrogate(outputs - 2).amax(-1, keepdim=True)

    neuron = GeneralResetNeuron(8, outputs=2, condition=rarely, action="zero")
    spikes, state = neuron(5 * torch.randn(50, 2, 8))
    assert state.resets.shape == (2, 8, 1)
    assert "rarely" in repr(neuron)
    spikes.sum().backward()


def test_pieces_steps_and_lengths_are_the_sequence():
    neuron, current = GeneralResetNeuron(6, outputs=2, spikes="ternary"), 3 * torch.randn(30, 4, 6)
    spikes, last = neuron(current)
    first, state = neuron(current[:11])
    second, again = neuron(current[11:], state)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert all(torch.equal(*pair) for pair in zip(last, again, strict=True))
    state = None
    for now, expected in zip(current, spikes, strict=True):
        got, state = step(neuron, now, state)
        assert torch.equal(got, expected)
    short, at_end = scan(neuron, current, lengths=torch.tensor([30, 11, 1, 7]))
    assert torch.equal(short[:11, 1], spikes[:11, 1])
    assert not short[11:, 1].any()
    assert torch.equal(at_end.x[0], last.x[0])
    with pytest.raises(ValueError, match=r"state.mem: got shape \(4, 5, 2\); the input needs \(4, 6, 2\)"):
        neuron(current, type(last)(last.mem[:, :5], *last[1:]))


def test_several_outputs_in_a_network():
    net = SpArchNet(
        10, (6, 4), 3, neuron="general-reset", neuron_options={"states": 2, "outputs": 3, "spikes": "3-bit"}
    )  # fmt: skip
    assert [layer.num_outputs for layer in net.hidden] == [18, 12]
    inputs = 5 * torch.rand(2, 20, 10)
    output = net(inputs, torch.tensor([20, 9]))
    output.scores.sum().backward()
    assert output.firing_rates.shape == (30,)
    assert 0 < output.firing_rates.max() <= 1
    assert all(value.grad.isfinite().all() for value in net.parameters())
    assert net.hidden[0].spikes(inputs.transpose(0, 1)).max() > 1
    with pytest.raises(ValueError, match="recurrent: got neurons with 3 outputs"):
        SpArchNet(10, (6,), 3, neuron="general-reset", neuron_options={"outputs": 3}, recurrent=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spikes": "9-bit"}, "spikes: got '9-bit'"),
        ({"condition": "never"}, "condition: got 'never'"),
        ({"action": "add"}, "action: got 'add'"),
        ({"transition": "full"}, "transition: got 'full'"),
        ({"states": 0}, "states, outputs: got 0 and 1"),
        ({"decay": -1.0}, r"decay: got -1.0; it must be positive, or stable=False"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GeneralResetNeuron(3, **options)


LINEAR = [
    ({}, ModalSpace, 6),
    ({"states": 3, "learn": ("c_real", "c_imag")}, ModalSpace, 6),
    ({"states": 4, "learn": ("c_real", "c_imag"), "action": "scale", "condition": "output"}, ModalSpace, 8),
    ({"spikes": "ternary", "states": 1}, ModalSpace, 4),
    ({"spikes": "3-bit", "states": 1, "action": "none", "condition": "state"}, ModalSpace, 4),
    ({"transition": "dense", "states": 1, "learn": ("c",), "action": "zero", "condition": "any"}, DenseSpace, 2),
    ({"transition": "dense", "states": 3}, DenseSpace, 4),
    ({"transition": "dense", "states": 7, "stable": False}, DenseSpace, 8),
]


@pytest.mark.parametrize(("options", "kind", "states"), LINEAR)
def test_where_it_is_a_linear_system_it_is_the_same_neuron(options, kind, states):
    """The general form and the system by the loop that defines neurons: spikes, membranes, gradients."""
    torch.manual_seed(1)
    neuron = GeneralResetNeuron(4, **options).double()
    with torch.no_grad():
        for value in neuron.parameters():
            value.add_(0.05 * torch.randn_like(value))
    general, system = neuron.general_reset(), neuron.dynamics()
    assert isinstance(system, kind)
    assert system.states == states
    current = (2 * torch.randn(60, 2, 4, dtype=torch.float64)).requires_grad_()
    weights, results = torch.randn(60, 2, 4, dtype=torch.float64), []
    for dynamics in (general, system):
        spikes, _, seen = scan(dynamics, current, backend="reference", return_states=True)
        loss = (weights * (spikes + seen.mem)).sum()
        leaves = [current, *neuron.parameters()]
        results.append((spikes, seen.mem, torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)))
    (spikes, mem, gradients), (same, close, others) = results
    assert torch.equal(spikes, same)
    assert spikes.any()
    torch.testing.assert_close(mem, close, rtol=1e-9, atol=1e-9)
    for one, other in zip(gradients, others, strict=True):
        assert one is None if other is None else torch.allclose(one, other, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {"outputs": 2},
        {"states": 4},
        {"states": 5},
        {"condition": "state"},
        {"spikes": "ternary", "condition": "any"},
        {"spikes": "2-bit", "action": "zero"},
        {"transition": "dense", "states": 8},
    ],
)
def test_where_it_is_none_it_is_dynamics_of_its_own(options):
    dynamics = GeneralResetNeuron(2, **options).dynamics()
    assert isinstance(dynamics, GeneralReset)
    found = between_spikes(dynamics)
    assert (found is None) == (options.get("states") == 5)  # of four the direct path of the input is no part


def test_between_spikes_it_has_the_eigenvalues_of_its_transition():
    neuron = GeneralResetNeuron(3, states=2, outputs=2).double()
    expected = neuron.general_reset().transition.detach()
    found = eigenvalues(between_spikes(neuron.dynamics())).detach()
    assert found.shape == (3, 4)
    for one in torch.cat([expected, expected.conj()], dim=-1).unbind(-1):
        assert (found - one.unsqueeze(-1)).abs().amin(-1).max() < 1e-12
    assert torch.allclose(spectral_radius(between_spikes(neuron.dynamics())), neuron.general_reset().spectral_radius())
