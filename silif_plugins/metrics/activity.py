"""Synaptic operations, firing rates and sparsity from recorded activity."""

from __future__ import annotations

import torch
from torch import Tensor


def synaptic_operations(activity: Tensor, fan_out: int) -> Tensor:
    """Mean synaptic operations per sample: how often a non-zero activity passes a weight (SiLIF paper, 4.3).

    An input bin that holds three spikes is one operation. Readouts and elementwise neuron updates do not count.

    Args:
        activity: What enters the weights, [T, B, N].
        fan_out: Weights per input: the size of the next layer.

    Returns:
        A number, float64.

    Examples:
        >>> synaptic_operations(torch.tensor([[[1.0, 0.0, 3.0]]]), fan_out=10)
        tensor(20., dtype=torch.float64)
    """
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    events = (activity != 0).sum() if tracing else torch.count_nonzero(activity)  # ONNX cannot count
    return events.double() * fan_out / max(activity.shape[1], 1)


def firing_rates(spikes: Tensor) -> Tensor:
    """Spikes per neuron and time step, [N], from [T, B, N]; differentiable, for activity regularisers.

    Examples:
        >>> firing_rates(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]))
        tensor([1.0000, 0.5000])
    """
    return spikes.mean(dim=(0, 1))


def sparsity(rates: Tensor) -> Tensor:
    """Share of time steps without a spike, averaged over neurons (SiLIF paper, A.5: per hidden neuron).

    The published code averages the input channels in as well; this does not.

    Examples:
        >>> sparsity(torch.tensor([0.1, 0.3])).round(decimals=3)
        tensor(0.8000)
    """
    return 1 - rates.mean()
