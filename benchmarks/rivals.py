"""Layers of neurons, ours and others', as functions that run forward and backward once.

Every rival runs as its library offers it, and, where it takes ``x[t]`` in a loop, in a fair version too: backward
of ``x[t]`` fills a zero tensor of the whole sequence at every step, which ``x.unbind()`` avoids.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import CSiLIF, Neuron, SiLIF
from silif_plugins.scan import scan
from silif_plugins.surrogate import ATan, Boxcar

Layer = Callable[[Tensor], Tensor]


class Unbound:
    """A batch-first tensor whose ``x[:, t, :]`` has been taken apart before: a loop over it becomes a fair one."""

    def __init__(self, x: Tensor) -> None:
        self.shape, self.device, self.steps = x.shape, x.device, x.unbind(1)

    def __getitem__(self, index: tuple[slice, int, slice]) -> Tensor:
        return self.steps[index[1]]


@cache
def official_code() -> ModuleType | None:
    """The published code (SSM-inspired-LIF), where SILIF_OFFICIAL names a clone of it."""
    folder = os.environ.get("SILIF_OFFICIAL")
    if not folder or not (Path(folder) / "models" / "snns.py").is_file():
        return None
    sys.path.insert(0, folder)
    try:
        from models import snns
    finally:
        sys.path.remove(folder)
    return snns


def ours(model: type[Neuron], neurons: int, **options: Any) -> Layer:
    neuron = model(neurons)
    return lambda x: scan(neuron.state_space(), x, **options)[0]


def compiled_reference(neurons: int) -> Layer:
    neuron = SiLIF(neurons)
    step = torch.compile(StateSpace.step, dynamic=False)

    def run(x: Tensor) -> Tensor:
        space, spikes = neuron.state_space(), []
        state = State.zeros(tuple(x.shape[1:]))
        for now in x.unbind():
            state = step(space, now, state, Boxcar())
            spikes.append(state.spk)
        return torch.stack(spikes)

    return run


def official(name: str, neurons: int, *, unbind: bool) -> Layer:
    layer = getattr(official_code(), name)(
        1, neurons, 1, normalization="none", extra_features={"dt_min": 0.01, "dt_max": 0.5}
    )
    loop = layer._rf_cell if hasattr(layer, "_rf_cell") else layer._lif_cell
    return lambda x: loop(Unbound(x.transpose(0, 1)) if unbind else x.transpose(0, 1))


def snntorch(name: str, neurons: int, *, unbind: bool) -> Layer:
    import snntorch as snn

    decays = {name: torch.full((neurons,), 0.9) for name in (["alpha", "beta"] if name == "Synaptic" else ["beta"])}
    learn = {f"learn_{name}": True for name in decays}
    layer = getattr(snn, name)(**decays, **learn, reset_mechanism="subtract")

    def run(x: Tensor) -> Tensor:
        state = layer.reset_mem()
        state = state if isinstance(state, tuple) else (state,)
        spikes = []
        for t, now in enumerate(x.unbind() if unbind else x):
            spk, *state = layer(now if unbind else x[t], *state)
            spikes.append(spk)
        return torch.stack(spikes)

    return run


def norse(name: str, neurons: int, *, unbind: bool) -> Layer:
    import norse.torch as norse

    if not unbind:
        layer = getattr(norse, name)()
        return lambda x: layer(x)[0]
    cell = getattr(norse, f"{name}Cell")()

    def run(x: Tensor) -> Tensor:
        state, spikes = None, []
        for now in x.unbind():
            spk, state = cell(now, state)
            spikes.append(spk)
        return torch.stack(spikes)

    return run


def spikingjelly(name: str, neurons: int) -> Layer:
    from spikingjelly.activation_based import functional, neuron

    layer = getattr(neuron, name)(step_mode="m")

    def run(x: Tensor) -> Tensor:
        functional.reset_net(layer)
        return layer(x)

    return run


def layers(neurons: int, *, compile: bool = False) -> dict[str, Callable[[], Layer]]:
    """Every contender that can run here by its name, as a function that makes it."""
    result: dict[str, Callable[[], Layer]] = {
        "SiLIF": lambda: ours(SiLIF, neurons),
        "C-SiLIF": lambda: ours(CSiLIF, neurons),
        "SiLIF, atan": lambda: ours(SiLIF, neurons, surrogate="atan"),
        "SiLIF, callable": lambda: ours(SiLIF, neurons, surrogate=lambda x: ATan()(x)),
        "SiLIF, reference": lambda: ours(SiLIF, neurons, backend="reference"),
    }
    if compile:
        result["SiLIF, reference, torch.compile"] = lambda: compiled_reference(neurons)
    if official_code():
        for name in ("SiLIFLayer", "CSiLIFLayer"):
            result[f"official {name}, unbind"] = lambda name=name: official(name, neurons, unbind=True)
            result[f"official {name}"] = lambda name=name: official(name, neurons, unbind=False)
    if find_spec("snntorch"):
        for name in ("Leaky", "Synaptic"):
            result[f"snn.{name}, unbind"] = lambda name=name: snntorch(name, neurons, unbind=True)
            result[f"snn.{name}, x[t]"] = lambda name=name: snntorch(name, neurons, unbind=False)
    if find_spec("norse"):
        for name in ("LIF", "LSNN"):
            result[f"norse {name}, unbind"] = lambda name=name: norse(name, neurons, unbind=True)
            result[f"norse {name}"] = lambda name=name: norse(name, neurons, unbind=False)
    if find_spec("spikingjelly"):
        for name in ("LIFNode", "ParametricLIFNode"):
            result[f"spikingjelly {name}"] = lambda name=name: spikingjelly(name, neurons)
    return result


QUADRATIC = (
    "official SiLIFLayer",
    "official CSiLIFLayer",
    "snn.Leaky, x[t]",
    "snn.Synaptic, x[t]",
    "norse LIF",
    "norse LSNN",
)
"""Those whose time grows with the square of the number of steps."""


def training_step(layer: Layer, x: Tensor) -> Callable[[], None]:
    """Forward and backward of a layer, with a gradient for its input."""
    x = x.clone().requires_grad_()
    weight = torch.randn_like(x)

    def run() -> None:
        x.grad = None
        spikes = layer(x)
        spikes.backward(weight if spikes.shape == weight.shape else weight.transpose(0, 1))

    return run
