"""The hard reset: a spike takes from the membrane in proportion to what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..surrogate import SpikeFunction
from .contract import Dynamics
from .linear_system import LinearSystem
from .state_space import StateSpace

ResetMechanism = Literal["subtract", "zero", "none"]
"""What a spike does to the next step, in the words of snnTorch."""

RESET_MECHANISMS: tuple[ResetMechanism, ...] = get_args(ResetMechanism)


@dataclass(frozen=True)
class HardReset:
    r"""Neurons in state-space form whose reset is in proportion to the membrane.

        x[t] = A x[t-1] + B I[t] + R mem[t-1] s[t-1],   s[t] = H(mem[t] - threshold)

    With R of a neuron that loses one by a spike, it loses all that it has: α (u - s) becomes α (u - u s). So is
    ``reset_mechanism="zero"`` of snnTorch. Between the spikes it is the system that it is made of, whose stability it
    keeps. With two states it has fused kernels as :class:`StateSpace` does.

    Attributes:
        space: The system, of two states or more; its R is per unit of the membrane.

    Examples:
        >>> from silif_plugins.neurons import LIF
        >>> from silif_plugins.scan import scan
        >>> lif = LIF(1, decay_u=0.9).state_space()
        >>> current = torch.tensor([30.0, 0.0, 0.0]).view(3, 1, 1)
        >>> [scan(kind, current, return_states=True)[2].mem.flatten().tolist()[1] for kind in (lif, HardReset(lif))]
        [1.8000..., 0.0]
    """

    space: StateSpace | LinearSystem

    @property
    def shape(self) -> torch.Size:
        r"""Shape of the population, [\*neurons]."""
        return self.space.shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dynamics; the state is kept in it."""
        return self.space.dtype

    @property
    def threshold(self) -> Tensor:
        """What the membrane is compared with."""
        return self.space.threshold

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Any:
        """Return the state at rest, zeros."""
        return self.space.rest(shape, dtype=dtype, device=device)

    def step(self, current: Tensor, state: Any, surrogate: SpikeFunction, *, detach_reset: bool = False) -> Any:
        """Advance by one time step, as :meth:`.contract.Dynamics.step` says.

        The membrane's own gradient through the reset flows in any case.
        """
        spk = state.spk.detach() if detach_reset else state.spk
        return self.space.step(current, state._replace(spk=spk * state.mem), surrogate)


def linear_part(dynamics: Dynamics[Any]) -> StateSpace | None:
    """Return the system of two states that neurons are between their spikes; None if they are none.

    Examples:
        >>> space = StateSpace.of(a11=0.9)
        >>> linear_part(HardReset(space)) is linear_part(space) is space
        True
    """
    if isinstance(dynamics, StateSpace):
        return dynamics
    if isinstance(dynamics, HardReset) and isinstance(dynamics.space, StateSpace):
        return dynamics.space
    return None


def between_spikes(dynamics: Dynamics[Any]) -> StateSpace | LinearSystem | None:
    """Return the linear system that neurons are while they do not fire; None if they are none, or cannot tell.

    Dynamics that are none of this package's classes tell it by a method ``between_spikes``.

    Examples:
        >>> from silif_plugins.neurons import BRF, FITSTS
        >>> between_spikes(BRF(3).dynamics()).transition.shape, between_spikes(FITSTS(3).dynamics()).states
        (torch.Size([3, 2, 2]), 3)
    """
    system = dynamics.space if isinstance(dynamics, HardReset) else dynamics
    if isinstance(system, StateSpace | LinearSystem):
        return system
    own = getattr(system, "between_spikes", None)
    found: StateSpace | LinearSystem | None = None if own is None else own()
    return found


def with_reset(dynamics: Dynamics[Any], mechanism: ResetMechanism) -> Dynamics[Any]:
    """Give neurons a reset mechanism: ``"subtract"``, their own; ``"zero"``, a :class:`HardReset`; ``"none"``.

    Raises:
        ValueError: If there is no such mechanism, or the dynamics are no linear system and ``mechanism`` is not
            their own.

    Examples:
        >>> with_reset(StateSpace.of(a11=0.9, r1=-0.9), "none").r1
        tensor(0.)
    """
    if mechanism not in RESET_MECHANISMS:
        raise ValueError(f"reset_mechanism: got {mechanism!r}; it must be one of {', '.join(RESET_MECHANISMS)}")
    if mechanism == "subtract":
        return dynamics
    if not isinstance(dynamics, (StateSpace, LinearSystem)):
        raise ValueError(
            f"reset_mechanism: got {mechanism!r}; {type(dynamics).__name__} have a reset of their own, 'subtract' here"
        )
    if mechanism == "zero":
        return HardReset(dynamics)
    return dynamics.without_reset()
