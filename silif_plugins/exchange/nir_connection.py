"""Connections with a delay per synapse or per target as graphs of NIR's primitives, and back. Knows no host.

A `DelayedLinear` is a ``Delay`` of all inputs for each number of steps that occurs, and behind it the weights of the
synapses that take as many; their sum is the output. A `DendriticLinear` is its weights and a ``Delay`` behind them. Any
reader with these nodes can run both, with delays in whole steps. What nodes cannot tell is in our record beside them:
delays as they are while they are learnt, the width of their Gaussian, what is pruned, and all options.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..optional import require
from ..synapses import DelayedLinear, DendriticLinear, LearnableDelay
from .metadata import PREFIX, array_of, take, take_tensor, under
from .nir_delay import node_of_steps, steps_of, whole_steps

Connection = DelayedLinear | DendriticLinear

KINDS: dict[str, type[DelayedLinear] | type[DendriticLinear]] = {
    "delayed": DelayedLinear,
    "dendritic": DendriticLinear,
}
"""Connections by the names that `silif_plugins.synapses.CONNECTIONS` has for them."""

VERSION = 1
"""Version of the record. A reader refuses those that it does not know."""

INPUT, OUTPUT = "input", "output"
BIAS, WEIGHTS, DELAY, SUM = "n1_bias", "n1_weights", "n2_delay", "n3_sum"
DELAY_OF, WEIGHTS_OF = "n1_delay_", "n2_weights_"
"""Starts of the names of what stands for each number of steps. Names sort as nodes are evaluated."""

KIND, OPTION, STATE = "connection", "option.", "state."
IN_NODES = ("weight", "linear.weight", "bias")


def connection_graph(layer: Connection, dt: float, weight: Tensor | None = None, bias: Tensor | None = None) -> Any:
    """Return a connection as a ``nir.NIRGraph`` with one input and one output.

    Args:
        layer: The connection.
        dt: Time in seconds that one step stands for.
        weight: Weights and bias in the place of its own, such as with a norm folded in.
        bias: None: none, if there is a ``weight``.

    Raises:
        ValueError: If its delays are not in whole steps in evaluation: other readers have no Gaussian.

    Examples:
        >>> layer = DendriticLinear(3, 2, max_delay=9, round_in_eval=True)
        >>> graph = connection_graph(layer, 0.001)
        >>> {name: type(node).__name__ for name, node in graph.nodes.items()}
        {'input': 'Input', 'n1_bias': 'Affine', 'n1_weights': 'Linear', 'n2_delay': 'Delay', 'n3_sum': 'Scale', ...}
        >>> torch.equal(connection_of(graph, "graph").delays.delay, layer.delays.delay)
        True
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    if weight is None:
        weight, bias = layer.weight, layer.bias
    outputs, inputs = weight.shape
    steps = whole_steps(_delays(layer))
    nodes = {INPUT: nir.Input(input_type=np.array([inputs]))}
    edges = [(SUM, OUTPUT)]
    if bias is not None:  # NIR has no bias alone
        nodes[BIAS] = nir.Affine(weight=_numbers(torch.zeros_like(weight)), bias=_numbers(bias))
        edges += [(INPUT, BIAS), (BIAS, SUM)]
    if isinstance(layer, DendriticLinear):
        nodes[WEIGHTS] = nir.Linear(weight=_numbers(weight))
        nodes[DELAY] = node_of_steps(steps, dt)
        edges += itertools.pairwise((INPUT, WEIGHTS, DELAY, SUM))
    else:
        for lag in steps.unique().tolist():
            delay, weights = f"{DELAY_OF}{int(lag):05}", f"{WEIGHTS_OF}{int(lag):05}"
            nodes[delay] = node_of_steps(torch.full((inputs,), lag), dt)
            nodes[weights] = nir.Linear(weight=_numbers(weight.masked_fill(steps != lag, 0)))
            edges += itertools.pairwise((INPUT, delay, weights, SUM))
    nodes[SUM] = nir.Scale(scale=_numbers(weight.new_ones(outputs)))  # an executor may not sum what an Output gets
    nodes[OUTPUT] = nir.Output(output_type=np.array([outputs]))
    return nir.NIRGraph(nodes={name: nodes[name] for name in sorted(nodes)}, edges=edges, metadata=_record(layer))


