"""Run a network once without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from .reset import reset


@contextmanager
def evaluation(net: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode with its neurons at rest; afterwards restore its modes, and rest again."""
    modes = [(module, module.training) for module in net.modules()]
    reset(net)
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        reset(net)
