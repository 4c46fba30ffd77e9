"""A trained network as plain numbers: weights, what batch norm makes of them, and coefficients of neurons."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..dynamics import HardReset, StateSpace, with_reset
from ..neurons import Neuron
from ..sparch import Readout, SpArchNet, SpikingLayer
from ..synapses import AxonalLinear, Bits, DelayedLinear, QuantisedLinear, SpikeLinear, discretised

LARGEST = 1e6
"""Magnitude from which a number is taken for the wreck of a training, not for a weight."""


class FoldError(ValueError):
    """A network that cannot leave PyTorch; the message names the layer and why."""


class FoldedLayer(NamedTuple):
    """A layer of a `FoldedNet`: I = gain * (weight @ input) + bias, and neurons that get this current.

    Attributes:
        name: Of the layer in the network, such as ``"hidden.0"``.
        weight: [outputs, inputs], float32, as they were trained: rounded, if they were rounded then.
        gain: What batch norm multiplies each row by, [outputs], float64.
        bias: [outputs], float64.
        delays: Steps until an input arrives, int64: [inputs], or [outputs, inputs] for a delay per synapse; or None.
        bits: What the weights were trained to be rounded to; None if they were not.
        space: The neurons, every field [outputs], float64; the threshold of a readout is infinite.
    """

    name: str
    weight: Tensor
    gain: Tensor
    bias: Tensor
    delays: Tensor | None
    bits: Bits | None
    space: StateSpace


class FoldedNet(NamedTuple):
    """What a network computes in evaluation, without modules.

    Attributes:
        hidden: The layers that fire.
        readout: The leaky integrators, whose softmax is summed over time.
    """

    hidden: tuple[FoldedLayer, ...]
    readout: FoldedLayer

    @property
    def layers(self) -> tuple[FoldedLayer, ...]:
        """All of them, the readout last."""
        return (*self.hidden, self.readout)

    @property
    def num_inputs(self) -> int:
        """Input channels."""
        return self.hidden[0].weight.shape[1]


def fold(net: nn.Module) -> FoldedNet:
    """Take a trained network apart: batch norm folded, neurons as coefficients, delays in whole steps.

    Args:
        net: A `SpArchNet` with neurons that have a state space: all but BRF and SE-adLIF.

    Raises:
        FoldError: If a part of it cannot be described so: recurrent or bidirectional layers, layer norm, random initial
            states, a reset to zero, other connections; or if a number is not finite or beyond 1e6. It is a ValueError.

    Examples:
        >>> folded = fold(SpArchNet(140, (128, 64), 20))
        >>> [(layer.name, tuple(layer.weight.shape)) for layer in folded.layers]
        [('hidden.0', (128, 140)), ('hidden.1', (64, 128)), ('readout', (20, 64))]
        >>> fold(SpArchNet(140, (128,), 20, recurrent=True))
        Traceback (most recent call last):
        silif_plugins.deploy.folding.FoldError: hidden.0: has recurrent weights, which cannot be exported
    """
    if not isinstance(net, SpArchNet):
        raise FoldError(f"net: got {type(net).__name__}; only a SpArchNet can be exported")
    whole = discretised(net)
    hidden = []
    for index, layer in enumerate(whole.hidden):
        assert isinstance(layer, SpikingLayer)
        hidden.append(_layer(f"hidden.{index}", layer))
    return FoldedNet(tuple(hidden), _layer("readout", whole.readout))


def _layer(name: str, layer: SpikingLayer | Readout) -> FoldedLayer:
    if isinstance(layer, SpikingLayer):
        if layer.recurrent is not None:
            raise FoldError(f"{name}: has recurrent weights, which cannot be exported")
        if layer.bidirectional:
            raise FoldError(f"{name}: reads sequences backwards, which cannot be exported")
    if layer.initial_state != "zeros":
        raise FoldError(f"{name}: starts from random states; only initial_state='zeros' can be exported")
    weight, bias, delays, bits = _weights(name, layer.current.weights)
    gain, bias = _normalised(name, layer.current.norm, bias)
    reset = layer.reset_mechanism if isinstance(layer, SpikingLayer) else "subtract"
    space = _space(name, layer.neuron, reset)
    outputs = len(weight)
    space = StateSpace(*(field.expand(outputs).contiguous() for field in space))
    named = {"weights": weight, "gain of its batch norm": gain, "bias": bias, **space._asdict()}
    for what, values in named.items():
        allowed = values.isposinf() if what == "threshold" else torch.zeros_like(values, dtype=torch.bool)
        bad = ~(values.abs() <= LARGEST) & ~allowed
        if bool(bad.any()):
            got = float(values[bad][0])
            raise FoldError(f"{name}: {what}: got {got:g}; all must be finite and of magnitude {LARGEST:g} at most")
    return FoldedLayer(name, weight, gain, bias, delays, bits, space)


def _weights(name: str, weights: nn.Module) -> tuple[Tensor, Tensor, Tensor | None, Bits | None]:
    """Return the weights of a connection, its bias, its delays, and the bits it was trained with."""
    delays, bits = None, None
    if isinstance(weights, AxonalLinear):
        delays = _lags(weights.delays.delay)
    elif isinstance(weights, DelayedLinear):
        delays = _lags(weights.delay)
    elif isinstance(weights, QuantisedLinear):
        bits = weights.bits
    elif not isinstance(weights, (SpikeLinear, nn.Linear)):
        raise FoldError(f"{name}: its weights are {type(weights).__name__}, which cannot be exported")
    trained = weights.rounded() if isinstance(weights, QuantisedLinear) else weights.weight
    weight = trained.detach().float().cpu()
    bias = weight.new_zeros(len(weight)) if weights.bias is None else weights.bias.detach().cpu()
    return weight, bias.double(), delays, bits


def _lags(delay: Tensor) -> Tensor:
    return delay.detach().round().long().cpu()


def _normalised(name: str, norm: nn.Module, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a normalisation multiplies rows by and what it adds, [outputs] each."""
    if isinstance(norm, nn.Identity):
        return torch.ones_like(bias), bias
    if not isinstance(norm, nn.BatchNorm1d) or norm.running_mean is None or norm.running_var is None:
        raise FoldError(f"{name}: normalises by {type(norm).__name__}; only batch norm can be exported")
    mean, variance = norm.running_mean.double().cpu(), norm.running_var.double().cpu()
    gain = (variance + norm.eps).rsqrt()
    shift = torch.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * norm.weight.detach().double().cpu(), norm.bias.detach().double().cpu()
    return gain, shift + gain * (bias - mean)


def _space(name: str, neuron: Neuron, reset: str) -> StateSpace:
    """Return the coefficients in float64, which the parameters define in that, too."""
    with torch.no_grad():
        dynamics = with_reset(copy.deepcopy(neuron).double().cpu().dynamics(), reset)  # type: ignore[arg-type]
    if isinstance(dynamics, HardReset):
        raise FoldError(f"{name}: resets to zero; only reset_mechanism='subtract' and 'none' can be exported")
    if not isinstance(dynamics, StateSpace):
        raise FoldError(f"{name}: {type(neuron).__name__} is no linear state space, which is all that can be exported")
    return dynamics.double()
