"""How the state of a layer moves on: the core's step and scan, with the options that are snnTorch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ..neurons import State, StateSpace
from ..scan import scan, step
from ..scan.fused import GIVEN, in_kernel
from ..surrogate import SpikeFunction, Surrogate, is_above, is_plain

ResetMechanism = Literal["subtract", "zero", "none"]
Quantiser = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Dynamics:
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
        if self.scaled_reset and state is not None:
            spk = state.spk.detach() if self.detach_reset else state.spk
            state = state._replace(spk=spk * state.mem)
        # The membrane's own gradient through a reset in proportion to it stays.
        detach_reset = self.detach_reset and not self.scaled_reset
        _, state = step(self.space, current, state, surrogate=self._spike_function, detach_reset=detach_reset)
        if self.quantiser:
            mem, ada = (self.quantiser(x).to(x.dtype) for x in (state.mem, state.ada))
            state = State(mem, ada, self.fire(mem))
        return state

    def run(self, current: Tensor, state: State | None, *, trace: bool) -> tuple[Tensor, State, State | None]:
        """Advance over a sequence, [T, B, *size]: the spikes, the last state, and if asked for all states.

        It runs on the sequence kernel, unless quantised states or a reset in proportion to the membrane ask for
        a loop over the steps: they are not linear between the spikes. So does ``torch.compile`` with a surrogate that
        is not the core's.
        """
        # Compilers cannot look at what a function of the user's does, which the kernel has to know.
        is_known = in_kernel(self.surrogate)[0] != GIVEN or not torch.compiler.is_compiling()
        if is_known and not (self.scaled_reset or self.quantiser):
            surrogate, detach = self._spike_function, self.detach_reset
            if trace:
                return scan(self.space, current, state, surrogate=surrogate, return_states=True, detach_reset=detach)
            return *scan(self.space, current, state, surrogate=surrogate, detach_reset=detach), None
        spikes, state, states = scan(self.space, current[:0], state, return_states=True)
        if len(current):
            steps = []
            for now in torch.unbind(current):
                state = self.step(now, state)
                steps.append(state)
            states = State(*(torch.stack(field) for field in zip(*steps, strict=True)))
            spikes = states.spk
        return spikes, state, states

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
