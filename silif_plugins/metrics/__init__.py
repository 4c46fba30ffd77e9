"""What a network costs and how it fires."""

from .activity import firing_rates, sparsity, synaptic_operations
from .estimate import feature_mixing
from .operations import OperationCount, Operations
from .step_cost import neuron_operations

__all__ = [
    "OperationCount",
    "Operations",
    "feature_mixing",
    "firing_rates",
    "neuron_operations",
    "sparsity",
    "synaptic_operations",
]
