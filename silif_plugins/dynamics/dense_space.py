"""Neurons of up to eight states whose transition matrix is any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from .linear_system import LinearSystem, check_states, dot, parted


@dataclass(frozen=True)
class DenseSpace(LinearSystem):
    r"""Spiking neurons of n states, n from 2 to 8, whose transition matrix is any.

        x[t] = A x[t-1] + B I[t] + R s[t-1],   mem[t] = C x[t],   s[t] = H(mem[t] - threshold)

    With two states and C = (1, 0) it is :class:`.state_space.StateSpace`, number by number. The fused CPU kernel
    runs it.

    Attributes:
        rows: The rows of A, n tuples of n numbers [\*neurons].
        b: The input vector B, n numbers.
        r: The reset R, n numbers.
        c: The readout C, n numbers.
        threshold: What the membrane is compared with.
        spikes: How the membrane becomes spikes: "binary", "ternary" or "2-bit" to "8-bit", as in
            :class:`silif_plugins.dynamics.GeneralReset`.
        proportional: Whether a spike, a binary one, takes in proportion to what is there: (1 + R s[t-1]) A x[t-1].

    Examples:
        A leaky integrator behind a synapse and two delays, four states in all:

        >>> from silif_plugins.scan import scan
        >>> chain = torch.tensor([[0.9, 0, 0, 1], [0, 0.8, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
        >>> space = DenseSpace.of(
        ...     chain,
        ...     input=torch.tensor([0.0, 1.0, 0.0, 0.0]),
        ...     reset=torch.tensor([-0.9, 0.0, 0.0, 0.0]),
        ...     readout=torch.tensor([1.0, 0.0, 0.0, 0.0]),
        ... )
        >>> current = torch.zeros(8, 1, 1)
        >>> current[0] = 0.7
        >>> spikes, state = scan(space, current)
        >>> spikes.flatten().nonzero().flatten(), state._fields
        (tensor([4, 7]), ('mem', 'x1', 'x2', 'x3', 'x4', 'spk'))
    """

    rows: tuple[tuple[Tensor, ...], ...]
    b: tuple[Tensor, ...]
    r: tuple[Tensor, ...]
    c: tuple[Tensor, ...]
    threshold: Tensor
    spikes: str = "binary"
    proportional: bool = False

    @classmethod
    def of(
        cls,
        transition: Tensor,
        input: Tensor,
        reset: Tensor,
        readout: Tensor,
        threshold: Tensor | float = 1.0,
    ) -> DenseSpace:
        """Build from matrices and vectors, differentiably.

        Args:
            transition: A, [*neurons, n, n].
            input: B, [*neurons, n].
            reset: R, [*neurons, n].
            readout: C, [*neurons, n].
            threshold: Spiking threshold, [*neurons] or a number.

        Raises:
            ValueError: If n is not 2 to 8, or the sizes differ.
        """
        states = transition.shape[-1]
        check_states("transition", states)
        return cls(
            tuple(parted("transition", row, states) for row in parted("transition", transition.mT, states, states)),
            parted("input", input, states),
            parted("reset", reset, states),
            parted("readout", readout, states),
            torch.as_tensor(threshold, dtype=transition.dtype, device=transition.device),
        )

    @property
    def states(self) -> int:
        """Number of states n."""
        return len(self.rows)

    @property
    def transition(self) -> Tensor:
        r"""The matrix A, [\*neurons, n, n]."""
        entries = torch.broadcast_tensors(*(entry for row in self.rows for entry in row))
        return torch.stack(entries, dim=-1).unflatten(-1, (self.states, self.states))

    def coefficients(self) -> tuple[Tensor, ...]:
        """Return all numbers: A row by row, B, R, C, and the threshold."""
        return *(entry for row in self.rows for entry in row), *self.b, *self.r, *self.c, self.threshold

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the system with a function applied to every number."""
        *rows, b, r, c = (tuple(map(function, numbers)) for numbers in (*self.rows, self.b, self.r, self.c))
        return replace(self, rows=tuple(rows), b=b, r=r, c=c, threshold=function(self.threshold))

    def without_reset(self) -> Self:
        """Return the same neurons with R = 0."""
        return replace(self, r=tuple(map(torch.zeros_like, self.r)))

    def vectors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return B and R."""
        return self.b, self.r

    def moved(self, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return A x, the terms added from left to right."""
        return tuple(dot(row, x) for row in self.rows)
