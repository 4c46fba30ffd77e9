"""RF, the resonate-and-fire neuron, as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .. import neurons
from ..neurons import Init
from .named import Named, hosts
from .options import AllOptions


class RFOptions(AllOptions, total=False):
    """What RF takes."""

    dt: float
    damping: Init
    omega: Init


@hosts(neurons.RF, decays="damping=, omega= and dt=")
class RF(Named):
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

    Examples:
        >>> import torch
        >>> lif = RF(10, dt=0.05, sequence=True, init_hidden=True)
        >>> lif(torch.rand(100, 2, 10)).shape          # [T, B, N]
        torch.Size([100, 2, 10])
    """

    def __init__(self, size: int | Sequence[int], **options: Unpack[RFOptions]) -> None:
        super().__init__(size, **options)
