"""Norse's own surrogates by name: ``"norse:tanh"`` and its siblings, wherever a surrogate is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..surrogate import register_surrogate
from ._host import threshold


@dataclass(frozen=True)
class NorseMethod:
    """A surrogate of Norse by its method name, with Norse's own meaning of alpha.

    Args:
        method: ``"super"``, ``"triangle"``, ``"tanh"``, ``"circ"``, ``"heavi_erfc"`` or ``"heaviside"``, as in
            ``norse.torch.functional.threshold.threshold``.
        alpha: Its sharpness.

    Raises:
        ValueError: When called, by Norse, if it has no such method.

    Examples:
        >>> from silif_plugins.surrogate import resolve
        >>> resolve("norse:tanh")
        NorseMethod(method='tanh', alpha=100.0)
    """

    method: str
    alpha: float = 100.0

    def __call__(self, x: Tensor) -> Tensor:
        """Return spikes by Norse's threshold function."""
        spikes: Tensor = threshold(x, self.method, self.alpha)
        return spikes


register_surrogate("norse:", NorseMethod)
