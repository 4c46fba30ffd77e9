"""What a network costs and how it fires."""

from .activity import firing_rates, sparsity, synaptic_operations
from .step_cost import neuron_operations

__all__ = ["firing_rates", "neuron_operations", "sparsity", "synaptic_operations"]
