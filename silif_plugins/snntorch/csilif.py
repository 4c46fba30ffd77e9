"""C-SiLIF as a neuron of snnTorch."""

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


class CSiLIF(Spiking):
    """Complex-valued SSM-inspired leaky integrate-and-fire neurons: they ring, where SiLIF adapts.

        z[t] = α (z[t-1] - s[t-1]) + 2 b I[t],   s[t] = H(Re z[t] - threshold)
        α = exp(Δ (-exp(log_decay) + i ω))

    with ``mem`` = Re z and ``syn`` = Im z, and log_decay, ω, log Δ and b trained for every neuron. Source: SiLIF
    paper, algorithm 2, with z = 2u.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from.
        decay: Initial -Re λ in 1/s.
        omega: Initial angular frequency Im λ in rad/s.
        b: Initial input gate.
        init: ``"s4d-lin"`` or ``"uniform"``: where dt, decay and omega start if they are not given; see
            :class:`silif_plugins.neurons.CSiLIF`.
        half_reset: False feeds the whole spike back instead of half of it (ablation).
        input_gating: False leaves b out (ablation).
        log: False trains -Re λ and Δ themselves (ablation).
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt, b``
            (``decay`` and ``dt`` for ``log=False``).
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
        >>> lif = CSiLIF(10, init_hidden=True)         # was: snn.Leaky(beta=0.9, init_hidden=True)
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 10), lif)
        >>> net(torch.rand(2, 4)).shape
        torch.Size([2, 10])
    """

    @explain_host_words(decays="decay=, omega= and dt=")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init | None = None,
        decay: Init | None = None,
        omega: Init | None = None,
        b: Init = (0.0, 1.0),
        init: Literal["s4d-lin", "uniform"] = "s4d-lin",
        half_reset: bool = True,
        input_gating: bool = True,
        log: bool = True,
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
            neurons.CSiLIF(
                population(size),
                dt=dt,
                decay=decay,
                omega=omega,
                b=b,
                init=init,
                half_reset=half_reset,
                input_gating=input_gating,
                log=log,
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
