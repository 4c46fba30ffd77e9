"""From a trained network to small integers."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from ..dynamics import State
from ..scan import scan
from ..synapses import Bits, largest_level, levels, row_steps
from .fixed_point import FixedSpace, StateType
from .folding import FoldedLayer, FoldError, fold
from .quantised import (
    CURRENT_BITS,
    LayerState,
    QuantisedLayer,
    QuantisedNet,
    delayed_product,
    in_float32,
    in_units,
    run_layer,
)

COUNTS, FEATURES = 255, 127
"""Magnitude at which counts of events and rounded features are cut."""


def quantise(
    net: nn.Module, bits: Bits | None = None, *, calibration: Tensor | None = None, state: StateType = "float32"
) -> QuantisedNet:
    """Round a trained network's weights to few levels, one step for each row, and perhaps its states.

    Eight bits need no more than the network. With fewer, `calibration` wins back a part of what is lost: means and
    spreads of the currents are brought back to what they were, layer by layer. Three bits and ternary weights need
    training: ``silif train --init RUN --connection quantised --connection-options bits=3``
    (`silif_plugins.synapses.QuantisedLinear`), whose bits are taken here by default.

    Args:
        net: What `fold` takes.
        bits: Of a weight, 2 to 8, or ``"ternary"``; by default what it was trained for, or 8.
        calibration: Typical inputs, [B, T, num_inputs], some 100 samples of the training set. Needed for integer
            states, whose range they tell, and for inputs that are no counts.
        state: Type of the neurons' states: ``"float32"``, ``"int16"`` or ``"int32"``.

    Raises:
        FoldError: If the network cannot be exported; the message names the layer. It is a ValueError.
        ValueError: If an argument is not valid.

    Examples:
        >>> from silif_plugins.sparch import SpArchNet
        >>> net = SpArchNet(140, (128,), 20).eval()
        >>> counts = (torch.rand(8, 100, 140) < 0.05).float()
        >>> small = quantise(net, bits=8)
        >>> agree = small(counts).scores.argmax(1) == net(counts).scores.argmax(1)
        >>> small.hidden[0].weight.abs().max().item(), quantise(net, 4, calibration=counts, state="int16").state
        (127, 'int16')
    """
    if state not in get_args(StateType):
        raise ValueError(f"state: got {state!r}; it must be one of {', '.join(get_args(StateType))}")
    if bits is not None:
        largest_level(bits)
    folded = fold(net)
    if calibration is None and state != "float32":
        raise ValueError(f"calibration: got none; states of {state} need typical inputs, which tell their range")
    if calibration is not None:
        calibration = _checked(calibration, folded.num_inputs)
    input_step, limit = _input_units(calibration)
    layers: list[QuantisedLayer] = []
    real = rounded = None
    if calibration is not None:
        real = calibration.transpose(0, 1).double()
        rounded = in_units(calibration, input_step, limit).transpose(0, 1)
    for index, layer in enumerate(folded.layers):
        most = limit if index == 0 else 1
        made = _rounded(layer, bits, input_step if index == 0 else 1.0, most)
        if real is not None and rounded is not None:
            last = index == len(folded.layers) - 1
            made, real, rounded = _calibrated(layer, made, real, rounded, state, most, last)
        layers.append(made)
    return QuantisedNet(tuple(layers[:-1]), layers[-1], state=state, input_step=input_step, input_limit=limit)


def _checked(calibration: Tensor, num_inputs: int) -> Tensor:
    if calibration.dim() != 3 or calibration.shape[2] != num_inputs or not calibration.numel():
        got = tuple(calibration.shape)
        raise ValueError(f"calibration: got shape {got}; it must be [B, T, {num_inputs}], with a sample at least")
    if not bool(calibration.isfinite().all()):
        raise ValueError("calibration: got a value that is not finite")
    return calibration.float()


def _input_units(calibration: Tensor | None) -> tuple[float, int]:
    """Return the unit of the inputs and where they are cut; whole numbers are counts."""
    if calibration is None or bool((calibration == calibration.round()).all()):
        return 1.0, COUNTS
    step = calibration.abs().max() / FEATURES
    return float(step), FEATURES


def _rounded(layer: FoldedLayer, bits: Bits | None, input_step: float, most: int) -> QuantisedLayer:
    """Round the weights of a layer; ``most`` is the largest input."""
    bits = layer.bits if bits is None and layer.bits is not None else 8 if bits is None else bits
    steps = row_steps(layer.weight, bits)
    weight = levels(layer.weight, steps, bits).long()
    unit = steps.double() * layer.gain * input_step / (1 << CURRENT_BITS)
    empty = unit.abs() < torch.finfo(torch.float32).tiny  # batch norm has switched this neuron off
    weight, unit = torch.where(empty.unsqueeze(1), 0, weight), torch.where(empty, 2.0**-CURRENT_BITS, unit)
    return _with_currents(layer, weight, bits, unit, layer.bias, most)


def _with_currents(
    layer: FoldedLayer, weight: Tensor, bits: Bits, unit: Tensor, bias: Tensor, most: int
) -> QuantisedLayer:
    """Make a layer of levels, the unit of its current and its real bias.

    Raises:
        FoldError: If a current could leave 32 bits.
    """
    units = (bias / unit).round()
    largest = (weight.abs().sum(dim=1) * most << CURRENT_BITS) + units.abs()
    if bool((largest >= 2**31).any()):
        raise FoldError(
            f"{layer.name}: its currents need more than 32 bits: a bias of {float(bias.abs().max()):g} beside weights "
            f"up to {float((layer.weight.abs().amax(1) * layer.gain.abs()).max()):g}, {weight.shape[1]} inputs up to "
            f"{most}"
        )
    space = layer.space._replace(b1=layer.space.b1 * unit, b2=layer.space.b2 * unit)
    return QuantisedLayer(layer.name, weight, bits, units.long(), unit, layer.delays, space)


def _calibrated(
    layer: FoldedLayer,
    made: QuantisedLayer,
    real: Tensor,
    rounded: Tensor,
    state: StateType,
    most: int,
    last: bool,
) -> tuple[QuantisedLayer, Tensor, Tensor]:
    """Bring the currents of a rounded layer back to their means and spreads, and fix the range of its states.

    Args:
        layer: The layer.
        made: The same, rounded.
        real: Its inputs in the trained network, [T, B, inputs].
        rounded: Its inputs after the rounded layers before it, integers.
        state: Type of the states.
        most: The largest input.
        last: Whether it is the readout.

    Returns:
        The layer, and its spikes in both networks.
    """
    past = real.new_zeros(made.max_delay, *real.shape[1:])
    wanted = layer.gain * delayed_product(torch.cat([past, real]), layer.weight, layer.delays) + layer.bias
    got = delayed_product(torch.cat([past.long(), rounded]), made.weight, layer.delays).double() * (1 << CURRENT_BITS)
    ratio = (wanted.std(dim=(0, 1)) / (got * made.unit).std(dim=(0, 1))).nan_to_num(1.0, posinf=1.0)
    unit = made.unit * ratio.clamp(0.5, 2.0)
    bias = wanted.mean(dim=(0, 1)) - (got * unit).mean(dim=(0, 1))
    made = _with_currents(layer, made.weight, made.bits, unit, bias, most)
    before = LayerState(
        State.zeros((rounded.shape[1], len(made.weight)), dtype=torch.float32),
        past.long(),
    )
    if state != "float32":
        _, _, states = scan(in_float32(made.space), (got + made.bias).float(), return_states=True)
        mem, ada = (field.abs().amax(dim=(0, 1)) for field in (states.mem, states.ada))
        try:
            made = made._replace(fixed=FixedSpace.of(made.space, mem, ada, state, one_unit=last))
        except ValueError as error:
            raise FoldError(f"{layer.name}: {error}") from error
        integers = State.zeros((rounded.shape[1], len(made.weight)), dtype=torch.int64)
        before = before._replace(neurons=integers)
    _, _, _, spikes = run_layer(made, rounded, before)
    true_spikes, _ = scan(in_float32(layer.space), wanted.float())
    return made, true_spikes.double(), spikes.long()
