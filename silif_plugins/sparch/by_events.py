"""The layers of SpArch's network event by event: each step has a duration of its own."""

from __future__ import annotations

from torch import Tensor

from ..scan import scan
from ..synapses import DelayedModule
from .layers import Readout, SpikingLayer, first_state


def check(layer: SpikingLayer) -> None:
    """Raise ValueError if what a layer does takes place between events, too: it would not be that of a clock."""
    trouble = None
    if layer.recurrent is not None or layer.delayed is not None:
        trouble = "recurrent weights, whose spikes arrive one step later, not at the next event"
    elif isinstance(layer.current.weights, DelayedModule):
        trouble = "delays, which count steps"
    elif layer.bidirectional:
        trouble = "a second direction, in which the gaps are other ones"
    elif layer.reset_mechanism != "subtract":
        trouble = f"reset_mechanism={layer.reset_mechanism!r}, and durations know the neurons' own, 'subtract'"
    if trouble is not None:
        raise ValueError(f"dt: got durations for a layer with {trouble}")


def hidden(layer: SpikingLayer, inputs: Tensor, valid: Tensor | None, dt: Tensor) -> Tensor:
    """Return the spikes [T, B, N] at the events, from inputs [T, B, num_inputs] there."""
    check(layer)
    current = layer.current(inputs, valid)
    first = first_state(layer.neuron, layer.initial_state, current)
    spikes, _ = scan(layer.neuron, current, first, surrogate=layer.surrogate, dt=dt, backend=layer.backend)
    layer.silence(layer, spikes)
    return spikes if valid is None else spikes * valid.unsqueeze(-1)


def scores(readout: Readout, inputs: Tensor, valid: Tensor | None, dt: Tensor) -> Tensor:
    """Return the sum over the events of the softmax of the leaky integrators there, [B, C]."""
    if isinstance(readout.current.weights, DelayedModule):
        raise ValueError("dt: got durations for a readout with delays, which count steps")
    current = readout.current(inputs, valid)
    first = first_state(readout.neuron, readout.initial_state, current)
    _, _, states = scan(readout.neuron, current, first, dt=dt, return_states=True, backend=readout.backend)
    shares = states.mem.softmax(dim=-1)
    return (shares if valid is None else shares * valid.unsqueeze(-1))[readout.skip_steps :].sum(dim=0)
