"""Networks of Norse with this package's neurons to NIR, the exchange format, and back."""

from __future__ import annotations

import importlib
import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..dynamics import StateSpace
from ..exchange import (
    THRESHOLD,
    Connection,
    FixedNeuron,
    Population,
    Record,
    Restored,
    connection_graph,
    connection_of,
    delay_node,
    delays_of,
    graph_of,
    is_population,
    load,
    metadata_of,
    restore,
    timestep_of,
    with_modules,
)
from ..exchange import node_map as nodes
from ..neurons import NEURONS, Neuron
from ..optional import require
from ..surrogate import Boxcar, FastSigmoid, SpikeFunction, name_of, named
from ..synapses import AxonalDelay, StatefulDelay
from . import _norse_nir
from .conversion import CORE_NAMES, population
from .functional import NORSE_DT, motion
from .hosting import NeuronCell, NeuronParameters, NeuronRecurrentCell
from .modules import Layer, Parametrised, Recurrence, RecurrentLayer
from .parameters import BOXCAR, SETTINGS, SUPER, Method, spike_function
from .surrogates import NorseMethod

ABSOLUTE = 1.0
"""The ``dt`` of a module whose neurons have timesteps of their own in seconds: log_relative_dt is then log Δ."""


def to_nir(module: nn.Module, sample_data: Tensor | None = None, *, type_check: bool = True) -> Any:
    """Convert a network to NIR: Norse's mapping, and ours for the neurons of this package.

    A population becomes a subgraph of NIR's own primitives, which other simulators can run (see
    :mod:`silif_plugins.exchange.nir_graph`). With it goes the record of its neuron, for every model of
    :data:`silif_plugins.neurons.NEURONS`, from which :func:`from_nir`, and that of the snnTorch plugin, restore it
    exactly: parameters, what trains, surrogate. NIR has no time axis: a layer becomes what its cell becomes, and
    ``Lift`` of a stateless module becomes the module. Norse maps some of its cells and none of its layers.

    Args:
        module: The network, or one module of neurons.
        sample_data: An input, [B, inputs] for cells or [T, B, inputs] for layers: it tells the size of populations
            whose neurons share their parameters, and is needed for them alone.
        type_check: Whether NIR checks that the shapes of connected nodes fit.

    Returns:
        A ``nir.NIRGraph``; ``nir.write`` saves it.

    Warns:
        UserWarning: If a surrogate is a function of one's own, which a file cannot hold.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If the size of a population is not known, or a module has no counterpart in NIR.

    Examples:
        >>> import norse.torch as snn
        >>> from silif_plugins.norse import SiLIFCell, SiLIFParameters
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
        if isinstance(inner, StatefulDelay):
            if isinstance(inner.connection, Connection):
                return connection_graph(inner.connection, NORSE_DT)
            if isinstance(inner.connection, AxonalDelay):
                return delay_node(inner.connection, NORSE_DT)
            raise ValueError(
                f"module: got a {type(inner.connection).__name__}, which has no counterpart in NIR; an AxonalDelay "
                "before a layer has"
            )
        if isinstance(inner, lift):
            return convert(inner.lifted_module)
        if type(inner) not in exporters:
            raise ValueError(f"module: got a {type(inner).__name__}, which has no counterpart in NIR")
        return _norse_nir.with_arrays(exporters[type(inner)](inner), sizes.get(inner))

    # Modules without children too, so that convert can refuse what NIR does not have.
    whole = (Parametrised, StatefulDelay)
    found = {type(inner) for inner in module.modules() if isinstance(inner, whole) or not any(inner.children())}
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

    Neurons of every model of :data:`silif_plugins.neurons.NEURONS` come back as they were, with the parameters they
    had, whichever host wrote them: SiLIF and C-SiLIF as their cells, unless their layer had what those lack, such as a
    trained threshold that the reset follows; the others as the cell of their name, or a ``NeuronCell``. Where nodes
    were changed since, and for neurons of any other model, the nodes count: they come back as a ``NeuronCell`` of the
    same spikes whose coefficients do not train, and a warning says so.

    Args:
        graph: A ``nir.NIRGraph``, such as ``nir.read`` returns, or the path of a file.
        ignore_warnings: As in Norse's ``from_nir``.
        reset_method: As in Norse's ``from_nir``; Norse's default for None.
        dt: Timestep in seconds of Norse's own cells. Ours keep the one they were exported with; those of snnTorch have
            none and come with ``dt=1``, for which ``log_relative_dt`` is the absolute log Δ, bit for bit.
        dtype: Data type of the network; PyTorch's default by default.

    Returns:
        A module with ``forward(input, state=None) -> (output, state)``; the state is a dict, changed in place.
        ``norse.torch.Lift`` runs it over a sequence. For the graph of a single population, its cell.

    Warns:
        UserWarning: If a population comes back as its coefficients; the message says which and why.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If Norse has no counterpart for a node, or a file, a node or a record is damaged or of a newer
            version; the message names it.
    """
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    graph, where = load(graph)
    if is_population(graph):
        return restore(graph, _module_of, where).to(dtype)
    if (connection := connection_of(graph, where or "graph")) is not None:
        return StatefulDelay(connection).to(dtype)
    graph = with_modules(graph, _module_of, StatefulDelay, where)
    options: dict[str, Any] = {"ignore_warnings": ignore_warnings, "dt": dt}
    if reset_method is not None:
        options["reset_method"] = reset_method
    step = timestep_of(graph)
    node_map = {**nodes(step), **_norse_nir.importers(**options)}
    node_map[Restored] = lambda node: node.module
    node_map[require("nir", extra="nir", purpose="The exchange of networks").Delay] = lambda node: StatefulDelay(
        delays_of(node, dt if step is None else step)
    )
    network: nn.Module = nirtorch.nir_to_torch(graph, node_map, dtype=dtype)
    return network


