"""Networks of snnTorch with this package's neurons to NIR, the exchange format, and back."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import snntorch as snn
import torch
from torch import Tensor, nn

from ..neurons import StateSpace
from ..nir_graph import FixedNeuron, Population, graph_of, is_population, population_of
from ..optional import require
from ..surrogate import SpikeFunction
from .adlif import AdLIF, CAdLIF
from .csilif import CSiLIF
from .evaluation import evaluation
from .rf import RF
from .silif import SiLIF
from .spiking import Spiking

MODELS: dict[str, Callable[..., Spiking]] = {cls.__name__: cls for cls in (SiLIF, CSiLIF, AdLIF, CAdLIF, RF)}
"""Neurons whose parameters are kept with the graph."""

OPTIONS = ("threshold", "input_scale", "reset_scale")
"""Values of a layer that its state space contains beside those of the neuron."""

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
    which other simulators can run: see :mod:`silif_plugins.nir_graph` for the mapping. With it go the parameters of
    the neurons, from which :func:`import_from_nir` restores them exactly. A step lasts 0.1 ms in NIR, as snnTorch
    has it.

    Args:
        module: The network, with a ``forward`` that does one time step, or a single neuron. With
            ``sequence=True`` neurons it may run all steps.
        sample_data: An input, [B, ...]; it tells the sizes.
        model_name: As in snnTorch; for networks without our neurons.
        model_fwd_args: As in snnTorch; for networks without our neurons.
        ignore_dims: As in snnTorch; for networks without our neurons.

    Returns:
        A ``nir.NIRGraph``; ``nir.write`` saves it.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If a module or an option of a neuron has no counterpart in NIR, or the network runs a time loop.

    Examples:
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

    The neurons of :data:`MODELS` come back as they were, with the parameters they had, trained or not. Where nodes
    were changed since, and for neurons of any other model, the nodes count: they come back as neurons of the same
    spikes whose coefficients do not train.

    Args:
        graph: A ``nir.NIRGraph``, such as ``nir.read`` returns.
        spike_grad: Surrogate of our neurons; NIR has none. By default snnTorch's atan.
        dtype: Data type of the network; PyTorch's default by default.

    Returns:
        A module with ``forward(input) -> (output, state)``, whose neurons keep their state themselves
        (``init_hidden=True``): :func:`reset` brings them to rest. For the graph of a single population, its neuron.

    Raises:
        ImportError: If nir or nirtorch is not installed.
        ValueError: If snnTorch has no counterpart for a node.
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nirtorch = require("nirtorch", extra="nir", purpose="The exchange of networks")
    host = require("snntorch.import_nir", extra="nir", purpose="The exchange of networks")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if is_population(graph):
        return _neuron_of(graph, spike_grad).to(dtype)

    def from_host(node: Any) -> nn.Module:
        return host._nir_to_snntorch_module(node, init_hidden=True)

    known = (nir.Affine, nir.Linear, nir.Conv2d, nir.AvgPool2d, nir.IF, nir.LIF, nir.CubaLIF)
    node_map: dict[Any, Callable[[Any], nn.Module]] = dict.fromkeys(known, from_host)
    node_map[nir.Flatten] = _flatten_module
    node_map[_Restored] = lambda node: node.neuron
    network: nn.Module = nirtorch.nir_to_torch(_with_neurons(graph, spike_grad), node_map, dtype=dtype)
    return network


@dataclass
class _Restored:
    """What takes the place of a subgraph that nirtorch would take apart."""

    neuron: Spiking


def _node(module: Any, given: torch.Size, returned: torch.Size) -> Any:
    """Return the NIR node of a module, for inputs and outputs of these shapes, without batch and time."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    if isinstance(module, Spiking):
        return _graph_of_neuron(module, returned)
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


def _graph_of_neuron(neuron: Spiking, shape: torch.Size) -> Any:
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
    return graph_of(Population(space), HOST_DT, _metadata(neuron))


def _metadata(neuron: Spiking) -> dict[str, Any]:
    """Return what is needed to make a neuron of :data:`MODELS` again, in values that files can hold."""
    if type(neuron) is not MODELS.get(type(neuron).__name__):
        return {}
    inner = neuron.neuron
    settings = {name: getattr(inner, name, None) for name in inspect.signature(type(inner)).parameters}
    kept: dict[str, Any] = {
        "snntorch": type(neuron).__name__,
        "size": np.array(inner.size),
        "learn": ",".join(name for name, _ in inner.named_parameters()),
        "reset_mechanism": neuron.reset_mechanism,
        "learn_threshold": isinstance(neuron.threshold, nn.Parameter),
        "detach_reset": neuron.detach_reset,
        "set": ",".join(name for name, value in settings.items() if isinstance(value, bool | float)),
    }
    kept |= {f"set.{name}": value for name, value in settings.items() if isinstance(value, bool | float)}
    kept |= {f"value.{name}": _array(value) for name, value in inner.state_dict().items()}
    kept["numbers"] = ",".join(name for name in OPTIONS if not getattr(neuron, name).dim())
    kept |= {name: np.atleast_1d(_array(getattr(neuron, name))) for name in OPTIONS}  # files want a dimension
    return kept


def _neuron_of(graph: Any, spike_grad: str | SpikeFunction | None) -> Spiking:
    """Return the neuron of a subgraph, from the parameters kept with it if they still say what its nodes do."""
    held = population_of(graph).space
    kept = graph.metadata
    if kept.get("snntorch") in MODELS:
        options = {name: torch.as_tensor(kept[name]) for name in OPTIONS}
        options |= {name: options[name].reshape(()) for name in kept["numbers"].split(",") if name}
        threshold = options.pop("threshold")
        neuron = MODELS[kept["snntorch"]](
            tuple(int(n) for n in kept["size"]),
            learn=[name for name in kept["learn"].split(",") if name],
            threshold=threshold,
            learn_threshold=bool(kept["learn_threshold"]),
            reset_mechanism=kept["reset_mechanism"],
            detach_reset=bool(kept["detach_reset"]),
            spike_grad=spike_grad,
            init_hidden=True,
            **{name: _plain(kept[f"set.{name}"]) for name in kept["set"].split(",") if name},
        )
        values = {name: torch.as_tensor(kept[f"value.{name}"]) for name in neuron.neuron.state_dict()}
        neuron.to(next(iter(values.values())).dtype)
        neuron.neuron.load_state_dict(values)
        for name, option in options.items():
            setattr(neuron, name, option.to(neuron.threshold))
        if _close(neuron.state_space(), held):
            return neuron
    return Spiking(FixedNeuron(held), spike_grad=spike_grad, init_hidden=True)


def _close(ours: StateSpace, held: StateSpace) -> bool:
    """Whether coefficients agree to single precision, in which they may have been computed."""
    return all(
        torch.allclose(a.detach().double().expand(b.shape), b, rtol=1e-5, atol=1e-6)
        for a, b in zip(ours, held, strict=True)
    )


def _with_neurons(graph: Any, spike_grad: str | SpikeFunction | None) -> Any:
    """Return a graph whose populations, at any depth, are replaced by their neurons."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nodes = {}
    for name, node in graph.nodes.items():
        if is_population(node):
            node = _Restored(_neuron_of(node, spike_grad))
        elif isinstance(node, nir.NIRGraph):
            node = _with_neurons(node, spike_grad)
        nodes[name] = node
    return nir.NIRGraph(nodes=nodes, edges=graph.edges, type_check=False)


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
    if isinstance(module, snn.SpikingNeuron) or not children:
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


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
