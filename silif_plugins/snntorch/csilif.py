"""C-SiLIF as a neuron of snnTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from torch import Tensor

from .. import neurons
from ..neurons import Init
from .named import hosts
from .options import Options
from .start import StartsAsLeaky, rate_of
from .words import population


class CSiLIFOptions(Options, total=False):
    """What CSiLIF takes and gives to its model as it is."""

    half_reset: bool
    input_gating: bool
    log: bool


@hosts(neurons.CSiLIF, decays="beta=, or by decay=, omega= and dt=")
class CSiLIF(StartsAsLeaky):
    r"""Complex-valued SSM-inspired leaky integrate-and-fire neurons: they ring, where SiLIF adapts.

        z[t] = α (z[t-1] - s[t-1]) + 2 b I[t],   s[t] = H(Re z[t] - threshold)
        α = exp(Δ (-exp(log_decay) + i ω))

    with ``mem`` = Re z and ``syn`` = Im z, and log_decay, ω, log Δ and b trained for every neuron. Source: SiLIF
    paper, algorithm 2, with z = 2u.

    ``CSiLIF(128, beta=0.9)`` starts beside ``snn.Leaky(beta=0.9)``: |α| = 0.9, b = 1/2, and a spike takes the threshold
    off. It rings slowly, by at most 10 rad/s: with ``omega=0.0`` it is that very neuron, but then ω has no gradient and
    stays 0. Without ``beta`` it starts as in the paper, but for timesteps of half the range and b = 1/2, which learn
    better without a batch norm before them. :meth:`paper` starts as the paper does.

    Args:
        size: Number of neurons, or shape of the population, such as (C, 1, 1) after a convolution.
        beta: Decay per step to start with, as in ``snn.Leaky``: a number, or one for each neuron.
        alpha: Decay of the current of a ``snn.Synaptic`` that is replaced. The neuron has no current of its own: it
            starts with the membrane's decay and the gain of the two together. Calls return ``spk, syn, mem``.
        dt: Initial timestep Δ in seconds: a number, a tensor, or a range to draw from; 0.004 with ``beta``,
            ``SHORT`` for ``init="s4d-lin"``.
        decay: Initial -Re λ in 1/s.
        omega: Initial angular frequency Im λ in rad/s; ``SLOW`` with ``beta``.
        b: Initial input gate.
        init: ``"s4d-lin"`` or ``"uniform"``: where dt, decay and omega start if they are not given; see
            :class:`silif_plugins.neurons.CSiLIF`.
        half_reset: False feeds the whole spike back instead of half of it (ablation).
        input_gating: False leaves b out (ablation).
        log: False trains -Re λ and Δ themselves (ablation).
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt, b``
            (``decay`` and ``dt`` for ``log=False``).
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
        >>> lif = CSiLIF(10, init_hidden=True)         # was: snn.Leaky(beta=0.9, init_hidden=True)
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 10), lif)
        >>> net(torch.rand(2, 4)).shape
        torch.Size([2, 10])
    """

    SLOW = (0.0, 10.0)
    SHORT = (0.01, 0.25)

    neuron: neurons.CSiLIF
    sets_decay = "decay"

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        beta: float | Tensor | None = None,
        alpha: float | Tensor | None = None,
        dt: Init | None = None,
        decay: Init | None = None,
        omega: Init | None = None,
        b: Init = 0.5,
        init: Literal["s4d-lin", "uniform"] = "s4d-lin",
        detach_reset: bool = True,
        **options: Unpack[CSiLIFOptions],
    ) -> None:
        if beta is not None:
            if decay is not None:
                raise ValueError("beta, decay: got both; give one of them, for both set the decay")
            dt = 0.004 if dt is None else dt
            decay = rate_of("beta", beta, dt, population(size))
            omega = self.SLOW if omega is None else omega
        elif dt is None and init == "s4d-lin":
            dt = self.SHORT
        super().__init__(size, dt=dt, decay=decay, omega=omega, b=b, init=init, detach_reset=detach_reset, **options)
        self._take_place(beta is not None, alpha)

    @classmethod
    def paper(cls, size: int | Sequence[int], **options: Any) -> CSiLIF:
        """Return neurons with the start, the surrogate and the gradient through the reset of the SiLIF paper."""
        given: dict[str, Any] = {"b": (0.0, 1.0), "detach_reset": False, "spike_grad": "boxcar"}
        if options.get("init", "s4d-lin") == "s4d-lin":
            given["dt"] = (0.01, 0.5)
        return cls(size, **{**given, **options})

    def decays(self) -> Tensor:
        r"""Return \|α\|, the decay of the state per step, [\*size]."""
        return self.neuron.decays()

    def _membrane_decay(self) -> Tensor:
        return self.neuron.decays()
