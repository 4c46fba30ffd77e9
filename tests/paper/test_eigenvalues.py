"""Eigenvalues of the published networks: by the matrix that is simulated, and by the one of the paper's Figure 2."""

import numpy as np
import pytest
import torch

from silif_plugins import LIF, RF, AdLIF, CAdLIF, CSiLIF, SiLIF
from silif_plugins.dynamics import eigenvalues, is_stable, oscillates
from silif_plugins.paper import published_eigenvalues
from silif_plugins.sparch import load_official

COMPLEX = {
    ("SiLIF", 0): (0.47, 0.086),
    ("SiLIF", 1): (0.61, 0.006),
    ("CadLIF", 0): (0.59, 0.074),
    ("CadLIF", 1): (0.74, 0.19),
}
"""Shares of complex pairs in the published networks, by layer: simulated, and Figure 2's."""


def pairs(values):
    """Sort each neuron's eigenvalues, so that their order does not count."""
    values = values.detach().numpy() if isinstance(values, torch.Tensor) else values
    return np.array([np.sort_complex(row) for row in values])


@pytest.fixture(params=[(name, layer) for name in ("SiLIF", "CadLIF") for layer in (0, 1)], ids=str)
def published(request, oracle, oracle_dir):
    name, layer = request.param
    neuron = load_official(oracle_dir / "checkpoints" / f"ssc_{name}.pt").hidden[layer].neuron.double()
    found = oracle("eigenvalues")
    return neuron, found[f"{name}.{layer}.true"], found[f"{name}.{layer}.fig2"], COMPLEX[name, layer]


def test_eigenvalues_of_the_published_networks(published):
    neuron, simulated, of_figure, (share, share_of_figure) = published
    space = neuron.state_space()
    # Where two eigenvalues meet, the root of their distance has half of the digits.
    np.testing.assert_allclose(pairs(eigenvalues(space)), pairs(simulated), atol=1e-9)
    assert oscillates(space).double().mean().item() == pytest.approx(share, abs=0.005)
    ours = published_eigenvalues(neuron)
    np.testing.assert_allclose(pairs(ours), pairs(of_figure), atol=1e-9)
    assert (ours.imag != 0).double().mean().item() == pytest.approx(share_of_figure, abs=0.005)


@pytest.mark.parametrize("name", ["CSiLIF", "ResonateFire"])
@pytest.mark.parametrize("layer", [0, 1])
def test_eigenvalues_of_the_published_complex_neurons(name, layer, oracle, oracle_dir):
    neuron = load_official(oracle_dir / "checkpoints" / f"ssc_{name}.pt").hidden[layer].neuron.double()
    found = oracle("eigenvalues")
    space = neuron.state_space()
    ours = {"true": eigenvalues(space), "fig2": published_eigenvalues(neuron)}
    for key, values in ours.items():
        expected = found.get(f"{name}.{layer}.{key}", found[f"{name}.{layer}.true"])
        np.testing.assert_allclose(values.real[:, 0].detach().numpy(), expected.real, atol=1e-12)
        np.testing.assert_allclose(values.imag.abs()[:, 0].detach().numpy(), np.abs(expected.imag), atol=1e-12)
    assert bool(oscillates(space).all()) or name == "CSiLIF"
    assert bool(is_stable(space).all()) == (name == "CSiLIF")


@pytest.mark.parametrize("model", [SiLIF, CAdLIF])
def test_the_matrices_of_the_figure(model):
    """By the general algorithm, from the matrices as they are written."""
    neuron = model(40).double()
    with torch.no_grad():
        space = neuron.state_space()
        beta, a = space.a22, space.a21
        alpha = (space.a11 + a) / (1 + a)
        rows = [[alpha, alpha - 1], [(1 - beta) * a, beta]]
        matrix = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    np.testing.assert_allclose(pairs(published_eigenvalues(neuron)), pairs(torch.linalg.eigvals(matrix)), atol=1e-6)


def test_what_the_figure_takes_for_the_others():
    rf = RF(5).double()
    rate = torch.complex(rf.damping, rf.omega).detach()
    torch.testing.assert_close(published_eigenvalues(rf)[:, 0], (rf.dt * rate).exp())
    assert published_eigenvalues(CSiLIF(5)).shape == (5, 2)
    assert published_eigenvalues(AdLIF(5)).shape == (5, 2)
    with pytest.raises(ValueError, match="got LIF; Figure 2 shows"):
        published_eigenvalues(LIF(5))
