"""A trained network that listens: step by step, with a decision when it is sure."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..scan import scan
from ..sparch import SpArchNet, SpikingLayer
from ..synapses import DelayedModule, SpikeLinear, spike_linear
from .exponential import FRACTION, confidence
from .folding import FoldError
from .quantised import NetState, QuantisedNet

AT_ONCE = 1024
"""Steps that are run together at most: memory does not grow with what comes at once."""

LONGEST_GAP = 3600.0
"""Seconds without an event after which a time is taken for an error."""


class Decision(NamedTuple):
    """What a stream has decided.

    Attributes:
        label: Index of the class with the highest score.
        confidence: Its share in the softmax of the scores, the probability that training gives it.
        steps: Steps of this sequence that were heard.
        begin: Step of the stream at which the sequence began.
        scores: Of all classes, float64 [C].
    """

    label: int
    confidence: float
    steps: int
    begin: int
    scores: Tensor


class _Runner(Protocol):
    """A network with a state, for one sequence."""

    def begin(self) -> None: ...

    def scores(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores [T, C], float64, and their confidence [T], after each of the steps [T, num_inputs]."""


class Stream:
    """Feeds a trained network as its input comes, in memory that does not grow.

    A sequence begins with the first step. It ends when the network is as sure as ``confidence``, and at the latest
    after ``horizon`` steps; then the next one begins at rest. With a horizon it begins there, not earlier: what is left
    of a word that was recognised is not taken for another one. The network is copied, as it is in evaluation mode.

    However the input is cut into chunks, spikes, membranes and scores are the same to the last bit. They are those of
    the network's own batches where these go by events too, ``SpArchNet(events="always")``, but for the order in which
    scores are summed; with a `DelayedLinear`, whose convolution is dense, all is the same to rounding.

    Args:
        net: A `SpArchNet` or what `quantise` makes of one.
        horizon: Steps of a sequence, such as those of training; without, it ends by confidence alone.
        confidence: Share from which a decision is made; without, it is made at the horizon.
        least_steps: Steps before which no decision is made by confidence.
        step: Duration of a step in seconds, for events.

    Raises:
        FoldError: If the network reads sequences backwards or starts at random. It is a ValueError.
        ValueError: If an argument is not valid.

    Examples:
        >>> net = SpArchNet(140, (128,), 20)
        >>> stream = Stream(net, horizon=100)
        >>> frames = (torch.rand(250, 140) < 0.05).float()
        >>> [(decision.begin, decision.steps) for decision in stream.push(frames)]
        [(0, 100), (100, 100)]
        >>> stream.now().steps
        50
    """

    def __init__(
        self,
        net: SpArchNet | QuantisedNet | nn.Module,
        *,
        horizon: int | None = None,
        confidence: float | None = None,
        least_steps: int = 1,
        step: float | None = None,
    ) -> None:
        if horizon is not None and horizon < 1:
            raise ValueError(f"horizon: got {horizon}; it must be 1 step or more")
        if confidence is not None and not 0 < confidence <= 1:
            raise ValueError(f"confidence: got {confidence}; it must be above 0 and at most 1")
        if step is not None and not 0 < step < math.inf:
            raise ValueError(f"step: got {step}; it must be positive seconds")
        self.horizon, self.confidence, self.least_steps, self.step = horizon, confidence, least_steps, step
        self._runner: _Runner
        if isinstance(net, QuantisedNet):
            self._runner, self.num_inputs, classes = _Quantised(net), net.num_inputs, net.num_classes
        elif isinstance(net, SpArchNet):
            self._runner, self.num_inputs, classes = _Floats(net), net.num_inputs, net.readout.neuron.size[0]
        else:
            raise FoldError(f"net: got {type(net).__name__}; it must be a SpArchNet, or what quantise makes of one")
        self._none = torch.zeros(classes, dtype=torch.float64)
        self._counts = torch.zeros(self.num_inputs)
        self.steps = 0
        self._sleep = 0
        self._begin()

    def _begin(self) -> None:
        self._runner.begin()
        self._heard, self._begun, self._scores, self._sure = 0, self.steps, self._none, 0.0

    def now(self) -> Decision:
        """Return what would be decided now."""
        return Decision(int(self._scores.argmax()), self._sure, self._heard, self._begun, self._scores)

    def push(self, frames: ArrayLike | Tensor) -> list[Decision]:
        """Take the next steps.

        Args:
            frames: Counts or features, [T, num_inputs], or one step, [num_inputs].

        Returns:
            The decisions that were made in these steps.

        Raises:
            ValueError: If the shape does not fit, or a value is not finite.
        """
        given = torch.as_tensor(frames)
        given = (given if given.is_floating_point() else given.float()).to(torch.float32)
        given = given.unsqueeze(0) if given.dim() == 1 else given
        if given.dim() != 2 or given.shape[1] != self.num_inputs:
            raise ValueError(f"frames: got shape {tuple(given.shape)}; it must be [T, {self.num_inputs}]")
        if not bool(given.isfinite().all()):
            raise ValueError("frames: got a value that is not finite")
        decisions = []
        while len(given):
            if self._sleep:
                skipped = min(self._sleep, len(given))
                self._sleep -= skipped
                self.steps += skipped
                self._begun += skipped
                given = given[skipped:]
                continue
            left = AT_ONCE if self.horizon is None else min(AT_ONCE, self.horizon - self._heard)
            taken, decision = self._take(given[:left])
            given = given[taken:]
            decisions += decision
        return decisions

    def _take(self, frames: Tensor) -> tuple[int, list[Decision]]:
        """Run steps until a decision; return how many, and the decision."""
        scores, sure = self._runner.scores(frames)
        taken, decided = len(frames), False
        if self.confidence is not None:
            ready = sure >= self.confidence
            ready &= torch.arange(1, len(frames) + 1) + self._heard >= self.least_steps
            if bool(ready.any()):
                taken, decided = int(ready.long().argmax()) + 1, True
        self._heard += taken
        self.steps += taken
        self._scores, self._sure = scores[taken - 1], float(sure[taken - 1])
        if not decided and self._heard != self.horizon:
            return taken, []
        decision = self.now()
        if self.horizon is not None:
            self._sleep = self.horizon - self._heard
        self._begin()
        return taken, [decision]

    def push_events(self, times: ArrayLike, channels: ArrayLike) -> list[Decision]:
        """Take events; the steps before that of the last one are complete, and run.

        Args:
            times: In seconds since the stream began, not before the step of an event that was taken, [events].
            channels: [events].

        Raises:
            ValueError: If the stream has no ``step``, or times or channels are not valid; none is taken then.
        """
        if self.step is None:
            raise ValueError("step: got none; events need the duration of a step in seconds")
        when, where = np.asarray(times, np.float64).reshape(-1), np.asarray(channels).reshape(-1)
        if when.shape != where.shape or (where.size and not np.issubdtype(where.dtype, np.integer)):
            raise ValueError(f"channels: got {where.dtype} of shape {where.shape}; it must be an integer for each time")
        start = self.steps * self.step
        if not bool(((when >= 0) & (when < start + LONGEST_GAP)).all()):
            raise ValueError(f"times: got {when.min()} to {when.max()} s; they must go on from {start:g} s")
        if bool(((where < 0) | (where >= self.num_inputs)).any()):
            raise ValueError(f"channels: got {where.min()} to {where.max()}; they must be 0 to {self.num_inputs - 1}")
        numbers = np.floor(when / self.step).astype(np.int64)
        numbers += ((numbers + 1) * self.step <= when).astype(np.int64) - (numbers * self.step > when)
        if bool((numbers < self.steps).any()):
            raise ValueError(f"times: got {when.min()} s; the stream has heard {start:g} s already")
        decisions = []
        for number in np.unique(numbers):
            decisions += self._run_until(int(number))
            here = torch.from_numpy(where[numbers == number].astype(np.int64))
            self._counts += torch.bincount(here, minlength=self.num_inputs)
        return decisions

    def finish(self) -> list[Decision]:
        """Run the step of the last event: no more events come in it."""
        return self._run_until(self.steps + 1) if bool(self._counts.any()) else []

    def _run_until(self, number: int) -> list[Decision]:
        decisions = []
        while self.steps < number:
            frames = torch.zeros(min(AT_ONCE, number - self.steps), self.num_inputs)
            frames[0] = self._counts
            self._counts = torch.zeros(self.num_inputs)
            decisions += self.push(frames)
        return decisions


