"""Networks as files hold them: plain tensors in and out, for whole sequences or for one time step.

Nothing in them needs this package where the file is read: the layers are the network's own, and what they return is
taken apart into tensors by their names.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..dynamics import State
from ..neurons import Neuron
from ..scan import scan, step
from ..sparch import Readout, SpArchNet, SpikingLayer
from ..synapses import DelayedModule, LearnableDelay
from ..training import Output
from .checks import ExportError

BATCH, STEPS = 2, 5
"""Of the examples by which graphs are recorded; they take any others."""


class Form(nn.Module):
    """A network with tensors alone in and out, and examples of what it takes.

    Attributes:
        inputs: Names of the arguments of ``forward``, in order.
    """

    inputs: ClassVar[tuple[str, ...]] = ("inputs",)

    def example(self, batch: int = BATCH, steps: int = STEPS) -> tuple[Any, ...]:
        """Return arguments of ``forward``."""
        raise NotImplementedError

    def dimensions(self, batch: Any, steps: Any) -> tuple[Any, ...]:
        """Return, in the structure of the arguments, which dimensions of each are given by ``batch`` and ``steps``."""
        raise NotImplementedError


class NetworkSequence(Form):
    """A network on whole sequences: scores [B, C] and firing rates [neurons] from inputs [B, T, N].

    Args:
        net: See `silif_plugins.training.model`.
        num_inputs: Channels N.
        lengths: Whether it takes the steps of each sequence, integers [B] from 1 to T, too; what follows is padding.

    Examples:
        >>> form = NetworkSequence(SpArchNet(4, (8,), 3), 4)
        >>> sorted(form(*form.example()))
        ['firing_rates', 'scores']
    """

    def __init__(self, net: nn.Module, num_inputs: int, *, lengths: bool = False) -> None:
        super().__init__()
        self.net, self.num_inputs = net, num_inputs
        self.inputs = ("inputs", "lengths") if lengths else ("inputs",)  # type: ignore[misc]

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the network returns, without the count of operations."""
        output = Output(*(self.net(inputs) if lengths is None else self.net(inputs, lengths)))
        return {"scores": output.scores, "firing_rates": output.firing_rates}

    def example(self, batch: int = BATCH, steps: int = STEPS) -> tuple[Any, ...]:
        """Return random spikes, and perhaps lengths."""
        spikes = _spikes(self.net, batch, steps, self.num_inputs)
        lengths = steps - torch.arange(batch, device=spikes.device) % steps
        return (spikes, lengths)[: len(self.inputs)]

    def dimensions(self, batch: Any, steps: Any) -> tuple[Any, ...]:
        """Return those of the inputs."""
        return ({0: batch, 1: steps}, {0: batch})[: len(self.inputs)]


