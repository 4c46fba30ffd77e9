"""Eigenvalues and stability of a neuron below threshold, for any neuron, from its transition matrix alone.

The reset only adds a bounded input (spikes are 0 or 1), so |eigenvalue| < 1 gives a bounded state for every
bounded input. Everything here is computed in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .state_space import StateSpace


def eigenvalues(space: StateSpace) -> Tensor:
    """Eigenvalues of the transition matrix A, complex128 [*neurons, 2].

    They are the roots of z² - tr(A) z + det(A), from the form mean ± sqrt(half-difference² + a12 a21), which
    keeps its digits where both eigenvalues lie close to 1.

    Examples:
        >>> eigenvalues(StateSpace.of(a11=0.5, a12=-0.25, a21=1.0, a22=0.5))
        tensor([0.5000+0.5000j, 0.5000-0.5000j], dtype=torch.complex128)
    """
    mean, discriminant = _mean_and_discriminant(space)
    root = torch.sqrt(discriminant.to(torch.complex128))
    return torch.stack([mean + root, mean - root], dim=-1)


def spectral_radius(space: StateSpace) -> Tensor:
    """Largest |eigenvalue| of the transition matrix, float64 [*neurons]."""
    mean, discriminant = _mean_and_discriminant(space)
    real_pair = mean.abs() + discriminant.clamp(min=0).sqrt()
    complex_pair = _determinant(space.double()).clamp(min=0).sqrt()
    return torch.where(discriminant >= 0, real_pair, complex_pair)


def jury_margins(space: StateSpace) -> Tensor:
    """The three margins of the Jury criterion, float64 [*neurons, 3]: stable if and only if all are positive.

    For z² - tr z + det they are 1 - det, 1 - tr + det and 1 + tr + det. At zero an oscillation, an eigenvalue
    at 1, or one at -1 stops decaying. The last two are computed as (1 ∓ a11)(1 ∓ a22) - a12 a21: the same
    numbers without the cancellation of 1 - tr + det.
    """
    s = space.double()
    coupling = s.a12 * s.a21
    margins = (
        1 - _determinant(s),
        (1 - s.a11) * (1 - s.a22) - coupling,
        (1 + s.a11) * (1 + s.a22) - coupling,
    )
    return torch.stack(torch.broadcast_tensors(*margins), dim=-1)


def stability_margin(space: StateSpace) -> Tensor:
    """The smallest margin of the Jury criterion, float64 [*neurons]: positive for stable neurons."""
    return jury_margins(space).amin(dim=-1)


def is_stable(space: StateSpace) -> Tensor:
    """Whether every eigenvalue lies inside the unit circle, by the Jury criterion, bool [*neurons].

    Examples:
        >>> is_stable(StateSpace.of(a11=torch.tensor([0.9, 1.1])))
        tensor([ True, False])
    """
    return stability_margin(space) > 0


def oscillates(space: StateSpace) -> Tensor:
    """Whether the neuron rings (a complex pair of eigenvalues) instead of integrating, bool [*neurons].

    The paper's appendix A.1 calls the two regimes resonator and integrator.
    """
    return _mean_and_discriminant(space)[1] < 0


def _determinant(space: StateSpace) -> Tensor:
    return space.a11 * space.a22 - space.a12 * space.a21


def _mean_and_discriminant(space: StateSpace) -> tuple[Tensor, Tensor]:
    """Return m and d of the eigenvalues m ± sqrt(d), float64."""
    s = space.double()
    mean, discriminant = torch.broadcast_tensors((s.a11 + s.a22) / 2, ((s.a11 - s.a22) / 2) ** 2 + s.a12 * s.a21)
    return mean, discriminant
