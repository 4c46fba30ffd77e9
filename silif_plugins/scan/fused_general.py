"""Neurons with a general reset on the kernels of systems: their numbers as real ones, and their state in planes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dynamics import GeneralReset, GeneralState, is_graded
from ..surrogate import SpikeFunction
from .system_layout import SystemOutputs

MOST_STATES, MOST_OUTPUTS = 8, 4
"""That there are kernels for: all numbers of a neuron must fit into the memory of a thread."""


def obstacle(general: GeneralReset) -> str | None:
    """Why there is no kernel for such neurons; None if there is."""
    if general.states > MOST_STATES:
        return f"it has {general.states} real states, more than {MOST_STATES}"
    if general.outputs > MOST_OUTPUTS:
        return f"it has more than {MOST_OUTPUTS} outputs"
    if condition_of(general) is None:
        return "its reset condition is a function"
    return None


def condition_of(general: GeneralReset) -> str | None:
    """Return the condition by the name that kernels know; None for another."""
    if not isinstance(general.condition, str):
        return None
    same = {"output"} | ({"any"} if general.outputs == 1 else set())
    return "spike" if general.condition in same and not is_graded(general.spikes) else general.condition


def packed(
    general: GeneralReset, flat: Tensor, sizes: torch.Size, state: GeneralState
) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    """Return coefficients and initial state of a :class:`.system_layout.SystemForward`, and its last fields.

    Args:
        general: The neurons.
        flat: Currents, [T, B, N].
        sizes: Shape of the population, N neurons in all.
        state: The state before the first step.
    """
    condition, resets = condition_of(general), state.resets.shape[-1]
    # Where spikes reset, it is the resets of the state that do.
    last = (state.resets,) if condition == "spike" else (state.spk, state.resets)
    m, fields = general.outputs, (state.mem, state.x, *last)
    initial = torch.cat(
        [
            field.reshape(*flat.shape[1:], number).movedim(-1, 0)
            for field, number in zip(fields, (m, general.states, m, resets), strict=False)
        ]
    )
    numbers = torch.cat([part.to(flat.dtype).expand(*sizes, -1) for part in numbers_of(general, resets)], dim=-1)
    coefficients = numbers.reshape(flat.shape[2], numbers.shape[-1]).T.contiguous()
    proportional = general.action in ("zero", "scale")
    return coefficients, initial, (general.spikes, proportional, m, resets, condition, general.skip is not None)


def numbers_of(general: GeneralReset, resets: int) -> list[Tensor]:
    r"""Return A, B, R, Cᵀ, D and the threshold of neurons as real numbers, each [\*neurons, numbers]."""
    a, b, c = general.transition, general.input, general.readout
    if general.action == "subtract":
        assert general.reset is not None
        r = -general.reset
    else:
        share = {"none": 0.0, "zero": 1.0, "scale": general.reset}[general.action]
        share = torch.as_tensor(share, dtype=b.dtype, device=b.device)
        r = -share[..., None, None].expand(*b.shape, resets if general.action == "none" else 1)
    if a.is_complex():
        a = torch.stack([a.real, -a.imag, a.imag, a.real], dim=-1)
        b = torch.stack([b, torch.zeros_like(b)], dim=-1).flatten(-2)
        # R and C of both parts of each state; a share is the same of both.
        r = torch.stack([r.real, r.imag] if r.is_complex() else [r, r], dim=-2).flatten(-3, -2)
        c = torch.stack([2 * c.real, -2 * c.imag], dim=-1).flatten(-2)
    skip = [] if general.skip is None else [general.skip]
    return [a.flatten(-2), b, r.flatten(-2), c.mT.flatten(-2), *skip, general.level.unsqueeze(-1)]


def unpacked(
    general: GeneralReset,
    outputs: SystemOutputs,
    before: GeneralState,
    surrogate: SpikeFunction,
    lengths: Tensor | None,
    trace: bool,
) -> tuple[GeneralState, GeneralState]:
    """Return the states of all steps, of which only the spikes are there without ``trace``, and the last one.

    Args:
        general: The neurons.
        outputs: What the kernels gave.
        before: The state before the first step.
        surrogate: Spike function.
        lengths: Steps of each sequence, [B] as in ``before``.
        trace: Whether the states of all steps are wanted.
    """
    m, n, wide = general.outputs, general.states, before.resets.shape[:-1]
    steps, by_spikes = len(outputs.spikes) // m, condition_of(general) == "spike"
    mem, x, spk, own = outputs.final.split([m, n, m, len(outputs.final) - 2 * m - n])
    parts = zip((mem, x, spk if by_spikes else own, spk), before, strict=True)
    last = GeneralState(*(part.movedim(0, -1).reshape(field.shape) for part, field in parts))
    if by_spikes and not steps:  # what was given as resets need not be the spikes
        last = last._replace(spk=before.spk)
    elif by_spikes and lengths is not None:
        ran = (lengths > 0).view(-1, *[1] * (before.spk.dim() - 1))
        last = last._replace(spk=torch.where(ran, last.spk, before.spk))

    def over_time(part: Tensor) -> Tensor:
        return part.movedim(1, -1).reshape(steps, *wide, part.shape[1])

    spikes = over_time(outputs.spikes.unflatten(0, (steps, m)))
    spk = spikes.reshape(steps, *before.spk.shape)
    if not trace:
        return GeneralState(spk[:0], spk[:0], spk[:0], spk), last
    mem, x = map(over_time, outputs.trace.unflatten(0, (steps, m + n)).split([m, n], dim=1))
    x = x.reshape(steps, *before.x.shape)
    resets = spikes if by_spikes else general.resets(x, mem, surrogate, spikes)
    if lengths is not None:
        runs = torch.arange(steps, device=resets.device).unsqueeze(-1) < lengths
        resets = torch.where(runs.view(*runs.shape, *[1] * (resets.dim() - 2)), resets, 0)
    return GeneralState(mem.reshape(steps, *before.mem.shape), x, resets, spk), last
