"""Steps of their own length: how long they are, and who runs them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dynamics import Flow
from ..surrogate import is_plain


def flow_of(neurons: Any) -> Flow:
    """Return how neurons move over any duration.

    Raises:
        ValueError: If they have no flow.
    """
    if isinstance(neurons, Flow):
        return neurons
    refusal = f"dt: got durations for {type(neurons).__name__}, which has no flow; SiLIF and CSiLIF have"
    if not hasattr(neurons, "flow"):
        raise ValueError(refusal)
    try:
        flow = neurons.flow()
    except NotImplementedError:
        raise ValueError(refusal) from None
    assert isinstance(flow, Flow)
    return flow


def as_durations(dt: Tensor, current: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the durations of the steps, [T, B], after a look at their values.

    Args:
        dt: Numbers from 0 on, [T] for all sequences or [T, B].
        current: The input, [T, B, *neurons].
        dtype: Data type of the state.

    Raises:
        ValueError: If the shape does not fit the input, or a duration is negative, infinite or NaN.
        TypeError: If they are complex or booleans.

    Examples:
        >>> as_durations(torch.tensor([1.0, 2.5]), torch.zeros(2, 3, 10), torch.float32)
        tensor([[1.0000, 1.0000, 1.0000],
                [2.5000, 2.5000, 2.5000]])
    """
    steps, batch = current.shape[0], current.shape[1] if current.dim() > 1 else 1
    if tuple(dt.shape) not in ((steps,), (steps, batch)):
        raise ValueError(
            f"dt: got shape {tuple(dt.shape)}; it must be {(steps,)} or {(steps, batch)}, that of the steps"
        )
    if dt.is_complex() or dt.dtype == torch.bool:
        raise TypeError(f"dt: got {dt.dtype}; it must be numbers")
    if is_plain() and not bool(((dt >= 0) & (dt < torch.inf)).all()):
        worst = dt[~((dt >= 0) & (dt < torch.inf))][0].item()
        raise ValueError(f"dt: got {worst}; a duration must be a finite number from 0 on")
    durations = dt if dt.dim() == 2 else dt.unsqueeze(1)
    return durations.to(current.device, dtype).expand(steps, batch)
