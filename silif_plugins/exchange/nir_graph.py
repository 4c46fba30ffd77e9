"""A spiking state space as a graph of NIR's primitives, and back. Knows no host.

With x = (v, w), the step x[t] = A x[t-1] + B I[t] + R z[t-1] is Euler's method, with the neuron's timestep, for

    dx/dt = ((A - 1) x + B I + R z) / dt,    z = H(v - threshold)

NIR has what this takes: two integrators (``I`` with r = 1/dt), a ``Scale`` for every entry of A - 1, B and R that is
not zero, and a ``Threshold``. An integrator integrates a constant input exactly, so that any executor that delays
the feedback by one step gives the neuron's own spikes. ``LI`` nodes would not do: a rotating neuron's real part may
have a negative decay, which no time constant has.

Files list nodes alphabetically, and executors take the order of nodes for the order of evaluation: the names below
sort as the neuron is evaluated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..dynamics import StateSpace
from ..neurons import Neuron
from ..optional import require

INPUT, OUTPUT = "input", "output"
INPUT_WEIGHTS, RECURRENT_WEIGHTS = "n1_input_weights", "n5_recurrent_weights"
V, W, SPIKES = "n3_v", "n3_w", "n4_spikes"

SCALES = {
    "b1": ("n2_input_to_v", INPUT, V),
    "b2": ("n2_input_to_w", INPUT, W),
    "a11": ("n5_v_to_v", V, V),
    "a12": ("n5_w_to_v", W, V),
    "a21": ("n5_v_to_w", V, W),
    "a22": ("n5_w_to_w", W, W),
    "r1": ("n5_z_to_v", SPIKES, V),
    "r2": ("n5_z_to_w", SPIKES, W),
}
"""Coefficient of the state space: the node that holds it, where it comes from and where it goes to."""

DIAGONAL = ("a11", "a22")
"""Coefficients whose node holds one less: an integrator keeps its state by itself."""


class Population(NamedTuple):
    """Neurons as they are in a graph.

    Attributes:
        space: Their coefficients, float64, each [*neurons].
        input_weights: [hidden, inputs] of a recurrent population, or None.
        recurrent_weights: [hidden, hidden] (to, from) of a recurrent population, or None.
    """

    space: StateSpace
    input_weights: Tensor | None = None
    recurrent_weights: Tensor | None = None


class FixedNeuron(Neuron):
    """Neurons with given coefficients that do not train: what a graph holds of neurons of an unknown model.

    Args:
        space: The coefficients.

    Raises:
        ValueError: If the coefficients are those of a single number instead of a population.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> from silif_plugins.neurons import SiLIF
        >>> is_stable(FixedNeuron(SiLIF(2).state_space()).state_space())
        tensor([True, True])
    """

    def __init__(self, space: StateSpace) -> None:
        space = StateSpace(*(field.detach().expand(space.shape).clone() for field in space))
        super().__init__(space.shape, threshold=space.threshold)
        values = space._asdict()
        self.threshold = values.pop("threshold")
        self.register_values(False, **values)

    def state_space(self) -> StateSpace:
        """Return the coefficients."""
        return StateSpace(*(getattr(self, name) for name in StateSpace._fields))


def graph_of(population: Population, dt: float, metadata: dict[str, Any]) -> Any:
    """Return neurons as a ``nir.NIRGraph`` with one input and one output.

    Args:
        population: The neurons; one coefficient at least has the full shape of the population.
        dt: Time in seconds that one step stands for.
        metadata: What is kept with the graph: strings, numbers and arrays.

    Raises:
        ValueError: If the second state drives the membrane but nothing drives it back: an executor delays no more
            than feedback, and would let it act one step early.
    """
    nir = require("nir", extra="nir", purpose="The exchange of networks")
    space, input_weights, recurrent_weights = population
    shape = tuple(space.shape)
    scales = {name: _array(getattr(space, name), shape) - (name in DIAGONAL) for name in SCALES}
    if not has_second_state(space):
        scales = {name: scale for name, scale in scales.items() if W not in SCALES[name]}
    elif scales["a12"].any() and not (scales["a21"].any() or scales["r2"].any()):
        raise ValueError(
            "neuron: its second state is driven by the input alone, which such a graph cannot hold exactly"
        )
    nodes = {
        INPUT: nir.Input(input_type=np.array(shape if input_weights is None else input_weights.shape[1:])),
        V: nir.I(r=np.full(shape, 1 / dt)),
        SPIKES: nir.Threshold(threshold=_array(space.threshold, shape)),
        OUTPUT: nir.Output(output_type=np.array(shape)),
    }
    if "a22" in scales:
        nodes[W] = nir.I(r=np.full(shape, 1 / dt))
    edges = [(V, SPIKES), (SPIKES, OUTPUT)]
    if input_weights is not None:
        nodes[INPUT_WEIGHTS] = nir.Linear(weight=_array(input_weights))
        edges.append((INPUT, INPUT_WEIGHTS))
    if recurrent_weights is not None:
        nodes[RECURRENT_WEIGHTS] = nir.Linear(weight=_array(recurrent_weights))
        edges.append((SPIKES, RECURRENT_WEIGHTS))
    for coefficient, scale in scales.items():
        name, start, end = SCALES[coefficient]
        # An input that drives nothing is kept by a scale of zero: a graph has no loose ends.
        if not scale.any() and (coefficient != "b1" or bool(space.b2.any())):
            continue
        nodes[name] = nir.Scale(scale=scale)
        edges.append((name, end))
        if start != INPUT:
            edges.append((start, name))
        else:
            edges.append((INPUT if input_weights is None else INPUT_WEIGHTS, name))
            if recurrent_weights is not None:
                edges.append((RECURRENT_WEIGHTS, name))
    return nir.NIRGraph(nodes={name: nodes[name] for name in sorted(nodes)}, edges=edges, metadata=metadata)


def has_second_state(space: StateSpace) -> bool:
    """Whether anything drives the second state of a population: a graph holds none that stays at rest."""
    return any(bool(field.any()) for field in (space.a21, space.b2, space.r2))


def is_population(node: Any) -> bool:
    """Tell whether a node of a graph is a population of neurons as :func:`graph_of` writes them."""
    nodes = getattr(node, "nodes", {})
    return hasattr(nodes.get(V), "r") and hasattr(nodes.get(SPIKES), "threshold")


def population_of(graph: Any, where: str = "graph") -> Population:
    """Read neurons back from their graph: the inverse of :func:`graph_of`.

    Args:
        graph: The graph.
        where: What to call it in errors.

    Raises:
        ValueError: If a node holds NaN, or a shape that is not the population's.
    """
    nodes = graph.nodes
    shape = tuple(nodes[V].r.shape)
    values = {}
    for coefficient, (name, _, end) in SCALES.items():
        held = _held(nodes, name, "scale", shape, where) if name in nodes else torch.zeros(shape, dtype=torch.float64)
        values[coefficient] = held + (coefficient in DIAGONAL and end in nodes)
    space = StateSpace.of(**values, threshold=_held(nodes, SPIKES, "threshold", shape, where))
    if (INPUT_WEIGHTS in nodes) != (RECURRENT_WEIGHTS in nodes):
        raise ValueError(f"{where}: it has one of {INPUT_WEIGHTS}, {RECURRENT_WEIGHTS}; a population has both or none")
    if INPUT_WEIGHTS not in nodes:
        return Population(space)
    inputs = tuple(nodes[INPUT_WEIGHTS].weight.shape[1:])
    weights = (
        _held(nodes, INPUT_WEIGHTS, "weight", (*shape, *inputs), where),
        _held(nodes, RECURRENT_WEIGHTS, "weight", (*shape, *shape), where),
    )
    return Population(space, *weights)


def _held(nodes: Any, name: str, field: str, shape: tuple[int, ...], where: str) -> Tensor:
    """Return what a node holds: coefficients in float64, weights as they are."""
    array = np.asarray(getattr(nodes[name], field, None))
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{where}: {name}: {field}: got {array.dtype}; it must be floats")
    if array.shape != shape:
        raise ValueError(f"{where}: {name}: {field}: got shape {array.shape}; it must be {shape}")
    if np.isnan(array).any():
        raise ValueError(f"{where}: {name}: {field}: got NaN; all values must be numbers")
    return torch.as_tensor(array, dtype=None if field == "weight" else torch.float64)


def _array(values: Tensor, shape: tuple[int, ...] | None = None) -> Any:
    """Return values as an array, by themselves as they are, for a shape in float64, which keeps A - 1 exact."""
    values = values.detach().cpu()
    return values.numpy() if shape is None else values.double().expand(shape).contiguous().numpy()
