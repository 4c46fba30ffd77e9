"""Networks of Norse with this package's neurons to NIR, the exchange format, and back."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..neurons import StateSpace
from ..nir_graph import FixedNeuron, Population, graph_of, is_population, population_of
from ..optional import require
from . import _norse_nir
from .csilif import CSiLIFCell, CSiLIFParameters, CSiLIFRecurrentCell
from .functional import NORSE_DT
from .hosting import NeuronCell, NeuronRecurrentCell
from .modules import Layer, Parametrised, Recurrence, RecurrentLayer
from .silif import SiLIFCell, SiLIFParameters, SiLIFRecurrentCell

MODELS: dict[str, tuple[Any, Any, Any]] = {
    "SiLIF": (SiLIFParameters, SiLIFCell, SiLIFRecurrentCell),
    "CSiLIF": (CSiLIFParameters, CSiLIFCell, CSiLIFRecurrentCell),
}
"""Models whose parameters are kept with the graph: their tuple, their cell, their recurrent cell."""


def to_nir(module: nn.Module, sample_data: Tensor | None = None, *, type_check: bool = True) -> Any:
    """Convert a network to NIR: Norse's mapping, and ours for the neurons of this package.

    A population becomes a subgraph of NIR's own primitives, which other simulators can run (see
    :mod:`silif_plugins.nir_graph`); with it go the parameters of SiLIF and C-SiLIF neurons, from which
    :func:`from_nir` restores them exactly. NIR has no time axis: a layer becomes what its cell becomes, and ``Lift``
    of a stateless module becomes the module. Norse maps some of its cells and none of its layers. A surrogate that is
    a callable is not kept: the default takes its place.

    Args:
        module: The network, or one module of neurons.
        sample_data: An input, [B, inputs] for cells or [T, B, inputs] for layers: it tells the size of populations
            whose neurons share their parameters, and is needed for them alone.
        type_check: Whether NIR checks that the shapes of connected nodes fit.

    Returns:
        A ``nir.NIRGraph``; ``nir.write`` saves it.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If the size of a population is not known, or a module has no counterpart in NIR.

    Examples:
        >>> import norse.torch as snn
        >>> network = snn.SequentialState(torch.nn.Linear(3, 4), SiLIFCell(SiLIFParameters.sample(4)))
        >>> restored = from_nir(to_nir(network))
        >>> x = 10 * torch.rand(20, 2, 3)   # [T, B, inputs]
        >>> torch.equal(snn.Lift(restored)(x)[0], snn.Lift(network)(x)[0])
        True
    """
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    lift = require("norse.torch", extra="norse", purpose="silif_plugins.norse").Lift
    sizes = _sizes(module, sample_data)
    exporters = _norse_nir.exporters()

    def convert(inner: nn.Module) -> Any:
        if isinstance(inner, Parametrised):
            return _graph_of_module(inner, sizes.get(inner))
        if isinstance(inner, lift):
            return convert(inner.lifted_module)
        if type(inner) not in exporters:
            raise ValueError(f"module: got a {type(inner).__name__}, which has no counterpart in NIR")
        return _norse_nir.with_arrays(exporters[type(inner)](inner), sizes.get(inner))

    # Modules without children too, so that convert can refuse what NIR does not have.
    found = {type(inner) for inner in module.modules() if isinstance(inner, Parametrised) or not any(inner.children())}
    kinds = {*exporters, *found, lift}
    return nirtorch.torch_to_nir(
        module,
        dict.fromkeys(kinds, convert),
        default_dict=None,
        type_check=type_check,
        stateful_modules=set(filter(_takes_state, kinds)),
        concrete_args={"state": None} if _takes_state(module) else None,
    )


def from_nir(
    graph: Any,
    ignore_warnings: bool = False,
    reset_method: Callable[..., Tensor] | None = None,
    dt: float = 0.001,
    *,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """Convert a NIR graph to a network that does one step: Norse's mapping, and ours for :func:`to_nir`'s subgraphs.

    SiLIF and C-SiLIF come back as their cells with the parameters they had. Where nodes were changed since, and for
    neurons of any other model, the nodes count: they come back as a ``NeuronCell`` of the same spikes whose
    coefficients do not train.

    Args:
        graph: A ``nir.NIRGraph``, such as ``nir.read`` returns.
        ignore_warnings: As in Norse's ``from_nir``.
        reset_method: As in Norse's ``from_nir``; Norse's default for None.
        dt: Timestep in seconds of Norse's own cells. Ours keep the one they were exported with.
        dtype: Data type of the network; PyTorch's default by default.

    Returns:
        A module with ``forward(input, state=None) -> (output, state)``; the state is a dict, changed in place.
        ``norse.torch.Lift`` runs it over a sequence. For the graph of a single population, its cell.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If Norse has no counterpart for a node.
    """
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if is_population(graph):
        return _module_of_graph(graph).to(dtype)
    graph = _with_modules(graph)
    options: dict[str, Any] = {"ignore_warnings": ignore_warnings, "dt": dt}
    if reset_method is not None:
        options["reset_method"] = reset_method
    node_map = _norse_nir.importers(**options)
    node_map[_Restored] = lambda node: node.module
    network: nn.Module = nirtorch.nir_to_torch(graph, node_map, dtype=dtype)
    return network


@dataclass
class _Restored:
    """What takes the place of a subgraph that nirtorch would take apart."""

    module: nn.Module


def _with_modules(graph: Any) -> Any:
    """Return a graph whose populations, at any depth, are replaced by their modules."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nodes = {}
    for name, node in graph.nodes.items():
        if is_population(node):
            node = _Restored(_module_of_graph(node))
        elif isinstance(node, nir.NIRGraph):
            node = _with_modules(node)
        nodes[name] = node
    return nir.NIRGraph(nodes=nodes, edges=graph.edges, type_check=False)


