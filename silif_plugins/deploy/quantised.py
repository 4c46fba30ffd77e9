"""The network that a chip runs, in Python: it defines the arithmetic, to the last bit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..dynamics import State, StateSpace
from ..metrics import synaptic_operations
from ..scan import as_lengths, scan
from ..sparch import SpArchOutput
from ..synapses import Bits
from .exponential import FRACTION, LARGEST_DISTANCE, LOG2E, log2e, softmax
from .fixed_point import FixedSpace, StateType

CURRENT_BITS = 8
"""Currents are counted in so many bits below a level of the weights: the biases need them."""


class QuantisedLayer(NamedTuple):
    """A layer in integers.

    Attributes:
        name: Of the layer in the network.
        weight: Levels, int64 [outputs, inputs].
        bits: Of a weight.
        bias: int64 [outputs], in units of the current.
        unit: What a unit of the current is, [outputs], float64.
        delays: As in `FoldedLayer`.
        space: The neurons, in float64; b1 and b2 are for a unit of the current. States of float32 have them rounded.
        fixed: The neurons in integers; None where states are float32.
    """

    name: str
    weight: Tensor
    bits: Bits
    bias: Tensor
    unit: Tensor
    delays: Tensor | None
    space: StateSpace
    fixed: FixedSpace | None = None

    @property
    def max_delay(self) -> int:
        """The longest delay, in steps."""
        return 0 if self.delays is None else int(self.delays.max())


class LayerState(NamedTuple):
    """What a layer remembers: its neurons, and the inputs that still travel, [max_delay, B, inputs]."""

    neurons: State
    past: Tensor


class NetState(NamedTuple):
    """What a network remembers between chunks: its layers, scores with 16 bits after the point, and steps."""

    layers: tuple[LayerState, ...]
    scores: Tensor
    steps: Tensor


class Trace(NamedTuple):
    """What happened in a chunk.

    Attributes:
        spikes: Of every hidden layer, [B, T, N], booleans.
        membranes: Of the readout, [B, T, C]; integers where the states are.
        scores: After every step, integers with 16 bits after the point, [B, T, C].
    """

    spikes: tuple[Tensor, ...]
    membranes: Tensor
    scores: Tensor


class QuantisedNet(nn.Module):
    """A network of small integers and their events; `quantise` makes it, C and wasm repeat it bit for bit.

    Currents are sums of integers, ``(sum of level * count << 8) + bias``. States are float32, each operation rounded by
    itself and in the order of ``StateSpace.step``, or integers (`FixedSpace`). The softmax of the readout is in
    integers, too (`silif_plugins.deploy.exponential`).

    Called with sequences [B, T, N] and perhaps lengths it returns what a `SpArchNet` does, so that
    `silif_plugins.training.evaluate` takes it.

    Attributes:
        layers: The hidden layers.
        readout: The last one.
        state: Type of the states.
        input_step: What a unit of the input is: 1 for counts of events.
        input_limit: Magnitude at which inputs are cut, in units.

    Examples:
        >>> from silif_plugins.deploy import quantise
        >>> from silif_plugins.sparch import SpArchNet
        >>> net = quantise(SpArchNet(140, (128,), 20).eval(), bits=4)
        >>> counts = (torch.rand(2, 50, 140) < 0.05).float()
        >>> whole, _ = net.run(counts)
        >>> first, state = net.run(counts[:, :30])
        >>> second, state = net.run(counts[:, 30:], state)
        >>> torch.equal(torch.cat([first.scores, second.scores], dim=1), whole.scores)
        True
    """

    def __init__(
        self,
        hidden: tuple[QuantisedLayer, ...],
        readout: QuantisedLayer,
        *,
        state: StateType,
        input_step: float,
        input_limit: int,
    ) -> None:
        super().__init__()
        self.hidden, self.readout = hidden, readout
        self.state, self.input_step, self.input_limit = state, input_step, input_limit

    @property
    def layers(self) -> tuple[QuantisedLayer, ...]:
        """All of them, the readout last."""
        return (*self.hidden, self.readout)

    @property
    def num_inputs(self) -> int:
        """Input channels."""
        return self.hidden[0].weight.shape[1]

    @property
    def num_classes(self) -> int:
        """Classes."""
        return len(self.readout.weight)

    def counts(self, inputs: Tensor) -> Tensor:
        """Return inputs in their units, rounded and cut: the integers that weights are multiplied by.

        Raises:
            ValueError: If an input is not finite.
        """
        return in_units(inputs, self.input_step, self.input_limit)

    def rest(self, batch: int) -> NetState:
        """Return the state before a sequence."""
        dtype = torch.float32 if self.state == "float32" else torch.int64
        layers = tuple(
            LayerState(
                State.zeros((batch, len(layer.weight)), dtype=dtype),
                torch.zeros(layer.max_delay, batch, layer.weight.shape[1], dtype=torch.int64),
            )
            for layer in self.layers
        )
        scores = torch.zeros(batch, self.num_classes, dtype=torch.int64)
        return NetState(layers, scores, torch.zeros(batch, dtype=torch.int64))

    @torch.no_grad()
    def run(self, inputs: Tensor, state: NetState | None = None) -> tuple[Trace, NetState]:
        """Go on with sequences.

        Args:
            inputs: The next steps, [B, T, num_inputs].
            state: What the run before left; rest by default.

        Raises:
            ValueError: If the inputs do not have this shape, or are not finite.
        """
        if inputs.dim() != 3 or inputs.shape[2] != self.num_inputs:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [B, T, {self.num_inputs}]")
        state = self.rest(len(inputs)) if state is None else state
        signal = self.counts(inputs).transpose(0, 1)
        after, spikes = [], []
        for layer, before in zip(self.layers, state.layers, strict=True):
            neurons, past, mem, spk = run_layer(layer, signal, before)
            after.append(LayerState(neurons, past))
            signal = spk.long()
            spikes.append(spk.transpose(0, 1).bool())
        shares = softmax(self.distances(mem))
        scores = state.scores + shares.cumsum(dim=0)
        last = scores[-1] if len(scores) else state.scores
        trace = Trace(tuple(spikes[:-1]), mem.transpose(0, 1), scores.transpose(0, 1))
        return trace, NetState(tuple(after), last, state.steps + len(scores))

    def distances(self, membranes: Tensor) -> Tensor:
        """Return how far membranes [..., C] are below the largest, in powers of two with 16 bits: for `softmax`."""
        distance = membranes.amax(dim=-1, keepdim=True) - membranes
        if self.readout.fixed is None:
            scaled = distance * torch.tensor(LOG2E)
            scaled = scaled.clamp(max=float(LARGEST_DISTANCE >> FRACTION)) * float(1 << FRACTION)
            return scaled.long()
        point = int(self.readout.fixed.e1[0])
        return ((distance * log2e(14)) << FRACTION >> (14 + point)).clamp(max=LARGEST_DISTANCE)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> SpArchOutput:
        """Classify sequences [B, T, num_inputs], as `SpArchNet.forward`."""
        inputs = inputs.flatten(2)
        trace, _ = self.run(inputs)
        steps = inputs.shape[1]
        ends = torch.full((len(inputs),), steps) if lengths is None else as_lengths(lengths, inputs.transpose(0, 1))
        scores = trace.scores[torch.arange(len(inputs)), ends - 1].double() / (1 << FRACTION)
        valid = (torch.arange(steps) < ends.unsqueeze(1)).unsqueeze(-1)
        signals = [inputs * valid, *(spikes * valid for spikes in trace.spikes)]
        operations = torch.zeros((), dtype=torch.float64)
        for signal, layer in zip(signals, self.layers, strict=True):
            operations = operations + synaptic_operations(signal.transpose(0, 1).float(), len(layer.weight))
        rates = torch.cat([spikes.sum(dim=(0, 1)) / ends.sum() for spikes in signals[1:]])
        return SpArchOutput(scores.float(), rates.float(), operations)


def in_units(inputs: Tensor, step: float, limit: int) -> Tensor:
    """Return inputs in units of ``step``, rounded, and cut at ``limit``.

    Raises:
        ValueError: If one is not finite.
    """
    if inputs.is_floating_point():
        if not bool(inputs.isfinite().all()):
            raise ValueError("inputs: got a value that is not finite")
        inputs = (inputs.float() / torch.tensor(step)).round()
    return inputs.long().clamp(-limit, limit)  # unsigned integers have no -limit


def in_float32(space: StateSpace) -> StateSpace:
    """Return coefficients as float32 states have them."""
    return StateSpace(*(field.float() for field in space))


def run_layer(layer: QuantisedLayer, signal: Tensor, before: LayerState) -> tuple[State, Tensor, Tensor, Tensor]:
    """Run a layer on integers [T, B, inputs]: its state and travelling inputs after it, membranes, spikes."""
    window = torch.cat([before.past, signal])
    sums = delayed_product(window, layer.weight, layer.delays)
    current = (sums << CURRENT_BITS) + layer.bias
    past = window[len(window) - layer.max_delay :]
    if layer.fixed is None:
        spikes, neurons, states = scan(in_float32(layer.space), current.float(), before.neurons, return_states=True)
        return neurons, past, states.mem, spikes
    state, trace = before.neurons, [before.neurons]
    for now in current:
        state = layer.fixed.step(now, state)
        trace.append(state)
    membranes, spikes = (torch.stack([getattr(each, name) for each in trace])[1:] for name in ("mem", "spk"))
    return state, past, membranes, spikes


def delayed_product(window: Tensor, weight: Tensor, delays: Tensor | None) -> Tensor:
    """Return what arrives at neurons, [T, B, outputs]: exact for integers, whose products and sums float64 holds.

    Args:
        window: The inputs of the steps, [T, B, inputs], and in front of them those of ``delays.max()`` steps before.
        weight: [outputs, inputs].
        delays: In steps, [inputs] or [outputs, inputs], or None.
    """
    exact = not window.is_floating_point()
    window, weight = window.double(), weight.double()
    if delays is None:
        product = window @ weight.T
    else:
        longest = int(delays.max())
        steps = len(window) - longest
        per_synapse = delays.expand_as(weight)
        product = window.new_zeros(steps, window.shape[1], len(weight))
        for lag in per_synapse.unique().tolist():
            product += window[longest - lag : longest - lag + steps] @ (weight * (per_synapse == lag)).T
    return product.long() if exact else product
