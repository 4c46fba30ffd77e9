"""|eigenvalue| < 1: proven by the Jury criterion, checked over the whole range of the parameters."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import (
    StateSpace,
    eigenvalues,
    is_stable,
    jury_margins,
    oscillates,
    spectral_radius,
    stability_margin,
)
from silif_plugins.neurons import RF, AdLIF, CAdLIF, CSiLIF, SiLIF, csilif_space, silif_space
from silif_plugins.neurons.adlif import adaptive_integrator
from silif_plugins.scan import scan
from silif_plugins.testing import csilif_parameters, silif_parameters, values

MODELS = {"SiLIF": (silif_space, silif_parameters), "C-SiLIF": (csilif_space, csilif_parameters)}


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=500)
@given(data=st.data())
def test_every_parameter_gives_a_stable_neuron(model, data):
    function, parameters = MODELS[model]
    space = function(**data.draw(parameters()))
    assert spectral_radius(space).item() < 1
    assert np.abs(np.linalg.eigvals(space.transition.numpy())).max() < 1
    assert is_stable(space).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=500)
@given(data=st.data())
def test_every_parameter_gives_finite_coefficients_and_gradients(model, dtype, data):
    function, parameters = MODELS[model]
    drawn = {name: value.requires_grad_() for name, value in data.draw(parameters(dtype=dtype)).items()}
    space = function(**drawn)
    assert all(field.isfinite().all() for field in space)
    assert spectral_radius(space).item() < 1
    assert is_stable(space).item()
    sum(field.sum() for field in space if field.requires_grad).backward()
    assert all(value.grad.isfinite().all() for value in drawn.values())


@settings(max_examples=1000)
@given(*(values(low=-3, high=3) for _ in range(4)))
def test_jury_and_eigenvalues_agree(a11, a12, a21, a22):
    space = StateSpace.of(a11=a11, a12=a12, a21=a21, a22=a22)
    radius = np.abs(np.linalg.eigvals(space.transition.numpy())).max()
    if abs(radius - 1) > 1e-6:  # a double eigenvalue is known to 8 digits only
        assert is_stable(space).item() == (radius < 1)
    np.testing.assert_allclose(spectral_radius(space).item(), radius, atol=1e-6)
    np.testing.assert_allclose(eigenvalues(space).abs().max().item(), radius, atol=1e-6)


@given(
    *(values(low=0.0009765625, high=0.9990234375) for _ in range(2)),
    values(low=-3, high=8),
)
def test_jury_bounds_of_the_adaptive_neuron(alpha, beta, a):
    """det = αβ, and stable if and only if -(1-β) < a < (1+α)(1+β)/(1-α)."""
    space = adaptive_integrator(alpha, 1 - alpha, beta, a, torch.zeros(1), 1.0)
    torch.testing.assert_close(torch.linalg.det(space.transition), alpha * beta)
    low, high = -(1 - beta), (1 + alpha) * (1 + beta) / (1 - alpha)
    if min((a - low).abs(), (a - high).abs()) > 1e-9:
        assert is_stable(space).item() == bool(low < a < high)
    ringing = ((1 - alpha) * a - (alpha.sqrt() - beta.sqrt()) ** 2) * (
        (alpha.sqrt() + beta.sqrt()) ** 2 - (1 - alpha) * a
    )
    if ringing.abs() > 1e-9:
        assert oscillates(space).item() == bool(ringing > 0)


def test_adlif_is_unstable_for_half_of_its_range():
    """SpArch's AdLIF starts half unstable, and an unstable neuron explodes without any input."""
    neuron = AdLIF(4000)
    space = neuron.state_space()
    beyond = neuron.a < -(1 - neuron.decay_w)
    assert torch.equal(~is_stable(space), beyond)
    assert 0.45 < beyond.float().mean() < 0.52
    assert spectral_radius(space).max() > 1.3

    state = neuron.uniform_state((1,))
    with torch.no_grad():
        _, final = scan(space, torch.zeros(200, 1, 4000), state)
    assert final.mem[0, beyond].abs().max() > 1e6
    assert final.mem[0, ~beyond].abs().max() < 10


@pytest.mark.parametrize("model", [CAdLIF, SiLIF, CSiLIF, RF])
def test_models_start_stable(model):
    assert stability_margin(model(2000).state_space()).min() > 0


def test_rf_is_stable_below_its_frequency_limit():
    """Euler's step is stable if and only if y² < -2x/Δ - x²."""
    limit = (2 * 2.0 / 0.004 - 2.0**2) ** 0.5
    space = RF(2, damping=-2.0, omega=torch.tensor([limit - 0.01, limit + 0.01])).state_space()
    assert is_stable(space).tolist() == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["SiLIF", "C-SiLIF"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_bounded_input_gives_bounded_state_for_10_000_steps(model, data):
    """|x| <= κ sup|B I + R s| / (1 - ρ): the spikes only add a bounded input to a stable system."""
    function, parameters = MODELS[model]
    bounded = {name: value.clamp(-20, 5) for name, value in data.draw(parameters(8)).items()}
    space = function(**bounded)
    seed = data.draw(st.integers(0, 2**31 - 1))
    current = torch.rand(10_000, 1, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 4 - 2
    _, _, states = scan(space, current, return_states=True)

    # By variation of constants: |x[t]| <= Σ_k |A^k|·sup|B I + R s|, the sum taken over the steps of the run.
    power, total = torch.eye(2, dtype=torch.float64).expand(8, 2, 2), torch.zeros(8, dtype=torch.float64)
    for _ in range(10_000):
        total += torch.linalg.matrix_norm(power, ord=2)
        power = power @ space.transition
    drive = 2 * torch.hypot(*torch.broadcast_tensors(space.b1, space.b2)) + torch.hypot(space.r1, space.r2)
    reached = torch.hypot(states.mem, states.ada).amax(dim=(0, 1))
    assert (reached <= total * drive * (1 + 1e-9)).all()


@pytest.mark.parametrize("official", ["SiLIF", "CadLIF", "CSiLIF", "ResonateFire"])
@pytest.mark.parametrize("layer", [0, 1])
def test_eigenvalues_of_the_published_networks(official, layer, oracle, oracle_dir):
    from silif_plugins.sparch import load_official

    net = load_official(oracle_dir / "checkpoints" / f"ssc_{official}.pt")
    ours = eigenvalues(net.hidden[layer].neuron.double().state_space()).detach().numpy()
    theirs = oracle("eigenvalues")[f"{official}.{layer}.true"]
    theirs = theirs if theirs.ndim == 2 else np.stack([theirs, theirs.conj()], axis=-1)
    canonical = lambda pair: np.sort_complex(np.round(pair, 5))  # noqa: E731
    np.testing.assert_allclose(canonical(ours), canonical(theirs), atol=2e-5)


def test_jury_margins_shape():
    assert jury_margins(SiLIF((3, 4)).state_space()).shape == (3, 4, 3)
