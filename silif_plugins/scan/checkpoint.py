"""Chunks of a sequence that are run again in backward instead of being remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..dynamics import StateT

Run = Callable[..., tuple[Tensor, StateT, StateT]]


def in_chunks(
    run: Run[StateT],
    chunks: int,
    current: Tensor,
    state: StateT,
    lengths: Tensor | None,
    durations: Tensor | None = None,
) -> tuple[Tensor, StateT, StateT]:
    """Run a sequence in pieces of equal length, keeping the input and the states between them.

    Args:
        run: (current, state, lengths, durations) -> spikes, last state, states of all steps.
        chunks: Number of pieces, at least 1. About the square root of T keeps the least memory.
        current: Input currents, [T, B, *neurons].
        state: The state before the first step.
        lengths: Steps of each sequence, [B].
        durations: Of each step, [T, B].

    Returns:
        What ``run`` returns for the whole sequence, with the same gradients.

    Raises:
        ValueError: If ``chunks`` is below 1.
    """
    if chunks < 1:
        raise ValueError(f"checkpoint_chunks: got {chunks}; it must be at least 1")
    size = max(1, -(-current.shape[0] // chunks))
    pieces: list[tuple[Tensor, StateT]] = []
    for start in range(0, max(1, current.shape[0]), size):
        piece = current[start : start + size]
        left = None if lengths is None else (lengths - start).clamp(0, piece.shape[0])
        arguments: tuple[Any, ...] = (
            piece,
            state,
            left,
            None if durations is None else durations[start : start + size],
        )
        # Nothing here is random, so there is no random state to keep.
        spikes, state, states = checkpoint(run, *arguments, use_reentrant=False, preserve_rng_state=False)
        pieces.append((spikes, states))
    traces = zip(*(states for _, states in pieces), strict=True)
    return torch.cat([spikes for spikes, _ in pieces]), state, type(state)(*(torch.cat(field) for field in traces))
