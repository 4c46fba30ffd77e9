"""Eigenvalues and stability of a neuron below threshold, for any neuron, from its transition matrix alone.

The reset only adds a bounded input (spikes are 0 or 1), so |eigenvalue| < 1 gives a bounded state for every
bounded input. Everything here is computed in float64.

Systems of two states, and the modes of a :class:`.modal_space.ModalSpace`, have closed forms. A dense matrix of more
states has the eigenvalues that LAPACK finds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .dense_space import DenseSpace
from .linear_system import LinearSystem
from .modal_space import ModalSpace
from .state_space import StateSpace

Linear = StateSpace | LinearSystem
"""What has a transition matrix."""


def eigenvalues(space: Linear) -> Tensor:
    """Eigenvalues of the transition matrix A, complex128 [*neurons, n] for n states.

    Those of two states are the roots of z² - tr(A) z + det(A), from the form mean ± sqrt(half-difference² + a12 a21),
    which keeps its digits where both eigenvalues lie close to 1.

    Examples:
        >>> eigenvalues(StateSpace.of(a11=0.5, a12=-0.25, a21=1.0, a22=0.5))
        tensor([0.5000+0.5000j, 0.5000-0.5000j], dtype=torch.complex128)
    """
    blocks = _blocks(space)
    if blocks is None:
        return torch.linalg.eigvals(space.transition.double())
    mean, discriminant = _mean_and_discriminant(blocks)
    root = torch.sqrt(discriminant.to(torch.complex128))
    return torch.stack([mean + root, mean - root], dim=-1).flatten(-2)


def spectral_radius(space: Linear) -> Tensor:
    """Largest |eigenvalue| of the transition matrix, float64 [*neurons]."""
    blocks = _blocks(space)
    if blocks is None:
        return eigenvalues(space).abs().amax(dim=-1)
    mean, discriminant = _mean_and_discriminant(blocks)
    real_pair = mean.abs() + discriminant.clamp(min=0).sqrt()
    complex_pair = _determinant(blocks).clamp(min=0).sqrt()
    return torch.where(discriminant >= 0, real_pair, complex_pair).amax(dim=-1)


def jury_margins(space: Linear) -> Tensor:
    """The three margins of the Jury criterion, float64 [*neurons, 3]: stable if and only if all are positive.

    For z² - tr z + det they are 1 - det, 1 - tr + det and 1 + tr + det. At zero an oscillation, an eigenvalue
    at 1, or one at -1 stops decaying. The last two are computed as (1 ∓ a11)(1 ∓ a22) - a12 a21: the same
    numbers without the cancellation of 1 - tr + det. Systems of several modes have three margins each, [*neurons, 3k].

    Raises:
        ValueError: If the system has a dense matrix of more than two states.
    """
    s = _blocks(space)
    if s is None:
        raise ValueError(
            f"space: got {space.transition.shape[-1]} states that are coupled; the margins are those of two states, "
            "or of modes of two: use stability_margin or spectral_radius"
        )
    coupling = s.a12 * s.a21
    margins = (
        1 - _determinant(s),
        (1 - s.a11) * (1 - s.a22) - coupling,
        (1 + s.a11) * (1 + s.a22) - coupling,
    )
    return torch.stack(torch.broadcast_tensors(*margins), dim=-1).flatten(-2)


def stability_margin(space: Linear) -> Tensor:
    """How far neurons are from the end of stability, float64 [*neurons]: positive for stable ones.

    It is the smallest margin of the Jury criterion; for a dense matrix of more than two states 1 - spectral radius.
    """
    if _blocks(space) is None:
        return 1 - spectral_radius(space)
    return jury_margins(space).amin(dim=-1)


def is_stable(space: Linear) -> Tensor:
    """Whether every eigenvalue lies inside the unit circle, by the stability margin, bool [*neurons].

    Examples:
        >>> is_stable(StateSpace.of(a11=torch.tensor([0.9, 1.1])))
        tensor([ True, False])
    """
    return stability_margin(space) > 0


def oscillates(space: Linear) -> Tensor:
    """Whether the neuron rings (it has a complex pair of eigenvalues) instead of integrating, bool [*neurons].

    The paper's appendix A.1 calls the two regimes resonator and integrator.
    """
    blocks = _blocks(space)
    if blocks is None:
        return (eigenvalues(space).imag != 0).any(dim=-1)
    return (_mean_and_discriminant(blocks)[1] < 0).any(dim=-1)


def _blocks(space: Linear) -> StateSpace | None:
    """Return the blocks of two states that make up a system, float64 [*neurons, k]; None if they are coupled."""
    if isinstance(space, StateSpace):
        parts: tuple[StateSpace, ...] = (space,)
    elif isinstance(space, ModalSpace):
        parts = space.blocks
    elif isinstance(space, DenseSpace) and space.states == 2:
        parts = (StateSpace._make((*space.rows[0], *space.rows[1], *space.b, *space.r, space.threshold)),)
    else:
        return None
    shape = space.shape
    fields = [torch.stack([entry.expand(shape) for entry in entries], dim=-1) for entries in zip(*parts, strict=True)]
    return StateSpace._make(fields).double()


def _determinant(space: StateSpace) -> Tensor:
    return space.a11 * space.a22 - space.a12 * space.a21


def _mean_and_discriminant(s: StateSpace) -> tuple[Tensor, Tensor]:
    """Return m and d of the eigenvalues m ± sqrt(d)."""
    return (s.a11 + s.a22) / 2, ((s.a11 - s.a22) / 2) ** 2 + s.a12 * s.a21