class NetworkStep(Form):
    """A `SpArchNet` for one time step: scores so far and state from inputs [B, N] and the state before.

    The state is a dict of tensors by the layers' names: of each hidden layer what its neurons remember and, with
    delays, the inputs that still travel, [max_delay, B, inputs]; of the readout its membrane, and the scores [B, C]
    so far, whose largest is the decision at any time. `rest` gives the one before the first step.

    Args:
        net: The network.

    Raises:
        ExportError: If a layer reads the sequence backwards, too.

    Examples:
        >>> net = SpArchNet(4, (8,), 3).eval()
        >>> form, inputs = NetworkStep(net), torch.rand(2, 5, 4)
        >>> state = form.rest(2)
        >>> for now in inputs.unbind(1):
        ...     state = form(now, state)["state"]
        >>> torch.allclose(state["scores"], net(inputs).scores)
        True
    """

    inputs: ClassVar = ("inputs", "state")

    def __init__(self, net: SpArchNet) -> None:
        super().__init__()
        for name, layer in net.named_modules():
            if isinstance(layer, SpikingLayer) and layer.bidirectional:
                raise ExportError(f"{name}: reads the sequence backwards too; it has no form for one step")
        self.net = net

    def forward(self, inputs: Tensor, state: dict[str, Tensor]) -> dict[str, Any]:
        """Return the scores so far, the spikes of each hidden layer, and the state."""
        after: dict[str, Tensor] = {}
        spikes: dict[str, Tensor] = {}
        activity = inputs
        for name, layer in self._hidden():
            current = _current(name, layer, activity, state, after)
            before = self._neurons(layer, current.shape[:1])
            before = type(before)(*(state[f"{name}.{field}"] for field in before._fields))
            if (weights := layer.recurrent_weights()) is not None:
                current = current + before.spk @ weights
            activity, now = step(layer.dynamics(), current, before, surrogate=layer.surrogate)
            after |= {f"{name}.{field}": value for field, value in now._asdict().items()}
            spikes[name] = activity
        readout = self.net.readout
        current = _current("readout", readout, activity, state, after)
        rest = torch.zeros_like(current)
        _, now = step(readout.neuron, current, State(state["readout.mem"], rest, rest))
        after["readout.mem"] = now.mem
        after["scores"] = state["scores"] + now.mem.softmax(dim=-1)
        return {"scores": after["scores"], "spikes": spikes, "state": after}

    def rest(self, batch: int) -> dict[str, Tensor]:
        """Return the state before the first step."""
        readout = self.net.readout
        state: dict[str, Tensor] = {}
        layers: list[tuple[str, SpikingLayer | Readout]] = [*self._hidden(), ("readout", readout)]
        for name, layer in layers:
            for delays in layer.current.weights.modules():
                if isinstance(delays, LearnableDelay):
                    shape = (delays.max_delay, batch, delays.delay.shape[-1])
                    state[f"{name}.travelling"] = torch.zeros(shape).to(delays.delay)
            if isinstance(layer, SpikingLayer):
                neurons = self._neurons(layer, (batch,))
                state |= {f"{name}.{field}": value for field, value in neurons._asdict().items()}
        for name in ("readout.mem", "scores"):
            state[name] = torch.zeros(batch, *readout.neuron.size).to(readout.neuron.threshold)
        return state

    def _hidden(self) -> list[tuple[str, SpikingLayer]]:
        return [(f"hidden.{index}", layer) for index, layer in enumerate(self.net.hidden)]  # type: ignore[misc]

    def _neurons(self, layer: SpikingLayer, batch: tuple[int, ...]) -> Any:
        return layer.dynamics().rest((*batch, *layer.neuron.size))

    def example(self, batch: int = BATCH, steps: int = STEPS) -> tuple[Any, ...]:
        """Return random spikes, and the state at rest."""
        return _spikes(self.net, batch, 1, self.net.num_inputs)[:, 0], self.rest(batch)

    def dimensions(self, batch: Any, steps: Any) -> tuple[Any, ...]:
        """Return those of inputs and state."""
        return {0: batch}, {name: {int(name.endswith(".travelling")): batch} for name in self.rest(1)}


class NeuronSequence(Form):
    r"""Neurons of the core on whole sequences: spikes [T, B, \*size] from currents of that shape.

    Args:
        neuron: The population.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> form = NeuronSequence(SiLIF(4))
        >>> form(torch.rand(9, 2, 4))["spikes"].shape
        torch.Size([9, 2, 4])
    """

    inputs: ClassVar[tuple[str, ...]] = ("current",)

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, current: Tensor) -> dict[str, Tensor]:
        """Return the spikes."""
        return {"spikes": scan(self.neuron, current)[0]}

    def example(self, batch: int = BATCH, steps: int = STEPS) -> tuple[Any, ...]:
        """Return random currents."""
        return (3 * torch.randn(steps, batch, *self.neuron.size).to(self.neuron.threshold),)

    def dimensions(self, batch: Any, steps: Any) -> tuple[Any, ...]:
        """Return those of the currents."""
        return ({0: steps, 1: batch},)


class NeuronStep(NeuronSequence):
    r"""Neurons of the core for one time step: spikes [B, \*size] and state from currents and the state before.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> form = NeuronStep(SiLIF(4))
        >>> sorted(form(*form.example(batch=1))["state"])
        ['ada', 'mem', 'spk']
    """

    inputs: ClassVar = ("current", "state")

    def forward(self, current: Tensor, state: dict[str, Tensor]) -> dict[str, Any]:  # type: ignore[override]
        """Return the spikes and the state."""
        kind = type(self.neuron.dynamics().rest(tuple(current.shape)))
        spikes, after = step(self.neuron, current, kind(**state))
        return {"spikes": spikes, "state": after._asdict()}

    def example(self, batch: int = BATCH, steps: int = STEPS) -> tuple[Any, ...]:
        """Return random currents, and the state at rest."""
        (current,) = super().example(batch, 1)
        return current[0], self.neuron.dynamics().rest(tuple(current.shape[1:]))._asdict()

    def dimensions(self, batch: Any, steps: Any) -> tuple[Any, ...]:
        """Return those of current and state."""
        return {0: batch}, {name: {0: batch} for name in self.example()[1]}


