"""The event-driven linear operator: from tensors to kernels, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kernels.operators import check_operands, differentiable_function, one_by_one, operator, shapes_of
from ..surrogate import in_forward_mode

SAMPLE = 256
"""Rows, evenly spread, that the share is measured on."""


def activity(x: Tensor) -> float:
    """Share of the entries of x [rows, inputs] that are not zero, on a sample of rows."""
    sample = x[:: max(1, x.shape[0] // SAMPLE)]
    return float(sample.count_nonzero()) / max(1, sample.numel())


def break_even(outputs: int, dropout: float) -> float:
    """Share of inputs that are not zero from which two dense products (forward, gradient of the weight) are faster.

    From measured costs on one core: a dense product takes 0.5 + 0.021 M ns per input for M outputs, and dropout beside
    it 8 ns; an event 16 + 0.09 M ns in both passes. 0.1 for 20 outputs and 0.36 for 512, 0.55 and 0.49 with dropout.
    """
    return (1 + 0.042 * outputs + 8 * (dropout > 0)) / (16 + 0.09 * outputs)


def gate_break_even(outputs: int, dropout: float) -> float:
    """Share of open gates from which a dense product (gradient of the input) is faster.

    An open gate costs 8 + 0.06 M ns, and every input 0.9 ns; dropout after a dense product 4.5 ns for every input.
    0.1 for 20 outputs and 0.29 for 512, 0.6 and 0.4 with dropout.
    """
    return (0.5 + 0.021 * outputs + 4.5 * (dropout > 0)) / (8 + 0.06 * outputs)


def drop(x: Tensor, dropout: float, seed: int) -> Tensor:
    """Apply dropout to x [rows, inputs], contiguous: the same entries as in the event-driven kernels."""
    if not dropout:
        return x
    from . import event_kernels as kernels

    y = torch.empty_like(x)
    _run(kernels.drop, x, 16, dropout, seed, y=y)
    return y


def _checked(x: Tensor, weight: Tensor, gate: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return x and the gate as the kernels read them; raise TypeError if they cannot."""
    if in_forward_mode():
        raise RuntimeError("the event-driven layer has no derivative in forward mode; use events='never' or 'auto'")
    if x.dim() != 2 or x.dtype not in (torch.float32, torch.float64):
        got = f"{x.dtype} of shape {tuple(x.shape)}"
        raise TypeError(f"x: got {got}; it must be float32 or float64 of shape [rows, inputs]")
    check_operands(x, weight=(weight, (weight.shape[0], x.shape[1])))
    check_operands(x, torch.bool, gate=(gate, x.shape))
    return x.contiguous(), None if gate is None else gate.contiguous()


@operator("spike_linear")
def spike_linear_forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, gate: Tensor | None, dropout: float, seed: int
) -> Tensor:
    """Return x Wᵀ + bias by the events of x.

    Args:
        x: [rows, inputs], float32 or float64.
        weight: [outputs, inputs].
        bias: [outputs].
        gate: Booleans [rows, inputs], where the gradient of x is wanted; everywhere by default. (Where many are
            open, it is computed everywhere.)
        dropout: Share of inputs that are dropped.
        seed: Which ones.
    """
    from . import event_kernels as kernels

    x, gate = _checked(x, weight, gate)
    outputs = weight.shape[0]
    check_operands(x, bias=(bias, (outputs,)))
    width = kernels.padded(outputs, x.element_size())
    y = x.new_empty(x.shape[0], width)
    start = x.new_zeros(width)
    if bias is not None:
        start[:outputs] = bias
    _run(kernels.forward, x, width, dropout, seed, weight=_transposed(weight, width), bias=start, y=y)
    return y if width == outputs else y[:, :outputs].contiguous()


@shapes_of(spike_linear_forward)
def _(x: Tensor, weight: Tensor, bias: Tensor | None, gate: Tensor | None, dropout: float, seed: int) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


