"""NIR files through the readers that are installed: which can read one, and where their spikes first differ."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..exchange import load, node_map, timestep_of
from ..hints import did_you_mean
from ..optional import require
from ..sparch import SpArchNet, to_nir
from .checks import ExportError
from .register import Model, register_exporter

Read = Callable[[Any, float], nn.Module]
"""Makes a module from a graph and the duration of a step."""


class NirReport(NamedTuple):
    """What a reader makes of a file.

    Attributes:
        reader: Its name.
        problem: Why it cannot read or run the file, with the node that it does not know; empty if it can.
        differing: Outputs that differ from those of the file's own nodes.
        outputs: How many were compared.
        first: Step, sample and neuron of the first that differs.
    """

    reader: str
    problem: str = ""
    differing: int = 0
    outputs: int = 0
    first: tuple[int, ...] | None = None

    @property
    def fine(self) -> bool:
        """Whether it reads the file and gives the same outputs."""
        return not self.problem and not self.differing

    def __str__(self) -> str:
        """Say it in a line."""
        if self.problem:
            return f"{self.reader}: cannot: {self.problem}"
        if self.first is None:
            return f"{self.reader}: the same {self.outputs} outputs"
        step, sample, neuron = self.first
        where = f"the first at step {step}, sample {sample}, neuron {neuron}"
        return f"{self.reader}: {self.differing} of {self.outputs} outputs differ, {where}"


def _norse_plugin(graph: Any, dt: float) -> nn.Module:
    plugin = require("silif_plugins.norse", extra="norse", purpose="This reader")
    return plugin.from_nir(graph, dt=dt)


def _snntorch_plugin(graph: Any, dt: float) -> nn.Module:
    plugin = require("silif_plugins.snntorch", extra="snntorch", purpose="This reader")
    return plugin.import_from_nir(graph)


def _norse(graph: Any, dt: float) -> nn.Module:
    return require("norse.torch", extra="norse", purpose="This reader").from_nir(graph, dt=dt)


def _snntorch(graph: Any, dt: float) -> nn.Module:
    return require("snntorch.import_nir", extra="snntorch", purpose="This reader").import_from_nir(graph)


def _nirtorch(graph: Any, dt: float) -> nn.Module:
    return require("nirtorch", extra="nir", purpose="This reader").nir_to_torch(graph, {})


def _nirtorch_with_nodes(graph: Any, dt: float) -> nn.Module:
    return require("nirtorch", extra="nir", purpose="This reader").nir_to_torch(
        graph, node_map(dt), dtype=torch.float64
    )


def _sinabs(graph: Any, dt: float) -> nn.Module:
    return require("sinabs.nir", extra="formats", purpose="This reader").from_nir(graph, batch_size=1)


def _spikingjelly(graph: Any, dt: float) -> nn.Module:
    jelly = require("spikingjelly.activation_based.nir_exchange", extra="formats", purpose="This reader")
    return jelly.import_from_nir(graph, dt=dt)


READERS: dict[str, tuple[str, Read]] = {
    "silif_plugins.norse": ("norse", _norse_plugin),
    "silif_plugins.snntorch": ("snntorch", _snntorch_plugin),
    "nirtorch with our nodes": ("nirtorch", _nirtorch_with_nodes),
    "nirtorch": ("nirtorch", _nirtorch),
    "norse": ("norse", _norse),
    "snntorch": ("snntorch", _snntorch),
    "sinabs": ("sinabs", _sinabs),
    "spikingjelly": ("spikingjelly", _spikingjelly),
}
"""Readers by their names: the package that each needs, and what makes a module of a graph."""

NODES = "nirtorch with our nodes"
"""The reader that runs a file's nodes as they stand, in float64: what the others are compared with."""


def check_nir(
    source: Any, *, reader: str | None = None, inputs: Tensor | None = None, tolerance: float = 1e-3
) -> list[NirReport]:
    """Run a NIR file through the readers that are installed, and compare what they give with its own nodes.

    Args:
        source: The path of a file, or a ``nir.NIRGraph``.
        reader: The name of one reader, in `READERS`; all that are installed by default.
        inputs: [T, B, inputs]; by default 100 steps of random spikes for 2 samples, as strong as an output takes.
        tolerance: Difference from which outputs count as other ones; spikes differ by 1.

    Returns:
        A report for each reader. Readers of float32 differ where a membrane is at its threshold to rounding.

    Raises:
        ValueError: If there is no such reader, the file is damaged, or its nodes cannot be run.
        ImportError: If the reader that is asked for, or nirtorch, is not installed.

    Examples:
        >>> from silif_plugins.sparch import SpArchNet
        >>> graph = to_nir(SpArchNet(4, (8,), 3))
        >>> print(check_nir(graph, reader="nirtorch")[0])
        nirtorch: cannot: layer01_neurons.n2_input_to_v, a node Scale: Unknown node type ...
    """
    if reader is not None and reader not in READERS:
        raise ValueError(
            f"reader: got {reader!r}; it must be one of {', '.join(READERS)}{did_you_mean(reader, READERS)}"
        )
    graph, where = load(source)
    dt = timestep_of(graph) or DT
    expected, inputs = _expected(graph, dt, inputs, where or "graph")
    reports = []
    for name, (package, read) in READERS.items():
        if name != reader and (reader is not None or name == NODES or find_spec(package) is None):
            continue
        try:
            outputs = _run(_silent(read, graph, dt), inputs)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # each reader has its own
            reports.append(NirReport(name, _problem(graph, read, dt, error)))
            continue
        reports.append(_compared(name, outputs, expected, tolerance))
    return reports