def _graph_of_module(module: Any, shape: torch.Size | None) -> Any:
    """Return the subgraph of one of our modules; ``shape`` is that of its population, where a sample told it."""
    space = motion(module.p, module.dt)
    if not isinstance(space, StateSpace):
        mechanism = module.p.reset_mechanism
        if mechanism == "zero":
            raise ValueError(f"reset_mechanism={mechanism!r}: a neuron with it has no counterpart in NIR")
        raise ValueError(f"neuron: {type(module.p.neuron).__name__} is no system of two states; NIR has no other")
    weights: list[Tensor] = []
    if isinstance(module, Recurrence):
        weights = [module.input_weights, module.synapses]
        shape = weights[0].shape[:1]
    shape = space.shape if shape is None else shape
    if not shape:
        raise ValueError(f"sample_data: needed for the size of the population of {module}")
    space = StateSpace(*(field.expand(shape) for field in space))
    # Neurons with timesteps of their own do not tell what a step lasts: the graph's time then counts Norse's default.
    dt = NORSE_DT if math.isnan(module.dt) or module.dt == ABSOLUTE else module.dt
    record = _record_of(module)
    return graph_of(Population(space, *weights), dt, {} if record is None else metadata_of(record))


def _record_of(module: Any) -> Record | None:
    """Return the record of a module's neuron, None if it is of no model of the registry."""
    p = module.p
    resets = p.reset_mechanism != "none"
    options = {
        "surrogate": _surrogate_of(module),
        "detach_reset": p.detach_reset,
        "autapses": getattr(module, "autapses", True),
    }
    if isinstance(p, NeuronParameters):
        record = Record.of(p.neuron, **options)
        return record if record is None else replace(record, resets=record.resets and resets)
    model = next((name for name, core in NEURONS.items() if type(p) is _cells_of(core)[0].parameters_type), None)
    if model is None:
        return None
    names = {field: CORE_NAMES.get(field, field) for field in p._fields if field not in SETTINGS} | {"v_th": THRESHOLD}
    tensors = {
        field: torch.as_tensor(value).detach().cpu().clone()
        for field, value in p._asdict().items()
        if isinstance(value, Tensor)
    }
    return Record(
        model=model,
        size=population(list(tensors.values())),
        values={names[field]: value for field, value in tensors.items() if field not in SETTINGS},
        trained=frozenset(names[field] for field in names if field in module._parameters),
        timestep=module.dt,
        threshold=tensors["v_th"],
        input_scale=tensors["input_scale"],
        reset_scale=tensors["reset_scale"],
        resets=resets,
        **options,
    )


