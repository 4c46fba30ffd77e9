"""Neurons between hosts: the record of one neuron, and NIR graphs that hold it. Knows no host."""

from .layer_neuron import LayerNeuron, reset_ratio
from .metadata import metadata_of, record_of
from .nir_connection import Connection, connection_graph, connection_of
from .nir_delay import delay_node, delays_of
from .nir_graph import FixedNeuron, Population, graph_of, is_population, population_of
from .nodes import node_map, timestep_of
from .record import THRESHOLD, Record
from .restoring import Restored, load, restore, say, with_modules

__all__ = [
    "THRESHOLD",
    "Connection",
    "FixedNeuron",
    "LayerNeuron",
    "Population",
    "Record",
    "Restored",
    "connection_graph",
    "connection_of",
    "delay_node",
    "delays_of",
    "graph_of",
    "is_population",
    "load",
    "metadata_of",
    "node_map",
    "population_of",
    "record_of",
    "reset_ratio",
    "restore",
    "say",
    "timestep_of",
    "with_modules",
]