DT = 0.001
"""Duration of a step for files that tell none."""


def _expected(graph: Any, dt: float, inputs: Tensor | None, where: str) -> tuple[Tensor, Tensor]:
    """Return the outputs of a file's own nodes, and the inputs."""
    try:
        net = _nirtorch_with_nodes(graph, dt)
        if inputs is not None:
            return _run(net.double(), inputs.double()), inputs
        (size,) = graph.input_type.values()
        drawn = torch.rand(100, 2, *map(int, size), generator=torch.Generator().manual_seed(0))
        for strength in (1.0, 10.0, 100.0):
            given = strength * (drawn < 0.3)
            outputs = _run(net.double(), given.double())
            if bool(outputs.any()):
                break
        return outputs, given
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{where}: its nodes cannot be run: {_problem(graph, _nirtorch_with_nodes, dt, error)}"
        ) from error


@torch.no_grad()
def _run(net: nn.Module, inputs: Tensor) -> Tensor:
    """Run a module of a reader over time: those that keep their state themselves, and those that are given it."""
    like = next((each for each in [*net.parameters(), *net.buffers()] if each.is_floating_point()), inputs)
    outputs, state = [], None
    net.eval()  # delays that are still learnt are in whole steps there, as in the nodes
    for now in inputs.to(like.dtype):
        output = net(now) if state is None else net(now, state)
        if isinstance(output, tuple):
            output, *rest = output
            state = rest[-1] if rest else None
        outputs.append(output)
    return torch.stack(outputs)


def _problem(graph: Any, read: Read, dt: float, error: Exception, path: str = "") -> str:
    """Say why a reader failed, with the first node, at any depth, that it cannot read alone."""
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    for name, node in graph.nodes.items():
        if isinstance(node, nir.Input | nir.Output):
            continue
        (inner,), (outer,) = node.input_type.values(), node.output_type.values()
        nodes = {"input": nir.Input(np.array(inner)), name: node, "output": nir.Output(np.array(outer))}
        alone = nir.NIRGraph(nodes=nodes, edges=[("input", name), (name, "output")])
        try:
            _silent(read, alone, dt)
        except Exception as other:  # its own reason is nearer
            if isinstance(node, nir.NIRGraph):
                return _problem(node, read, dt, other, f"{path}{name}.")
            return f"{path}{name}, a node {type(node).__name__}: {_reason(other)}"
    return f"{path.rstrip('.')}: {_reason(error)}" if path else _reason(error)


def _reason(error: Exception) -> str:
    words = str(error).strip().partition("\n")[0]
    return words if isinstance(error, ValueError | NotImplementedError) and words else repr(error)


def _silent(read: Read, graph: Any, dt: float) -> nn.Module:
    """Call a reader, some of which print."""
    with contextlib.redirect_stdout(io.StringIO()):
        return read(graph, dt)


def _compared(reader: str, outputs: Tensor, expected: Tensor, tolerance: float) -> NirReport:
    if outputs.shape != expected.shape:
        return NirReport(reader, f"its outputs are of shape {tuple(outputs.shape)}, not {tuple(expected.shape)}")
    differing = ((outputs.double() - expected.double()).abs() > tolerance).flatten(2)
    places = differing.nonzero()
    first = tuple(int(place) for place in places[0]) if len(places) else None
    return NirReport(reader, "", int(differing.sum()), differing.numel(), first)


def write_nir(trained: Model, path: Path, *, dt: float = DT) -> dict[str, Any]:
    """A file of NIR, the exchange format of simulators and chips, and which readers can read it.

    Args:
        trained: A `SpArchNet`.
        path: The file.
        dt: Duration of a step in seconds, in which the graph counts.

    Returns:
        The file, its size, and a line for each reader that is installed.

    Raises:
        ExportError: If NIR has no node for a layer; the message names it.
        ImportError: If nir or nirtorch is not installed.
    """
    nir = require("nir", extra="nir", purpose="NIR")
    if not isinstance(trained.net, SpArchNet):
        kind = type(trained.net).__name__
        raise ExportError(f"{kind}: the plugins of snnTorch and Norse write their networks: export_to_nir, to_nir")
    try:
        graph = to_nir(trained.net, dt=dt)
    except ValueError as error:
        raise ExportError(str(error)) from error
    reports = check_nir(graph)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:  # nir and h5py write files by their names alone
        nir.write(temporary, graph)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return {"file": str(path), "bytes": path.stat().st_size, "readers": [str(report) for report in reports]}


register_exporter("nir", write_nir, suffix=".nir")
