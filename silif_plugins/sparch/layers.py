"""The layers of SpArch's network, time first inside: [T, B, N]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from ..diagnosis import SilenceWatch
from ..dynamics import RESET_MECHANISMS, Dynamics, ResetMechanism, State, StateSpace, with_reset
from ..kernels.spike_bits import SpikeBits
from ..neurons import LI, MEMBRANE_DECAYS, Neuron, is_recurrent, neuron_class
from ..scan import BACKENDS, Backend, SingleStep, normalises, scan_layer, step
from ..surrogate import SpikeFunction, is_plain, resolve
from ..synapses import Events, RecurrentDelay, SpikeLinear, can_normalise, connect, normalised, transmit

Normalization = Literal["batchnorm", "layernorm", "none"]
InitialState = Literal["zeros", "uniform"]

BATCH_NORM_MOMENTUM = 0.05
"""SpArch's. It makes running statistics slow: after a short training recalibrate them before evaluation."""


class WeightedInput(nn.Module):
    """Linear weights and normalisation: the input current of a population.

    The normalisation runs over time steps and samples alike. Padding is one more input to it, as in SpArch, unless
    the valid steps are given: then statistics are those of the valid steps alone.

    Args:
        num_inputs: Number of input features.
        size: Number of neurons N.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        bias: Whether the weights have a bias.
        input_dropout: Probability that an input is dropped in training.
        events: Whether the weights visit only the inputs that are not zero, which gives the same results:
            ``"auto"``, where few of them are; ``"always"`` or ``"never"``. See `silif_plugins.synapses.SpikeLinear`.
        connection: Kind of the weights, a name in `silif_plugins.synapses.CONNECTIONS`.
        connection_options: Further arguments of that kind.
        fuse_norm: Whether batch norm may become part of the kernels around it; see `for_neurons`.

    Raises:
        ValueError: If the normalisation, the share of dropout or ``events`` is not one of those listed.

    Examples:
        >>> WeightedInput(140, 128)(torch.rand(100, 8, 140)).shape
        torch.Size([100, 8, 128])
    """

    def __init__(
        self,
        num_inputs: int,
        size: int,
        *,
        normalization: Normalization = "batchnorm",
        bias: bool = False,
        input_dropout: float = 0.0,
        events: Events = "auto",
        connection: str = "linear",
        connection_options: Mapping[str, Any] | None = None,
        fuse_norm: bool = True,
    ) -> None:
        super().__init__()
        self.fuse_norm = fuse_norm
        self.weights = connect(
            connection,
            num_inputs,
            size,
            bias=bias,
            dropout=input_dropout,
            events=events,
            options=connection_options,
        )
        self.norm: nn.Module
        if normalization == "batchnorm":
            self.norm = nn.BatchNorm1d(size, momentum=BATCH_NORM_MOMENTUM)
        elif normalization == "layernorm":
            self.norm = nn.LayerNorm(size)
        elif normalization == "none":
            self.norm = nn.Identity()
        else:
            raise ValueError(
                f"normalization: got {normalization!r}; it must be one of {', '.join(get_args(Normalization))}"
            )

    def forward(self, inputs: Tensor, valid: Tensor | None = None, gate: Tensor | None = None) -> Tensor:
        """Return currents [T, B, N] from inputs [T, B, num_inputs]; zero where ``valid`` [T, B] is false.

        ``gate`` tells which inputs' gradients matter, as `silif_plugins.scan.scan_with_gate` returns it.
        """
        current = transmit(self.weights, inputs, gate)
        if valid is None and isinstance(self.norm, nn.Identity):
            return current
        if valid is None or not self.norm.training:  # then no row takes part in another's normalisation
            normalized: Tensor = self.norm(current.flatten(0, 1)).view_as(current)
            return normalized if valid is None else normalized.masked_fill(~valid.unsqueeze(-1), 0)
        rows, places = current.flatten(0, 1), valid.flatten().nonzero().squeeze(1)  # a GPU is waited for once, here
        normalized = self.norm(rows.index_select(0, places))
        return normalized.new_zeros(rows.shape).index_copy(0, places, normalized).view_as(current)

    def for_neurons(
        self,
        neurons: Dynamics[Any] | Neuron,
        inputs: Tensor,
        valid: Tensor | None = None,
        gate: Tensor | None = None,
        bits: SpikeBits | None = None,
        **options: Any,
    ) -> WeightedCurrent:
        """Return the currents for neurons that can normalise them where they read them.

        They do if batch norm is in between and nobody watches, as a hook does: then neither this nor the norm itself is
        called, and the results are the same to rounding. Else the currents are those of `forward`.

        Args:
            neurons: How they move.
            inputs: [T, B, num_inputs].
            valid: Which steps belong to a sequence and are not padding, booleans [T, B]; all of them by default.
            gate: Which inputs' gradients matter.
            bits: The inputs as bits, if they are there so.
            options: ``surrogate``, ``recurrent`` and ``backend`` of `silif_plugins.scan.normalises`.

        Raises:
            ValueError: If there are bits, and `reads_bits` is false.
        """
        if self.fuses(neurons, inputs, valid, **options):
            assert isinstance(self.norm, nn.BatchNorm1d)
            lengths = None if valid is None else valid.sum(0)
            return WeightedCurrent(*normalised(self.weights, self.norm, inputs, gate, valid, bits), lengths)
        if bits is not None:
            raise ValueError("bits: got spikes as bits, which are not read here and now; ask reads_bits before")
        return WeightedCurrent(self(inputs, valid, gate), None, None, None)

    def fuses(
        self, neurons: Dynamics[Any] | Neuron, inputs: Tensor, valid: Tensor | None = None, **options: Any
    ) -> bool:
        """Whether `for_neurons` leaves the normalisation to the neurons; the arguments are those of it."""
        watched = self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
        if not self.fuse_norm or watched or not can_normalise(self.weights, self.norm, inputs):
            return False
        contiguous = valid is None or not bool((valid[1:] & ~valid[:-1]).any())
        return contiguous and normalises(neurons, inputs, **options)

    def reads_bits(
        self, neurons: Dynamics[Any] | Neuron, inputs: Tensor, valid: Tensor | None = None, **options: Any
    ) -> bool:
        """Whether `for_neurons` reads spikes as bits alone: the arguments are those of it, inputs like the spikes."""
        return type(self.weights) is SpikeLinear and self.fuses(neurons, inputs, valid, **options)


