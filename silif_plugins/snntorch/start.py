"""Where the decays of a neuron start that takes the place of one of snnTorch's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..neurons.sampling import has_values

EXTREME = 1e-13
"""How close to 0 and 1 a decay may start: the limits of the parametrisation."""


def rate_of(name: str, beta: float | Tensor, dt: object, size: Sequence[int]) -> Tensor:
    """Return the rate -ln(beta) / dt [1/s] of a decay per step.

    Args:
        name: What to call the decay in errors.
        beta: Decay per step, a number or one that broadcasts to the neurons.
        dt: Timestep in seconds, a number or a tensor.
        size: Shape of the population.

    Raises:
        ValueError: If the decay is not in [0, 1] or does not fit the neurons, or the timestep is a range: one decay per
            step has no one rate then.
    """
    if isinstance(dt, tuple):
        raise ValueError(f"dt: got {dt} beside {name}; it must be a number or a tensor, for {name} is a decay per step")
    decay = decays(name, beta, size)
    return (-decay.log() / torch.as_tensor(dt, dtype=torch.float64)).to(torch.get_default_dtype())


def decays(name: str, beta: float | Tensor, size: Sequence[int]) -> Tensor:
    """Return a decay per step as float64 [*size], kept inside of (0, 1)."""
    decay = torch.as_tensor(beta, dtype=torch.float64).detach()
    if has_values(decay) and not bool(((decay >= 0) & (decay <= 1)).all()):
        raise ValueError(f"{name}: got {beta}; it must be from 0 to 1")
    try:
        decay = decay.expand(tuple(size))
    except RuntimeError:
        given = tuple(decay.shape)
        raise ValueError(f"{name}: got shape {given}; it must broadcast to the neurons {tuple(size)}") from None
    return decay.clamp(EXTREME, 1 - EXTREME)
