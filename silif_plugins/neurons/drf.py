"""D-RF: resonators of several frequencies in one neuron, whose threshold every spike raises."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..dynamics import ModalSpace, StateSpace
from .alif import LARGEST_RISE
from .log_domain import LARGEST, LogDomainNeuron, cut, decay, pole, rotation
from .registry import register_neuron
from .sampling import Init, Learn, sampler

MOST_BRANCHES = 3


@register_neuron("D-RF")
class DRF(LogDomainNeuron):
    """Resonate-and-fire neurons with several branches, one membrane, and a threshold that spikes raise.

        z_i[t] = exp(Δ λ_i) z_i[t-1] + I[t],   r[t] = ρ r[t-1] + s[t-1],   λ_i = -exp(log_decay_i) + i ω_i
        s[t] = H(Σ_i c_i Re z_i[t] - threshold - β r[t]),   ρ = exp(-exp(log_recovery))

    Two states for each branch and one for the threshold, which leaves the branches alone; log_decay_i, ω_i, c_i,
    log Δ, log_recovery and β are trained for every neuron. Source: D-RF (NeurIPS 2025, arXiv 2509.17186), with an
    exponential in the place of its finite filter of past spikes. Its initial values we have not seen: these are
    C-SiLIF's, at the first modes of S4D-Lin.

    Stable for every value of the parameters: the eigenvalues are exp(Δ λ_i), their conjugates and ρ, all inside the
    unit circle.

    Args:
        size: Number of neurons, or shape of the population.
        branches: Number of branches, 1 to 3.
        dt: Initial timestep Δ: a number, a tensor, or a range that is drawn from uniformly in the log domain.
        decay: Initial -Re λ of all branches.
        weight: Initial c, before it is divided by the number of branches.
        recovery: Initial rate, per step, at which the threshold comes down again.
        rise: Initial β, by how much a spike raises the threshold; at least 0 in the forward pass.
        threshold: Membrane potential above which a neuron that has not fired for long fires.
        learn: True, False, or the names of the parameters to train: ``log_dt, log_recovery, rise`` and, of each branch
            from 1 on, such as ``log_decay_1, omega_1, weight_1``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range, a number or a name is not valid; the message says which.

    Examples:
        >>> neuron = DRF(16, branches=2)
        >>> spikes, state = neuron(torch.randn(50, 2, 16))
        >>> neuron.dynamics().states
        6
    """

    rise: Tensor

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        branches: int = 2,
        dt: Init = (0.01, 0.5),
        decay: Init = 0.5,
        weight: Init = (0.0, 2.0),
        recovery: Init = (1 / 25, 1 / 5),
        rise: Init = (0.0, 1.0),
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if branches not in range(1, MOST_BRANCHES + 1):
            raise ValueError(f"branches: got {branches}; it must be 1 to {MOST_BRANCHES}")
        self.branches = branches
        draw = sampler(self.size, generator=generator)
        values = {
            "log_dt": draw("dt", dt, True),
            "log_recovery": draw("recovery", recovery, True),
            "rise": draw("rise", rise, False),
        }
        for branch in range(1, branches + 1):
            values[f"log_decay_{branch}"] = draw("decay", decay, True)
            values[f"omega_{branch}"] = torch.full(self.size, math.pi * branch)
            values[f"weight_{branch}"] = draw("weight", weight, False) / branches
        self.register_values(learn, **values)

    def dynamics(self) -> ModalSpace:
        """Return the branches and the trace of the spikes, side by side."""
        value = self.get_parameter_or_buffer
        log_dt, blocks, readout = value("log_dt"), [], []
        for branch in range(1, self.branches + 1):
            real, imaginary = pole(value(f"log_decay_{branch}") + log_dt, rotation(value(f"omega_{branch}"), log_dt))
            blocks.append(StateSpace.of(a11=real, a12=-imaginary, a21=imaginary, a22=real, b1=1.0))
            readout += [cut(value(f"weight_{branch}"), LARGEST), torch.zeros_like(real)]
        kept = decay(value("log_recovery"))
        blocks.append(StateSpace.of(a11=kept, r1=1.0))
        readout += [-self.rise.clamp(0, LARGEST_RISE), torch.zeros_like(kept)]
        return ModalSpace.of(blocks, torch.stack(readout, dim=-1), self.threshold)

    def extra_repr(self) -> str:
        """Add the number of branches."""
        return f"{super().extra_repr()}, branches={self.branches}"
