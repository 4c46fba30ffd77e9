"""The general reset: how a neuron fires, when it is reset and what a reset does, apart from each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional

from ..surrogate import SpikeFunction
from .dense_space import DenseSpace
from .graded import is_graded, levels, quantised
from .linear_system import FEWEST, MOST, LinearSystem, dot
from .modal_space import ModalSpace
from .state_space import StateSpace

ResetAction = Literal["subtract", "zero", "scale", "none"]
"""What a reset does to the next step."""

RESET_ACTIONS: tuple[ResetAction, ...] = get_args(ResetAction)

ResetCondition = Callable[[Tensor, Tensor, Tensor, SpikeFunction], Tensor]
"""A function (states [..., n], outputs y [..., m], spikes [..., m], spike function) -> resets [..., k].

States and outputs come less the threshold: what is above 0 is above it. The function must be differentiable to be
trained through.
"""

RESET_CONDITIONS: dict[str, ResetCondition] = {
    "spike": lambda states, outputs, spikes, surrogate: spikes,
    "any": lambda states, outputs, spikes, surrogate: spikes.abs().amax(-1, keepdim=True).clamp(max=1),
    "output": lambda states, outputs, spikes, surrogate: surrogate(outputs),
    "state": lambda states, outputs, spikes, surrogate: surrogate(states.real if states.is_complex() else states),
}
"""When a neuron is reset: where an output has a spike, by as much as that is; once where any of them has one; where an
output, or the real part of a state, is above the threshold."""


class GeneralState(NamedTuple):
    """What neurons with a general reset remember.

    Attributes:
        mem: The outputs y before they are quantised, [B, *neurons], or [B, *neurons, m] where there are several.
        x: The n states, [B, *neurons, n], or [B, *neurons, n, 2] for complex ones.
        resets: The resets that the next step carries out, [B, *neurons, k].
        spk: The spikes, of the shape of ``mem``.
    """

    mem: Tensor
    x: Tensor
    resets: Tensor
    spk: Tensor


@dataclass(frozen=True)
class GeneralReset:
    r"""Neurons of n states with m outputs, and a reset in three parts that can be chosen apart from each other.

        x[t] = A x[t-1] + B I[t] - what the resets r[t-1] take,   y[t] = 2 Re(C x[t]) + D I[t]   (C x + D I, if real)
        s[t] = the spikes of y[t],   r[t] = the resets that follow from x[t], y[t] and s[t]

    - Spikes: "binary", H(y - threshold); "ternary", that and -H(-y - threshold); "k-bit", how many of the levels
      threshold, 2 threshold, ... (2^k - 1) threshold lie below y.
    - Condition: "spike", "any", "output", "state", or a function; see ``RESET_CONDITIONS``.
    - Action: "subtract" takes R r, "zero" all of A x where there is a reset, "scale" a share λ of it, "none" nothing.

    The fused CPU kernels run all of it but a function as condition, up to eight states, a complex one counting twice,
    and four outputs. Where all of it is linear, :meth:`linear` tells the system.

    After Karilanova, Dey and Özçelikkale (2025), whose text we do not have: a reconstruction from its abstract and the
    companion papers, not its equations.

    Attributes:
        transition: A, complex [\*neurons, n] (diagonal) or real [\*neurons, n, n].
        input: B, [\*neurons, n].
        readout: C, [\*neurons, m, n].
        skip: D, [\*neurons, m]; None for 0.
        reset: R, [\*neurons, n, k]; for "scale" λ, [\*neurons]; None for the other actions.
        level: The threshold, [\*neurons] or a number.
        spikes: How y becomes spikes.
        condition: When there is a reset.
        action: What it does.

    Raises:
        ValueError: If spikes or action are not one of those.

    Examples:
        A leaky integrator that is emptied by a spike, as in SpikingSSM:

        >>> from silif_plugins.scan import scan
        >>> tau, one = torch.full((1, 1, 1), 0.125), torch.ones(1, 1)
        >>> lif = GeneralReset(tau, one, one.unsqueeze(-1), None, None, torch.tensor(1.0), action="zero")
        >>> scan(lif, torch.tensor([0.9, 0.9, 0.9]).view(3, 1, 1))[0].flatten()
        tensor([0., 1., 0.])
    """

    transition: Tensor
    input: Tensor
    readout: Tensor
    skip: Tensor | None
    reset: Tensor | None
    level: Tensor
    spikes: str = "binary"
    condition: str | ResetCondition = "spike"
    action: ResetAction = "subtract"

    threshold = None
    """There may be several."""

    def __post_init__(self) -> None:
        """Check the names."""
        levels(self.spikes)
        reset_condition(self.condition)
        if self.action not in RESET_ACTIONS:
            raise ValueError(f"action: got {self.action!r}; it must be one of {', '.join(RESET_ACTIONS)}")

    @property
    def shape(self) -> torch.Size:
        r"""Shape of the population, [\*neurons]."""
        return self.input.shape[:-1]

    @property
    def dtype(self) -> torch.dtype:
        """Data type in which the state is kept."""
        return self.input.dtype

    @property
    def states(self) -> int:
        """Number of states, a complex one counting twice."""
        return self.input.shape[-1] * (2 if self.transition.is_complex() else 1)

    @property
    def outputs(self) -> int:
        """Number of outputs m."""
        return self.readout.shape[-2]

    def spectral_radius(self) -> Tensor:
        r"""Return the largest |eigenvalue| of A, float64 [\*neurons]."""
        if self.transition.is_complex():
            return self.transition.to(torch.complex128).abs().amax(dim=-1)
        return torch.linalg.eigvals(self.transition.double()).abs().amax(dim=-1)

    def linear(self) -> LinearSystem | None:
        """Return the same neurons as a system of real states, up to eight; None where they are none.

        They are one with one output if nothing resets, if spikes do by "subtract", or binary spikes by any action. A
        complex state is a mode, a block of two states, and the input that D adds to the output is one more state (two,
        if they are modes), which keeps nothing.

        Examples:
            >>> pole, one = torch.tensor([[0.9 + 0.3j]]), torch.ones(1, 1)
            >>> GeneralReset(pole, one, one.unsqueeze(-1), None, None, one[0], action="none").linear().transition
            tensor([[[ 0.9000, -0.3000],
                     [ 0.3000,  0.9000]]])
        """
        outputs, states = self.readout.shape[-2:]
        # Of binary spikes of one output all three are the same.
        conditions = ("spike",) if is_graded(self.spikes) else ("spike", "any", "output")
        proportional = self.action in ("zero", "scale")
        resets = self.action == "none" or self.condition in conditions
        if outputs > 1 or not resets or (proportional and is_graded(self.spikes)):
            return None
        readout = self.readout.squeeze(-2)
        reset = torch.zeros_like(readout)
        if self.action == "subtract":
            assert self.reset is not None
            reset = -self.reset.squeeze(-1)
        elif proportional:  # of both parts of a complex state
            share = torch.ones_like(self.input) if self.reset is None else self.reset.unsqueeze(-1)
            share = share.expand(self.input.shape)
            reset = -(torch.complex(share, share) if readout.is_complex() else share)
        if self.transition.is_complex():
            if 2 * (states + (self.skip is not None)) > MOST:
                return None
            modes = ModalSpace.from_poles(self.transition, self.input, reset, 2 * readout, self.level)
            if self.skip is not None:
                zero, skip = self.input.new_zeros(()), self.skip.squeeze(-1)
                now = StateSpace.of(a11=zero, b1=1.0)
                modes = replace(modes, blocks=(*modes.blocks, now), c=(*modes.c, skip, zero))
            return replace(modes, spikes=self.spikes, proportional=proportional)
        more = max(self.skip is not None, FEWEST - states)  # a state for D, or to be two
        if states + more > MOST:
            return None
        vectors = [self.input, reset, readout]
        if self.skip is not None:
            parts = torch.ones_like(self.skip), torch.zeros_like(self.skip), self.skip
            vectors = [torch.cat(pair, dim=-1) for pair in zip(vectors, parts, strict=True)]
        b, r, c = (functional.pad(each, (0, states + more - each.shape[-1])) for each in vectors)
        space = DenseSpace.of(functional.pad(self.transition, (0, more, 0, more)), b, r, c, self.level)
        return replace(space, spikes=self.spikes, proportional=proportional)

    def between_spikes(self) -> LinearSystem | None:
        """Return what they are while nothing resets them, read out by the first output; up to eight states."""
        return replace(self, readout=self.readout[..., :1, :], skip=None, reset=None, action="none").linear()

    def rest(
        self, shape: tuple[int, ...], *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> GeneralState:
        """Return the state at rest, zeros."""
        dtype, device = dtype or self.dtype, device or self.input.device
        outputs, states = self.readout.shape[-2:]
        complex_ = (2,) if self.transition.is_complex() else ()
        out = () if outputs == 1 else (outputs,)
        # None at rest: no condition but one of the user's own depends on more than the number of outputs.
        at_rest = self.input.new_zeros(1, states, *complex_), self.input.new_zeros(1, outputs)
        resets = self.resets(*at_rest, torch.zeros_like, at_rest[1])
        sizes = (out, (states, *complex_), resets.shape[-1:], out)
        return GeneralState(*(torch.zeros((*shape, *size), dtype=dtype, device=device) for size in sizes))

    def step(
        self, current: Tensor, state: GeneralState, surrogate: SpikeFunction, *, detach_reset: bool = False
    ) -> GeneralState:
        """Advance by one time step, as :meth:`silif_plugins.dynamics.Dynamics.step` says."""
        resets = state.resets.detach() if detach_reset else state.resets
        now = current.unsqueeze(-1)
        x = self._after(state.x, resets, self.input * now)
        outputs = self._read(x)
        if self.skip is not None:
            outputs = outputs + self.skip * now
        spikes = quantised(outputs, self.level.unsqueeze(-1), surrogate, self.spikes)
        after = self.resets(x, outputs, surrogate, spikes)
        mem, spk = (part.squeeze(-1) if part.shape[-1] == 1 else part for part in (outputs, spikes))
        return GeneralState(mem, x, after, spk)

    def _after(self, x: Tensor, resets: Tensor, given: Tensor) -> Tensor:
        """Return the states after a step, the terms added from left to right as in all implementations."""
        is_complex = self.transition.is_complex()
        if is_complex:
            (re, im), (real, imaginary) = x.unbind(-1), (self.transition.real, self.transition.imag)
            moved = torch.stack([real * re - imaginary * im, imaginary * re + real * im], dim=-1)
            given = torch.stack([given, torch.zeros_like(given)], dim=-1)
        else:
            moved = dot(self.transition.unbind(-1), x.unsqueeze(-2).unbind(-1))
        if self.action == "none":
            return moved + given
        if self.action == "subtract":
            assert self.reset is not None
            columns = torch.view_as_real(self.reset.resolve_conj()).unbind(-2) if is_complex else self.reset.unbind(-1)
            each = resets.unsqueeze(-2).unsqueeze(-2) if is_complex else resets.unsqueeze(-2)
            return moved + given - dot(columns, each.unbind(-1))
        whole = self._whole(resets)
        if self.action == "scale":
            assert self.reset is not None
            whole = self.reset.unsqueeze(-1) * whole
        return moved * (1 - (whole.unsqueeze(-1) if is_complex else whole)) + given

    def _whole(self, resets: Tensor) -> Tensor:
        """Return one reset for all: 1 where there is any."""
        # Of 0 and 1 alone the largest is the same, and lets the gradient of a spike that was not fired through.
        if is_graded(self.spikes) or not isinstance(self.condition, str):
            return resets.abs().amax(-1, keepdim=True).clamp(max=1)
        return resets.amax(-1, keepdim=True)

    def _read(self, x: Tensor) -> Tensor:
        """Return 2 Re(C x), or C x."""
        if not self.transition.is_complex():
            return dot(self.readout.unbind(-1), x.unsqueeze(-2).unbind(-1))
        numbers = torch.view_as_real(2 * self.readout.conj().resolve_conj()).flatten(-2)
        return dot(numbers.unbind(-1), x.flatten(-2).unsqueeze(-2).unbind(-1))

    def resets(self, x: Tensor, outputs: Tensor, surrogate: SpikeFunction, spikes: Tensor) -> Tensor:
        """Return the resets that follow from a step: from states as they are kept, and outputs and spikes [..., m]."""
        level = self.level.unsqueeze(-1)
        if self.condition == "any" and not is_graded(self.spikes):
            return spikes.amax(-1, keepdim=True)
        if self.transition.is_complex():
            x = torch.view_as_complex(x.contiguous())
        return reset_condition(self.condition)(x - level, outputs - level, spikes, surrogate)


def reset_condition(condition: str | ResetCondition) -> ResetCondition:
    """Return the condition of a name, or pass a function through.

    Raises:
        ValueError: If there is no such condition.

    Examples:
        >>> reset_condition("spikes")
        Traceback (most recent call last):
        ValueError: condition: got 'spikes'; it must be a function or one of spike, any, output, state
    """
    if not isinstance(condition, str):
        return condition
    if condition not in RESET_CONDITIONS:
        names = ", ".join(RESET_CONDITIONS)
        raise ValueError(f"condition: got {condition!r}; it must be a function or one of {names}")
    return RESET_CONDITIONS[condition]
