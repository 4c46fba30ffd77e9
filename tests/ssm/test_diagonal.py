"""The diagonal state space against a naive loop: convolution, steps, gradients, both directions, copies."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.ssm import DiagonalSSM


@torch.no_grad()
def loop(system, inputs):
    """The recurrence with numbers, channel by channel and state by state, in complex128."""
    steps, batch, channels = inputs.shape
    outputs = torch.zeros(steps, batch, channels, dtype=torch.float64)
    directions = [(0, list(range(steps)))] + ([(1, list(reversed(range(steps))))] if system.bidirectional else [])
    copies = [(0.0, 1.0)]
    if system.copies > 1:
        omegas = 1e-6 + (100 - 1e-6) * torch.sigmoid(system.omega)
        etas = 1e-6 + (10 - 1e-6) * torch.sigmoid(system.eta)
        copies = list(zip(omegas.tolist(), etas.tolist(), strict=True))
    for h in range(channels):
        dt = math.exp(system.log_dt[h])
        outputs[:, :, h] += inputs[:, :, h] * system.D[h]
        for n in range(system.A_imag.shape[1]):
            for omega, eta in copies:
                a = -omega + eta * complex(-math.exp(system.log_A_real[h, n]), system.A_imag[h, n])
                decay = torch.exp(torch.tensor(dt * a, dtype=torch.complex128))
                b = eta * (decay - 1) / a
                for direction, order in directions:
                    c = complex(*system.C[direction, h, n].tolist())
                    state = torch.zeros(batch, dtype=torch.complex128)
                    for t in order:
                        if direction:  # the way back sees what is later, not what is now
                            outputs[t, :, h] += 2 * (c * state).real
                        state = decay * state + b * inputs[t, :, h]
                        if not direction:
                            outputs[t, :, h] += 2 * (c * state).real
    return outputs


@pytest.mark.parametrize("options", [{}, {"frequencies": "s4d-inv"}, {"bidirectional": True}, {"copies": 3}])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_convolution_is_the_loop(options, dtype):
    torch.manual_seed(0)
    system = DiagonalSSM(3, state_size=8, dt=(0.01, 0.5), **options).to(dtype)
    inputs = torch.randn(37, 2, 3, dtype=dtype)
    expected = loop(system.double(), inputs.double())
    got = system.to(dtype)(inputs)
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-9 if dtype == torch.float64 else 1e-5)


@settings(max_examples=25, deadline=None)
@given(steps=st.integers(0, 70), size=st.sampled_from([2, 6]), copies=st.integers(1, 2), seed=st.integers(0, 99))
def test_steps_are_the_convolution(steps, size, copies, seed):
    torch.manual_seed(seed)
    system = DiagonalSSM(4, state_size=size, copies=copies, dt=(0.001, 5.0))
    inputs = torch.randn(steps, 2, 4)
    whole, state = system(inputs), None
    for now, expected in zip(inputs, whole, strict=True):
        got, state = system.step(now, state)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("frequencies", ["s4d-lin", "s4d-inv"])
def test_frequencies_are_the_published_ones(frequencies):
    found = DiagonalSSM(2, state_size=8, frequencies=frequencies)
    expected = [math.pi * n if frequencies == "s4d-lin" else 8 / math.pi * (8 / (2 * n + 1) - 1) for n in range(4)]
    torch.testing.assert_close(found.A_imag, torch.tensor([expected, expected]))
    torch.testing.assert_close(found.log_A_real.exp(), torch.full((2, 4), 0.5))
    assert 0.001 <= found.log_dt.exp().min() <= found.log_dt.exp().max() <= 0.1


def test_every_gradient_is_that_of_the_steps():
    torch.manual_seed(1)
    system = DiagonalSSM(3, state_size=6, copies=2, dt=(0.01, 0.5)).double()
    inputs = torch.randn(20, 2, 3, dtype=torch.float64, requires_grad=True)
    weights, state, stepped = torch.randn(20, 2, 3, dtype=torch.float64), None, []
    for now in inputs:
        output, state = system.step(now, state)
        stepped.append(output)
    wanted = [inputs, *system.parameters()]
    assert len(wanted) == 8
    whole = torch.autograd.grad((system(inputs) * weights).sum(), wanted)
    for one, other in zip(whole, torch.autograd.grad((torch.stack(stepped) * weights).sum(), wanted), strict=True):
        assert one.abs().sum() > 0
        torch.testing.assert_close(one, other)


def test_one_copy_that_is_the_system_itself():
    """η = 1 and ω = 0 change nothing; LongSpike's first copy begins there, the second ten times slower."""
    system = DiagonalSSM(2, state_size=4, copies=2)
    scaled, _ = system.discretised()
    plain = system.log_dt.exp().unsqueeze(-1) * torch.complex(-system.log_A_real.exp(), system.A_imag)
    torch.testing.assert_close(scaled[:, :2], plain, rtol=1e-3, atol=1e-4)
    slower = 0.1 * plain - 0.1 * system.log_dt.exp().unsqueeze(-1)
    torch.testing.assert_close(scaled[:, 2:], slower, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": 0}, "channels: got 0; it must be positive"),
        ({"state_size": 3}, "state_size: got 3; it must be even"),
        ({"frequencies": "s4d"}, "frequencies: got 's4d'; it must be one of s4d-lin, s4d-inv"),
        ({"dt": (0.1, 0.01)}, r"dt: got \(0.1, 0.01\); it must be two positive numbers"),
        ({"copies": 0}, "copies: got 0"),
    ],
)
def test_what_makes_no_system(options, says):
    with pytest.raises(ValueError, match=says):
        DiagonalSSM(**{"channels": 2, **options})


def test_inputs_that_do_not_fit():
    system = DiagonalSSM(2, state_size=4)
    with pytest.raises(ValueError, match=r"inputs: got shape \(5, 2\); it must be \[T, B, H\] with H = 2"):
        system(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="has no steps"):
        DiagonalSSM(2, state_size=4, bidirectional=True).step(torch.zeros(1, 2))
