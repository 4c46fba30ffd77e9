"""The network of the SiLIF paper, after SpArch (Bittar and Garner, 2022)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn

from ..dynamics import ResetMechanism
from ..kernels.spike_bits import SpikeBits
from ..metrics import firing_rates, synaptic_operations
from ..neurons import Neuron
from ..scan import Backend, as_lengths
from ..surrogate import SpikeFunction
from ..synapses import DelayedModule, Events
from . import by_events
from .layers import InitialState, Normalization, Readout, SpikingLayer, check_readout


class SpArchOutput(NamedTuple):
    """What the network returns, in the order of the published code.

    Attributes:
        scores: Sum over time of the readout's softmax, [B, C]; the loss takes them as logits.
        firing_rates: Spikes per hidden neuron and time step, [hidden neurons]; differentiable.
        synaptic_operations: Mean number per sample, of the spikes before dropout; a number without gradient.
    """

    scores: Tensor
    firing_rates: Tensor
    synaptic_operations: Tensor


class SpArchNet(nn.Module):
    """Hidden layers of spiking neurons and a leaky readout, for classifying sequences.

    Each hidden layer is Linear, normalisation, neurons, dropout; the readout is Linear, normalisation, leaky
    integrators, and the sum over time of their softmax (SiLIF paper, section 4.1; SpArch).

    Args:
        num_inputs: Number of input channels.
        hidden_sizes: Neurons of each hidden layer, such as (512, 512).
        num_classes: Number of classes C.
        neuron: Neuron model of the hidden layers, by name ("SiLIF", "C-SiLIF", ...) or class; "RLIF" and "RadLIF" are
            LIF and AdLIF with ``recurrent``.
        neuron_options: Arguments of the model's constructor, such as ``{"dt": (0.01, 5.0)}``.
        recurrent: Whether spikes return through weights within each layer.
        recurrent_connection: Kind of these weights, a name in `silif_plugins.synapses.CONNECTIONS`.
        recurrent_options: Further arguments of that kind, such as ``{"max_delay": 25, "kernel": "triangle"}``.
        bidirectional: Whether hidden layers also read the sequence backwards.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that a hidden spike is dropped in training.
        bias: Whether the weights have a bias.
        initial_state: ``"zeros"``, or ``"uniform"``: random as in the published code, in evaluation too.
        surrogate: Spike function of mem - threshold, by name ("boxcar", "atan", "norse:tanh", ...) or a callable; by
            default the neuron's own, which is mostly the paper's boxcar.
        reset_mechanism: What a spike does to the next step: ``"subtract"``, as in the paper; ``"zero"``, the membrane
            loses all that it has; or ``"none"``.
        events: Whether weights visit only what is not zero: ``"auto"``, where that is faster by the measured share of
            their inputs (`silif_plugins.synapses.spike_linear`); ``"always"`` or ``"never"``. The results are the same
            to rounding.
        connection: Kind of the weights, a name in `silif_plugins.synapses.CONNECTIONS`: ``"linear"``; ``"delayed"``,
            with a learnable delay per synapse; ``"axonal"``, per input; or ``"dendritic"``, per output. Each synaptic
            operation through a delay of its own counts twice, as in the paper.
        connection_options: Further arguments of that kind, such as ``{"max_delay": 25}``.
        readout_decay: Fixed decay of the readout's leaky integrators, such as 0.9355 for 15 steps; by default each
            trains its own.
        skip_steps: Steps at the beginning of a sequence that do not count in the scores, and so not in the loss.
        readout_options: Arguments of `Readout` that are others than in the hidden layers, such as
            ``{"normalization": "none"}`` or ``{"connection": "linear", "connection_options": None}``.
        backend: Which implementation runs the neurons, as in `silif_plugins.scan.scan`; with ``"reference"``, and
            ``events="never"``, the network can be differentiated twice.
        fuse_norm: Whether batch norm may become part of the kernels around it, on the CPU and where no hook watches:
            its statistics are then summed in float64 by the weights, and the neurons normalise what they read. The
            results are the same to rounding.

    Raises:
        ValueError: If an argument is not one of those listed or allowed, or there is no hidden layer.

    Examples:
        >>> net = SpArchNet(140, (128, 128), 20, neuron="SiLIF")
        >>> output = net(torch.rand(4, 100, 140).round())   # [B, T, N], as in SpArch
        >>> output.scores.shape, sum(p.numel() for p in net.parameters())
        (torch.Size([4, 20]), 38716)
    """

    def __init__(
        self,
        num_inputs: int,
        hidden_sizes: Sequence[int],
        num_classes: int,
        *,
        neuron: str | type[Neuron] = "SiLIF",
        neuron_options: Mapping[str, Any] | None = None,
        recurrent: bool = False,
        recurrent_connection: str = "linear",
        recurrent_options: Mapping[str, Any] | None = None,
        bidirectional: bool = False,
        normalization: Normalization = "batchnorm",
        dropout: float = 0.0,
        bias: bool = False,
        initial_state: InitialState = "zeros",
        surrogate: str | SpikeFunction | None = None,
        reset_mechanism: ResetMechanism = "subtract",
        events: Events = "auto",
        connection: str = "linear",
        connection_options: Mapping[str, Any] | None = None,
        readout_decay: float | None = None,
        skip_steps: int = 0,
        readout_options: Mapping[str, Any] | None = None,
        backend: Backend = "auto",
        fuse_norm: bool = True,
    ) -> None:
        super().__init__()
        self.check(hidden_sizes, dropout, readout_decay, skip_steps)
        self.num_inputs = num_inputs
        self.hidden = nn.ModuleList()
        for index, size in enumerate(hidden_sizes):
            layer = SpikingLayer(
                num_inputs,
                size,
                neuron=neuron,
                neuron_options=neuron_options,
                recurrent=recurrent,
                recurrent_connection=recurrent_connection,
                recurrent_options=recurrent_options,
                bidirectional=bidirectional,
                normalization=normalization,
                bias=bias,
                initial_state=initial_state,
                surrogate=surrogate,
                reset_mechanism=reset_mechanism,
                # The spikes of a layer are dropped where the next one reads them: at no cost if that visits events.
                input_dropout=dropout if index else 0.0,
                events=events,
                connection=connection,
                connection_options=connection_options,
                backend=backend,
                fuse_norm=fuse_norm,
            )
            self.hidden.append(layer)
            num_inputs = layer.num_outputs
        readout: dict[str, Any] = {
            "normalization": normalization,
            "bias": bias,
            "initial_state": initial_state,
            "input_dropout": dropout,
            "events": events,
            "connection": connection,
            "connection_options": connection_options,
            "backend": backend,
            "fuse_norm": fuse_norm,
            "decay": readout_decay,
            "skip_steps": skip_steps,
            **(readout_options or {}),
        }
        if unknown := sorted(readout.keys() - inspect.signature(Readout).parameters.keys()):
            raise ValueError(f"readout_options: got {unknown[0]}; Readout has no such argument")
        self.readout = Readout(num_inputs, num_classes, **readout)

    @staticmethod
    def check(
        hidden_sizes: Sequence[int],
        dropout: float = 0.0,
        readout_decay: float | None = None,
        skip_steps: int = 0,
        **others: Any,
    ) -> None:
        """Raise ValueError for options of which no network can be made; the message names one.

        Examples:
            >>> SpArchNet.check((128, 0))
            Traceback (most recent call last):
            ValueError: hidden_sizes: got (128, 0); it must be positive sizes, one for each hidden layer
        """
        if not hidden_sizes or min(hidden_sizes) < 1:
            got = tuple(hidden_sizes)
            raise ValueError(f"hidden_sizes: got {got}; it must be positive sizes, one for each hidden layer")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: got {dropout}; it must be at least 0 and below 1")
        check_readout(readout_decay, skip_steps)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, dt: Tensor | None = None) -> SpArchOutput:
        """Classify sequences.

        Args:
            inputs: [B, T, num_inputs] of any real data type; inputs with more dimensions are flattened to that.
            lengths: Steps of each sequence, integers [B] from 1 to T; what follows in ``inputs`` is padding. It
                takes no part in anything: not in batch norm's statistics, spikes, scores, rates or operations. By
                default all T steps count, as in the published code, for which padding is input like any other.
            dt: Durations of the steps, [T] for all sequences or [T, B], in steps of the neurons, as in
                `silif_plugins.scan.scan`; for hidden neurons that have a flow, SiLIF and C-SiLIF. The T steps are then
                events: neurons run for the gap before each without any input, and fire at events alone. Batch norm's
                statistics are over the events, and neither its shift nor a bias acts in the gaps. The readout is
                u <- α^dt u + (1-α) I, and the scores sum its softmax over the events: T steps count, however long.

        Raises:
            ValueError: If the inputs do not have ``num_inputs`` channels, ``lengths`` or ``dt`` does not fit them, or
                there are durations for neurons without a flow, recurrent or bidirectional layers, or delays.
            TypeError: If the inputs are complex, or ``lengths`` are not integers.
        """
        if inputs.dim() < 3 or inputs.shape[2:].numel() != self.num_inputs:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [B, T, {self.num_inputs}]")
        if inputs.is_complex():
            raise TypeError(f"inputs: got {inputs.dtype}; they must be real")
        activity = inputs.to(self.readout.neuron.threshold.dtype).flatten(2).transpose(0, 1)
        valid = None if lengths is None else valid_steps(lengths, inputs)
        if valid is not None:
            activity = activity.masked_fill(~valid.unsqueeze(-1), 0)
        if dt is not None:
            return self._by_events(activity, valid, dt)
        rates: list[Tensor] = []
        gate: Tensor | None = None
        spikes: Tensor | None = None
        bits: SpikeBits | None = None
        operations = torch.zeros((), dtype=torch.float64, device=inputs.device)
        takers = [*self.hidden[1:], self.readout]
        for layer, taker in zip(self.hidden, takers, strict=True):
            assert isinstance(layer, SpikingLayer)
            assert isinstance(taker, SpikingLayer | Readout)
            as_bits = taker.reads_bits(activity, valid)
            entered, before = activity, spikes
            activity, gate, counts, events, bits = layer.activity(activity, valid, gate, bits, as_bits)
            fan_out = cost(layer.current.weights, layer.neuron.size[0])
            if before is not None or events is None:
                operations = operations + operations_of(entered, fan_out * (1 + layer.bidirectional), before)
            else:  # with those of the sequence backwards
                operations = operations + operations_of(entered, fan_out, events)
            spikes = None if counts is None else counts.detach().sum()
            if layer.recurrent is not None:
                operations = operations + operations_of(activity, layer.neuron.size[0] - 1, spikes)
            if layer.delayed is not None:
                operations = operations + operations_of(activity, cost(layer.delayed, layer.neuron.size[0]), spikes)
            if counts is not None:
                steps = activity.shape[0] * activity.shape[1] if valid is None else valid.sum()
                rates.append((counts / steps).to(activity.dtype))
                continue
            # A graded or negative spike is one spike: its rate has no gradient.
            fired = (activity != 0).to(activity) if layer.neuron.graded else activity
            rates.append(firing_rates(fired) if valid is None else fired.sum(dim=(0, 1)) / valid.sum())
        fan_out = cost(self.readout.current.weights, self.readout.neuron.size[0])
        operations = operations + operations_of(activity, fan_out, spikes)
        return SpArchOutput(self.readout(activity, valid, gate, bits), torch.cat(rates), operations)

    def _by_events(self, activity: Tensor, valid: Tensor | None, dt: Tensor) -> SpArchOutput:
        """Classify sequences [T, B, N] of events."""
        rates, operations = [], torch.zeros((), dtype=torch.float64, device=activity.device)
        for layer in self.hidden:
            assert isinstance(layer, SpikingLayer)
            operations = operations + synaptic_operations(activity, layer.neuron.size[0])
            activity = by_events.hidden(layer, activity, valid, dt)
            rates.append(firing_rates(activity) if valid is None else activity.sum(dim=(0, 1)) / valid.sum())
        operations = operations + synaptic_operations(activity, self.readout.neuron.size[0])
        return SpArchOutput(by_events.scores(self.readout, activity, valid, dt), torch.cat(rates), operations)


def operations_of(activity: Tensor, fan_out: int, events: Tensor | None) -> Tensor:
    """Return the mean synaptic operations of a sample from a number of events that is known, or else count them."""
    return synaptic_operations(activity, fan_out) if events is None else events * fan_out / max(activity.shape[1], 1)


def cost(connection: nn.Module, fan_out: int) -> int:
    """Return the operations that an input of a connection costs: its fan-out, or what its delays make of it."""
    return connection.operations_per_event() if isinstance(connection, DelayedModule) else fan_out


def valid_steps(lengths: Tensor, inputs: Tensor) -> Tensor:
    """Turn lengths [B] into a mask [T, B] of the steps of inputs [B, T, ...] that are not padding.

    Raises:
        ValueError: If there is not one number from 1 to T for every sequence.
        TypeError: If they are not integers.

    Examples:
        >>> valid_steps(torch.tensor([1, 3]), torch.zeros(2, 3, 5)).int()
        tensor([[1, 1],
                [0, 1],
                [0, 1]], dtype=torch.int32)
    """
    if lengths.dtype == torch.bool:
        raise TypeError(f"lengths: got {lengths.dtype}; they must be integers")
    steps = torch.arange(inputs.shape[1], device=inputs.device)
    return steps.unsqueeze(1) < as_lengths(lengths, inputs.transpose(0, 1), least=1)


# Without a name torch.export.save cannot write a network that returns it.
pytree._register_namedtuple(SpArchOutput, serialized_type_name=f"{SpArchOutput.__module__}.SpArchOutput")
