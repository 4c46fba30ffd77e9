"""Run a network once without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..swapping import evaluating
from .resetting import reset


@contextmanager
def evaluation(net: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode with its neurons at rest; afterwards restore its modes, and rest again."""
    reset(net)
    try:
        with evaluating(net):
            yield
    finally:
        reset(net)
