"""Between Norse's parameters, whose timestep is relative to a module's dt, and the core's, where it is absolute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..dynamics import StateSpace
from ..neurons import Neuron

N = TypeVar("N", bound=Neuron)

CORE_NAMES = {"log_relative_dt": "log_dt"}
"""Fields that the core calls otherwise: there the timestep is absolute."""


class Place(NamedTuple):
    """What one of Norse's neurons was, for those who take its place; tensors broadcast to its population.

    Attributes:
        dt: Timestep in seconds.
        rate: Rate at which the membrane decays in 1/s.
        leak: Share of the membrane that leaks in a step.
        gain: What a unit of current brings the potential to, if it lasts.
        reset: What a spike takes from the potential.
        adaptation: The jump of an adaptation by a spike, and its rate in 1/s; None without one.
        size: The population, if its parameters differ between neurons, else ().
    """

    dt: float
    rate: Tensor
    leak: Tensor
    gain: Tensor
    reset: Tensor
    adaptation: tuple[Tensor, Tensor] | None
    size: tuple[int, ...]


def absolute_log_dt(log_relative_dt: Tensor, dt: float) -> Tensor:
    """Return log Δ from log(Δ/dt), in the data type of the latter."""
    return log_relative_dt + math.log(dt)


def relative_log_dt(log_dt: Tensor, dt: float) -> Tensor:
    """Return log(Δ/dt) from log Δ, computed in float64."""
    return (log_dt.double() - math.log(dt)).to(log_dt.dtype)


def scaled(space: StateSpace, input_scale: Tensor | float, reset_scale: Tensor | float) -> StateSpace:
    """Return a state space with other units of current and spike."""
    return space._replace(b1=space.b1 * input_scale, r1=space.r1 * reset_scale, r2=space.r2 * reset_scale)


def check_unscaled(input_scale: Tensor | float, reset_scale: Tensor | float) -> None:
    """Raise if parameters have units of current or spike that a core neuron cannot hold."""
    for name, scale in (("input_scale", input_scale), ("reset_scale", reset_scale)):
        if bool((torch.as_tensor(scale) != 1).any()):
            raise ValueError(f"{name}: got {scale}; the core's neurons have no scales: they must be 1")


def values_of(neuron: Neuron, names: Sequence[str], dt: float) -> dict[str, Any]:
    """Return copies of a core neuron's parameters, with the timestep relative to dt.

    Raises:
        ValueError: If the neuron lacks a name: it is of another model, or trains raw values (``log=False``).
    """
    values = {}
    for name in names:
        core = CORE_NAMES.get(name, name)
        if not hasattr(neuron, core):
            raise ValueError(f"neuron: got {neuron}, which has no {core}; host it as it is, by NeuronLayer")
        values[name] = getattr(neuron, core).detach().clone()
    values["log_relative_dt"] = relative_log_dt(values["log_relative_dt"], dt)
    return values


def assign(neuron: N, values: dict[str, Tensor], dt: float) -> N:
    """Give a core neuron these values, with the timestep relative to dt, and their data type and device."""
    values = {name: torch.as_tensor(value).detach() for name, value in values.items()}
    values["log_dt"] = absolute_log_dt(values.pop("log_relative_dt"), dt)
    neuron = neuron.to(values["log_dt"])
    with torch.no_grad():
        for name, value in values.items():
            getattr(neuron, name).copy_(value)
    return neuron


def population(fields: Sequence[Tensor | float]) -> tuple[int, ...]:
    """Return the population that fields broadcast to; (1,) for values shared by all neurons."""
    return tuple(torch.broadcast_shapes(*(torch.as_tensor(field).shape for field in fields))) or (1,)
