"""The neurons of SpikingSSM: leaky integrators with a hard reset and a trained threshold, in three ways to run."""

from __future__ import annotations

import os
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..dynamics import HardReset, State, StateSpace
from ..scan import scan, step
from ..surrogate import SpikeFunction, resolve
from .diagonal import check_sizes
from .parallel import check_tau, fixed_point, spikes_of
from .sdn import SDN, SHIPPED

Membrane = Literal["exact", "fixed-point", "sdn"]
Through = Literal["current", "membrane", "all"]

SURROGATE = "triangle"
"""That of the published code, whose slope is 1 at the threshold and 0 one threshold from it."""


class HardLIF(nn.Module):
    """LIF neurons whose spikes empty the membrane, with a trained threshold for each.

        u[t] = τ u[t-1] (1 - s[t-1]) + I[t] / v,   s[t] = H(u[t] - 1),   v = exp(ln_vth)

    The threshold v divides the input, which comes to the same (Shen et al., 2025, equations 8, 9 and 12). They fire
    above the threshold, as all neurons here; the published code fires at it, too.

    Args:
        channels: Number of neurons N.
        tau: Decay τ of the membrane, the same for all and not trained.
        learn_threshold: Whether thresholds are trained; they are 1 in the beginning.
        membrane: How whole sequences run: ``"exact"``, by the kernels of `silif_plugins.scan`; ``"fixed-point"``, in
            parallel over time until nothing changes, with the same spikes; ``"sdn"``, by a surrogate dynamic network,
            which errs at some steps.
        through: What gradients flow through: ``"current"``, the current of the same step alone, as published;
            ``"membrane"``, the membrane of earlier steps, too, with spikes that reset as constants; ``"all"``, those
            as well.
        surrogate: Spike function of u - 1.
        sdn: File of a surrogate dynamic network for this τ, which ``silif train-sdn`` writes; that for 1/8 is there.

    Attributes:
        evaluations: How many evaluations the last sequence took until nothing changed, if ``"fixed-point"``.

    Raises:
        ValueError: If an argument is not one of those listed, or the surrogate dynamic network is for another τ.

    Examples:
        >>> current = torch.randn(100, 2, 5)                          # [T, B, N]
        >>> exact, parallel = HardLIF(5), HardLIF(5, membrane="fixed-point")
        >>> torch.equal(exact(current), parallel(current)), parallel.evaluations <= 9
        (True, True)
    """

    def __init__(
        self,
        channels: int,
        *,
        tau: float = 0.125,
        learn_threshold: bool = True,
        membrane: Membrane = "exact",
        through: Through = "current",
        surrogate: str | SpikeFunction | None = None,
        sdn: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__()
        check_sizes(channels=channels)
        check_lif(tau, membrane, through, sdn)
        self.channels, self.tau = channels, tau
        self.membrane: Membrane = membrane
        self.through: Through = through
        self.surrogate = resolve(SURROGATE if surrogate is None else surrogate)
        self.ln_vth = nn.Parameter(torch.zeros(channels), requires_grad=learn_threshold)
        # A network that is never trained is no part of the neurons: neither of their parameters nor of checkpoints.
        self._sdn: tuple[SDN, ...] = (_sdn(tau, sdn),) if membrane == "sdn" else ()
        self.evaluations: int | None = None

    def extra_repr(self) -> str:
        """Return the options, for ``print``."""
        return f"{self.channels}, tau={self.tau}, membrane={self.membrane!r}, through={self.through!r}"

    def dynamics(self, dtype: torch.dtype = torch.float32) -> HardReset:
        """Return how they move, for currents in units of the threshold."""
        tau = torch.tensor(self.tau, dtype=dtype, device=self.ln_vth.device)
        return HardReset(StateSpace.of(a11=tau, b1=1.0, r1=-tau, threshold=1.0))

    def forward(self, current: Tensor) -> Tensor:
        """Return spikes [T, B, N] from currents [T, B, N]."""
        current = current * torch.exp(-self.ln_vth)
        detach_reset = self.through == "membrane"
        if self.membrane == "exact" and self.through != "current":
            return scan(self.dynamics(current.dtype), current, surrogate=self.surrogate, detach_reset=detach_reset)[0]
        mem = self._mem(current.detach())
        if self.through != "current":
            return spikes_of(current, mem, self.surrogate, self.tau, detach_reset=detach_reset)
        return self.surrogate(mem + (current - current.detach()) - 1)  # the difference is zero, and carries a gradient

    @torch.no_grad()
    def _mem(self, current: Tensor) -> Tensor:
        """Membranes before the reset."""
        if self.membrane == "sdn":
            return self._sdn[0].to(current.device, current.dtype)(current) + current
        if self.membrane == "fixed-point":
            found = fixed_point(current, tau=self.tau)
            self.evaluations = found.evaluations
            return found.mem
        _, _, states = scan(self.dynamics(current.dtype), current, return_states=True)
        return states.mem

    def step(self, current: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Advance by one step, exactly.

        Args:
            current: [B, N].
            state: The state before the step; at rest by default.

        Returns:
            The spikes, [B, N], and the state.
        """
        current = current * torch.exp(-self.ln_vth)
        return step(self.dynamics(current.dtype), current, state, surrogate=self.surrogate)


def check_lif(tau: float, membrane: str, through: str, sdn: str | os.PathLike[str] | None) -> None:
    """Raise ValueError for options that make no neurons; the message names one."""
    check_tau(tau)
    for name, value, kinds in (("membrane", membrane, Membrane), ("through", through, Through)):
        if value not in get_args(kinds):
            raise ValueError(f"{name}: got {value!r}; it must be one of {', '.join(get_args(kinds))}")
    if membrane == "sdn" and through != "current":
        raise ValueError(f"through: got {through!r}; with membrane 'sdn' it must be 'current'")
    if membrane != "sdn" and sdn is not None:
        raise ValueError(f"sdn: got {os.fspath(sdn)}; it must be none, unless membrane is 'sdn'")


def _sdn(tau: float, path: str | os.PathLike[str] | None) -> SDN:
    net = SDN.load(SHIPPED if path is None else path)
    if net.tau != tau:
        which = "the shipped one" if path is None else os.fspath(path)
        raise ValueError(f"sdn: {which} is for tau {net.tau}; it must be for {tau}: make one with silif train-sdn")
    return net
