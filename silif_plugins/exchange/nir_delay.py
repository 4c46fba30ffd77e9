"""Delays of one per neuron as NIR's node for them.

It counts seconds; how long a step was goes with it, so that another host with another step delays as many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..optional import require
from ..synapses import AxonalDelay, LearnableDelay

STEP = "silif_plugins_dt"


def delay_node(delays: AxonalDelay, dt: float) -> Any:
    """Return a ``nir.Delay`` of the whole steps that delays take.

    Args:
        delays: One per neuron.
        dt: Time in seconds that one step stands for.

    Raises:
        ValueError: If they are not in whole steps in evaluation.

    Examples:
        >>> delays = AxonalDelay(2, 9, rounded=True)
        >>> delays.delay.data.copy_(torch.tensor([2.0, 7.0]))
        tensor([2., 7.])
        >>> delay_node(delays, 0.5).delay
        array([1. , 3.5])
    """
    return node_of_steps(whole_steps(delays), dt)


def whole_steps(delays: LearnableDelay) -> Tensor:
    """Return delays in steps as they are in evaluation; raise ValueError if those are not whole: NIR has no others."""
    if not (delays.rounded or delays.round_in_eval):
        raise ValueError(
            "its delays are not in whole steps; take silif_plugins.synapses.discretised(net), or the option "
            "round_in_eval=True"
        )
    return delays.whole()


def node_of_steps(steps: Tensor, dt: float) -> Any:
    """Return a ``nir.Delay`` of numbers of steps, one for each neuron."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    return nir.Delay(steps.detach().cpu().double().numpy() * dt, metadata={STEP: dt})


def delays_of(node: Any, dt: float) -> AxonalDelay:
    """Return the delays of a ``nir.Delay`` in whole steps, fixed.

    Args:
        node: The node.
        dt: Time in seconds that one step stands for, if the node does not tell.

    Raises:
        ValueError: If one is negative, no number, or not one for each neuron.

    Examples:
        >>> import nir, numpy as np
        >>> delays_of(nir.Delay(np.array([0.001, 0.003])), 0.001).delay
        Parameter containing:
        tensor([1., 3.])
    """
    steps = steps_of(node, dt)
    delays = AxonalDelay(len(steps), int(steps.max()), rounded=True)
    with torch.no_grad():
        delays.delay.copy_(steps)
    return delays


def steps_of(node: Any, dt: float) -> Tensor:
    """Return the whole steps of a ``nir.Delay``; arguments and errors are those of `delays_of`."""
    steps = np.round(np.asarray(node.delay, dtype=float) / float(node.metadata.get(STEP, dt)))
    if steps.ndim != 1 or not steps.size or not np.isfinite(steps).all() or steps.min() < 0:
        raise ValueError(f"delay: got {node.delay}; it must be numbers of seconds, 0 or more, one for each neuron")
    return torch.from_numpy(steps)
