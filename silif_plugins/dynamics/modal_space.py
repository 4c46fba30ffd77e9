"""Neurons of two to eight states in modal form: oscillators side by side, one membrane, one spike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from .linear_system import LinearSystem, check_states, dot, parted
from .state_space import StateSpace


@dataclass(frozen=True)
class ModalSpace(LinearSystem):
    r"""Spiking neurons of k modes side by side, k from 1 to 4: one membrane is read out, one spike is fed back to all.

        x_j[t] = A_j x_j[t-1] + B_j I[t] + R_j s[t-1],   mem[t] = sum_j C_j x_j[t],   s[t] = H(mem[t] - threshold)

    Each mode j is a block of two states: those of a complex pole, or of any :class:`.state_space.StateSpace`. With one
    mode and C = (1, 0) it is that, number by number. The fused CPU kernel runs it.

    Attributes:
        blocks: The modes; their own thresholds are not used.
        c: The readout C, 2k numbers [\*neurons].
        threshold: What the membrane is compared with.
        spikes: How the membrane becomes spikes: "binary", "ternary" or "2-bit" to "8-bit", as in
            :class:`silif_plugins.dynamics.GeneralReset`.
        proportional: Whether a spike, a binary one, takes in proportion to what is there: (1 + R s[t-1]) A x[t-1].

    Examples:
        A neuron that responds to two frequencies, from two C-SiLIFs:

        >>> from silif_plugins.neurons import CSiLIF
        >>> from silif_plugins.scan import scan
        >>> slow, fast = (CSiLIF(8, omega=omega, dt=0.01).state_space() for omega in (5.0, 80.0))
        >>> space = ModalSpace.of([slow, fast])
        >>> spikes, state = scan(space, torch.randn(100, 2, 8))
        >>> state._fields
        ('mem', 'x1', 'x2', 'x3', 'x4', 'spk')
    """

    blocks: tuple[StateSpace, ...]
    c: tuple[Tensor, ...]
    threshold: Tensor
    spikes: str = "binary"
    proportional: bool = False

    @classmethod
    def of(
        cls, blocks: Sequence[StateSpace], readout: Tensor | None = None, threshold: Tensor | float = 1.0
    ) -> ModalSpace:
        """Build from modes.

        Args:
            blocks: One to four systems of two states.
            readout: C, [*neurons, 2k]; by default the sum of the modes' first states.
            threshold: Spiking threshold, [*neurons] or a number.

        Raises:
            ValueError: If there are none or more than four, or ``readout`` has another size.
        """
        check_states("blocks", 2 * len(blocks))
        like = blocks[0].a11
        readout = like.new_tensor([1.0, 0.0] * len(blocks)) if readout is None else readout
        return cls(
            tuple(blocks),
            parted("readout", readout, 2 * len(blocks)),
            torch.as_tensor(threshold, dtype=like.dtype, device=like.device),
        )

    @classmethod
    def from_poles(
        cls, poles: Tensor, input: Tensor, reset: Tensor, readout: Tensor, threshold: Tensor | float = 1.0
    ) -> ModalSpace:
        """Build from a complex diagonal system z[t] = poles z[t-1] + input I[t] + reset s[t-1], mem = Re(readout · z).

        The states are the real and imaginary parts of z; no complex number is left. Where the membrane is to be
        2 Re(c · z), as for systems that stand for conjugate pairs, the readout is 2 c.

        Args:
            poles: Complex, [*neurons, k].
            input: Complex or real, [*neurons, k]; and so are the next two.
            reset: What a spike adds in the next step.
            readout: What the membrane is read out with.
            threshold: Spiking threshold, [*neurons] or a number.

        Raises:
            ValueError: If k is not 1 to 4, or the sizes differ.

        Examples:
            >>> pole = torch.tensor([0.9 + 0.3j])
            >>> ModalSpace.from_poles(pole, torch.ones(1), -pole, torch.ones(1)).transition
            tensor([[ 0.9000, -0.3000],
                    [ 0.3000,  0.9000]])
        """
        modes = poles.shape[-1] if poles.dim() else 0
        check_states("poles", 2 * modes)
        real, imaginary = (parted("poles", part, modes) for part in _parts(poles))
        b1, b2 = (parted("input", part, modes) for part in _parts(input))
        r1, r2 = (parted("reset", part, modes) for part in _parts(reset))
        c1, c2 = (parted("readout", part, modes) for part in _parts(readout))
        threshold = torch.as_tensor(threshold, dtype=real[0].dtype, device=real[0].device)
        blocks = tuple(
            StateSpace(real[j], -imaginary[j], imaginary[j], real[j], b1[j], b2[j], r1[j], r2[j], threshold)
            for j in range(modes)
        )
        c = tuple(number for j in range(modes) for number in (c1[j], -c2[j]))
        return cls(blocks, c, threshold)

    @property
    def states(self) -> int:
        """Number of states n = 2k."""
        return 2 * len(self.blocks)

    @property
    def transition(self) -> Tensor:
        r"""The matrix A, [\*neurons, n, n], with the blocks on its diagonal."""
        result = self.blocks[0].a11.new_zeros((*self.shape, self.states, self.states))
        for j, block in enumerate(self.blocks):
            result[..., 2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = block.transition
        return result

    def coefficients(self) -> tuple[Tensor, ...]:
        """Return all numbers: the blocks of A, each row by row, B, R, C, and the threshold."""
        return (
            *(entry for block in self.blocks for entry in block[:4]),
            *(number for vector in self.vectors() for number in vector),
            *self.c,
            self.threshold,
        )

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the system with a function applied to every number."""
        blocks = tuple(StateSpace(*map(function, block)) for block in self.blocks)
        return replace(self, blocks=blocks, c=tuple(map(function, self.c)), threshold=function(self.threshold))

    def without_reset(self) -> Self:
        """Return the same neurons with R = 0."""
        return replace(self, blocks=tuple(block.without_reset() for block in self.blocks))

    def vectors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return B and R, 2k numbers each."""
        b = tuple(number for block in self.blocks for number in (block.b1, block.b2))
        return b, tuple(number for block in self.blocks for number in (block.r1, block.r2))

    def moved(self, x: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return A x, the terms added from left to right."""
        pairs = zip(self.blocks, x[::2], x[1::2], strict=True)
        return tuple(dot(row, pair) for block, *pair in pairs for row in (block[:2], block[2:4]))


def _parts(value: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part; that of a real tensor is zero."""
    return (value.real, value.imag) if value.is_complex() else (value, torch.zeros_like(value))