def connection_of(graph: Any, where: str) -> Connection | None:
    """Return the connection of a graph, None if it has no record of one.

    Its weights are those of the nodes; delays, options and all else are as they were.

    Args:
        graph: A node of a network, which may be of any kind.
        where: What to call it in messages.

    Warns:
        UserWarning: If the delays of the nodes are no longer those of the record: the nodes count, and None is
            returned.

    Raises:
        ValueError: If the record or a node is damaged, or of another version.
    """
    metadata = getattr(graph, "metadata", {})
    held = {name.removeprefix(PREFIX): value for name, value in metadata.items() if str(name).startswith(PREFIX)}
    if KIND not in held:
        return None
    try:
        layer, agrees = _connection(graph.nodes, held)
    except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
        raise ValueError(f"{where}: the record of its delays, {error}") from error
    if not agrees:
        warnings.warn(
            f"{where}: its delays were changed since their record was written; they become delays in whole steps that "
            "do not train",
            UserWarning,
            stacklevel=2,
        )
        return None
    return layer


def _delays(layer: Connection) -> LearnableDelay:
    return layer.delays if isinstance(layer, DendriticLinear) else layer


def _record(layer: Connection) -> dict[str, Any]:
    """Return what is kept of a connection beside its nodes."""
    if isinstance(layer, DendriticLinear):
        kind, own = "dendritic", {"dropout": layer.linear.dropout, "events": layer.linear.events}
    else:
        kind, own = "delayed", {"dropout": layer.dropout, "lengthen": layer.lengthen}
    options = {"max_delay": layer.max_delay, **own, **_delays(layer).settings()}
    state = {name: value for name, value in layer.state_dict().items() if name not in IN_NODES}
    kept = {"version": VERSION, KIND: kind} | {OPTION + name: value for name, value in options.items()}
    kept |= {STATE + name: array_of(_floats(value.cpu())) for name, value in state.items()}
    return {PREFIX + name: value for name, value in kept.items()}


def _connection(nodes: Any, held: dict[str, Any]) -> tuple[Connection, bool]:
    """Return the connection of a record, and whether the nodes have its delays."""
    if (version := take(held, "version", int)) != VERSION:
        raise ValueError(
            f"version: got {version}, and this silif_plugins reads {VERSION}; update it, or leave the metadata out"
        )
    if (kind := take(held, KIND, str)) not in KINDS:
        raise ValueError(f"{KIND}: got {kind!r}; it must be one of {', '.join(KINDS)}")
    weight, lags = _synapses(nodes, kind)
    bias = torch.as_tensor(nodes[BIAS].bias) if BIAS in nodes else None
    options = {name: _plain(held.pop(OPTION + name)) for name in under(held, OPTION)}
    if unknown := {"device", "dtype", "bias"} & options.keys():
        raise ValueError(f"{OPTION}{min(unknown)}: unknown field")
    layer = KINDS[kind](weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype, **options)
    state = {name: take_tensor(held, STATE + name) for name in under(held, STATE)}
    if held:
        raise ValueError(f"{next(iter(held))}: unknown field")
    for name, value in state.items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{STATE}{name}: got NaN or an infinite value; it must be numbers")
    names = {"linear.weight" if kind == "dendritic" else "weight": weight, **({} if bias is None else {"bias": bias})}
    layer.load_state_dict({**state, **names})
    steps = _delays(layer).whole()
    agrees = all(bool(((steps == lag) | (part == 0)).all()) for lag, part in lags)
    return layer, agrees


def _synapses(nodes: Any, kind: str) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return the weights of the nodes, and their delays: steps, and what is 0 where nothing takes as many."""
    if kind == "dendritic":
        return torch.as_tensor(nodes[WEIGHTS].weight), [(_steps(nodes[DELAY]), torch.ones(()))]
    parts = [
        (_steps(nodes[name]), torch.as_tensor(nodes[WEIGHTS_OF + name.removeprefix(DELAY_OF)].weight))
        for name in nodes
        if name.startswith(DELAY_OF)
    ]
    if not parts:
        raise ValueError(f"nodes: got {', '.join(nodes)}; there must be a {DELAY_OF}")
    return torch.stack([weights for _, weights in parts]).sum(0), parts


def _steps(node: Any) -> Tensor:
    return steps_of(node, float("nan"))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _floats(value: Tensor) -> Tensor:
    return value if value.is_floating_point() else value.float()


def _numbers(value: Tensor) -> Any:
    return value.detach().cpu().contiguous().numpy()
