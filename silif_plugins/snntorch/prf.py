"""PRF, the parallel resonate-and-fire neuron, as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .. import neurons
from ..neurons import Init
from .named import Named, hosts
from .options import AllOptions


class PRFOptions(AllOptions, total=False):
    """What PRF takes."""

    dt: Init
    omega: Init
    tau: float


@hosts(neurons.PRF, decays="dt=, omega= and tau=")
class PRF(Named):
    """Parallel resonate-and-fire neurons, which have no reset.

        v[t] = exp(Δ (-1/τ + i ω)) v[t-1] + Δ I[t],   s[t] = H(Re v[t] - threshold)

    with ``mem`` = Re v and ``syn`` = Im v; see :class:`silif_plugins.neurons.PRF`. Its layers are quiet at the
    start: scale the currents up, or lower the threshold.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        dt: Initial timestep Δ.
        omega: Initial angular frequency ω per unit of time.
        tau: Time constant τ, fixed.
        learn: True, False, or the names of the parameters to train: ``log_dt, log_omega``.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`.

    Examples:
        >>> import torch
        >>> lif = PRF(10, threshold=0.1, sequence=True, init_hidden=True)
        >>> lif(torch.rand(100, 2, 10)).shape          # [T, B, N]
        torch.Size([100, 2, 10])
    """

    def __init__(self, size: int | Sequence[int], **options: Unpack[PRFOptions]) -> None:
        super().__init__(size, **options)
