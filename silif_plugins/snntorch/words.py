"""Explanations for those who bring the words of another neuron."""

from __future__ import annotations

from collections.abc import Sequence


def population(size: int | Sequence[int]) -> tuple[int, ...]:
    """Check the first argument of a neuron: its size, not the decay that ``snn.Leaky`` has there.

    Raises:
        TypeError: If it is neither a whole number nor several of them.
    """
    sizes = (size,) if isinstance(size, int) else size
    if isinstance(sizes, (tuple, list)) and all(isinstance(n, int) and not isinstance(n, bool) for n in sizes):
        return tuple(sizes)
    raise TypeError(
        f"size: got {size!r}; it is the number of neurons, such as 128, or their shape, such as (32, 1, 1) "
        "after a convolution with 32 channels"
    )
