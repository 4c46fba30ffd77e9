"""One loop over time as a single operator of a graph, for files that are read where this package is not installed.

``torch.export`` and ONNX record what is called. Of the defining loop they would record every step, for the number of
steps that they saw; the fused kernels they would record as operators of this package. Here the step of the neurons is
recorded once, within PyTorch's own ``scan``: the graph takes any number of steps, and ONNX has ``Scan`` for it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dynamics import Dynamics, StateT
from ..surrogate import SpikeFunction, Surrogate, is_above


def run(
    neurons: Dynamics[StateT],
    current: Tensor,
    state: StateT,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    lengths: Tensor | None = None,
) -> tuple[StateT, StateT]:
    """Advance every neuron over a sequence; as :func:`silif_plugins.scan.reference.run`, with the states stacked.

    A :class:`silif_plugins.surrogate.Surrogate` is the bare step H(x > 0): what is exported does not train.
    """
    from torch._higher_order_ops.scan import scan  # its import takes a second

    kind: Any = type(state)
    spike = _step if isinstance(surrogate, Surrogate) else surrogate
    steps = torch.arange(current.shape[0], device=current.device)

    def body(carried: tuple[Tensor, ...], inputs: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        before, (now, step) = kind(*carried), inputs
        if recurrent is not None:
            now = now + before.spk @ recurrent
        after = neurons.step(now, before, spike)
        if lengths is None:
            return tuple(after), tuple(field.clone() for field in after)
        runs = (step < lengths).view(-1, *[1] * (now.dim() - 1))
        kept = tuple(torch.where(runs, *fields) for fields in zip(after, before, strict=True))
        return kept, tuple(torch.where(runs, field, 0) for field in after)

    # Its operands may not be the same memory, which an expanded zero is.
    last, states = scan(body, tuple(field.clone() for field in state), (current, steps))
    return kind(*states), kind(*last)


def _step(x: Tensor) -> Tensor:
    return is_above(x, 0.0)
