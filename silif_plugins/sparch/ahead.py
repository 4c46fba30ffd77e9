"""Compiling what a network is going to need."""

from __future__ import annotations

import torch

from ..kernels.spike_bits import WORD
from ..kernels.together import compile_together
from ..scan import layer_kernels
from ..synapses import linear_kernels
from .layers import Readout, SpikingLayer
from .network import SpArchNet

_STEPS = 100
"""Of a sequence that the kernels run; one of few steps the reference would."""


def compile_kernels(net: SpArchNet) -> None:
    """Compile what the first steps of training need, shared with processes that do so at the same time.

    Networks that are not feed-forward ones with batch norm, or not on the CPU, compile at the first call as ever.

    Examples:
        >>> compile_kernels(SpArchNet(20, (16,), 3, normalization="none"))  # nothing
    """
    inputs = torch.zeros(_STEPS, 1, net.num_inputs, dtype=net.readout.neuron.threshold.dtype)
    packed = by_events = False
    for layer in (*net.hidden, net.readout):
        assert isinstance(layer, SpikingLayer | Readout)
        if not layer.reads_bits(inputs):
            return
        packed |= layer is not net.readout and layer.neuron.size[0] % WORD == 0
        by_events |= layer.current.weights.events != "never"
    neurons = layer_kernels(inputs.dtype, packed=packed)
    linear = linear_kernels(inputs.dtype) if by_events else []
    # By turns: two processes that begin together then compile what has little in common.
    compile_together([*neurons[:1], *linear[:2], *neurons[1:], *linear[2:]])
