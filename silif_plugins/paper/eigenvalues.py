"""Eigenvalues by the matrices of the paper's published Figure 2, which are not those that its code simulates."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dynamics import eigenvalues
from ..neurons import RF, AdLIF, CSiLIF, Neuron, SiLIF

SHOWN = (SiLIF, CSiLIF, AdLIF, RF)
"""Neurons that the figure shows, or whose kind it does."""


@torch.no_grad()
def published_eigenvalues(neuron: Neuron) -> Tensor:
    """Return the eigenvalues by the paper's matrices, as in its Figure 2, complex128 [*neurons, 2].

    - SiLIF, AdLIF and cAdLIF: those of [[α, α-1], [(1-β)a, β]] (equation 3), where the old w acts on u, with the gain
      (1-β)a. The code simulates [[α-(1-α)a, -(1-α)β], [a, β]]. For cAdLIF the figure's script takes yet another one,
      the exponential of a continuous system, with parameters that are not clamped, so that half of its neurons lie
      outside of the unit circle and of the figure.
    - RF: exp(Δλ), where the code takes Euler's step 1 + Δλ.
    - C-SiLIF: exp(Δλ), as in the code.

    :func:`silif_plugins.dynamics.eigenvalues` has those of the dynamics that are simulated.

    Raises:
        ValueError: If the figure does not show a neuron of this kind.

    Examples:
        >>> from silif_plugins.dynamics import oscillates
        >>> neuron = SiLIF(1, dt=0.004, tau_u=0.02, tau_w=0.2, a=0.5)
        >>> bool(oscillates(neuron.state_space())), bool(published_eigenvalues(neuron).imag.any())
        (True, False)
    """
    if isinstance(neuron, SiLIF | AdLIF):
        if isinstance(neuron, SiLIF):
            alpha, beta = (each.double() for each in neuron.decays())
            a = neuron.state_space().a21.double()
        else:
            alpha, beta, a, _ = (getattr(neuron, name).double().clamp(*ends) for name, ends in neuron.ranges.items())
        return _of_two(alpha, alpha - 1, (1 - beta) * a, beta)
    if isinstance(neuron, RF):
        rate = torch.complex(neuron.damping.double(), neuron.omega.double())
        return torch.stack([rate, rate.conj()], dim=-1).mul(neuron.dt).exp()
    if isinstance(neuron, CSiLIF):
        return eigenvalues(neuron.state_space())
    raise ValueError(f"neuron: got {type(neuron).__name__}; Figure 2 shows SiLIF, C-SiLIF, AdLIF, cAdLIF and RF")


def _of_two(a11: Tensor, a12: Tensor, a21: Tensor, a22: Tensor) -> Tensor:
    """Eigenvalues of 2x2 matrices, [*neurons, 2]."""
    mean, half = (a11 + a22) / 2, (a11 - a22) / 2
    root = torch.sqrt((half**2 + a12 * a21).to(torch.complex128))
    return torch.stack([mean + root, mean - root], dim=-1)
