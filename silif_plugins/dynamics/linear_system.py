"""Neurons of up to eight states: what all of them share, whatever the form of their transition matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, Self

import torch
import torch.utils._pytree as pytree
from torch import Tensor

from ..surrogate import SpikeFunction
from .graded import is_graded, quantised

FEWEST, MOST = 2, 8
"""States of a system."""


def _state_type(states: int) -> Any:
    """Make the NamedTuple of a system's state: mem, which is read out of x1 to xn, these, and spk."""
    name = f"State{states}"
    kind: Any = namedtuple(name, ["mem", *(f"x{i + 1}" for i in range(states)), "spk"], module=__name__)  # type: ignore[misc]
    kind.__doc__ = f"State of {states} numbers: mem, which is read out of x1 to x{states}, these, and spk."
    pytree._register_namedtuple(kind, serialized_type_name=f"{__name__}.{name}")
    globals()[name] = kind  # where pickle looks for it
    return kind


STATE_TYPES = {states: _state_type(states) for states in range(FEWEST, MOST + 1)}
"""By the number of states."""


class LinearSystem(ABC):
    r"""Spiking neurons that are linear systems of n states between their spikes, n from 2 to 8.

        x[t] = A x[t-1] + B I[t] + R s[t-1],   mem[t] = C x[t],   s[t] = H(mem[t] - threshold)

    Every number of A, B, R, C is a tensor of its own that broadcasts to [\*neurons]. The state is a NamedTuple of
    ``mem``, ``x1`` to ``xn`` and ``spk``; ``mem`` is C x, which the next step does not need. Spikes are binary, H as
    above, or have more levels, as ``spikes`` says. Where the reset is ``proportional`` a spike takes of what is there:

        x[t] = (1 + R s[t-1]) A x[t-1] + B I[t],   all of it with R = -1
    """

    c: tuple[Tensor, ...]
    threshold: Tensor
    spikes: str
    proportional: bool

    @property
    @abstractmethod
    def states(self) -> int:
        """Number of states n."""

    @property
    @abstractmethod
    def transition(self) -> Tensor:
        r"""The matrix A, [\*neurons, n, n]."""

    @abstractmethod
    def coefficients(self) -> tuple[Tensor, ...]:
        """Return all numbers: those of A that may differ from zero, row by row, B, R, C, and the threshold."""

    @abstractmethod
    def mapped(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the system with a function applied to every number."""

    @abstractmethod
    def without_reset(self) -> Self:
        """Return the same neurons with R = 0."""

    @abstractmethod
    def vectors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return B and R, n numbers each."""

    @abstractmethod
    def moved(self, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return A x, the terms added from left to right."""

    def advance(self, current: Tensor, x: tuple[Tensor, ...], reset: Tensor) -> tuple[Tensor, ...]:
        """Return the states after a step, the terms added in the order of their equation."""
        terms = zip(self.moved(x), *self.vectors(), strict=True)
        if self.proportional:
            return tuple(moved * (r * reset + 1) + b * current for moved, b, r in terms)
        return tuple(moved + b * current + r * reset for moved, b, r in terms)

    @property
    def graded(self) -> bool:
        """Whether spikes have other values than 0 and 1."""
        return is_graded(self.spikes)

    @property
    def readout(self) -> Tensor:
        r"""The vector C of the membrane potential C x, [\*neurons, n]."""
        return torch.stack(torch.broadcast_tensors(*self.c), dim=-1)

    @property
    def shape(self) -> torch.Size:
        r"""Shape of the population, [\*neurons]: what the numbers broadcast to."""
        return torch.broadcast_tensors(*self.coefficients())[0].shape

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the dynamics; the state is kept in it."""
        return self.coefficients()[0].dtype

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Any:
        """Return the state at rest, zeros."""
        kind = STATE_TYPES[self.states]
        device = device or self.threshold.device
        return kind(*(torch.zeros(shape, dtype=dtype or self.dtype, device=device) for _ in kind._fields))

    def step(self, current: Tensor, state: Any, surrogate: SpikeFunction, *, detach_reset: bool = False) -> Any:
        """Advance by one time step, as :meth:`.contract.Dynamics.step` says."""
        reset = state.spk.detach() if detach_reset else state.spk
        x = self.advance(current, state[1:-1], reset)
        mem = dot(self.c, x)
        return type(state)(mem, *x, quantised(mem, self.threshold, surrogate, self.spikes))

    def double(self) -> Self:
        """Return the same system in float64."""
        return self.mapped(Tensor.double)


def dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Sum of products, from left to right: the order of every implementation."""
    return reduce(add, (one * other for one, other in zip(first, second, strict=True)))


def parted(name: str, value: Tensor, *sizes: int) -> tuple[Tensor, ...]:
    """Split the last dimension of a tensor [*neurons, *sizes] into its parts.

    Raises:
        ValueError: If the last dimensions have other sizes.
    """
    if value.shape[value.dim() - len(sizes) :] != sizes:
        needed = ", ".join(map(str, ("*neurons", *sizes)))
        raise ValueError(f"{name}: got shape {tuple(value.shape)}; it must be [{needed}]")
    return value.unbind(-1)


def check_states(name: str, states: int) -> None:
    """Raise ValueError unless there can be a system of so many states."""
    if not FEWEST <= states <= MOST:
        raise ValueError(f"{name}: got {states} states; there must be {FEWEST} to {MOST}")
