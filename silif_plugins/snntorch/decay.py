"""The decays of a layer under the name that snnTorch gives them."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor


class Decay(Tensor):
    """Decays per step of all neurons, a tensor that a format such as ``f"{lif.beta:.3f}"`` shows as a range.

    Examples:
        >>> f"{torch.tensor([0.85, 0.9]).as_subclass(Decay):.2f}"
        '0.85 to 0.90'
    """

    def __format__(self, spec: str) -> str:
        """Format the smallest and the largest, or one number if they agree."""
        if not spec or self.dim() == 0:
            return str(super().__format__(spec))  # type: ignore[no-untyped-call]
        low, high = (format(value.item(), spec) for value in torch.aminmax(self.detach()))
        return low if low == high else f"{low} to {high}"


def as_attribute(decays: Tensor) -> Tensor:
    """Return what ``lif.beta`` is.

    Raises:
        AttributeError: If snnTorch's own NIR exporter asks, which would write a LIF neuron from it without a word.
    """
    caller: Any = sys._getframe(2)
    if caller.f_globals.get("__name__") == "snntorch.export_nir":
        raise AttributeError(
            "snnTorch's exporter knows no neuron of two states and would write another one: "
            "use silif_plugins.snntorch.export_to_nir"
        )
    return decays.detach().as_subclass(Decay)
