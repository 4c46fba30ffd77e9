"""How the state of a layer moves on: the core's step and scan, with the options that are snnTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..dynamics import Dynamics, HardReset, ResetMechanism, State, StateSpace
from ..scan import has_kernel, scan, step
from ..surrogate import SpikeFunction, Surrogate, is_above, is_plain

__all__ = ["Motion", "Quantiser", "ResetMechanism", "heaviside", "winners"]

Quantiser = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Quantised:
    """Neurons whose states are rounded after every step."""

    exact: StateSpace | HardReset
    quantiser: Quantiser

    @property
    def shape(self) -> torch.Size:
        """Shape of the population."""
        return self.exact.shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dynamics."""
        return self.exact.dtype

    @property
    def threshold(self) -> Tensor:
        """What the membrane is compared with."""
        return self.exact.threshold

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> State:
        """Return the state at rest."""
        return self.exact.rest(shape, dtype=dtype, device=device)

    def step(self, current: Tensor, state: State, surrogate: SpikeFunction, *, detach_reset: bool = False) -> State:
        """Advance by one time step, and round."""
        state = self.exact.step(current, state, surrogate, detach_reset=detach_reset)
        mem, ada = (self.quantiser(x).to(x.dtype) for x in (state.mem, state.ada))
        return State(mem, ada, surrogate(mem - self.threshold))


@dataclass(frozen=True)
class Motion:
    """What moves a state by one step or by many.

    Args:
        space: Coefficients, with the reset mechanism applied.
        surrogate: Spike function of mem - threshold.
        scaled_reset: Whether a spike's reset is in proportion to the membrane (``reset_mechanism="zero"``).
        quantiser: Function applied to both states after every step, or False.
        detach_reset: Whether the gradient is cut off where a spike resets.
    """

    space: StateSpace
    surrogate: SpikeFunction
    scaled_reset: bool
    quantiser: Literal[False] | Quantiser
    detach_reset: bool

    def fire(self, mem: Tensor) -> Tensor:
        """Return the spikes of a membrane, in its data type."""
        return self.surrogate(mem - self.space.threshold).to(mem.dtype)

    def at_rest(self, shape: torch.Size) -> State | None:
        """Return the state at rest, None if nothing fires there: neurons with a negative threshold do."""
        threshold = self.space.threshold
        if is_plain() and not bool((threshold < 0).any()):
            return None
        state = State.zeros(tuple(shape), dtype=self.space.dtype, device=threshold.device)
        return state._replace(spk=self.fire(state.mem))

    def step(self, current: Tensor, state: State | None) -> State:
        """Advance by one time step: ``current`` is [B, *size]."""
        surrogate, detach = self._spike_function, self.detach_reset
        return step(self.dynamics, current, state, surrogate=surrogate, detach_reset=detach)[1]

    def run(self, current: Tensor, state: State | None, *, trace: bool) -> tuple[Tensor, State, State | None]:
        """Advance over a sequence, [T, B, *size]: the spikes, the last state, and if asked for all states.

        It runs on the sequence kernel, but for quantised states, and for ``torch.compile`` with a surrogate that is not
        the core's: these loop over the steps.
        """
        surrogate, detach = self._spike_function, self.detach_reset
        # Compilers cannot look at what a function of the user's does, which the kernel has to know.
        backend: Any = "auto" if has_kernel(self.surrogate) or not torch.compiler.is_compiling() else "reference"
        options: dict[str, Any] = {"surrogate": surrogate, "detach_reset": detach, "backend": backend}
        if trace:
            return scan(self.dynamics, current, state, return_states=True, **options)
        return *scan(self.dynamics, current, state, **options), None

    @property
    def dynamics(self) -> Dynamics[State]:
        """How the core's neurons move with these options."""
        dynamics = HardReset(self.space) if self.scaled_reset else self.space
        return Quantised(dynamics, self.quantiser) if self.quantiser else dynamics

    @property
    def _spike_function(self) -> SpikeFunction:
        # The kernels know the classes of the core by their type.
        return self.surrogate if isinstance(self.surrogate, Surrogate) else _InOwnDtype(self.surrogate)


class _InOwnDtype(nn.Module):
    """A spike function in the data type of its input: those of snnTorch return float32, whatever they are given.

    A module, so that the parameters of a surrogate that trains are still found.
    """

    def __init__(self, surrogate: SpikeFunction) -> None:
        super().__init__()
        self.surrogate = surrogate

    def forward(self, x: Tensor) -> Tensor:
        """Return the spikes."""
        return self.surrogate(x).to(x.dtype)


def heaviside(x: Tensor) -> Tensor:
    """Return H(x > 0) in x's data type, without a gradient."""
    return is_above(x.detach(), 0.0)


def winners(mem: Tensor, threshold: Tensor, dimensions: int) -> Tensor:
    """Return 1 for the neuron of each population that exceeds its threshold most, 0 for all others.

    Args:
        mem: Membranes, [..., *size].
        threshold: Thresholds that broadcast to it.
        dimensions: Number of dimensions of a population.
    """
    margin = (mem - threshold).flatten(-dimensions)
    first = margin.argmax(dim=-1, keepdim=True)
    return torch.zeros_like(margin).scatter(-1, first, 1.0).view_as(mem)
