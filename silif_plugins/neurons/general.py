"""The general reset neuron: n states, several outputs, and a reset in three parts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..dynamics import GeneralReset, HardReset, LinearSystem, ResetAction, ResetCondition, StateSpace
from .log_domain import pole, rotation
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, has_values, sampler

HALF = 0.5
"""Of the conjugate pair that a complex state stands for: so that a reset takes one from y = 2 Re(C x)."""

Values = Callable[[str], Tensor]
"""A value by its name."""

SLOWEST = 1e-6
"""Smallest decay per step of a stable dense matrix."""


@register_neuron("General-Reset")
class GeneralResetNeuron(Neuron):
    r"""Neurons of n states with m outputs, whose spikes, reset condition and reset action are chosen one by one.

        x[t] = A x[t-1] + B I[t] - action(r[t-1], A x[t-1]),   y[t] = 2 Re(C x[t]) + D I[t]   (C x + D I, if real)
        s[t] = spikes(y[t]),   r[t] = condition(x[t], y[t], s[t])

    :class:`silif_plugins.dynamics.GeneralReset` says what the three parts may be. After Karilanova, Dey and
    Özçelikkale (2025): our reconstruction from its abstract and the companion papers. SiLIF, C-SiLIF, LIF, RF, S4D with
    spikes and the LIF of SpikingSSM are special cases; :meth:`of` makes one from any neuron of two states.

    At the start A holds the first n modes of S4D-Lin, -1/2 + i π j, at a Δ of each neuron's own, C their mean, in
    another phase for every output, and R what takes one from an output: α (x - 1/2) for one output and one mode, which
    is C-SiLIF. ``"diagonal"`` A are exp(Δ λ), stable for all values of log_decay, omega and log_dt as |A| < 1;
    ``"dense"`` ones exp(W - Wᵀ - L Lᵀ - 1e-6), whose norm is below 1. With ``stable=False`` A itself is trained, from
    the same start, and nothing keeps it stable.

    With a stable A and binary or ternary spikes every state is bounded: ``"subtract"`` adds a bounded input, the others
    never lengthen A x (λ is kept in [0, 1]). So is it with k bits, whose spikes have a largest value.

    With one output they are linear systems, unless another condition than spikes resets, or graded spikes by ``"zero"``
    or ``"scale"``: they have the states of :class:`silif_plugins.dynamics.ModalSpace` and
    :class:`silif_plugins.dynamics.DenseSpace`. A complex state counts twice there, and D once more (twice, with a
    diagonal A) unless it is fixed at 0, as by a ``learn`` without ``skip``. All others are a
    :class:`silif_plugins.dynamics.GeneralReset`. The fused CPU kernels run both, up to eight states, a complex one
    counting twice, and four outputs; not a condition that is a function. Several outputs make as many input channels of
    the next layer, in SpArchNet without recurrent weights.

    Args:
        size: Number of neurons, or shape of the population.
        states: Number of states n, from 1.
        outputs: Number of outputs m of each neuron.
        transition: ``"diagonal"``, complex, or ``"dense"``, real.
        stable: Whether A is parametrised so that it is stable.
        spikes: ``"binary"``, ``"ternary"``, or ``"2-bit"`` and so on to ``"8-bit"``.
        condition: ``"spike"``, ``"any"``, ``"output"``, ``"state"``, or a function, a
            :data:`silif_plugins.dynamics.ResetCondition`.
        action: ``"subtract"``, ``"zero"``, ``"scale"`` or ``"none"``.
        dt: Initial timestep Δ: a number, a tensor, or a range that is drawn from uniformly in the log domain.
        decay: Initial -Re λ; with ``stable=False`` it may be negative.
        gate: Initial entries of B.
        share: Initial λ of the action ``"scale"``.
        threshold: What outputs, or states, are compared with.
        learn: True, False, or the names of the parameters to train: ``log_decay, omega, log_dt`` or ``a_real, a_imag``
            (diagonal), ``w, l`` or ``a`` (dense), ``gate``, ``c_real, c_imag`` (``c`` if dense), ``skip``, and
            ``r_real, r_imag`` (``r`` if dense) or ``share``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range, a kind or a name is not valid; the message says which.

    Examples:
        >>> neuron = GeneralResetNeuron(16, states=4, outputs=2, spikes="ternary", action="zero")
        >>> spikes, state = neuron(10 * torch.randn(50, 3, 16))     # [T, B, N, m]
        >>> spikes.shape, spikes.unique()
        (torch.Size([50, 3, 16, 2]), tensor([-1.,  0.,  1.], grad_fn=...))
    """

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        states: int = 2,
        outputs: int = 1,
        transition: Literal["diagonal", "dense"] = "diagonal",
        stable: bool = True,
        spikes: str = "binary",
        condition: str | ResetCondition = "spike",
        action: ResetAction = "subtract",
        dt: Init = (0.01, 0.5),
        decay: Init = 0.5,
        gate: Init = (0.0, 1.0),
        share: Init = 0.5,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        if states < 1 or outputs < 1:
            raise ValueError(f"states, outputs: got {states} and {outputs}; both must be positive")
        if transition not in ("diagonal", "dense"):
            raise ValueError(f"transition: got {transition!r}; it must be diagonal or dense")
        self.states, self.outputs, self.transition, self.stable = states, outputs, transition, stable
        self.spikes, self.condition, self.action = spikes, condition, action
        self.graded = spikes not in ("binary", "1-bit")
        draw = sampler(self.size, generator=generator)
        rate, log_dt = draw("decay", decay, False), draw("dt", dt, True)
        if stable and has_values(rate) and bool((rate <= 0).any()):
            raise ValueError(f"decay: got {decay}; it must be positive, or stable=False")
        values = self._transition_values(rate, log_dt)
        gates = sampler((*self.size, states), generator=generator)("gate", gate, False)
        phases = math.pi * torch.arange(outputs) / outputs
        if transition == "diagonal":
            c = torch.polar(torch.full((outputs,), 1 / states), phases).unsqueeze(-1).expand(*self.size, -1, states)
            values |= {"gate": gates, "c_real": c.real.clone(), "c_imag": c.imag.clone()}
        else:
            c = torch.eye(states)[torch.arange(outputs) % states].expand(*self.size, -1, -1)
            values |= {"gate": gates, "c": c.clone()}
        values["skip"] = torch.zeros(*self.size, outputs)
        if action == "scale":
            values["share"] = draw("share", share, False)
        system = self._made(values.__getitem__, None, None, "none")  # refuses what is no kind of spikes or condition
        if action == "subtract":
            values |= self._reset_values(system)
        self.register_values(learn, **values)
        self.dynamics()  # refuses what is no action

    def _transition_values(self, rate: Tensor, log_dt: Tensor) -> dict[str, Tensor]:
        """Return the parameters of A at the modes of S4D-Lin."""
        rate, log_dt = rate.unsqueeze(-1), log_dt.unsqueeze(-1)
        if self.transition == "diagonal":
            omega = (math.pi * torch.arange(1, self.states + 1)).expand(*self.size, -1)
            if self.stable:
                log_decay = rate.log().expand(*self.size, self.states)
                return {"log_decay": log_decay.clone(), "omega": omega.clone(), "log_dt": log_dt.squeeze(-1)}
            modes = torch.polar(torch.exp(-rate * log_dt.exp()), omega * log_dt.exp())
            return {"a_real": modes.real.clone(), "a_imag": modes.imag.clone()}
        pairs = math.pi * torch.arange(1, self.states // 2 + 1)
        turning = torch.zeros(self.states, self.states)
        turning[torch.arange(len(pairs)) * 2 + 1, torch.arange(len(pairs)) * 2] = pairs
        dt = log_dt.exp().unsqueeze(-1)
        w, eye = dt * turning, torch.eye(self.states)
        if self.stable:
            return {"w": w, "l": (dt * rate.unsqueeze(-1)).sqrt() * eye}
        return {"a": torch.matrix_exp(w - w.mT - dt * rate.unsqueeze(-1) * eye)}

    def _reset_values(self, system: GeneralReset) -> dict[str, Tensor]:
        """Return R = A d, where d is the change of x that takes one from each output (or from each state)."""
        a, c = system.transition, system.readout
        whole = HALF if a.is_complex() else 1.0
        units = whole * c.mT.conj() / c.abs().square().sum(-1).unsqueeze(-2)
        resets = system.rest((1,)).resets.shape[-1]
        if self.condition == "state":
            units = whole * torch.eye(self.states).expand(*self.size, -1, -1)
        elif resets != self.outputs:
            units = units.mean(-1, keepdim=True).expand(*self.size, -1, resets)
        r = a.unsqueeze(-1) * units if a.is_complex() else a @ units
        return {"r_real": r.real.clone(), "r_imag": r.imag.clone()} if r.is_complex() else {"r": r.clone()}

    def _value(self, name: str) -> Tensor:
        value = getattr(self, name)
        assert isinstance(value, Tensor)
        return value

    def _complex(self, name: str, value: Values) -> Tensor:
        if self.transition == "dense":
            return value(name)
        return torch.complex(value(f"{name}_real"), value(f"{name}_imag"))

    def _transition(self, value: Values) -> Tensor:
        if self.transition == "diagonal":
            if not self.stable:
                return self._complex("a", value)
            log_dt = value("log_dt").unsqueeze(-1)
            return torch.complex(*pole(value("log_decay") + log_dt, rotation(value("omega"), log_dt)))
        if not self.stable:
            return value("a")
        w, lower = value("w"), value("l")
        eye = torch.eye(self.states, dtype=w.dtype, device=w.device)
        return torch.matrix_exp(w - w.mT - lower @ lower.mT - SLOWEST * eye)

    def _made(self, value: Values, skip: Tensor | None, reset: Tensor | None, action: ResetAction) -> GeneralReset:
        system = self._transition(value), value("gate"), self._complex("c", value), skip
        return GeneralReset(*system, reset, self.threshold, self.spikes, self.condition, action)

    def general_reset(self) -> GeneralReset:
        """Return the system with its reset, in the form that all of these neurons have."""
        reset = None
        if self.action == "subtract":
            reset = self._complex("r", self._value)
        elif self.action == "scale":
            reset = self._value("share").clamp(0, 1)
        # A value to train gets a gradient at 0, too.
        skips = "skip" in self._parameters or bool(self._value("skip").any())
        return self._made(self._value, self._value("skip") if skips else None, reset, self.action)

    def dynamics(self) -> GeneralReset | LinearSystem:
        """Return how they move: as a linear system, which has kernels, where they are one."""
        general = self.general_reset()
        return general.linear() or general

    @classmethod
    def of(cls, space: StateSpace | HardReset, **options: Any) -> GeneralResetNeuron:
        """Make the neuron that another one of two states is: a dense A that nothing keeps stable, its B and its R.

        Args:
            space: How the other one moves; a :class:`silif_plugins.dynamics.HardReset` is the action ``"zero"`` if its
                reset takes as much as is there.
            **options: Further arguments of the constructor, such as ``spikes`` or ``learn``.

        Raises:
            ValueError: If a hard reset is no such one.

        Examples:
            >>> from silif_plugins.neurons import SiLIF
            >>> silif = SiLIF(8).double()
            >>> general = GeneralResetNeuron.of(silif.state_space())
            >>> current = 5 * torch.randn(100, 2, 8, dtype=torch.float64)
            >>> torch.equal(general(current)[0], silif(current)[0])
            True
        """
        hard = isinstance(space, HardReset)
        linear = space.space if isinstance(space, HardReset) else space
        assert isinstance(linear, StateSpace)
        size = linear.shape
        if hard and any(
            bool((entry != 0).any()) for entry in (linear.r1 + linear.a11, linear.a21, linear.a22, linear.r2)
        ):
            raise ValueError("space: got a hard reset that leaves a part of the state; the action 'zero' empties all")
        neuron = cls(
            size,
            states=2,
            transition="dense",
            stable=False,
            threshold=linear.threshold.detach().clone(),
            action="zero" if hard else "subtract",
            **options,
        ).to(linear.a11)
        values = {"a": linear.transition, "gate": _stacked(size, linear.b1, linear.b2)}
        if not hard:
            values["r"] = -_stacked(size, linear.r1, linear.r2).unsqueeze(-1)
        with torch.no_grad():
            for name, value in values.items():
                neuron._value(name).copy_(value)
        return neuron

    def extra_repr(self) -> str:
        """Add the parts."""
        condition = self.condition if isinstance(self.condition, str) else getattr(self.condition, "__name__", "own")
        parts = f"{self.transition}, {self.spikes}, {condition}, {self.action}"
        return f"{super().extra_repr()}, states={self.states}, outputs={self.outputs}, {parts}"


def _stacked(size: torch.Size, *values: Tensor) -> Tensor:
    return torch.stack([value.expand(size) for value in values], dim=-1)
