"""How neurons run over time: one entrance, the defining loop, and faster backends that equal it."""

from .backends import BACKENDS, Backend
from .dispatch import scan, scan_with_gate, step
from .lengths import as_lengths

__all__ = ["BACKENDS", "Backend", "as_lengths", "scan", "scan_with_gate", "step"]
