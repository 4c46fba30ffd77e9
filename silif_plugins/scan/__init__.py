"""How neurons run over time: one entrance, the defining loop, and faster backends that equal it."""

from .dispatch import scan, scan_with_gate, step

__all__ = ["scan", "scan_with_gate", "step"]
