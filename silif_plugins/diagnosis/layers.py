"""Spiking layers of the three hosts, told by what they have: no host is imported.

What each must have is said in its class; a layer of one's own that has the same is diagnosed as well.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..dynamics import Dynamics, LinearSystem, StateSpace, between_spikes, levels
from ..neurons import Neuron
from ..scan import scan
from ..surrogate import SpikeFunction
from .advice import Remedies
from .recording import Recording


class Layer(ABC):
    """A spiking layer of a network.

    Args:
        name: Its name in the network.
        module: It.
    """

    def __init__(self, name: str, module: Any) -> None:
        self.name = name
        self.module = module

    @staticmethod
    @abstractmethod
    def fits(module: Any) -> bool:
        """Whether a module is a layer of this kind."""

    @property
    def kind(self) -> str:
        """The class of the neurons."""
        return type(self.module).__name__

    @property
    def neuron(self) -> Neuron | None:
        """The neurons, if they are of this package."""
        found = getattr(self.module, "neuron", None)
        return found if isinstance(found, Neuron) else None

    @property
    @abstractmethod
    def surrogate(self) -> SpikeFunction | None:
        """The spike function, if it can be told."""

    @property
    @abstractmethod
    def space(self) -> StateSpace | LinearSystem | None:
        """What it is between its spikes, if that can be told."""

    @property
    @abstractmethod
    def timestep(self) -> Tensor | None:
        """Duration of a step in seconds, which broadcasts to the neurons, if they have one."""

    @property
    @abstractmethod
    def remedies(self) -> Remedies:
        """What to change about it."""

    @property
    def fires(self) -> bool:
        """Whether it is meant to: a threshold of infinity makes a readout."""
        threshold = self.module.threshold if self.space is None else self.space.threshold
        return not bool((torch.as_tensor(threshold) == math.inf).all())

    @property
    def may_be_silent(self) -> bool:
        """Whether it may be silent on purpose, although it could fire."""
        return False

    @abstractmethod
    def record(self, into: Recording) -> RemovableHandle:
        """Record what it does from now on, until the handle is removed."""

    def fired(self, spikes: Tensor) -> Tensor:
        """Return whether neurons fired, from spikes: one with several outputs, if any of them did."""
        several = self.neuron is not None and self.neuron.outputs > 1
        return spikes.any(-1) if several else spikes != 0


class SpArchLayer(Layer):
    """A hidden layer of our SpArch network: ``current``, a module from inputs to currents [T, B, N], ``neuron`` and
    ``dynamics()``.

    Its neurons run again from rest on the currents that come: nothing calls the layer itself as a module.
    """

    @staticmethod
    def fits(module: Any) -> bool:
        """Whether it has currents, neurons and a surrogate."""
        return (
            isinstance(getattr(module, "neuron", None), Neuron)
            and isinstance(getattr(module, "current", None), nn.Module)
            and hasattr(module, "surrogate")
        )

    @property
    def kind(self) -> str:
        """The class of the neurons, not of the layer."""
        return type(self.module.neuron).__name__

    @property
    def surrogate(self) -> SpikeFunction | None:
        """That of the layer."""
        surrogate: SpikeFunction = self.module.surrogate
        return surrogate

    @property
    def space(self) -> StateSpace | LinearSystem | None:
        """That of the neurons."""
        return between_spikes(self.module.dynamics())

    @property
    def fires(self) -> bool:
        """Whether its threshold is finite."""
        return not bool((self.module.neuron.threshold == math.inf).all())

    @property
    def timestep(self) -> Tensor | None:
        """That of the neurons."""
        timestep: Tensor | None = self.module.neuron.timestep
        return timestep

    @property
    def remedies(self) -> Remedies:
        """What SpArchNet has arguments for."""
        normalise = 'normalization="batchnorm"'
        if any(isinstance(each, nn.BatchNorm1d) for each in self.module.current.modules()):
            # SpArch's momentum makes running statistics slow: after a short training they describe another network.
            normalise = "recalibrate batch norm (silif_plugins.training.recalibrate)"
        threshold = 'neuron_options={"threshold": ...}'
        return Remedies(
            rouse=f"{normalise}, or a lower {threshold}",
            calm=f"{normalise}, or a higher {threshold}",
            reach='surrogate="atan"',
        )

    def record(self, into: Recording) -> RemovableHandle:
        """Record what the neurons do with every current; padded steps do not count."""

        def look(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], current: Tensor) -> None:
            valid = args[1] if len(args) > 1 else options.get("valid")
            spikes, margins = self._run(current)
            spikes = self.fired(spikes)
            if valid is None:
                into.add(*_in_bins(spikes, margins, True), len(current))
            else:
                into.add(spikes[valid], None if margins is None else margins[valid], len(current))

        handle: RemovableHandle = self.module.current.register_forward_hook(look, with_kwargs=True)
        return handle

    def _run(self, current: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the spikes, and mem - threshold where it can be told."""
        if getattr(self.module, "delayed", None) is not None:  # through recurrent delays, which show no membrane
            return self.module.delayed_spikes(current), None
        dynamics, recurrent = self.module.dynamics(), self.module.recurrent_weights()
        spikes, _, states = scan(dynamics, current, surrogate=self.surrogate, recurrent=recurrent, return_states=True)
        return spikes, margins_of(dynamics, states.mem)


