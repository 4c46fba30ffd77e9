"""What a network computes while it runs: operations of its weights and of its neurons, and their energy."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..dynamics import Dynamics, HardReset, LinearSystem, StateSpace
from ..neurons import Neuron
from ..scan import scan
from ..synapses import AxonalLinear, DelayedLinear, DendriticLinear
from ..tables import table

PICOJOULES_PER_MAC = 4.6
"""Of a multiplication and an addition in float32, 45 nm CMOS (Horowitz, ISSCC 2014)."""

PICOJOULES_PER_AC = 0.9
"""Of an addition alone (the same)."""

LINEAR = (nn.Linear, DelayedLinear, AxonalLinear, DendriticLinear)
CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
LOOK_UPS = (nn.Embedding,)  # they compute nothing


class Operations(NamedTuple):
    """Numbers of operations.

    Attributes:
        macs: Multiplications, each with an addition.
        acs: Additions alone: of a weight for an input that is 1 or -1, or of what a spike takes off a state.
        dense: What it would be if nothing were zero.
    """

    macs: float
    acs: float
    dense: float

    @property
    def energy(self) -> float:
        """Energy in joules at 4.6 pJ a MAC and 0.9 pJ an AC: of the arithmetic alone, without memory."""
        return 1e-12 * (PICOJOULES_PER_MAC * self.macs + PICOJOULES_PER_AC * self.acs)

    def __truediv__(self, samples: float) -> Operations:
        return Operations(*(value / samples for value in self))


class OperationCount:
    """Count what a network computes while the context is open, layer by layer.

    Weights count for every input that is not zero and every weight that is not: as ACs where all inputs of a call are
    0, 1 or -1, else as MACs (as NeuroBench does). Linear layers and convolutions of PyTorch are known, and those of
    :mod:`silif_plugins.synapses`. Biases, delays and normalisations, which can be folded into weights, do not count.
    Neurons of this package, in any host, count a MAC per step for every coefficient of A, B and C that is not zero, and
    an AC per spike for every one of R; recurrent weights of SpArchNet an AC for every spike that passes. What has
    weights or states that are not known, as other libraries' neurons, is listed in ``unknown``: its operations are
    missing.

    Args:
        net: The network, in the mode in which it is to be counted: dropout makes spikes numbers other than 1.

    Attributes:
        layers: Operations by the name of the layer.
        unknown: Names of the modules that could not be counted, with their class.

    Examples:
        >>> net = nn.Sequential(nn.Linear(10, 5, bias=False))
        >>> with OperationCount(net) as count:
        ...     _ = net(torch.eye(10))
        >>> count.total
        Operations(macs=0.0, acs=50.0, dense=500.0)
        >>> count.total / 10          # for a sample
        Operations(macs=0.0, acs=5.0, dense=50.0)
        >>> print(count.summary(samples=10))
        layer  MACs  ACs  dense  energy [nJ]
        0      0     5    50     0.0045
        total  0     5    50     0.0045
    """

    def __init__(self, net: nn.Module) -> None:
        self.layers: dict[str, Operations] = {}
        self.unknown: dict[str, str] = {}
        self._net = net
        self._handles: list[Any] = []
        self._counting = False

    def __enter__(self) -> OperationCount:
        known: set[nn.Module] = set()
        for name, module in self._net.named_modules():
            if module in known:
                continue
            if isinstance(module, LINEAR + CONVOLUTIONS + LOOK_UPS):
                known |= set(module.modules())
                if not isinstance(module, LOOK_UPS):
                    self._hook(name, module, self._of_weights)
            elif isinstance(getattr(module, "neuron", None), Neuron) and isinstance(
                getattr(module, "current", None), nn.Module
            ):
                known |= {module, module.neuron}
                self._hook(name, module.current, self._of_layer(module))
            elif (dynamics := _dynamics_of(module)) is not None:
                known |= set(module.modules())
                self._hook(name, module, self._of_neurons(dynamics))
        for name, module in self._net.named_modules():
            weights = any(p.dim() > 1 for p in module.parameters(recurse=False))
            foreign = not any(module.children()) and not type(module).__module__.startswith("torch.nn.")
            if module not in known and (weights or foreign):
                self.unknown[name] = type(module).__name__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def total(self) -> Operations:
        """The sum of all layers."""
        return Operations(*(sum(values) for values in zip(*self.layers.values(), (0.0, 0.0, 0.0), strict=True)))

    def summary(self, samples: int = 1) -> str:
        """Return a table of the layers, the mean of so many samples; what is missing is named below."""
        rows: list[tuple[str, ...]] = [("layer", "MACs", "ACs", "dense", "energy [nJ]")]
        for name, each in (*self.layers.items(), ("total", self.total)):
            mean = each / samples
            rows.append(
                (name or "net", *(f"{value:,.0f}" for value in mean), f"{float(f'{1e9 * mean.energy:.3g}'):,g}")
            )
        missing = "".join(f"\nnot counted: {name} ({kind})" for name, kind in self.unknown.items())
        return table(rows) + missing

    def _hook(self, name: str, module: nn.Module, count: Any) -> None:
        def look(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
            if self._counting:  # a convolution runs again to be counted
                return
            self._counting = True
            try:
                with torch.no_grad():
                    found = count(module, args[0] if args else next(iter(options.values())), output)
            finally:
                self._counting = False
            if found is None:
                self.unknown[name] = type(module).__name__
                return
            before = self.layers.get(name, Operations(0.0, 0.0, 0.0))
            self.layers[name] = Operations(*(a + b for a, b in zip(before, found, strict=True)))

        self._handles.append(module.register_forward_hook(look, with_kwargs=True))

    def _of_weights(self, module: nn.Module, inputs: Tensor, output: Tensor) -> Operations:
        weight = module.weight
        assert isinstance(weight, Tensor)
        if isinstance(module, LINEAR):
            visited = float(_visits(inputs.flatten(0, -2) if inputs.dim() > 1 else inputs[None], weight.t()))
            dense = inputs.numel() * weight.shape[0]
        else:
            parameters = {"weight": (weight != 0).double()}
            if getattr(module, "bias", None) is not None:
                parameters["bias"] = weight.new_zeros(module.bias.shape, dtype=torch.float64)  # type: ignore[arg-type]
            run = torch.func.functional_call
            visited = float(run(module, parameters, ((inputs != 0).double(),)).sum())
            parameters["weight"] = torch.ones_like(weight, dtype=torch.float64)
            dense = int(run(module, parameters, (torch.ones_like(inputs, dtype=torch.float64),)).sum())
        return Operations(0.0, visited, dense) if _is_binary(inputs) else Operations(visited, 0.0, dense)

    def _of_neurons(self, dynamics: Any) -> Any:
        def count(module: nn.Module, current: Tensor, output: Any) -> Operations | None:
            return _of_states(dynamics(), current, output[0] if isinstance(output, tuple) else output)

        return count

    def _of_layer(self, layer: Any) -> Any:
        """Of neurons that get currents from ``layer.current`` and that nothing calls as a module: they run again."""

        def count(module: nn.Module, inputs: Tensor, current: Tensor) -> Operations | None:
            dynamics = layer.dynamics() if hasattr(layer, "dynamics") else layer.neuron.dynamics()
            recurrent = layer.recurrent_weights() if hasattr(layer, "recurrent_weights") else None
            synapses = None if recurrent is None else len(recurrent) - 1
            if (delayed := getattr(layer, "delayed", None)) is not None:
                spikes, recurrent = layer.delayed_spikes(current), delayed.weight.t()
                synapses = len(recurrent)
            else:
                surrogate = getattr(layer, "surrogate", None)
                spikes, _ = scan(dynamics, current, surrogate=surrogate, recurrent=recurrent)
            found = _of_states(dynamics, current, spikes)
            if found is None or recurrent is None or synapses is None:
                return found
            visited, dense = float(_visits(spikes.flatten(0, 1), recurrent)), spikes.numel() * synapses
            return Operations(found.macs, found.acs + visited, found.dense + dense)

        return count


def _dynamics_of(module: Any) -> Any:
    """Return what gives a module's dynamics, if it is called with currents and returns spikes; else None."""
    if isinstance(getattr(module, "recurrent_weights", None), Tensor):  # its weights are within: it gets no currents
        return None
    if callable(getattr(module, "dynamics", None)):
        return module.dynamics
    p = getattr(module, "p", None)
    if callable(own := getattr(p, "dynamics", None)):
        return own
    of_parameters = getattr(p, "state_space", None)
    return None if of_parameters is None else lambda: of_parameters(module.dt)


