"""AdLIF and cAdLIF, which SiLIF is compared with, as neurons of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch

from .. import neurons
from ..neurons import Init, Learn
from .options import AllOptions, takes_options
from .spiking import Spiking
from .words import population


class AdLIF(Spiking):
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

    Raises:
        TypeError: If ``size`` is no size, or an argument of snnTorch's own neurons is given that this one does not
            have; the message says what to write instead.
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> syn, mem = AdLIF(10).init_synaptic()
        >>> spk, syn, mem = AdLIF(10)(torch.rand(2, 10), syn, mem)
        >>> mem.shape
        torch.Size([2, 10])
    """

    @takes_options(decays="decay_u= and decay_w=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init | None = None,
        decay_w: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        learn: Learn = True,
        generator: torch.Generator | None = None,
        **options: Unpack[AllOptions],
    ) -> None:
        super().__init__(
            neurons.AdLIF(
                population(size),
                decay_u=decay_u,
                decay_w=decay_w,
                a=a,
                b=b,
                learn=learn,
                generator=generator,
            ),
            **options,
        )


class CAdLIF(Spiking):
    """Constrained AdLIF: the coupling a is kept positive, which makes every neuron stable.

    The equations are those of :class:`AdLIF`. Source: Deckers et al. (2024).

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        decay_u: Initial membrane decay α; by default drawn from the model's range, as are the following.
        decay_w: Initial adaptation decay β.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        learn: True, False, or the names of the parameters to train: ``decay_u, decay_w, a, b``.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`.

    Raises:
        TypeError: If ``size`` is no size, or an argument of snnTorch's own neurons is given that this one does not
            have; the message says what to write instead.
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> from silif_plugins.neurons import is_stable
        >>> bool(is_stable(CAdLIF(100).state_space()).all())
        True
    """

    @takes_options(decays="decay_u= and decay_w=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init | None = None,
        decay_w: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        learn: Learn = True,
        generator: torch.Generator | None = None,
        **options: Unpack[AllOptions],
    ) -> None:
        super().__init__(
            neurons.CAdLIF(
                population(size),
                decay_u=decay_u,
                decay_w=decay_w,
                a=a,
                b=b,
                learn=learn,
                generator=generator,
            ),
            **options,
        )