class _Quantised:
    def __init__(self, net: QuantisedNet) -> None:
        self.net = net
        self.state: NetState

    def begin(self) -> None:
        self.state = self.net.rest(1)

    def scores(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        trace, self.state = self.net.run(frames.unsqueeze(0), self.state)
        sure = confidence(trace.scores[0]).double() / (1 << FRACTION)
        return trace.scores[0].double() / (1 << FRACTION), sure


class _Floats:
    """A `SpArchNet` with the states of its layers."""

    def __init__(self, net: SpArchNet) -> None:
        for index, layer in enumerate(net.hidden):
            assert isinstance(layer, SpikingLayer)
            if layer.bidirectional:
                raise FoldError(f"hidden.{index}: reads sequences backwards, which cannot be streamed")
            if layer.initial_state != "zeros":
                raise FoldError(
                    f"hidden.{index}: starts from random states; only initial_state='zeros' can be streamed"
                )
        net = copy.deepcopy(net).eval()
        self.layers = [*net.hidden, net.readout]
        self.dtype = net.readout.neuron.threshold.dtype

    def begin(self) -> None:
        self.states: list[Any] = [None for _ in self.layers]
        self.past: list[Tensor | None] = [None for _ in self.layers]
        self.total: Tensor | None = None

    @torch.no_grad()
    def scores(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        signal = frames.to(self.dtype).unsqueeze(1)  # [T, 1, N]
        membranes = signal
        for index, layer in enumerate(self.layers):
            signal, membranes = self._run(index, cast(SpikingLayer, layer), signal)
        shares = membranes.squeeze(1).softmax(dim=-1).double()
        if self.total is not None:
            shares = torch.cat([self.total.unsqueeze(0), shares])
        scores = shares.cumsum(dim=0)[len(shares) - len(frames) :]  # one after the other, however they come
        self.total = scores[-1]
        return scores, scores.softmax(dim=-1).amax(dim=-1)

    def _run(self, index: int, layer: SpikingLayer, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return spikes and membranes, [T, 1, N]."""
        weights, norm = layer.current.weights, layer.current.norm
        if isinstance(weights, DelayedModule):
            current, self.past[index] = weights.run(signal, self.past[index])
        elif type(weights) is SpikeLinear and weights.weight.device.type == "cpu":
            # A row of events is summed by itself; a dense product may be rounded otherwise for other numbers of rows.
            current = spike_linear(signal, weights.weight, weights.bias, events="always")
        else:
            current = weights(signal)
        current = norm(current.flatten(0, 1)).view_as(current)
        hidden = isinstance(layer, SpikingLayer)
        spikes, self.states[index], states = scan(
            layer.dynamics() if hidden else layer.neuron,
            current,
            self.states[index],
            surrogate=layer.surrogate if hidden else None,
            recurrent=layer.recurrent_weights() if hidden else None,
            return_states=True,
            backend=layer.backend,
        )
        return spikes, states.mem


def decisions(stream: Stream, chunks: Iterator[Tensor]) -> Iterator[Decision]:
    """Yield the decisions of a stream as its input comes, and the one that is left at the end.

    Examples:
        >>> stream = Stream(SpArchNet(4, (8,), 3), horizon=10)
        >>> [decision.steps for decision in decisions(stream, iter(torch.ones(7, 2, 4)))]
        [10, 4]
    """
    for chunk in chunks:
        yield from stream.push(chunk)
    if stream.now().steps:
        yield stream.now()