class WeightedCurrent(NamedTuple):
    """Input currents of a population, and what is left to do with them.

    Attributes:
        current: [T, B, N].
        affine: What normalises them, [3, N], as `silif_plugins.scan.scan_layer` takes it; None if that is done.
        events: Number of inputs that are not zero, float64; None if they were not counted.
        lengths: The steps of each sequence that are not padding, [B], where the neurons are not to run through the
            padding; the currents there are not zero.
    """

    current: Tensor
    affine: Tensor | None
    events: Tensor | None
    lengths: Tensor | None


class LayerActivity(NamedTuple):
    """What a hidden layer did.

    Attributes:
        spikes: [T, B, num_outputs], before dropout.
        gate: Which of their gradients matter to the layer, booleans of their shape; None where all do.
        counts: Spikes of each neuron, float64 [num_outputs]; None if they were not counted.
        events: Number of inputs that are not zero, float64; None if they were not counted.
        bits: The spikes as bits, if they are there so, for a layer that visits events.
    """

    spikes: Tensor
    gate: Tensor | None
    counts: Tensor | None
    events: Tensor | None
    bits: SpikeBits | None


class SpikingLayer(nn.Module):
    """A hidden layer: weights, normalisation, spiking neurons, dropout on the spikes.

    Args:
        num_inputs: Number of input features.
        size: Number of neurons N.
        neuron: Neuron model, by name or class; "RLIF" and "RadLIF" are LIF and AdLIF with ``recurrent``.
        neuron_options: Arguments of the model's constructor.
        recurrent: Whether spikes return through weights V within the layer; V's diagonal is 0.
        recurrent_connection: Kind of V, a name in `silif_plugins.synapses.CONNECTIONS`; one with delays has a diagonal,
            and runs step by step.
        recurrent_options: Further arguments of that kind.
        bidirectional: Whether the same weights and neurons also read the sequence backwards; doubles the output.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        dropout: Probability that a spike is dropped in training.
        bias: Whether the weights have a bias.
        initial_state: ``"zeros"``, or ``"uniform"``: random as in the published code, in evaluation too.
        surrogate: Spike function of mem - threshold; by default the neuron's own, which is mostly the paper's boxcar.
        reset_mechanism: What a spike does to the next step: ``"subtract"``, the neuron's own reset; ``"zero"``, the
            same in proportion to the membrane, which loses all; ``"none"``. See `silif_plugins.dynamics.with_reset`.
        input_dropout: Probability that an input is dropped in training.
        events: Whether the weights visit only the inputs that are not zero: ``"auto"``, ``"always"``, ``"never"``.
        connection: Kind of the weights, a name in `silif_plugins.synapses.CONNECTIONS`.
        connection_options: Further arguments of that kind.
        backend: Which implementation runs the neurons, as in `silif_plugins.scan.scan`; with ``"reference"``, and
            ``events="never"``, the layer can be differentiated twice.
        fuse_norm: Whether batch norm may become part of the kernels around it, which gives the same results to
            rounding: of the weights, which sum mean and variance, and of the neurons, which read the currents.

    Raises:
        ValueError: If an argument is not one of those listed.

    Examples:
        >>> layer = SpikingLayer(140, 128, neuron="C-SiLIF", bidirectional=True)
        >>> layer(torch.rand(100, 8, 140)).shape
        torch.Size([100, 8, 256])
    """

    recurrent: nn.Parameter | None

    def __init__(
        self,
        num_inputs: int,
        size: int,
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
        input_dropout: float = 0.0,
        events: Events = "auto",
        connection: str = "linear",
        connection_options: Mapping[str, Any] | None = None,
        backend: Backend = "auto",
        fuse_norm: bool = True,
    ) -> None:
        super().__init__()
        check_initial_state(initial_state)
        check_backend(backend)
        check_reset_mechanism(reset_mechanism)
        model = neuron_class(neuron)
        recurrent = recurrent or is_recurrent(neuron)
        self.current = WeightedInput(
            num_inputs,
            size,
            normalization=normalization,
            bias=bias,
            input_dropout=input_dropout,
            events=events,
            connection=connection,
            connection_options=connection_options,
            fuse_norm=fuse_norm,
        )
        if model.xavier:
            weight = self.current.weights.weight
            assert isinstance(weight, Tensor)
            nn.init.xavier_uniform_(weight)
        self.neuron = model(size, **(neuron_options or {}))
        if recurrent and self.neuron.outputs > 1:
            raise ValueError(f"recurrent: got neurons with {self.neuron.outputs} outputs; they must have one")
        plain = recurrent_connection == "linear"
        self.register_parameter(
            "recurrent", nn.Parameter(nn.init.orthogonal_(torch.empty(size, size))) if recurrent and plain else None
        )
        self.delayed: nn.Module | None = None
        if recurrent and not plain:
            self.delayed = connect(recurrent_connection, size, size, options=recurrent_options)
            nn.init.orthogonal_(self.delayed.weight)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(dropout)
        self.bidirectional = bidirectional
        self.initial_state = initial_state
        self.surrogate = resolve(model.own_surrogate if surrogate is None else surrogate)
        self.reset_mechanism: ResetMechanism = reset_mechanism
        self.backend: Backend = backend
        self.silence = SilenceWatch('normalization="batchnorm", or a lower neuron_options={"threshold": ...}')

    @property
    def num_outputs(self) -> int:
        """Features of the output: N for each output of a neuron, one after the other; twice that if bidirectional."""
        return self.neuron.size[0] * self.neuron.outputs * (1 + self.bidirectional)

    def dynamics(self) -> Dynamics[Any]:
        """Return how the neurons move."""
        return with_reset(self.neuron.dynamics(), self.reset_mechanism)

    def forward(self, inputs: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return spikes [T, B, num_outputs] from inputs [T, B, num_inputs]; none where ``valid`` is false."""
        spikes = self.spikes(inputs, valid)
        dropped: Tensor = self.dropout(spikes)
        return dropped

    def spikes(self, inputs: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the spikes before dropout; the arguments are those of `activity`."""
        return self.activity(inputs, valid).spikes

    def activity(
        self,
        inputs: Tensor,
        valid: Tensor | None = None,
        gate: Tensor | None = None,
        bits: SpikeBits | None = None,
        as_bits: bool = False,
    ) -> LayerActivity:
        """Return the spikes before dropout, which of their gradients matter to this layer, and how many there are.

        Args:
            inputs: [T, B, num_inputs].
            valid: Which steps belong to a sequence and are not padding, booleans [T, B]; all of them by default.
            gate: Which inputs' gradients matter to the layer before, booleans [T, B, num_inputs]; all by default.
            bits: The inputs as bits, if that layer gave them so.
            as_bits: Whether the spikes are wanted as bits where there are any; see `reads_bits`.

        Raises:
            ValueError: If there are bits, and `reads_bits` is false.
        """
        if bits is not None and (self.bidirectional or self.delayed is not None):
            raise ValueError("bits: got spikes as bits; a layer of two directions, or with delays, does not read them")
        gate = None if self.bidirectional else gate  # both directions would need a gate of their own
        batch = inputs.shape[1]
        if self.bidirectional:
            inputs = torch.cat([inputs, backwards(inputs, valid)], dim=1)
            valid = None if valid is None else torch.cat([valid, valid], dim=1)
        if self.delayed is not None:
            current = self.current(inputs, valid, gate)
            spikes = self.delayed_spikes(current, first_state(self.neuron, self.initial_state, current))
            gate = counts = events = lengths = bits = None
        else:
            dynamics = self.dynamics()
            options: dict[str, Any] = {
                "surrogate": self.surrogate,
                "recurrent": self.recurrent_weights(),
                "backend": self.backend,
            }
            current, affine, events, lengths = self.current.for_neurons(dynamics, inputs, valid, gate, bits, **options)
            first = first_state(self.neuron, self.initial_state, current)
            as_bits = as_bits and (valid is None or lengths is not None) and not self.bidirectional
            fired = scan_layer(dynamics, current, first, affine=affine, lengths=lengths, as_bits=as_bits, **options)
            spikes, gate, counts, bits = fired.spikes, fired.gate, fired.counts, fired.bits
        if self.neuron.outputs > 1:  # of all neurons one after the other, as kernels write them
            spikes, gate = spikes.movedim(-1, 2).flatten(2), None if gate is None else gate.movedim(-1, 2).flatten(2)
        self.silence(self, spikes if counts is None else counts)
        if valid is not None and lengths is None:
            spikes = spikes * valid.unsqueeze(-1)  # neurons ran on through the padding, which follows the sequence
            counts = None
        if self.bidirectional:
            there, back = spikes[:, :batch], spikes[:, batch:]
            valid = None if valid is None else valid[:, :batch]
            spikes, gate, counts = torch.cat([there, backwards(back, valid)], dim=2), None, None
        return LayerActivity(spikes, gate, counts, events, bits)

    def reads_bits(self, inputs: Tensor, valid: Tensor | None = None) -> bool:
        """Whether `activity` reads spikes as bits alone, if it gets them so.

        Args:
            inputs: A sequence of the length, data type and device of the spikes.
            valid: As in `activity`.
        """
        if self.bidirectional or self.delayed is not None or self.recurrent is not None:
            return False
        return self.current.reads_bits(self.dynamics(), inputs, valid, surrogate=self.surrogate, backend=self.backend)

    def delayed_spikes(self, current: Tensor, first: Any = None) -> Tensor:
        """Return the spikes [T, B, N] of neurons that drive each other through ``delayed``, from currents [T, B, N]."""
        dynamics, shape = self.dynamics(), current.shape[1:]
        single = None
        if self.backend != "reference" and is_plain() and isinstance(dynamics, StateSpace):
            fits = SingleStep.fits(dynamics, shape, self.surrogate)
            single = SingleStep(dynamics, shape, self.surrogate) if fits else None

        def cell(current: Tensor, state: Any = first) -> tuple[Tensor, Any]:
            before = dynamics.rest(tuple(shape), dtype=current.dtype, device=current.device) if state is None else state
            if single is not None and single.takes(current, *before):
                after = State(*single(current, *before))
                return after.spk, after
            return step(dynamics, current, state, surrogate=self.surrogate)

        assert self.delayed is not None
        spikes, _ = RecurrentDelay(cell, self.delayed)(current)
        return spikes

    def recurrent_weights(self) -> Tensor | None:
        """Return V with its diagonal masked: no neuron feeds itself."""
        if self.recurrent is None:
            return None
        return torch.diagonal_scatter(self.recurrent, self.recurrent.new_zeros(len(self.recurrent)))


class Readout(nn.Module):
    """The output layer: weights, normalisation, leaky integrators, and the sum over time of their softmax.

    Args:
        num_inputs: Number of input features.
        num_classes: Number of classes C.
        normalization: ``"batchnorm"``, ``"layernorm"`` or ``"none"``.
        bias: Whether the weights have a bias.
        initial_state: ``"zeros"``, or ``"uniform"``: random as in the published code, in evaluation too.
        input_dropout: Probability that an input is dropped in training.
        events: Whether the weights visit only the inputs that are not zero: ``"auto"``, ``"always"``, ``"never"``.
        connection: Kind of the weights, a name in `silif_plugins.synapses.CONNECTIONS`.
        connection_options: Further arguments of that kind.
        backend: Which implementation runs the neurons, as in `silif_plugins.scan.scan`.
        fuse_norm: Whether batch norm may become part of the kernels around it, as in `SpikingLayer`.
        decay: Fixed decay of the leaky integrators; by default each trains its own, from SpArch's range.
        skip_steps: Steps at the beginning of a sequence that do not count in the scores.

    Raises:
        ValueError: If an argument is not one of those listed or allowed.

    Examples:
        >>> scores = Readout(128, 20)(torch.rand(100, 8, 128))
        >>> scores.shape, scores.sum(dim=1).round().unique()
        (torch.Size([8, 20]), tensor([100.], grad_fn=...))
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        *,
        normalization: Normalization = "batchnorm",
        bias: bool = False,
        initial_state: InitialState = "zeros",
        input_dropout: float = 0.0,
        events: Events = "auto",
        connection: str = "linear",
        connection_options: Mapping[str, Any] | None = None,
        backend: Backend = "auto",
        fuse_norm: bool = True,
        decay: float | None = None,
        skip_steps: int = 0,
    ) -> None:
        super().__init__()
        check_initial_state(initial_state)
        check_backend(backend)
        check_readout(decay, skip_steps)
        self.current = WeightedInput(
            num_inputs,
            num_classes,
            normalization=normalization,
            bias=bias,
            input_dropout=input_dropout,
            events=events,
            connection=connection,
            connection_options=connection_options,
            fuse_norm=fuse_norm,
        )
        self.neuron = LI(num_classes) if decay is None else LI(num_classes, decay_u=decay, learn=False)
        self.initial_state = initial_state
        self.backend: Backend = backend
        self.skip_steps = skip_steps

    def forward(
        self,
        inputs: Tensor,
        valid: Tensor | None = None,
        gate: Tensor | None = None,
        bits: SpikeBits | None = None,
    ) -> Tensor:
        """Return scores [B, C] from spikes [T, B, num_inputs]; a sample's scores sum to the number of steps that count.

        Samples without such steps have scores of 0.
        """
        dynamics = self.neuron.dynamics()
        current, affine, _, lengths = self.current.for_neurons(
            dynamics, inputs, valid, gate, bits, backend=self.backend
        )
        state = first_state(self.neuron, self.initial_state, current)
        fired = scan_layer(
            dynamics, current, state, affine=affine, return_states=True, lengths=lengths, backend=self.backend
        )
        shares = fired.states.mem.softmax(dim=-1)
        return (shares if valid is None else shares * valid.unsqueeze(-1))[self.skip_steps :].sum(dim=0)

    def reads_bits(self, inputs: Tensor, valid: Tensor | None = None) -> bool:
        """Whether `forward` reads spikes as bits alone; the arguments are those of `SpikingLayer.reads_bits`."""
        return self.current.reads_bits(self.neuron.dynamics(), inputs, valid, backend=self.backend)


def backwards(sequences: Tensor, valid: Tensor | None) -> Tensor:
    """Reverse sequences [T, B, N] in time, each within its own valid steps [T, B]; padding stays at the end.

    Examples:
        >>> valid = torch.tensor([[True], [True], [False]])
        >>> backwards(torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1), valid).flatten()
        tensor([2., 1., 0.])
    """
    if valid is None:
        return sequences.flip(0)
    steps = torch.arange(sequences.shape[0], device=sequences.device).unsqueeze(1)  # len() would fix a record to it
    last = valid.sum(0) - 1
    source = torch.where(valid, last - steps, steps)
    return sequences.gather(0, source.unsqueeze(-1).expand_as(sequences))


def first_state(neuron: Neuron, kind: InitialState, current: Tensor) -> Any:
    """Return the state before the first step, None for rest."""
    return neuron.uniform_state(tuple(current.shape[1:-1])) if kind == "uniform" else None


def check_backend(name: str) -> None:
    """Raise if there is no such backend."""
    if name not in BACKENDS:
        raise ValueError(f"backend: got {name!r}; it must be one of {', '.join(BACKENDS)}")


def check_initial_state(kind: str) -> None:
    """Raise if the kind of initial state is unknown."""
    if kind not in get_args(InitialState):
        raise ValueError(f"initial_state: got {kind!r}; it must be one of {', '.join(get_args(InitialState))}")


def check_readout(decay: float | None, skip_steps: int) -> None:
    """Raise if a readout cannot have this decay, or skip so many steps."""
    low, high = MEMBRANE_DECAYS
    if decay is not None and not low <= decay <= high:
        raise ValueError(f"readout_decay: got {decay}; it must be from {low:.4f} to {high:.4f}, or none to train it")
    if skip_steps < 0:
        raise ValueError(f"skip_steps: got {skip_steps}; it must be 0 or more")


def check_reset_mechanism(name: str) -> None:
    """Raise if there is no such reset."""
    if name not in RESET_MECHANISMS:
        raise ValueError(f"reset_mechanism: got {name!r}; it must be one of {', '.join(RESET_MECHANISMS)}")
