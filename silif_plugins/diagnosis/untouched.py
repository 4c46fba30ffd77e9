"""Run a network and leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode and its neurons at rest; afterwards restore all that a run can change.

    That is every attribute of every module (modes, states, whatever a forward pass assigned), the values of buffers,
    and PyTorch's random numbers. Parameters and gradients are left alone: run without gradients.
    """
    modules = list(net.modules())
    attributes = [dict(vars(module)) for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    values = {
        buffer: (buffer._version, buffer.detach().clone())
        for each in buffers
        for buffer in each.values()
        if buffer is not None and not buffer.is_inference()
    }
    tensors = [*net.parameters(), *values]
    devices = {tensor.get_device() for tensor in tensors if tensor.is_cuda}
    with torch.random.fork_rng(devices=devices):
        try:
            net.eval()
            _rest(modules)
            yield
        finally:
            for module, kept, own in zip(modules, attributes, buffers, strict=True):
                vars(module).clear()
                vars(module).update(kept)
                module._buffers.clear()
                module._buffers.update(own)
            with torch.no_grad():
                for buffer, (version, value) in values.items():
                    if buffer._version != version:  # a copy counts as a change, which a waiting backward would notice
                        buffer.copy_(value)


def _rest(modules: list[nn.Module]) -> None:
    """Bring all neurons that keep their state to rest."""
    for module in modules:
        for name in ("reset_mem", "reset_state"):
            if callable(restart := getattr(module, name, None)):
                restart()
                break
