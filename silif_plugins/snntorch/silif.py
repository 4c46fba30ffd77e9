"""SiLIF as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from .. import neurons
from ..neurons import COUPLING, SPIKE_COUPLING, Init
from .named import hosts
from .options import Options
from .start import StartsAsLeaky, rate_of
from .words import population


class SiLIFOptions(Options, total=False):
    """What SiLIF takes and gives to its model as it is."""

    tau_w: Init
    log: bool


@hosts(neurons.SiLIF, decays="beta=, or by tau_u=, tau_w= and dt= in seconds")
class SiLIF(StartsAsLeaky):
    r"""SSM-inspired leaky integrate-and-fire neurons, for ``snn.Leaky`` and ``snn.Synaptic``.

        syn[t] = β syn[t-1] + a mem[t-1] + b s[t-1]
        mem[t] = α (mem[t-1] - s[t-1]) + (1-α) (g I[t] - syn[t]),   s[t] = r H(mem[t] - threshold)
        α = exp(-Δ/τ_u),  β = exp(-Δ/τ_w)

    with log(1/τ_u), log(1/τ_w) and log Δ, and a and b, trained for every neuron. Source: SiLIF paper, algorithm 1. The
    scales g of the current and r of the spikes that reset are fixed; in the paper both are 1.

    ``SiLIF(128, beta=0.9)`` starts as the very neuron ``snn.Leaky(beta=0.9)``: α = 0.9, a = b = 0, g = 1/(1-α),
    r = 1/α. From there its time constants and its adaptation learn. Without ``beta`` the neurons start with the paper's
    spread of time constants, with a weak adaptation, and with g = 1/(1-α), but at most ``LARGEST_GAIN``: with
    more, slow neurons saturate. :meth:`paper` starts as the paper does.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        beta: Decay of the membrane per step to start with, as in ``snn.Leaky``: a number, or one for each neuron.
        alpha: Decay of the current of a ``snn.Synaptic`` that is replaced. The neuron has no current of its own: it
            starts with the membrane's decay and the gain of the two together. Calls return ``spk, syn, mem``.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from.
        tau_u: Initial membrane time constant in seconds; (1/250, 1/10) without ``beta``.
        tau_w: Initial adaptation time constant in seconds.
        a: Initial coupling from membrane to adaptation; 0 with ``beta``, else ``WEAK_COUPLING``.
        b: Initial jump of the adaptation by a spike; 0 with ``beta``, else ``WEAK_SPIKE_COUPLING``.
        log: False trains 1/τ_u, 1/τ_w and Δ themselves, without the logarithmic reparametrisation.
        learn: True, False, or the names of the parameters to train: ``log_inv_tau_u, log_inv_tau_w, log_dt,
            a, b`` (without ``log_`` for ``log=False``).
        scale_input: False leaves g = 1.
        detach_reset: Cut off the gradient through the spike that resets, as snnTorch does; the paper does not.
        generator: Source of randomness of the initial values.
        **options: Arguments of :class:`Spiking`, which are those of ``snn.Leaky`` and some more.

    Attributes:
        beta: Decay of the membrane per step, [\*size], as ``snn.Leaky`` calls it; it cannot be set.

    Raises:
        TypeError: If ``size`` is no size, or an argument of snnTorch's own neurons is given that this one does not
            have; the message says what to write instead.
        ValueError: If a value is not valid; the message says which.

    Examples:
        >>> lif = SiLIF(10, beta=0.9)                  # was: snn.Leaky(beta=0.9)
        >>> mem = lif.init_leaky()
        >>> for cur in torch.rand(5, 2, 10):
        ...     spk, mem = lif(cur, mem)
        >>> [name for name, _ in lif.named_parameters()]
        ['neuron.log_inv_tau_u', 'neuron.log_inv_tau_w', 'neuron.log_dt', 'neuron.a', 'neuron.b']
    """

    WEAK_COUPLING = (0.0, 0.3)
    WEAK_SPIKE_COUPLING = (0.0, 0.5)
    LARGEST_GAIN = 15.0

    neuron: neurons.SiLIF
    sets_decay = "tau_u"

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        beta: float | Tensor | None = None,
        alpha: float | Tensor | None = None,
        dt: Init = 0.004,
        tau_u: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        scale_input: bool = True,
        detach_reset: bool = True,
        **options: Unpack[SiLIFOptions],
    ) -> None:
        as_leaky = beta is not None
        if beta is not None:
            if tau_u is not None:
                raise ValueError("beta, tau_u: got both; give one of them, for both set the membrane's decay")
            tau_u = 1 / rate_of("beta", beta, dt, population(size))
        super().__init__(
            size,
            dt=dt,
            tau_u=(1 / 250, 1 / 10) if tau_u is None else tau_u,
            a=a if a is not None else 0.0 if as_leaky else self.WEAK_COUPLING,
            b=b if b is not None else 0.0 if as_leaky else self.WEAK_SPIKE_COUPLING,
            detach_reset=detach_reset,
            **options,
        )
        if scale_input:
            with torch.no_grad():
                leaked = self.neuron.state_space().b1
                self.input_scale *= 1 / leaked if as_leaky else (1 / leaked).clamp(max=self.LARGEST_GAIN)
        self._take_place(as_leaky, alpha)

    @classmethod
    def paper(cls, size: int | Sequence[int], **options: Any) -> SiLIF:
        """Return neurons with the start, the surrogate and the gradient through the reset of the SiLIF paper.

        They want inputs of the size of the threshold, as the paper has a batch norm before them.
        """
        given = {
            "a": COUPLING,
            "b": SPIKE_COUPLING,
            "scale_input": False,
            "detach_reset": False,
            "spike_grad": "boxcar",
        }
        return cls(size, **{**given, **options})

    def decays(self) -> tuple[Tensor, Tensor]:
        r"""Return α and β, the decays of membrane and adaptation per step, each [\*size]."""
        return self.neuron.decays()

    def _membrane_decay(self) -> Tensor:
        return self.neuron.decays()[0]
