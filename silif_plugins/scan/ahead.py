"""Which kernels a layer is going to need."""

from __future__ import annotations

import torch

from ..kernels.together import Kernel


def layer_kernels(dtype: torch.dtype, *, packed: bool) -> list[Kernel]:
    """Return the kernels of neurons of two states after a batch norm, those that take longest to compile first.

    Those of neurons alone are among them: a network runs them when somebody looks at the currents, as a diagnosis does.

    Args:
        dtype: Of the currents.
        packed: Whether some of them give their spikes as bits.
    """
    from .cpu import bit_kernels, kernels, tiles

    two_states = [kernels.backward_normalised, kernels.forward_normalised, kernels.forward]
    if packed:
        two_states = [kernels.forward_normalised_packed, kernels.forward_packed, *two_states]
    found: list[Kernel] = [(kernel, dtype, tiles.job_dtype) for kernel in two_states]
    return [*found, (bit_kernels.number_gates, torch.int64, bit_kernels.job_dtype)] if packed else found
