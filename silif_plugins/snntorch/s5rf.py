"""S5-RF, resonate-and-fire in the form of S5, as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .. import neurons
from ..neurons import Init
from .named import Named, hosts
from .options import AllOptions


class S5RFOptions(AllOptions, total=False):
    """What S5-RF takes."""

    dt: Init
    decay: Init
    omega: Init | None
    block: int
    zoh: bool


@hosts(neurons.S5RF, decays="decay=, omega= and dt=")
class S5RF(Named):
    """Resonate-and-fire neurons in the form of S5, which have no reset.

        x[t] = exp(Δ λ) x[t-1] + (exp(Δ λ) - 1) / λ I[t],   s[t] = H(Re x[t] - threshold)

    with ``mem`` = Re x and ``syn`` = Im x; see :class:`silif_plugins.neurons.S5RF`. Its layers are quiet at the
    start: scale the currents up, or lower the threshold.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        dt: Initial timestep Δ.
        decay: Initial -Re λ.
        omega: Initial Im λ.
        block: Neurons that share the frequencies of one HiPPO matrix at the start.
        zoh: False takes the current as impulses, I[t] without a factor.
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt``.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`.

    Examples:
        >>> import torch
        >>> lif = S5RF(10, threshold=0.1, sequence=True, init_hidden=True)
        >>> lif(torch.rand(100, 2, 10)).shape          # [T, B, N]
        torch.Size([100, 2, 10])
    """

    def __init__(self, size: int | Sequence[int], **options: Unpack[S5RFOptions]) -> None:
        super().__init__(size, **options)
