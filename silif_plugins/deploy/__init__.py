"""Out of PyTorch."""

from .folding import FoldedLayer, FoldedNet, FoldError, fold
from .quantisation import quantise
from .quantised import QuantisedLayer, QuantisedNet

__all__ = [
    "FoldError",
    "FoldedLayer",
    "FoldedNet",
    "QuantisedLayer",
    "QuantisedNet",
    "fold",
    "quantise",
]