class NorseLayer(Layer):
    """A cell or layer of Norse, its own or ours: parameters ``p`` with a ``method``, and (spikes, state) as output.

    Of ours the state is recorded at every step. Norse's own change theirs by the reset before one can see it.
    """

    @staticmethod
    def fits(module: Any) -> bool:
        """Whether it has parameters with a surrogate method, and a timestep."""
        return hasattr(module, "dt") and hasattr(getattr(module, "p", None), "method")

    @property
    def surrogate(self) -> SpikeFunction | None:
        """That which method and alpha of our layers ask for."""
        return None if self._dynamics() is None else self.module.surrogate

    @property
    def space(self) -> StateSpace | LinearSystem | None:
        """That of the parameters of our layers."""
        dynamics = self._dynamics()
        return None if dynamics is None else between_spikes(dynamics)

    @property
    def neuron(self) -> Neuron | None:
        """That of the parameters, if they hold one."""
        found = getattr(self.module.p, "neuron", None)
        return found if isinstance(found, Neuron) else None

    def _dynamics(self) -> Dynamics[Any] | None:
        """How our neurons move, whose parameters say so."""
        p = self.module.p
        if callable(own := getattr(p, "dynamics", None)):
            dynamics: Dynamics[Any] = own()
            return dynamics
        of = getattr(p, "state_space", None)
        return None if of is None else of(self.module.dt)

    @property
    def timestep(self) -> Tensor | None:
        """The module's, times that of the parameters, which is relative to it; or a hosted neuron's own."""
        p = self.module.p
        if self.neuron is not None:
            return self.neuron.timestep
        if self.space is None:
            return None
        return self.module.dt * torch.as_tensor(getattr(p, "log_relative_dt", 0.0)).exp()

    @property
    def fires(self) -> bool:
        """Whether its threshold is finite."""
        return not bool((torch.as_tensor(getattr(self.module.p, "v_th", 1.0)) == math.inf).all())

    @property
    def remedies(self) -> Remedies:
        """What Norse's parameters have, and what comes before."""
        return Remedies(
            rouse="lower v_th in p=, or normalise its input (a batch norm before it)",
            calm="raise v_th in p=, or normalise its input (a batch norm before it)",
            reach='method="super"' if self._dynamics() is not None else "a lower alpha in p=",
        )

    def record(self, into: Recording) -> RemovableHandle:
        """Record every call; a layer over a sequence returns the states of all steps meanwhile."""
        over_time = hasattr(self.module, "record_states")
        recorded = over_time and self.module.record_states
        is_ours = self._dynamics() is not None
        if is_ours and over_time:
            self.module.record_states = True

        def look(module: nn.Module, args: Any, output: Any) -> Any:
            spikes, state = output
            spikes = spikes.to_dense() if spikes.is_sparse else spikes
            dynamics = self._dynamics()
            margins = None if dynamics is None else margins_of(dynamics, state.v)
            into.add(*_in_bins(self.fired(spikes), margins, over_time), len(spikes) if over_time else 1)
            if is_ours and over_time and not recorded:
                return output[0], type(state)(*(field[-1] for field in state))
            return None

        handle: RemovableHandle = self.module.register_forward_hook(look)
        return handle


