"""Sequences of different lengths in one batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..kernels.operators import is_exporting, operator, shapes_of
from ..surrogate import is_plain


def as_lengths(lengths: Tensor, current: Tensor, least: int = 0) -> Tensor:
    """Return the number of steps of each sequence, int64 [B], from such numbers or from a mask.

    Args:
        lengths: Integers [B] from ``least`` to T, or booleans [T, B], true for the first steps of each sequence.
        current: The input, [T, B, *neurons].
        least: The smallest length that is allowed.

    Raises:
        ValueError: If the shape does not fit the input, a length is out of range, or a mask has holes. Compiled code
            looks at that when it runs; what ``torch.export`` records does not look at all.
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
    if is_exporting():  # for readers that do not have this package
        return (lengths.sum(0) if mask else lengths.to(torch.int64)).to(current.device)
    count = _count if is_plain() else _operator
    return count(lengths, steps, least).to(current.device)


def _count(lengths: Tensor, steps: int, least: int) -> Tensor:
    """Return lengths as int64 [B] after a look at their values."""
    if lengths.dtype == torch.bool:
        if bool((lengths[1:] & ~lengths[:-1]).any()):
            raise ValueError("lengths: got a mask with holes; it must be true for the first steps of each sequence")
        result = lengths.sum(0)
    else:
        result = lengths.to(torch.int64, copy=True)
    if bool(((result < least) | (result > steps)).any()):
        raise ValueError(f"lengths: got {result.tolist()}; it must be from {least} to T = {steps}")
    return result


_operator = operator("lengths")(_count)
"""The same for compilers and transforms, which cannot look at values before they are there."""


@shapes_of(_operator)
def _(lengths: Tensor, steps: int, least: int) -> Tensor:
    return lengths.new_empty(lengths.shape[-1], dtype=torch.int64)


def _each(info: Any, in_dims: tuple[int | None, ...], lengths: Tensor, steps: int, least: int) -> tuple[Tensor, int]:
    runs = [_operator(each, steps, least) for each in lengths.unbind(in_dims[0] or 0)]
    return torch.stack(runs), 0


torch.library.register_vmap(_operator, _each)
