"""Sequences of different lengths in one batch."""

from __future__ import annotations

import torch
from torch import Tensor


def as_lengths(lengths: Tensor, current: Tensor) -> Tensor:
    """Return the number of steps of each sequence, int64 [B], from such numbers or from a mask.

    Args:
        lengths: Integers [B] from 0 to T, or booleans [T, B], true for the first steps of each sequence.
        current: The input, [T, B, *neurons].

    Raises:
        ValueError: If the shape does not fit the input, a length is out of range, or a mask has holes. (Under
            torch.compile only shapes are looked at.)
        TypeError: If they are not integers or booleans.

    Examples:
        >>> mask = torch.tensor([[True, True], [True, False], [False, False]])
        >>> as_lengths(mask, torch.zeros(3, 2, 10))
        tensor([2, 1])
    """
    steps, batch = current.shape[:2]
    mask = lengths.dtype == torch.bool
    needed = (steps, batch) if mask else (batch,)
    if lengths.shape != needed:
        raise ValueError(
            f"lengths: got shape {tuple(lengths.shape)}; it must be {needed}, "
            + ("a mask of the steps" if mask else "the steps of each sequence")
        )
    if lengths.is_floating_point() or lengths.is_complex():
        raise TypeError(f"lengths: got {lengths.dtype}; it must be integers [B] or booleans [T, B]")
    result = (lengths.sum(0) if mask else lengths).to(device=current.device, dtype=torch.int64)
    if not torch.compiler.is_compiling():
        if mask and bool((lengths[1:] & ~lengths[:-1]).any()):
            raise ValueError("lengths: got a mask with holes; it must be true for the first steps of each sequence")
        if bool(((result < 0) | (result > steps)).any()):
            raise ValueError(f"lengths: got {lengths.tolist()}; it must be from 0 to T = {steps}")
    return result
