"""Networks of snnTorch with this package's neurons to NIR, the exchange format, and back."""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import snntorch as snn
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
    say,
    timestep_of,
    with_modules,
)
from ..exchange import node_map as nodes
from ..neurons import NEURONS, Neuron
from ..optional import require
from ..surrogate import SpikeFunction, name_of, named
from ..synapses import AxonalDelay
from .delayed import Delayed
from .evaluation import evaluation
from .recurrent import Recurrent
from .spiking import Spiking

HOST_DT = 1e-4
"""Duration of a step in seconds that snnTorch's own exporter and importer assume."""

HOST_NEURONS = (snn.Leaky, snn.Synaptic, snn.RLeaky, snn.RSynaptic)
LAYERS = (nn.Linear, nn.Conv2d, nn.AvgPool2d)
"""What snnTorch's own exporter maps, but for Flatten, whose dimensions it counts with the batch."""

ADVICE = {
    nn.BatchNorm1d: ": fold it into the layer before it (torch.nn.utils.fusion)",
    nn.BatchNorm2d: ": fold it into the layer before it (torch.nn.utils.fusion)",
    nn.Dropout: ": leave it out of the network that is exported",
}


def export_to_nir(
    module: nn.Module,
    sample_data: Tensor,
    model_name: str = "snntorch",
    model_fwd_args: Sequence[Any] = (),
    ignore_dims: Sequence[int] = (0,),
) -> Any:
    """Convert a network to NIR: snnTorch's mapping, and ours for the neurons of this package.

    Takes what ``snntorch.export_nir.export_to_nir`` takes, which for our neurons fails, and to which networks
    without them are handed on. A population becomes a subgraph of NIR's own primitives with arrays of its full size,
    which other simulators can run: see :mod:`silif_plugins.exchange.nir_graph` for the mapping. With it goes the record
    of its neuron, for every model of :data:`silif_plugins.neurons.NEURONS`, from which :func:`import_from_nir` and the
    Norse plugin restore it exactly: parameters, what trains, options, surrogate. A step lasts 0.1 ms in NIR, as
    snnTorch has it.

    Args:
        module: The network, with a ``forward`` that does one time step, or a single neuron. With
            ``sequence=True`` neurons it may run all steps.
        sample_data: An input, [B, ...]; it tells the sizes.
        model_name: As in snnTorch; for networks without our neurons.
        model_fwd_args: As in snnTorch; for networks without our neurons.
        ignore_dims: As in snnTorch; for networks without our neurons.

    Returns:
        A ``nir.NIRGraph``; ``nir.write`` saves it.

    Warns:
        UserWarning: If a surrogate is a function of one's own, which a file cannot hold.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If a module or an option of a neuron has no counterpart in NIR, or the network runs a time loop.

    Examples:
        >>> from silif_plugins.snntorch import SiLIF
        >>> net = nn.Sequential(nn.Linear(3, 4), SiLIF(4, init_hidden=True))
        >>> graph = export_to_nir(net, torch.rand(1, 3))
        >>> restored = import_from_nir(graph)
        >>> x = 10 * torch.rand(2, 3)
        >>> spk, state = restored(x)
        >>> torch.equal(spk, net(x))
        True
    """
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    if not any(isinstance(inner, Spiking) for inner in module.modules()):
        host = require("snntorch.export_nir", extra="nir", purpose="The exchange of networks")
        return host.export_to_nir(module, sample_data, model_name, list(model_fwd_args), list(ignore_dims))
    shapes = _shapes(module, sample_data)

    def convert(inner: nn.Module) -> Any:
        if inner not in shapes:
            raise ValueError(f"module: {type(inner).__name__} is in the network, but the sample does not reach it")
        return _node(inner, *shapes[inner])

    kinds = {type(inner) for inner in _leaves(module)}
    with _without_states(module):
        graph = nirtorch.torch_to_nir(
            module,
            dict.fromkeys(kinds, convert),
            default_dict=None,
            type_check=False,
            stateful_modules={kind for kind in kinds if issubclass(kind, snn.SpikingNeuron)},
        )
    if is_population(graph):
        return graph
    _name_nodes_by_their_paths(graph, module)
    if not any(end == "output" for _, end in graph.edges):
        raise ValueError("module: it returns no spikes; a population of NIR has no other output")
    graph.infer_types()
    return graph


