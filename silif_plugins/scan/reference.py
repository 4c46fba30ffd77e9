"""The definition: a plain loop over time that any faster backend must equal.

It works in any data type, with any elementwise surrogate, and is differentiable as often as that is; and with any
dynamics, whatever their state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dynamics import Dynamics, StateT
from ..surrogate import SpikeFunction


def run(
    neurons: Dynamics[StateT],
    current: Tensor,
    state: StateT,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    lengths: Tensor | None = None,
    detach_reset: bool = False,
    durations: Tensor | None = None,
) -> tuple[list[StateT], StateT]:
    """Advance every neuron over a sequence; return the states of all steps and the last one.

    Args:
        neurons: How they move.
        current: Input currents, [T, B, *neurons].
        state: The state before the first step.
        surrogate: Spike function of mem - threshold.
        recurrent: Weights from spikes to currents of the next step, [N, N] (from, to), or None.
        lengths: Steps of each sequence, [B]: after them its state stays as it is, whatever the input, and the states
            returned for these steps are zero.
        detach_reset: Whether the spikes that reset are constants for the gradient; in ``recurrent`` they are not.
        durations: Of each step, [T, B], for neurons that are a :class:`silif_plugins.dynamics.Flow`.
    """
    states = []
    # unbind, not current[t]: the backward of indexing fills a zero tensor of the whole sequence at every step.
    for t, now in enumerate(torch.unbind(current)):
        if recurrent is not None:
            now = now + state.spk @ recurrent
        options: dict[str, Any] = {"detach_reset": detach_reset}
        if durations is not None:
            options["duration"] = durations[t].view(-1, *[1] * (now.dim() - 1))
        if lengths is None:
            state = neurons.step(now, state, surrogate, **options)
            states.append(state)
        else:
            runs = t < lengths
            # Sequences that are over run on zeros: a gradient of zero times NaN would be NaN.
            now, *fields = (_where(runs, field) for field in (now, *state))
            new = neurons.step(now, type(state)(*fields), surrogate, **options)
            states.append(type(new)(*(_where(runs, field) for field in new)))
            state = type(new)(*(_where(runs, *fields) for fields in zip(new, state, strict=True)))
    return states, state


def _where(runs: Tensor, new: Tensor, old: Tensor | float = 0) -> Tensor:
    """Take the new values for the sequences that still run, booleans [B]."""
    return torch.where(runs.view(-1, *[1] * (new.dim() - 1)), new, old)
