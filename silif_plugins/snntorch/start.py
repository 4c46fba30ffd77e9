"""Where the decays of a neuron start that takes the place of one of snnTorch's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..neurons import has_values
from .decay import as_attribute
from .named import Named

EXTREME = 1e-13
"""How close to 0 and 1 a decay may start: the limits of the parametrisation."""


class StartsAsLeaky(Named):
    """A neuron that starts as the one whose place it takes, at its decays."""

    sets_decay: ClassVar[str]
    """The argument that ``beta`` takes the place of."""

    @property
    def beta(self) -> Tensor:
        r"""Decay of the membrane per step, [\*size], as ``snn.Leaky`` calls it."""
        return as_attribute(self._membrane_decay())

    @classmethod
    def in_place_of(
        cls, threshold: Tensor, beta: Tensor, alpha: Tensor | None, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the old neuron's threshold and decays, but for one that the user sets."""
        kept = {"threshold": threshold, "alpha": alpha}
        return kept if cls.sets_decay in given else {**kept, "beta": beta}

    def _take_place(self, as_leaky: bool, alpha: float | Tensor | None) -> None:
        """Set the units of current and spike that the place asks for.

        Args:
            as_leaky: Whether a spike takes the threshold off, whatever the decay.
            alpha: Decay of the current that a ``snn.Synaptic`` there had, or None.
        """
        with torch.no_grad():
            if alpha is not None:
                self.input_scale /= (1 - decays("alpha", alpha, self.size)).to(self.input_scale)
                self._gives_three = True
            if as_leaky:
                self.reset_scale /= self._membrane_decay()

    @abstractmethod
    def _membrane_decay(self) -> Tensor:
        r"""Return the decay of the membrane per step, [\*size]."""


def rate_of(name: str, beta: float | Tensor, dt: object, size: Sequence[int]) -> Tensor:
    """Return the rate -ln(beta) / dt [1/s] of a decay per step.

    Args:
        name: What to call the decay in errors.
        beta: Decay per step, a number or one that broadcasts to the neurons.
        dt: Timestep in seconds, a number or a tensor.
        size: Shape of the population.

    Raises:
        ValueError: If the decay is not in [0, 1] or does not fit the neurons, or the timestep is a range: one decay per
            step has no one rate then.
    """
    if isinstance(dt, tuple):
        raise ValueError(f"dt: got {dt} beside {name}; it must be a number or a tensor, for {name} is a decay per step")
    decay = decays(name, beta, size)
    return (-decay.log() / torch.as_tensor(dt, dtype=torch.float64)).to(torch.get_default_dtype())


def decays(name: str, beta: float | Tensor, size: Sequence[int]) -> Tensor:
    """Return a decay per step as float64 [*size], kept inside of (0, 1)."""
    decay = torch.as_tensor(beta, dtype=torch.float64).detach()
    if has_values(decay) and not bool(((decay >= 0) & (decay <= 1)).all()):
        raise ValueError(f"{name}: got {beta}; it must be from 0 to 1")
    try:
        decay = decay.expand(tuple(size))
    except RuntimeError:
        given = tuple(decay.shape)
        raise ValueError(f"{name}: got shape {given}; it must broadcast to the neurons {tuple(size)}") from None
    return decay.clamp(EXTREME, 1 - EXTREME)
