"""From NIR graphs to modules: what is the same for every host."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..dynamics import StateSpace
from ..optional import require
from .metadata import record_of
from .nir_connection import Connection, connection_of
from .nir_graph import Population, has_second_state, is_population, population_of
from .record import Record

Make = Callable[[Population, Record | None, str], nn.Module]
"""A host's function from a population, its record if that holds, and what to call it in messages, to a module."""

Hold = Callable[[Connection], nn.Module]
"""A host's module that keeps what travels through a connection with delays."""


@dataclass
class Restored:
    """What takes the place of a subgraph that nirtorch would take apart.

    Attributes:
        module: The module that the subgraph became.
    """

    module: nn.Module


def load(source: Any) -> tuple[Any, str]:
    """Return a graph, read from a file if its path is given, and what to call it in messages.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds no NIR graph.
    """
    if not isinstance(source, str | os.PathLike):
        return source, ""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    try:
        return nir.read(source), os.fspath(source)
    except FileNotFoundError:
        raise
    except Exception as error:  # h5py and nir raise of every kind over a damaged file
        raise ValueError(f"{os.fspath(source)}: no NIR graph can be read from it: {error}") from error


def restore(graph: Any, make: Make, where: str) -> nn.Module:
    """Return the module of a population's graph, from its record if that still says what its nodes do.

    Warns:
        UserWarning: If it has no record, or its nodes were changed since: the nodes count, and do not train.

    Raises:
        ValueError: If a node or the record is damaged.
    """
    where = where or "graph"
    population = population_of(graph, where)
    record = record_of(graph.metadata, tuple(population.space.shape), where)
    if record is None:
        say(where, "no record of its neuron is in the graph")
    elif not close(record.state_space(), population.space):
        say(where, "its nodes were changed since the record of its neuron was written")
        record = None
    return make(population, record, where)


def with_modules(graph: Any, make: Make, hold: Hold, where: str) -> Any:
    """Return a graph whose populations and connections with delays, at any depth, are replaced by their modules."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    nodes = {}
    for name, node in graph.nodes.items():
        path = f"{where}: {name}" if where else name
        if is_population(node):
            node = Restored(restore(node, make, path))
        elif (connection := connection_of(node, path)) is not None:
            node = Restored(hold(connection))
        elif isinstance(node, nir.NIRGraph):
            node = with_modules(node, make, hold, path)
        nodes[name] = node
    return nir.NIRGraph(nodes=nodes, edges=graph.edges, type_check=False)


def say(where: str, reason: str) -> None:
    """Warn that a population comes back as its coefficients."""
    warnings.warn(
        f"{where}: {reason}; it becomes neurons of the same spikes whose coefficients do not train",
        UserWarning,
        stacklevel=2,
    )


def close(ours: StateSpace, held: StateSpace) -> bool:
    """Whether coefficients agree with those of a graph to single precision, in which they may have been computed."""
    if not has_second_state(ours):
        ours = ours._replace(a12=torch.zeros(()), a22=torch.zeros(()))
    return all(
        torch.allclose(a.detach().double().expand(b.shape), b, rtol=1e-5, atol=1e-6)
        for a, b in zip(ours, held, strict=True)
    )