def _graph_of_module(module: Any, shape: torch.Size | None) -> Any:
    """Return the subgraph of one of our modules; ``shape`` is that of its population, where a sample told it."""
    space = module.p.state_space(module.dt)
    weights: list[Tensor] = []
    if isinstance(module, Recurrence):
        weights = [module.input_weights, module.synapses]
        shape = weights[0].shape[:1]
    shape = space.shape if shape is None else shape
    if not shape:
        raise ValueError(f"sample_data: needed for the size of the population of {module}")
    space = StateSpace(*(field.expand(shape) for field in space))
    # A hosted neuron has its own timesteps; the graph's time then counts steps of Norse's default.
    dt = NORSE_DT if math.isnan(module.dt) else module.dt
    return graph_of(Population(space, *weights), dt, _metadata(module))


def _metadata(module: Any) -> dict[str, Any]:
    p = module.p
    model = next((name for name, (parameters, *_) in MODELS.items() if isinstance(p, parameters)), None)
    if model is None:
        return {}
    trained = ",".join(name for name in p._fields if name in module._parameters)
    kept: dict[str, Any] = {"norse": model, "dt": module.dt, "learn": trained}
    if isinstance(module, Recurrence):
        kept["autapses"] = module.autapses
    for name, value in p._asdict().items():
        if isinstance(value, Tensor):
            # Files cannot hold compressed arrays without a dimension.
            kept[name] = value.detach().cpu().double().numpy() if value.dim() else value.item()
        elif value is not None and not callable(value):
            kept[name] = value
    return kept


def _module_of_graph(graph: Any) -> nn.Module:
    """Return the cell of a subgraph, from the parameters kept with it if they still say what its nodes do."""
    population = population_of(graph)
    sizes: tuple[int, ...] = ()
    weights: dict[str, Any] = {}
    if population.input_weights is not None:
        sizes = tuple(population.input_weights.shape)
        weights = {"input_weights": population.input_weights, "recurrent_weights": population.recurrent_weights}
    if (kept := graph.metadata).get("norse") in MODELS:
        parameters, cell, recurrent_cell = MODELS[kept["norse"]]
        values = {name: kept[name] for name in parameters._fields if name in kept}
        settings = ("method", "alpha", "detach_reset")
        values = {name: v if name in settings else torch.as_tensor(v) for name, v in values.items()}
        options = {"dt": float(kept["dt"]), "learn": [name for name in kept["learn"].split(",") if name]}
        p = parameters(**values)
        if _close(p.state_space(options["dt"]), population.space):
            if not sizes:
                return cell(p, **options)
            return recurrent_cell(sizes[1], sizes[0], p, **options, **weights, autapses=bool(kept["autapses"]))
    neuron = FixedNeuron(population.space)
    return NeuronRecurrentCell(sizes[1], neuron, **weights, autapses=True) if sizes else NeuronCell(neuron)


def _close(ours: StateSpace, held: StateSpace) -> bool:
    """Whether coefficients agree to single precision, in which they may have been computed."""
    return all(
        torch.allclose(a.double().expand(b.shape), b, rtol=1e-5, atol=1e-6) for a, b in zip(ours, held, strict=True)
    )


def _sizes(module: nn.Module, sample_data: Tensor | None) -> dict[nn.Module, torch.Size]:
    """Return the shape of every population, from one run on a sample."""
    sizes: dict[nn.Module, torch.Size] = {}
    if sample_data is None:
        return sizes

    def note(inner: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        leading = 2 if isinstance(inner, (Layer, RecurrentLayer)) else 1
        sizes[inner] = inputs[0].shape[leading:]

    kinds: tuple[type[nn.Module], ...] = (Parametrised, *_norse_nir.neurons())
    handles = [inner.register_forward_hook(note) for inner in module.modules() if isinstance(inner, kinds)]
    try:
        with torch.no_grad():
            module(sample_data)
    finally:
        for handle in handles:
            handle.remove()
    return sizes


def _takes_state(module: type[nn.Module] | nn.Module) -> bool:
    return "state" in inspect.signature(module.forward).parameters
