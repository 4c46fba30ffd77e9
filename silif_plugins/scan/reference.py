"""The definition: a plain loop over time that any faster backend must equal.

It works in any data type, with any elementwise surrogate, and is differentiable as often as that is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..neurons import State, StateSpace
from ..surrogate import SpikeFunction


def step(
    space: StateSpace, current: Tensor, state: State, surrogate: SpikeFunction, detach_reset: bool = False
) -> State:
    """Advance every neuron by one time step.

        x[t] = A x[t-1] + B I[t] + R s[t-1],   s[t] = surrogate(mem[t] - threshold)

    Args:
        space: The neurons' coefficients.
        current: Input current I[t], [B, *neurons].
        state: The state at t-1.
        surrogate: Spike function of mem - threshold.
        detach_reset: Whether s[t-1] in R s[t-1] is a constant for the gradient.

    Returns:
        The state at t; its ``spk`` are the spikes of this step.
    """
    reset = state.spk.detach() if detach_reset else state.spk
    mem = space.a11 * state.mem + space.a12 * state.ada + space.b1 * current + space.r1 * reset
    ada = space.a21 * state.mem + space.a22 * state.ada + space.b2 * current + space.r2 * reset
    return State(mem, ada, surrogate(mem - space.threshold))


def run(
    space: StateSpace,
    current: Tensor,
    state: State,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    lengths: Tensor | None = None,
    detach_reset: bool = False,
) -> tuple[list[State], State]:
    """Advance every neuron over a sequence; return the states of all steps and the last one.

    Args:
        space: The neurons' coefficients.
        current: Input currents, [T, B, *neurons].
        state: The state before the first step.
        surrogate: Spike function of mem - threshold.
        recurrent: Weights from spikes to currents of the next step, [N, N] (from, to), or None.
        lengths: Steps of each sequence, [B]: after them its state stays as it is, whatever the input, and the states
            returned for these steps are zero.
        detach_reset: Whether s[t-1] in R s[t-1] is a constant for the gradient; in ``recurrent`` it is not.
    """
    states = []
    # unbind, not current[t]: the backward of indexing fills a zero tensor of the whole sequence at every step.
    for t, now in enumerate(torch.unbind(current)):
        if recurrent is not None:
            now = now + state.spk @ recurrent
        if lengths is None:
            state = step(space, now, state, surrogate, detach_reset)
            states.append(state)
        else:
            runs = (t < lengths).view(-1, *[1] * (now.dim() - 1))
            # Sequences that are over run on zeros: a gradient of zero times NaN would be NaN.
            now, *fields = (torch.where(runs, field, 0) for field in (now, *state))
            new = step(space, now, State(*fields), surrogate, detach_reset)
            states.append(State(*(torch.where(runs, field, 0) for field in new)))
            state = State(*(torch.where(runs, *fields) for fields in zip(new, state, strict=True)))
    return states, state
