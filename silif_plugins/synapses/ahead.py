"""Which kernels a connection is going to need."""

from __future__ import annotations

import torch

from ..kernels.together import Kernel


def linear_kernels(dtype: torch.dtype) -> list[Kernel]:
    """Return the kernels of a :class:`SpikeLinear` with a batch norm, those that take longest to compile first."""
    from . import event_kernels, strip_kernels

    by_events = [event_kernels.backward, event_kernels.forward, event_kernels.merge]
    transposes = [strip_kernels.to_strips, strip_kernels.from_strips]
    return [
        *((each, dtype, event_kernels.job_dtype) for each in by_events),
        *((each, dtype, strip_kernels.job_dtype) for each in transposes),
    ]
