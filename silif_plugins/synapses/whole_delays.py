"""Whole delays by events, where no gradient is asked for: the results of the convolution, at the cost of the spikes."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..kernels.jobs import run_job
from .events import fits_kernels


class WholeSynapses(NamedTuple):
    """The synapses of a layer, as the kernels read them: by input for sequences, and by delay for single steps.

    Attributes:
        targets: ``delay * outputs + output``, in two bytes, [inputs, outputs]; only if that is below 2¹⁶.
        weights: [inputs, outputs].
        first: Where those of a delay and an input start in the following, int32 [(max_delay + 1) * inputs + 1].
        sorted_targets: The outputs that they reach, sorted by delay, then input; int32 [synapses].
        sorted_weights: Their weights, [synapses].
    """

    targets: Tensor
    weights: Tensor
    first: Tensor
    sorted_targets: Tensor
    sorted_weights: Tensor


def whole_synapses(weight: Tensor, delay: Tensor, max_delay: int) -> WholeSynapses:
    """Lay synapses out.

    Args:
        weight: [outputs, inputs].
        delay: Whole numbers from 0 to ``max_delay``, [outputs, inputs].
        max_delay: The longest delay.

    Examples:
        >>> synapses = whole_synapses(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]]), 1)
        >>> synapses.first.tolist(), synapses.sorted_weights.tolist()
        ([0, 0, 1, 2, 2], [2.0, 1.0])
    """
    outputs, inputs = weight.shape
    weight, delay = weight.detach().t().contiguous(), delay.t().long().contiguous()  # [inputs, outputs]
    number = torch.arange(inputs).unsqueeze(1)
    order = (delay * inputs + number).flatten().sort(stable=True)
    first = torch.searchsorted(order.values, torch.arange((max_delay + 1) * inputs + 1))
    return WholeSynapses(
        (delay * outputs + torch.arange(outputs)).to(torch.uint16),
        weight,
        first.int(),
        (order.indices % max(outputs, 1)).int(),
        weight.flatten()[order.indices],
    )


def goes_by_events(*tensors: Tensor) -> bool:
    """Whether the kernels of whole delays may run: none of the tensors needs a gradient."""
    return fits_kernels(*tensors) and not (torch.is_grad_enabled() and any(each.requires_grad for each in tensors))


def transmit_whole(window: Tensor, synapses: WholeSynapses, max_delay: int) -> Tensor:
    """Return [T, B, outputs] from a window [max_delay + T, B, inputs]."""
    from ..kernels.memory import empty
    from . import delay_kernels as kernels

    steps, batch, outputs = window.shape[0] - max_delay, window.shape[1], synapses.weights.shape[1]
    y: Tensor
    if steps <= max_delay or (max_delay + 1) * outputs > 1 << 16:
        y = window.new_zeros(steps, batch, outputs)
        targets, weights = synapses.sorted_targets, synapses.sorted_weights
        _run(kernels.gather, window, y, max_delay, first=synapses.first, targets=targets, weights=weights)
    else:
        y = empty(window, (steps, batch, outputs))
        ahead = window.new_empty(batch, steps + 2 * max_delay, outputs)
        _run(kernels.transmit, window, y, max_delay, targets=synapses.targets, weights=synapses.weights, ahead=ahead)
    return y


def shift_whole(window: Tensor, delay: Tensor, steps: int) -> Tensor:
    """Return the last steps [T, B, N], each input moved by its delay [N], from a window [past + T, B, N]."""
    from ..kernels.memory import empty
    from . import delay_kernels as kernels

    y = empty(window, (steps, *window.shape[1:])).zero_()
    _run(kernels.shift, window, y, window.shape[0] - steps, delays=delay.int())
    return y


def _run(kernel: Any, window: Tensor, y: Tensor, max_delay: int, **tensors: Tensor) -> None:
    from .delay_kernels import job_dtype

    if y.numel():
        sizes = dict(zip(("steps", "batch", "outputs", "inputs"), (*y.shape, window.shape[2]), strict=True))
        tensors |= {"window": window.contiguous(), "y": y}
        # A sample is a task; the work of a step is that of some 16 elements for each output.
        run_job(kernel, job_dtype, window.dtype, y.shape[1], 16 * y.numel(), max_delay=max_delay, **sizes, **tensors)