def import_from_nir(
    graph: Any, *, spike_grad: str | SpikeFunction | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """Convert a NIR graph to a network that does one step: snnTorch's mapping, and ours for :func:`export_to_nir`'s.

    Neurons of every model of :data:`silif_plugins.neurons.NEURONS` come back as they were, with the parameters they
    had, trained or not, whichever host wrote them; a recurrent population of Norse's as a :class:`Recurrent`. Where
    nodes were changed since, for neurons of any other model, and for what snnTorch has not (parameters that several
    neurons share and train, a trained threshold that the reset does not follow), the nodes count: they come back as
    neurons of the same spikes whose coefficients do not train, and a warning says so.

    Args:
        graph: A ``nir.NIRGraph``, such as ``nir.read`` returns, or the path of a file.
        spike_grad: Surrogate of our neurons; by default the one they had, or snnTorch's atan if the graph has none.
        dtype: Data type of the network; PyTorch's default by default.

    Returns:
        A module with ``forward(input) -> (output, state)``, whose neurons keep their state themselves
        (``init_hidden=True``): :func:`reset` brings them to rest. For the graph of a single population, its neuron.

    Warns:
        UserWarning: If a population comes back as its coefficients; the message says which and why.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If snnTorch has no counterpart for a node, or a file, a node or a record is damaged or of a newer
            version; the message names it.
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    host = require("snntorch.import_nir", extra="nir", purpose="The exchange of networks")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    graph, where = load(graph)
    make = functools.partial(_module_of, spike_grad=spike_grad)
    if is_population(graph):
        return restore(graph, make, where).to(dtype)
    if (connection := connection_of(graph, where or "graph")) is not None:
        return Delayed(connection).to(dtype)

    def from_host(node: Any) -> nn.Module:
        return host._nir_to_snntorch_module(node, init_hidden=True)

    known = (nir.Affine, nir.Linear, nir.Conv2d, nir.AvgPool2d, nir.IF, nir.LIF, nir.CubaLIF)
    step = timestep_of(graph)
    node_map: dict[Any, Callable[[Any], nn.Module]] = {**nodes(step), **dict.fromkeys(known, from_host)}
    node_map[nir.Flatten] = _flatten_module
    node_map[nir.Delay] = lambda node: Delayed(delays_of(node, HOST_DT if step is None else step))
    node_map[Restored] = lambda node: node.module
    network: nn.Module = nirtorch.nir_to_torch(with_modules(graph, make, Delayed, where), node_map, dtype=dtype)
    return network


def _node(module: Any, given: torch.Size, returned: torch.Size) -> Any:
    """Return the NIR node of a module, for inputs and outputs of these shapes, without batch and time."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    if isinstance(module, Recurrent):
        return _graph_of(module.neuron, returned, module)
    if isinstance(module, Spiking):
        return _graph_of(module, returned)
    if isinstance(module, Delayed):
        if isinstance(module.connection, Connection):
            return connection_graph(module.connection, HOST_DT)
        if isinstance(module.connection, AxonalDelay):
            return delay_node(module.connection, HOST_DT)
        raise ValueError(
            f"module: got a {type(module.connection).__name__}, which has no counterpart in NIR; an AxonalDelay "
            "before a layer has"
        )
    if isinstance(module, nn.Conv2d):
        bias = torch.zeros(module.out_channels) if module.bias is None else module.bias
        padding = module.padding if isinstance(module.padding, str) else tuple(module.padding)
        return nir.Conv2d(
            tuple(given[1:]),
            _array(module.weight),
            module.stride,
            padding,
            module.dilation,
            module.groups,
            _array(bias),
        )
    if isinstance(module, nn.Flatten):
        start, end = (dim - 1 if dim > 0 else dim for dim in (module.start_dim, module.end_dim))
        return nir.Flatten({"input": np.array(given)}, start, end)
    if isinstance(module, nn.AvgPool2d):
        kernel, stride, border = (
            np.array([size, size] if isinstance(size, int) else size)
            for size in (module.kernel_size, module.stride, module.padding)
        )
        return nir.AvgPool2d(kernel, stride, border)
    if not isinstance(module, (*HOST_NEURONS, *LAYERS)):
        raise ValueError(
            f"module: got a {type(module).__name__}, which has no counterpart in NIR{ADVICE.get(type(module), '')}"
        )
    host = require("snntorch.export_nir", extra="nir", purpose="The exchange of networks")
    if isinstance(module, HOST_NEURONS):
        module = _with_full_arrays(module, returned)
    return host._extract_snntorch_module(module)


def _graph_of(neuron: Spiking, shape: torch.Size, recurrent: Recurrent | None = None) -> Any:
    refused = {
        "inhibition": neuron.inhibition,
        "state_quant": bool(neuron.state_quant),
        "reset_mechanism='zero'": neuron.reset_mechanism == "zero",
        "graded_spikes_factor": bool((neuron.graded_spikes_factor != 1).any()),
    }
    for option, is_used in refused.items():
        if is_used:
            raise ValueError(f"{option}: a neuron with it has no counterpart in NIR")
    space = StateSpace(*(field.detach().expand(shape) for field in neuron.state_space()))
    weights = () if recurrent is None else (recurrent.input_weights, recurrent.synapses)
    record = _record_of(neuron, autapses=recurrent is None or recurrent.autapses)
    return graph_of(Population(space, *weights), HOST_DT, {} if record is None else metadata_of(record))


def _record_of(neuron: Spiking, autapses: bool) -> Record | None:
    """Return the record of a layer, None if its neuron is of no model of the registry, or its class one's own."""
    inner = neuron.neuron
    if type(inner) not in NEURONS.values() or type(neuron) not in (Spiking, _class_of(inner)):
        return None
    surrogate = name_of(neuron.spike_grad)
    if surrogate is None:
        warnings.warn(
            "spike_grad: this surrogate has no name, so that a file cannot hold it; readers take their default. "
            "register_surrogate() gives it one",
            UserWarning,
            stacklevel=2,
        )
    record = Record.of(inner, surrogate=surrogate, detach_reset=neuron.detach_reset, autapses=autapses)
    assert record is not None  # for its model is of the registry
    return dataclasses.replace(
        record,
        trained=record.trained | ({THRESHOLD} if isinstance(neuron.threshold, nn.Parameter) else set()),
        threshold=neuron.threshold.detach().cpu().clone(),
        own_threshold=inner.threshold.detach().cpu().clone(),
        input_scale=neuron.input_scale.cpu().clone(),
        reset_scale=neuron.reset_scale.cpu().clone(),
        resets=neuron.reset_mechanism == "subtract",
    )


def _module_of(
    held: Population, record: Record | None, where: str, spike_grad: str | SpikeFunction | None
) -> nn.Module:
    """Return the neuron of a population, from its record if there is one that snnTorch can follow."""
    if record is not None and (shared := record.shared):
        say(where, f"several neurons share the trained {shared[0]}, which neurons of snnTorch do not")
        record = None
    if record is not None and record.own_threshold is None and THRESHOLD in record.trained:
        say(where, "its threshold trains while its reset stays, where that of snnTorch follows the threshold")
        record = None
    if record is None:
        neuron = Spiking(FixedNeuron(held.space), spike_grad=spike_grad, init_hidden=True)
    else:
        neuron = _neuron_of(record, spike_grad if spike_grad is not None else _surrogate_of(record, where))
    if held.input_weights is None or held.recurrent_weights is None:
        return neuron
    return Recurrent(neuron, held.input_weights, held.recurrent_weights, autapses=record is None or record.autapses)


def _neuron_of(record: Record, spike_grad: str | SpikeFunction | None) -> Spiking:
    inner = record.neuron()
    named_class = _class_of(inner)
    neuron = named_class.__new__(named_class)  # its own constructor draws a start, and adds nothing else
    Spiking.__init__(
        neuron,
        inner,
        threshold=record.threshold,
        learn_threshold=THRESHOLD in record.trained,
        spike_grad=spike_grad,
        reset_mechanism="subtract" if record.resets else "none",
        detach_reset=record.detach_reset,
        input_scale=record.input_scale,
        reset_scale=record.reset_scale,
        init_hidden=True,
    )
    return neuron


def _class_of(neuron: Neuron) -> type[Spiking]:
    """Return the class of this plugin that is named as a model of the core is, or the one that hosts any."""
    named_class = getattr(importlib.import_module(__package__), type(neuron).__name__, Spiking)
    return named_class if isinstance(named_class, type) and issubclass(named_class, Spiking) else Spiking


def _surrogate_of(record: Record, where: str) -> SpikeFunction | None:
    if record.surrogate is None:
        return None
    name, arguments = record.surrogate
    try:
        return named(name, **arguments)
    except ValueError as error:
        hint = "; import silif_plugins.norse, or give spike_grad=" if ":" in name else "; give spike_grad="
        raise ValueError(f"{where}: the record of its neuron, {error}{hint}") from error


def _shapes(net: nn.Module, sample: Tensor) -> dict[nn.Module, tuple[torch.Size, torch.Size]]:
    """Return the shapes of inputs and outputs of all modules, without batch and time, from one run on a sample."""
    leading = 2 if any(isinstance(inner, Spiking) and inner.sequence for inner in net.modules()) else 1
    shapes: dict[nn.Module, tuple[torch.Size, torch.Size]] = {}

    def note(inner: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if inner in shapes:
            raise ValueError(
                "module: it runs a time loop, or uses a layer twice; export a network whose forward does one step"
            )
        spikes = output[0] if isinstance(output, tuple) else output
        shapes[inner] = inputs[0].shape[leading:], spikes.shape[leading:]

    hooks = [inner.register_forward_hook(note) for inner in _leaves(net)]
    try:
        with torch.no_grad(), evaluation(net):
            net(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


@contextmanager
def _without_states(net: nn.Module) -> Iterator[None]:
    """Let neurons start from no state while a network is traced: NIR's keep theirs, and know no tensors to pass."""
    neurons = [(inner, inner._gives_three) for inner in net.modules() if isinstance(inner, Spiking)]

    def no_states(neuron: Spiking) -> tuple[None, None]:
        neuron._gives_three = True
        return None, None

    for neuron, gives_three in neurons:
        neuron.__dict__["reset_mem"] = lambda two=gives_three: (None, None) if two else None
        neuron.__dict__["init_synaptic"] = functools.partial(no_states, neuron)
    try:
        yield
    finally:
        for neuron, gives_three in neurons:
            del neuron.__dict__["reset_mem"], neuron.__dict__["init_synaptic"]
            neuron._gives_three = gives_three


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield what NIR has nodes for: neurons, and other modules without children."""
    children = list(module.children())
    if isinstance(module, snn.SpikingNeuron | Recurrent | Delayed) or not children:
        yield module
    else:
        for child in children:
            yield from _leaves(child)


def _name_nodes_by_their_paths(graph: Any, module: nn.Module) -> None:
    """Give nodes the names that modules have in the network, which tracing turned into names of variables."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    paths = {re.sub(r"^(\d)", r"_\1", path.replace(".", "_")): path for path, _ in module.named_modules()}
    paths |= {name: "input" for name, node in graph.nodes.items() if isinstance(node, nir.Input)}
    graph.nodes = {paths.get(name, name): node for name, node in graph.nodes.items()}
    graph.edges = [(paths.get(start, start), paths.get(end, end)) for start, end in graph.edges]


def _with_full_arrays(neuron: Any, shape: torch.Size) -> Any:
    """Return a copy of a neuron of the host whose parameters have the shape of its population, as NIR wants them."""
    neuron = copy.deepcopy(neuron)
    for values in (neuron._parameters, neuron._buffers):
        for name in {"alpha", "beta", "threshold"} & values.keys():
            full = values[name].detach().expand(shape).clone()
            values[name] = nn.Parameter(full) if values is neuron._parameters else full
    return neuron


def _flatten_module(node: Any) -> nn.Flatten:
    """Return the layer for a node, whose dimensions do not count the batch."""
    start, end = (int(dim) + 1 if dim >= 0 else int(dim) for dim in (node.start_dim, node.end_dim))
    return nn.Flatten(start, end)


def _array(values: Tensor) -> Any:
    return values.detach().cpu().numpy()
