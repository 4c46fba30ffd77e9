"""How neurons run over time: one entrance, the defining loop, and faster backends that equal it."""

from .dispatch import scan, step

__all__ = ["scan", "step"]