def _module_of(held: Population, record: Record | None, where: str) -> nn.Module:
    """Return the cell of a population, from its record if there is one."""
    weights: dict[str, Any] = {}
    sizes: tuple[int, ...] = ()
    if held.input_weights is not None:
        sizes = tuple(held.input_weights.shape)
        weights = {"input_weights": held.input_weights, "recurrent_weights": held.recurrent_weights}
        weights["autapses"] = record is None or record.autapses
    if record is None:
        return _hosted(FixedNeuron(held.space), sizes, weights)
    try:
        method, alpha = _method_of(record)
    except ValueError as error:
        raise ValueError(f"{where}: the record of its neuron, {error}") from error
    cell, recurrent_cell = _cells_of(NEURONS[record.model])
    parameters = cell.parameters_type
    if parameters is NeuronParameters or record.settings or not record.has_own_reset:
        hosted = _hosted(record.layer_neuron(), sizes, weights)
        hosted.p = hosted.p._replace(method=method, alpha=alpha, detach_reset=record.detach_reset)
        return hosted
    fields = {core: field for field, core in CORE_NAMES.items()} | {THRESHOLD: "v_th"}
    p = parameters(
        **{fields.get(name, name): value for name, value in record.values.items()},
        v_th=record.threshold,
        input_scale=record.input_scale,
        reset_scale=record.reset_scale,
        method=method,
        alpha=alpha,
        detach_reset=record.detach_reset,
        reset_mechanism="subtract" if record.resets else "none",
    )
    options = {"dt": record.timestep, "learn": [fields.get(name, name) for name in record.trained]}
    made: nn.Module = recurrent_cell(sizes[1], sizes[0], p, **options, **weights) if sizes else cell(p, **options)
    return made


def _hosted(neuron: Neuron, sizes: tuple[int, ...], weights: dict[str, Any]) -> Any:
    """Return the cell that hosts a neuron, of its name if there is one.

    Args:
        neuron: The neuron.
        sizes: Those of the input weights of a recurrent population.
        weights: Its weights.
    """
    generic = NeuronRecurrentCell if sizes else NeuronCell
    named_cell = _cells_of(type(neuron))[bool(sizes)]
    kind = named_cell if issubclass(named_cell, generic) else generic
    cell = kind.__new__(kind)  # the constructor of a name draws a start, and adds nothing else
    if sizes:
        NeuronRecurrentCell.__init__(cell, sizes[1], neuron, **weights)
    else:
        NeuronCell.__init__(cell, neuron)
    return cell


def _cells_of(model: type[Neuron]) -> tuple[Any, Any]:
    """Return the cell and the recurrent cell that are named as a model of the core is, or those that host any."""
    package = importlib.import_module(__package__)
    name = model.__name__
    return getattr(package, f"{name}Cell", NeuronCell), getattr(package, f"{name}RecurrentCell", NeuronRecurrentCell)


def _surrogate_of(module: Any) -> tuple[str, dict[str, float]] | None:
    """Return the name and fields of a module's surrogate; warn if it has none."""
    found = name_of(module.surrogate)
    if found is None:
        warnings.warn(
            f"method: {module.p.method!r} has no name, so that a file cannot hold it; readers take their default. "
            "register_surrogate() gives it one",
            UserWarning,
            stacklevel=2,
        )
    return found


def _method_of(record: Record) -> tuple[Method, float | None]:
    """Return ``method`` and ``alpha`` for the surrogate of a record, as short as they can be said."""
    if record.surrogate is None:
        return SUPER, None
    name, arguments = record.surrogate
    surrogate = named(name, **arguments)
    method, alpha = _as_norse(surrogate)
    if not isinstance(method, str) or spike_function(method, alpha) != surrogate:
        return surrogate, None
    return method, None if spike_function(method) == surrogate else alpha


def _as_norse(surrogate: SpikeFunction) -> tuple[Method, float | None]:
    if isinstance(surrogate, FastSigmoid):
        return SUPER, surrogate.slope
    if isinstance(surrogate, Boxcar):
        return BOXCAR, 0.5 / surrogate.half_width
    return (surrogate.method, surrogate.alpha) if isinstance(surrogate, NorseMethod) else (surrogate, None)


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
