"""RF, the resonate-and-fire neuron, as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch

from .. import neurons
from ..neurons import Init, Learn
from .options import AllOptions, takes_options
from .spiking import Spiking
from .words import population


class RF(Spiking):
    """Resonate-and-fire neurons, integrated by Euler's method with a fixed timestep.

        u[t] = u[t-1] + Δ ((x + i y) u[t-1] + I[t]) - s[t-1],   s[t] = H(Re u[t] - threshold)

    with ``mem`` = Re u and ``syn`` = Im u. The input enters as Δ I: see :class:`silif_plugins.neurons.RF` on the
    choice of Δ. Source: the published code of the SiLIF paper, after Izhikevich (2001).

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        dt: Timestep Δ in seconds, fixed.
        damping: Initial x in 1/s.
        omega: Initial y in rad/s.
        learn: True, False, or the names of the parameters to train: ``damping, omega``.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`.

    Raises:
        TypeError: If ``size`` is no size, or an argument of snnTorch's own neurons is given that this one does not
            have; the message says what to write instead.
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> lif = RF(10, dt=0.05, sequence=True, init_hidden=True)
        >>> lif(torch.rand(100, 2, 10)).shape          # [T, B, N]
        torch.Size([100, 2, 10])
    """

    @takes_options(decays="damping=, omega= and dt=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.004,
        damping: Init = (-10.0, -1.0),
        omega: Init = (5.0, 10.0),
        learn: Learn = True,
        generator: torch.Generator | None = None,
        **options: Unpack[AllOptions],
    ) -> None:
        super().__init__(
            neurons.RF(
                population(size),
                dt=dt,
                damping=damping,
                omega=omega,
                learn=learn,
                generator=generator,
            ),
            **options,
        )
