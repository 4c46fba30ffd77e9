"""RF, the resonate-and-fire neuron, as a neuron of snnTorch."""

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
        >>> lif = RF(10, dt=0.05, sequence=True, init_hidden=True)
        >>> lif(torch.rand(100, 2, 10)).shape          # [T, B, N]
        torch.Size([100, 2, 10])
    """

    @explain_host_words(decays="damping=, omega= and dt=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: float = 0.004,
        damping: Init = (-10.0, -1.0),
        omega: Init = (5.0, 10.0),
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
            neurons.RF(
                population(size),
                dt=dt,
                damping=damping,
                omega=omega,
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