@operator("spike_linear_backward")
def spike_linear_backward(
    grad: Tensor, x: Tensor, weight: Tensor, gate: Tensor | None, dropout: float, seed: int, needs_x: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of x (empty unless needed) and of the weight from that of the result, [rows, outputs]."""
    from . import event_kernels as kernels

    x, gate = _checked(x, weight, gate)
    outputs, inputs = weight.shape
    check_operands(x, grad=(grad, (x.shape[0], outputs)))
    width = kernels.padded(outputs, x.element_size())
    wide = grad.contiguous() if width == outputs else torch.nn.functional.pad(grad, (0, width - outputs))
    grad_weight = x.new_zeros(inputs, width)
    # One task for 128 inputs or more: each reads all of dL/dy.
    _run(
        kernels.weight_gradient, x, width, dropout, seed, tasks=-(-inputs // 128), grad_y=wide, grad_weight=grad_weight
    )
    grad_weight = grad_weight[:, :outputs].t().contiguous()
    if not needs_x:
        return x.new_empty(0), grad_weight
    if gate is None or activity(gate) > gate_break_even(outputs, dropout):
        return drop(grad @ weight, dropout, seed), grad_weight
    grad_x = _empty_like(x)
    transposed = _transposed(weight, width)
    _run(kernels.input_gradient, x, width, dropout, seed, weight=transposed, gate=gate, grad_y=wide, grad_x=grad_x)
    return grad_x, grad_weight


@shapes_of(spike_linear_backward)
def _(
    grad: Tensor, x: Tensor, weight: Tensor, gate: Tensor | None, dropout: float, seed: int, needs_x: bool
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape if needs_x else 0), torch.empty_like(weight, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, bias, gate, ctx.dropout, ctx.seed = inputs
    ctx.has_bias = bias is not None
    ctx.save_for_backward(x, weight, gate)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, gate = ctx.saved_tensors
    needs_x = ctx.needs_input_grad[0]
    # With a graph of the backward pass itself: torch.func always asks for one.
    adjoint: Any = Backward.apply if torch.is_grad_enabled() else spike_linear_backward
    grad_x, grad_weight = adjoint(grad, x, weight, gate, ctx.dropout, ctx.seed, needs_x)
    return grad_x if needs_x else None, grad_weight, grad.sum(0) if ctx.has_bias else None, None, None, None


torch.library.register_autograd(spike_linear_forward, _differentiate, setup_context=_save)


def _refuse(ctx: Any, *grads: Tensor) -> None:
    raise RuntimeError("the event-driven layer can be differentiated once; use events='never' for second derivatives")


torch.library.register_autograd(spike_linear_backward, _refuse)
Backward = differentiable_function(spike_linear_backward, lambda ctx, inputs, output: None, _refuse)
SpikeLinearFunction = differentiable_function(spike_linear_forward, _save, _differentiate)
torch.library.register_vmap(spike_linear_forward, one_by_one(spike_linear_forward))
torch.library.register_vmap(spike_linear_backward, one_by_one(spike_linear_backward))


def _transposed(weight: Tensor, width: int) -> Tensor:
    """The weight as [inputs, width]."""
    return torch.nn.functional.pad(weight.t(), (0, width - weight.shape[0])).contiguous()


def _empty_like(x: Tensor) -> Tensor:
    from ..kernels.memory import empty_like

    return empty_like(x)


def _run(
    kernel: Any,
    x: Tensor,
    width: int,
    dropout: float,
    seed: int,
    *,
    tasks: int = 64,
    **tensors: Tensor,
) -> None:
    from ..kernels.compile import machine_code
    from ..kernels.threads import run_tasks
    from .event_kernels import job_dtype

    layout = job_dtype(np.dtype(str(x.dtype).removeprefix("torch.")))
    job = np.zeros((), layout)
    job["rows"], job["inputs"], job["outputs"] = *x.shape, width
    job["tasks"] = tasks
    job["drop"], job["seed"], job["scale"] = int(dropout * 2**32), seed, 1 / (1 - dropout)
    job["x"] = x.data_ptr()
    for name, tensor in tensors.items():
        job[name] = tensor.data_ptr()
    if x.shape[0]:
        # A sparse row costs about as much as 16 steps of a neuron for each output.
        run_tasks(machine_code(kernel, layout), tasks, job.ctypes.data, 16 * x.shape[0] * width)
