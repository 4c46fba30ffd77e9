"""AdLIF and cAdLIF, which SiLIF is compared with, as neurons of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from .. import neurons
from ..neurons import Init
from .named import Named, hosts
from .options import AllOptions


class AdLIFOptions(AllOptions, total=False):
    """What AdLIF and cAdLIF take."""

    decay_u: Init | None
    decay_w: Init | None
    a: Init | None
    b: Init | None


@hosts(neurons.AdLIF, decays="decay_u= and decay_w=")
class AdLIF(Named):
    """Adaptive leaky integrate-and-fire neurons, with decays trained directly.

        syn[t] = β syn[t-1] + a mem[t-1] + b s[t-1]
        mem[t] = α (mem[t-1] - s[t-1]) + (1-α) (I[t] - syn[t]),   s[t] = H(mem[t] - threshold)

    Half of its range is unstable; :class:`CAdLIF` mends it. Source: Bittar and Garner (2022).

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        decay_u: Initial membrane decay α; by default drawn from the model's range, as are the following.
        decay_w: Initial adaptation decay β.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        learn: True, False, or the names of the parameters to train: ``decay_u, decay_w, a, b``.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`.

    Examples:
        >>> import torch
        >>> syn, mem = AdLIF(10).init_synaptic()
        >>> spk, syn, mem = AdLIF(10)(torch.rand(2, 10), syn, mem)
        >>> mem.shape
        torch.Size([2, 10])
    """

    def __init__(self, size: int | Sequence[int], **options: Unpack[AdLIFOptions]) -> None:
        super().__init__(size, **options)


@hosts(neurons.CAdLIF, decays="decay_u= and decay_w=")
class CAdLIF(Named):
    """Constrained AdLIF: the coupling a is kept positive, which makes every neuron stable.

    The equations and the arguments are those of :class:`AdLIF`. Source: Deckers et al. (2024).

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> bool(is_stable(CAdLIF(100).state_space()).all())
        True
    """

    def __init__(self, size: int | Sequence[int], **options: Unpack[AdLIFOptions]) -> None:
        super().__init__(size, **options)
