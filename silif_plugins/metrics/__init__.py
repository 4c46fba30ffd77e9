"""What a network costs and how it fires."""

from .activity import firing_rates, sparsity, synaptic_operations

__all__ = ["firing_rates", "sparsity", "synaptic_operations"]
