"""The core's step for a state that is known to fit, as one node of the graph.

It gives the numbers of :func:`silif_plugins.scan.step` to the last bit. That function makes fifteen nodes, which for a
layer of usual size cost more than what they compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from ..scan import SingleStep, step
from ..surrogate import SpikeFunction, Surrogate, is_above
from .membrane import as_membrane

MEM_ROW = ("a11", "a12", "b1", "r1")
ADA_ROW = ("a21", "a22", "b2", "r2")
"""Coefficients of mem, ada, current and spk in the two rows of x[t] = A x[t-1] + B I[t] + R s[t-1]."""


class LeanStep:
    """One step of given neurons, from one state to the next.

    Args:
        space: Coefficients.
        surrogate: Spike function of mem - threshold.
        detach_reset: Whether the spikes that reset are constants for the gradient; see :func:`silif_plugins.scan.scan`.
    """

    def __init__(self, space: StateSpace, surrogate: SpikeFunction, detach_reset: bool = False) -> None:
        self._surrogate = surrogate
        self._detach_reset = detach_reset
        self._threshold = space.threshold
        row = [getattr(space, name) for name in (*MEM_ROW, *ADA_ROW)]
        self._coefficients = [None if is_constant(c, 0.0) else c for c in row]
        self._space = space
        self._single: SingleStep | None = None
        self._inner: Surrogate | None = None
        if isinstance(surrogate, Surrogate) and type(surrogate).__call__ is Surrogate.__call__:
            self._inner = surrogate

    def __call__(self, current: Tensor, state: State) -> State:
        """Return the next state, its membrane as a :class:`Membrane`.

        Args:
            current: Input current, [B, *neurons], of a data type no wider than that of the state.
            state: State, each field [B, *neurons].
        """
        current = current if current.dtype == state.mem.dtype else current.to(state.mem.dtype)
        single = self._single_for(current.shape)
        if single is not None and single.takes(current, *state):
            mem, ada, fired = single(current, *state)
            mem.syn = ada  # type: ignore[attr-defined]
            return State(mem, ada, fired)
        reset = state.spk.detach() if self._detach_reset else state.spk
        tensors = (state.mem, state.ada, current, reset, *self._coefficients, self._threshold)
        run: Any = _Step.apply if torch.is_grad_enabled() else _forward
        mem, ada, *spk = run(self._inner, *tensors)
        mem.syn = ada
        return State(mem, ada, spk[0] if spk else self._surrogate(mem - self._threshold).to(mem.dtype))

    def _single_for(self, shape: torch.Size) -> SingleStep | None:
        """The kernel for states of this shape; None if there is none."""
        if self._single is None or self._single.shape != shape:
            if self._inner is None or not SingleStep.fits(self._space, shape, self._inner):
                return None
            self._single = SingleStep(self._space, shape, self._inner, self._detach_reset, as_membrane)
        return self._single


class _Step(torch.autograd.Function):
    """mem and ada after a step, and spk where the derivative of the spike function is known."""

    @staticmethod
    def forward(ctx: Any, surrogate: Surrogate | None, *tensors: Any) -> tuple[Tensor, ...]:
        ctx.surrogate = surrogate
        mem, ada = _linear_part(tensors)
        if surrogate is None:
            ctx.save_for_backward(*tensors)
            return as_membrane(mem), ada
        margin = mem - tensors[12]  # saved instead of mem, which users may edit: to silence neurons, for example
        ctx.save_for_backward(*tensors, margin)
        return as_membrane(mem), ada, is_above(margin, 0.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        with torch._C.DisableTorchFunctionSubclass():  # the states that were saved may be of a class of their own
            return _Step._backward(ctx, *grads)

    @staticmethod
    def _backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        tensors, margin = ctx.saved_tensors[:13], ctx.saved_tensors[13:]
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # someone wants to differentiate again
            return None, *_differentiable_backward(ctx.surrogate, tensors, needed, grads)
        threshold = tensors[12]
        grad_mem, grad_ada, *grad_spk = grads
        grad_threshold = None
        if grad_spk:
            grad_margin = grad_spk[0] * ctx.surrogate.derivative(*margin)
            if needed[12]:
                grad_threshold = -grad_margin.sum_to_size(threshold.shape)
            grad_mem = grad_margin + grad_mem
        results: list[Tensor | None] = [None] * 12
        for i in range(4):
            value, in_mem, in_ada = tensors[i], tensors[4 + i], tensors[8 + i]
            if needed[i]:
                grad = None if in_mem is None else in_mem * grad_mem
                if in_ada is not None:
                    grad = in_ada * grad_ada if grad is None else torch.addcmul(grad, in_ada, grad_ada)
                results[i] = grad
            if needed[4 + i]:
                results[4 + i] = _sum_over_batch(grad_mem, value, in_mem.shape)
            if needed[8 + i]:
                results[8 + i] = _sum_over_batch(grad_ada, value, in_ada.shape)
        return None, *results, grad_threshold


def _forward(surrogate: Surrogate | None, *tensors: Any) -> tuple[Tensor, ...]:
    mem, ada = _linear_part(tensors)
    packed = as_membrane(mem)
    return (packed, ada) if surrogate is None else (packed, ada, is_above(mem - tensors[12], 0.0))


def _linear_part(tensors: Sequence[Any]) -> tuple[Tensor, Tensor]:
    return _sum_of_products(tensors[4:8], tensors[:4]), _sum_of_products(tensors[8:12], tensors[:4])


def _differentiable_backward(
    surrogate: Surrogate | None, tensors: Sequence[Any], needed: Sequence[bool], grads: Sequence[Tensor]
) -> list[Tensor | None]:
    """Do what backward does by differentiating the core's own step."""
    # Aliases: the gradient of this step alone, although its inputs depend on each other through earlier steps.
    aliases: list[Any] = [None if t is None else t.view_as(t) for t in tensors]
    mem, ada, current, spk, *coefficients, threshold = aliases
    named = zip((*MEM_ROW, *ADA_ROW), coefficients, strict=True)
    space = StateSpace.of(**{name: c for name, c in named if c is not None}, threshold=threshold)
    _, state = step(space, current, State(mem, ada, spk), surrogate=surrogate)
    wanted = [alias for alias, needs in zip(aliases, needed, strict=True) if needs]
    found = iter(torch.autograd.grad(state[: len(grads)], wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if needs else None for needs in needed]


def _sum_over_batch(grad: Tensor, value: Tensor, shape: torch.Size) -> Tensor:
    """Return the gradient of a coefficient of this shape whose product with ``value`` has the gradient ``grad``."""
    if value.shape[1:] == shape:
        return (grad * value).sum(0)  # half the time of sum_to_size
    return (grad * value).sum_to_size(shape)


def _sum_of_products(coefficients: Sequence[Tensor | None], values: Sequence[Tensor]) -> Tensor:
    """Return c1 v1 + c2 v2 + ..., rounded in this order; a coefficient that is None counts as zero."""
    total = None
    for c, v in zip(coefficients, values, strict=True):
        if c is not None:
            total = c * v if total is None else total.add_(c * v)
    return torch.zeros_like(values[0]) if total is None else total


def is_constant(tensor: Tensor, value: float) -> bool:
    """Whether a tensor is one number that does not train, of this value; False on a GPU, where asking costs more."""
    return tensor.dim() == 0 and tensor.device.type == "cpu" and not tensor.requires_grad and tensor.item() == value
