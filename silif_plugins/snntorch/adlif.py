"""AdLIF and cAdLIF, which SiLIF is compared with, as neurons of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .. import neurons
from ..neurons import Init, Learn
from ..surrogate import SpikeFunction
from .dynamics import Quantiser, ResetMechanism
from .spiking import Output, Spiking
from .words import explain_host_words, population


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
        threshold: Membrane potential above which the neuron fires, in whose units it is reset.
        spike_grad: Surrogate; snnTorch's atan by default. This and all others: see :class:`Spiking`.
        surrogate_disable: Fire without a surrogate gradient.
        init_hidden: Keep the state in the module.
        inhibition: Only the strongest neuron may fire.
        learn_threshold: Train the threshold.
        reset_mechanism: ``"subtract"``, ``"zero"`` or ``"none"``.
        state_quant: Quantisation of the states.
        output: Return the states with ``init_hidden=True`` too, or ``"mem"`` alone.
        graded_spikes_factor: Value of a spike in the output.
        learn_graded_spikes_factor: Train it.
        sequence: Run over time in one call.
        generator: Source of randomness of the initial values.

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

    @explain_host_words(decays="decay_u= and decay_w=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init | None = None,
        decay_w: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        learn: Learn = True,
        threshold: float | Tensor = 1.0,
        spike_grad: str | SpikeFunction | None = None,
        surrogate_disable: bool = False,
        init_hidden: bool = False,
        inhibition: bool = False,
        learn_threshold: bool = False,
        reset_mechanism: ResetMechanism = "subtract",
        state_quant: Literal[False] | Quantiser = False,
        output: Output = False,
        graded_spikes_factor: float | Tensor = 1.0,
        learn_graded_spikes_factor: bool = False,
        sequence: bool = False,
        generator: torch.Generator | None = None,
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
            threshold=threshold,
            spike_grad=spike_grad,
            surrogate_disable=surrogate_disable,
            init_hidden=init_hidden,
            inhibition=inhibition,
            learn_threshold=learn_threshold,
            reset_mechanism=reset_mechanism,
            state_quant=state_quant,
            output=output,
            graded_spikes_factor=graded_spikes_factor,
            learn_graded_spikes_factor=learn_graded_spikes_factor,
            sequence=sequence,
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
        threshold: Membrane potential above which the neuron fires, in whose units it is reset.
        spike_grad: Surrogate; snnTorch's atan by default. This and all others: see :class:`Spiking`.
        surrogate_disable: Fire without a surrogate gradient.
        init_hidden: Keep the state in the module.
        inhibition: Only the strongest neuron may fire.
        learn_threshold: Train the threshold.
        reset_mechanism: ``"subtract"``, ``"zero"`` or ``"none"``.
        state_quant: Quantisation of the states.
        output: Return the states with ``init_hidden=True`` too, or ``"mem"`` alone.
        graded_spikes_factor: Value of a spike in the output.
        learn_graded_spikes_factor: Train it.
        sequence: Run over time in one call.
        generator: Source of randomness of the initial values.

    Raises:
        TypeError: If ``size`` is no size, or an argument of snnTorch's own neurons is given that this one does not
            have; the message says what to write instead.
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> from silif_plugins.neurons import is_stable
        >>> bool(is_stable(CAdLIF(100).state_space()).all())
        True
    """

    @explain_host_words(decays="decay_u= and decay_w=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init | None = None,
        decay_w: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        learn: Learn = True,
        threshold: float | Tensor = 1.0,
        spike_grad: str | SpikeFunction | None = None,
        surrogate_disable: bool = False,
        init_hidden: bool = False,
        inhibition: bool = False,
        learn_threshold: bool = False,
        reset_mechanism: ResetMechanism = "subtract",
        state_quant: Literal[False] | Quantiser = False,
        output: Output = False,
        graded_spikes_factor: float | Tensor = 1.0,
        learn_graded_spikes_factor: bool = False,
        sequence: bool = False,
        generator: torch.Generator | None = None,
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
            threshold=threshold,
            spike_grad=spike_grad,
            surrogate_disable=surrogate_disable,
            init_hidden=init_hidden,
            inhibition=inhibition,
            learn_threshold=learn_threshold,
            reset_mechanism=reset_mechanism,
            state_quant=state_quant,
            output=output,
            graded_spikes_factor=graded_spikes_factor,
            learn_graded_spikes_factor=learn_graded_spikes_factor,
            sequence=sequence,
        )
