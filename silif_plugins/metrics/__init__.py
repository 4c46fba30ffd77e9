"""What a network costs and how it fires."""

from .activity import firing_rates, sparsity, synaptic_operations
from .operations import OperationCount, Operations

__all__ = ["OperationCount", "Operations", "firing_rates", "sparsity", "synaptic_operations"]
