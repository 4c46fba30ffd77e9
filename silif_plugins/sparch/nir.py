"""SpArchNet as a NIR graph: weights with batch norm folded in, populations, delays, and the leaky readout."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..dynamics import StateSpace
from ..exchange import Connection, Population, Record, connection_graph, delay_node, graph_of, metadata_of
from ..optional import require
from ..surrogate import name_of
from ..synapses import AxonalLinear
from .layers import Readout, SpikingLayer
from .network import SpArchNet


def to_nir(net: SpArchNet, *, dt: float = 0.001) -> Any:
    """Return a network as a NIR graph, without the softmax and the sum at its end, for which NIR has no nodes.

    Each hidden layer is a ``Linear``, or with batch norm, which is folded in, an ``Affine``; then the subgraph of its
    neurons with their record (see `silif_plugins.exchange.nir_graph`), from which the plugins of Norse and snnTorch
    make them again. Delays are those of evaluation, in whole steps: of the inputs, a ``Delay`` before the weights; of
    synapses or outputs, a subgraph with their record (see `silif_plugins.exchange.nir_connection`), from which the
    plugins make the layer again, as far as it was trained. The output is the readout's membrane.

    Args:
        net: The network; as in evaluation.
        dt: Duration of a step in seconds, in which the graph counts.

    Returns:
        A ``nir.NIRGraph``; ``nir.write`` saves it.

    Raises:
        ValueError: If NIR has no node for a layer; the message names it.
        ImportError: If nir is not installed.

    Examples:
        >>> graph = to_nir(SpArchNet(4, (8,), 3))
        >>> [(name, type(node).__name__) for name, node in graph.nodes.items()]
        [('input', 'Input'), ('layer00_weights', 'Affine'), ('layer01_neurons', 'NIRGraph'), ...]
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nodes: dict[str, Any] = {"input": nir.Input(input_type=np.array([net.num_inputs]))}
    hidden: list[tuple[str, SpikingLayer]] = [(f"hidden.{i}", layer) for i, layer in enumerate(net.hidden)]  # type: ignore[misc]
    layers: list[tuple[str, SpikingLayer | Readout]] = [*hidden, ("readout", net.readout)]
    for name, layer in layers:
        for kind, node in _weights(name, layer, dt).items():
            nodes[f"layer{len(nodes) - 1:02}_{kind}"] = node
        neurons = _neurons(name, layer, dt) if isinstance(layer, SpikingLayer) else _integrators(layer, dt)
        nodes[f"layer{len(nodes) - 1:02}_neurons"] = neurons
    nodes["output"] = nir.Output(output_type=np.array(net.readout.neuron.size))
    names = list(nodes)
    edges = list(itertools.pairwise(names))
    return nir.NIRGraph(nodes=nodes, edges=edges)


def _weights(name: str, layer: SpikingLayer | Readout, dt: float) -> dict[str, Any]:
    """Return the nodes of a layer's weights by what they are."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nodes = {}
    weights, norm = layer.current.weights, layer.current.norm
    if isinstance(weights, AxonalLinear):
        delays, weights = weights.delays, weights.linear
        nodes["delays"] = _named(name, lambda: delay_node(delays, dt))
    if not isinstance(weights, nn.Linear | Connection):
        raise ValueError(
            f"{name}.current.weights: got {type(weights).__name__}; NIR has linear weights, with delays or without"
        )
    weight, bias = weights.weight.detach().double(), None
    if weights.bias is not None:
        bias = weights.bias.detach().double()
    if isinstance(norm, nn.BatchNorm1d) and norm.running_mean is not None and norm.running_var is not None:
        gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.detach().double() - gain * norm.running_mean.double()
        weight, bias = gain.unsqueeze(1) * weight, shift if bias is None else shift + gain * bias
    elif not isinstance(norm, nn.Identity):
        raise ValueError(f"{name}.current.norm: got {type(norm).__name__}; NIR has no node for it")
    if isinstance(weights, Connection):
        connection = weights
        nodes["connection"] = _named(name, lambda: connection_graph(connection, dt, weight, bias))
        return nodes
    nodes["weights"] = (
        nir.Linear(weight=_array(weight)) if bias is None else nir.Affine(weight=_array(weight), bias=_array(bias))
    )
    return nodes


def _named(name: str, make: Callable[[], Any]) -> Any:
    """Return a node of a layer's weights; errors name the layer."""
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{name}.current.weights: {error}") from error


def _neurons(name: str, layer: SpikingLayer, dt: float) -> Any:
    """Return the subgraph of a hidden layer's neurons."""
    if layer.bidirectional:
        raise ValueError(f"{name}: reads the sequence backwards too, which a graph of NIR cannot")
    if layer.delayed is not None:
        raise ValueError(f"{name}: NIR has no nodes for recurrent weights of {type(layer.delayed).__name__}")
    space = layer.dynamics()
    if not isinstance(space, StateSpace):
        raise ValueError(f"{name}: NIR has no nodes for neurons of {type(space).__name__}")
    shape = layer.neuron.size
    record = Record.of(layer.neuron, surrogate=name_of(layer.surrogate))
    if record is not None and layer.reset_mechanism == "none":
        record = Record(**{**vars(record), "resets": False})
    space = StateSpace(*(field.detach().double().expand(shape) for field in space))
    weights: tuple[Tensor, ...] = ()
    recurrent = layer.recurrent_weights()
    if recurrent is not None:
        weights = (torch.eye(*shape, *shape).to(space.a11), recurrent.detach().double().T.contiguous())
    return graph_of(Population(space, *weights), dt, {} if record is None else metadata_of(record))


def _integrators(layer: Readout, dt: float) -> Any:
    """Return the subgraph of the readout: integrators that leak, whose membrane is the output."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    space, shape = layer.neuron.state_space(), layer.neuron.size
    gain, leak = (_array(field.detach().double().expand(shape)) for field in (space.b1, space.a11 - 1))
    nodes = {
        "input": nir.Input(input_type=np.array(shape)),
        "n2_input_to_v": nir.Scale(scale=gain),
        "n3_v": nir.I(r=np.full(shape, 1 / dt)),
        "n5_v_to_v": nir.Scale(scale=leak),
        "output": nir.Output(output_type=np.array(shape)),
    }
    path = ("input", "n2_input_to_v", "n3_v", "output")
    edges = [*itertools.pairwise(path), ("n3_v", "n5_v_to_v"), ("n5_v_to_v", "n3_v")]
    return nir.NIRGraph(nodes=nodes, edges=edges)


def _array(value: Tensor) -> Any:
    return value.cpu().contiguous().numpy()
