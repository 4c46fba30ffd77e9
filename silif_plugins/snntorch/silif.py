"""SiLIF as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .. import neurons
from ..neurons import Init, Learn
from ..neurons.silif import COUPLING, SPIKE_COUPLING
from ..surrogate import SpikeFunction
from .dynamics import Quantiser, ResetMechanism
from .spiking import Output, Spiking
from .words import explain_host_words, population


class SiLIF(Spiking):
    """SSM-inspired leaky integrate-and-fire neurons, for ``snn.Leaky`` and ``snn.Synaptic``.

        syn[t] = β syn[t-1] + a mem[t-1] + b s[t-1]
        mem[t] = α (mem[t-1] - s[t-1]) + (1-α) (I[t] - syn[t]),   s[t] = H(mem[t] - threshold)
        α = exp(-Δ/τ_u),  β = exp(-Δ/τ_w)

    with log(1/τ_u), log(1/τ_w) and log Δ, and a and b, trained for every neuron. Source: SiLIF paper, algorithm 1.
    A constant input I brings the membrane to at most I, where ``snn.Leaky`` brings it to I / (1 - β): feed it
    inputs of the size of the threshold (the paper has batch norm before it), or lower ``threshold``.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from.
        tau_u: Initial membrane time constant in seconds.
        tau_w: Initial adaptation time constant in seconds.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        log: False trains 1/τ_u, 1/τ_w and Δ themselves, without the logarithmic reparametrisation.
        learn: True, False, or the names of the parameters to train: ``log_inv_tau_u, log_inv_tau_w, log_dt,
            a, b`` (without ``log_`` for ``log=False``).
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
        >>> lif = SiLIF(10)                            # was: snn.Leaky(beta=0.9)
        >>> mem = lif.init_leaky()
        >>> for cur in torch.rand(5, 2, 10):
        ...     spk, mem = lif(cur, mem)
        >>> [name for name, _ in lif.named_parameters()]
        ['neuron.log_inv_tau_u', 'neuron.log_inv_tau_w', 'neuron.log_dt', 'neuron.a', 'neuron.b']
    """

    @explain_host_words(decays="tau_u=, tau_w= and dt=, in seconds")
    def __init__(
        self,
        size: int | Sequence[int],
        *,
        dt: Init = 0.004,
        tau_u: Init = (1 / 250, 1 / 10),
        tau_w: Init = (1 / 10, 1 / 2.5),
        a: Init = COUPLING,
        b: Init = SPIKE_COUPLING,
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
            neurons.SiLIF(
                population(size),
                dt=dt,
                tau_u=tau_u,
                tau_w=tau_w,
                a=a,
                b=b,
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