def _of_states(dynamics: Dynamics[Any], current: Tensor, spikes: Tensor) -> Operations | None:
    space = dynamics.space if isinstance(dynamics, HardReset) else dynamics
    updated: tuple[Tensor, ...]
    spent: tuple[Tensor, ...]
    if isinstance(space, StateSpace):
        updated, spent = space[:6], space[6:8]
    elif isinstance(space, LinearSystem):
        *others, _ = space.coefficients()  # A, B, R and C
        states = space.states
        updated, spent = (*others[: -2 * states], *others[-states:]), tuple(others[-2 * states : -states])
    else:
        return None
    size = space.shape.numel()
    steps = current.numel() // size
    updates, resets = (
        (torch.stack([field.expand(space.shape).flatten() for field in fields]) != 0).sum(0).double()
        for fields in (updated, spent)
    )
    fired = float((spikes.reshape(-1, size) != 0).sum(0).double() @ resets)
    computed, dense = float(steps * updates.sum()), float(steps * size * (len(updated) + len(spent)))
    if isinstance(dynamics, HardReset) or getattr(space, "proportional", False):  # R times what is there
        return Operations(computed + fired, 0.0, dense)
    return Operations(computed, fired, dense)


def _visits(rows: Tensor, weight: Tensor) -> Tensor:
    """How often an input that is not zero, [rows, inputs], meets a weight that is not, [inputs, outputs]."""
    return (rows != 0).sum(0).double() @ (weight != 0).sum(1).double()


def _is_binary(inputs: Tensor) -> bool:
    """Whether all numbers are 0, 1 or -1: their products are additions."""
    return bool((inputs.abs() * (inputs.abs() - 1) == 0).all())
