"""The arguments that all neurons of this plugin share, written once for type checkers."""

from __future__ import annotations

from typing import Literal, TypedDict

import torch
from torch import Tensor

from ..neurons import Learn
from ..surrogate import SpikeFunction
from .motion import Quantiser, ResetMechanism
from .spiking import Output


class Options(TypedDict, total=False):
    """What every named neuron takes: of its model what all models have, and what :class:`Spiking` has."""

    learn: Learn
    generator: torch.Generator | None
    threshold: float | Tensor
    spike_grad: str | SpikeFunction | None
    surrogate_disable: bool
    init_hidden: bool
    inhibition: bool
    learn_threshold: bool
    reset_mechanism: ResetMechanism
    state_quant: Literal[False] | Quantiser
    output: Output
    graded_spikes_factor: float | Tensor
    learn_graded_spikes_factor: bool
    sequence: bool


class AllOptions(Options, total=False):
    """The same with what SiLIF and CSiLIF have a default of their own for."""

    detach_reset: bool