class SnnTorchLayer(Layer):
    """A neuron of snnTorch, its own or ours: ``spike_grad``, ``threshold``, ``reset_mem``; spikes come out first.

    The membrane is the last of the outputs, or the module's ``mem``. Our neurons, which have a ``state_space``, run
    again from rest where they take a whole sequence.
    """

    @staticmethod
    def fits(module: Any) -> bool:
        """Whether it has what all neurons of snnTorch with a state have."""
        return (
            hasattr(module, "spike_grad") and hasattr(module, "threshold") and callable(getattr(module, "reset_mem", 0))
        )

    @property
    def surrogate(self) -> SpikeFunction | None:
        """The layer's; snnTorch's own neurons can be told where they reset at the next step."""
        surrogate: SpikeFunction = self.module.spike_grad
        return surrogate if getattr(self.module, "reset_delay", True) else None

    @property
    def space(self) -> StateSpace | LinearSystem | None:
        """That of our neurons."""
        if callable(of := getattr(self.module, "state_space", None)):
            space: StateSpace = of()
            return space
        return between_spikes(self.module.dynamics()) if hasattr(self.module, "dynamics") else None

    @property
    def timestep(self) -> Tensor | None:
        """That of our neurons."""
        return None if self.neuron is None else self.neuron.timestep

    @property
    def remedies(self) -> Remedies:
        """What the constructor takes, and what comes before."""
        beta = "give beta=0.9 or higher, " if "beta" in inspect.signature(type(self.module)).parameters else ""
        return Remedies(
            rouse=f"{beta}lower threshold=, or put a batch norm before it",
            calm="raise threshold=, or put a batch norm before it",
            reach='spike_grad="atan"' if self.space is not None else "spike_grad=surrogate.atan()",
        )

    @property
    def may_be_silent(self) -> bool:
        """Whether it does not reset, as readouts whose membrane is taken."""
        return getattr(self.module, "reset_mechanism", None) == "none"

    def record(self, into: Recording) -> RemovableHandle:
        """Record every call."""
        over_time = bool(getattr(self.module, "sequence", False))

        def look(module: Any, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
            is_tuple = isinstance(output, tuple)
            spikes = output[0] if is_tuple else output
            if over_time:
                current = args[0] if args else next(iter(options.values()))
                margins = self._margins(current)
            else:
                mem = output[-1] if is_tuple and len(output) > 1 else module.mem
                mem = getattr(mem, "mem", mem)  # of both states packed
                fits = isinstance(mem, Tensor) and mem.shape == spikes.shape
                margins = self._margin(mem) if fits else None
            into.add(*_in_bins(self.fired(spikes), margins, over_time), len(spikes) if over_time else 1)

        handle: RemovableHandle = self.module.register_forward_hook(look, with_kwargs=True)
        return handle

    def _margins(self, current: Tensor) -> Tensor | None:
        """Run our neurons from rest over a sequence and return mem - threshold of all steps."""
        if not hasattr(self.module, "dynamics"):
            return None
        _, _, states = scan(self.module, current, surrogate=self.surrogate, return_states=True)
        return self._margin(states.mem)

    def _margin(self, mem: Tensor) -> Tensor | None:
        if hasattr(self.module, "state_space") or not hasattr(self.module, "dynamics"):
            return mem - self.module.threshold
        return margins_of(self.module.dynamics(), mem)


KINDS: tuple[type[Layer], ...] = (SpArchLayer, NorseLayer, SnnTorchLayer)


def spiking_layers(net: nn.Module) -> list[Layer]:
    """Return the layers of a network that are meant to fire, wherever they are nested."""
    found = []
    for name, module in net.named_modules():
        kind = next((kind for kind in KINDS if kind.fits(module)), None)
        if kind is not None and (layer := kind(name or "net", module)).fires:
            found.append(layer)
    return found


def margins_of(dynamics: Dynamics[Any], mem: Tensor) -> Tensor | None:
    """Return how far membranes are above the nearest level at which there is a spike; None where it moves.

    Examples:
        >>> from dataclasses import replace
        >>> from silif_plugins.neurons import FITSTS
        >>> two_bits = replace(FITSTS(1).dynamics(), spikes="2-bit")
        >>> margins_of(two_bits, torch.tensor([0.2, 2.4, 9.0])).round(decimals=1)
        tensor([-0.8000,  0.4000,  6.0000])
    """
    threshold, spikes = dynamics.threshold, getattr(dynamics, "spikes", "binary")
    if threshold is None:
        return None
    if spikes == "ternary":
        return mem.abs() - threshold
    most = levels(spikes)
    return mem - threshold * ((mem / threshold).round().clamp(1, most) if most > 1 else 1)


def _in_bins(spikes: Tensor, margins: Tensor | None, over_time: bool) -> tuple[Tensor, Tensor | None]:
    """Bring [T, B, *neurons] or [B, *neurons] into one dimension of bins before the neurons'."""
    leading = min(1 + over_time, max(spikes.dim() - 1, 0))  # an input may be without a batch
    shape = (-1, *spikes.shape[leading:])
    return spikes.reshape(shape), None if margins is None else margins.reshape(shape)