def sequence_form(net: nn.Module, *, num_inputs: int | None = None, lengths: bool = False) -> Form:
    """Return a copy of a network, or of neurons, in evaluation mode, that takes and returns whole sequences.

    Args:
        net: A network as training has them, or a `silif_plugins.neurons.Neuron`.
        num_inputs: Channels of the inputs; needed for networks that have no attribute of this name.
        lengths: Whether it takes the steps of each sequence, too.

    Raises:
        ExportError: If the number of channels is not known, or what has no lengths is to take them.
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    if isinstance(net, Neuron):
        if lengths:
            raise ExportError(f"{type(net).__name__}: neurons alone take no lengths; networks do")
        return NeuronSequence(net)
    channels = getattr(net, "num_inputs", num_inputs)
    if not isinstance(channels, int):
        raise ExportError(f"{type(net).__name__}: has no num_inputs; give it")
    if lengths and len(inspect.signature(net.forward).parameters) < 2:
        raise ExportError(f"{type(net).__name__}: its forward takes no lengths")
    return NetworkSequence(net, channels, lengths=lengths)


def step_form(net: nn.Module) -> Form:
    """Return a copy of a `SpArchNet`, or of neurons, in evaluation mode, that takes one step with its state.

    Raises:
        ExportError: If it has no such form; the message names the layer.
    """
    net = copy.deepcopy(net).eval().requires_grad_(False)
    if isinstance(net, Neuron):
        return NeuronStep(net)
    if isinstance(net, SpArchNet):
        return NetworkStep(net)
    raise ExportError(f"{type(net).__name__}: has no form for one step; SpArchNet and neurons of the core have")


def form_of(net: nn.Module, *, step: bool, num_inputs: int | None = None, lengths: bool = False) -> Form:
    """Return `step_form` or `sequence_form`.

    Raises:
        ExportError: If the network has no such form, or one step is to take lengths.
    """
    if step and lengths:
        raise ExportError(f"{type(net).__name__}: one step takes no lengths; leave out one of step and lengths")
    return step_form(net) if step else sequence_form(net, num_inputs=num_inputs, lengths=lengths)


def is_ours(form: Form) -> bool:
    """Whether nothing in a network is known to depend on sizes of batch and time, as what others wrote may."""
    return isinstance(form, NeuronSequence | NetworkStep) or isinstance(form.net, SpArchNet)


def tensors(values: dict[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """Return the tensors of nested dicts by their paths.

    Examples:
        >>> list(tensors({"scores": torch.zeros(1), "state": {"mem": torch.zeros(1)}}))
        ['scores', 'state.mem']
    """
    found: dict[str, Tensor] = {}
    for name, value in values.items():
        found |= tensors(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def shapes(form: Form) -> dict[str, list[Any]]:
    """Return the shapes of all tensors that a form takes, by their paths, with names for what may be of any size."""
    found: dict[str, list[Any]] = {}
    named = zip(form.inputs, form.example(), form.dimensions("batch", "steps"), strict=True)
    for name, value, dimensions in named:
        values = tensors({name: value})
        of = {name: dimensions} if isinstance(value, Tensor) else {f"{name}.{key}": d for key, d in dimensions.items()}
        found |= {key: [of[key].get(i, size) for i, size in enumerate(each.shape)] for key, each in values.items()}
    return found


def _current(
    name: str, layer: SpikingLayer | Readout, activity: Tensor, state: dict[str, Tensor], after: dict[str, Tensor]
) -> Tensor:
    """Return the currents of a layer, [B, N], and note what travels on."""
    weights = layer.current.weights
    if isinstance(weights, DelayedModule):
        current, after[f"{name}.travelling"] = weights.step(activity, state[f"{name}.travelling"])
    else:
        current = weights(activity)
    normalized: Tensor = layer.current.norm(current)
    return normalized


def _spikes(net: nn.Module, batch: int, steps: int, channels: int) -> Tensor:
    like = next(net.parameters())
    drawn = torch.rand(batch, steps, channels, generator=torch.Generator().manual_seed(0))
    return (drawn < 0.2).to(like)
