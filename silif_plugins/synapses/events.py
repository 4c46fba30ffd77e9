"""The event-driven linear operator: from tensors to kernels, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..kernels.jobs import run_job
from ..kernels.operators import check_operands, differentiable_function, one_by_one, operator, shapes_of
from ..kernels.products import product
from ..surrogate import in_forward_mode, is_plain

SAMPLE = 64
"""Rows, evenly spread, that the share is measured on."""

COUNTERS = 32
"""Parts of the rows that are counted one by one."""


def fits_kernels(*tensors: Tensor) -> bool:
    """Whether kernels may run: real numbers on the CPU, nothing traced."""
    return (
        all(each.device.type == "cpu" and each.dtype == tensors[0].dtype for each in tensors)
        and tensors[0].dtype in (torch.float32, torch.float64)
        and is_plain()
        and not in_forward_mode()
        and not torch.is_autocast_enabled("cpu")
    )


def activity(x: Tensor) -> float:
    """Share of the entries of x [rows, inputs] that are not zero, on a sample of rows."""
    sample = x[:: max(1, x.shape[0] // SAMPLE)]
    return float(sample.count_nonzero()) / max(1, sample.numel())


def break_even(outputs: int, dropout: float) -> float:
    """Share of inputs that are not zero from which two dense products (forward, gradient of the weight) are faster.

    From measured costs on one core: dense products take 0.35 + 0.019 M ns per input for M outputs more than a search
    for events, and dropout beside them 2.6 ns; an event that is kept 1.8 + 0.03 M ns in both passes. 0.30 for 20
    outputs and 0.59 for 512; with dropout events are always faster for 20, and up to 0.98 for 512.
    """
    return (0.35 + 0.019 * outputs + 2.6 * (dropout > 0)) / (1.8 + 0.03 * outputs) / (1 - dropout)


def gate_break_even(outputs: int, dropout: float) -> float:
    """Share of open gates from which a dense product (gradient of the input) is faster.

    From measured costs on one core, without and with a batch norm (which makes the dense way dearer), in the middle:
    it takes 0.09 + 0.0086 M ns per input for M outputs more than a search for gates, and dropout after it 0.6 ns; an
    open gate that is kept 1.1 + 0.0215 M ns. 0.17 for 20 outputs and 0.37 for 512; 0.75 and 0.56 with a dropout of a
    quarter.
    """
    return (0.09 + 0.0086 * outputs + 0.6 * (dropout > 0)) / (1.1 + 0.0215 * outputs) / (1 - dropout)


def count(x: Tensor) -> Tensor:
    """Number of the entries of x [rows, inputs], contiguous, that are not zero, float64."""
    from . import event_kernels as kernels

    numbers = torch.zeros(COUNTERS, dtype=torch.int64)
    run(kernels.count, x, 1, 0.0, 0, tasks=COUNTERS, numbers=numbers)
    return numbers.sum().double()


def drop(x: Tensor, dropout: float, seed: int, gate: Tensor | None = None) -> Tensor:
    """Apply dropout to x [rows, inputs], contiguous: the same entries as in the event-driven kernels.

    Where there is a gate, also contiguous, the result is 0 wherever it is not open.
    """
    if not dropout:
        return x
    from ..kernels.memory import empty_like
    from . import event_kernels as kernels

    y = empty_like(x)
    run(kernels.drop, x, 16, dropout, seed, y=y, gate=gate)
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
    x, _ = _checked(x, weight, gate)
    return run_forward(x, weight, bias, dropout, seed)


@shapes_of(spike_linear_forward)
def _(x: Tensor, weight: Tensor, bias: Tensor | None, gate: Tensor | None, dropout: float, seed: int) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0])


@operator("spike_linear_backward")
def spike_linear_backward(
    grad: Tensor, x: Tensor, weight: Tensor, gate: Tensor | None, dropout: float, seed: int, needs_x: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of x (empty unless needed) and of the weight from that of the result, [rows, outputs]."""
    x, gate = _checked(x, weight, gate)
    outputs = weight.shape[0]
    check_operands(x, grad=(grad, (x.shape[0], outputs)))
    sparse = needs_x and gate is not None and activity(gate) < gate_break_even(outputs, dropout)
    grad_x, grad_weight = run_backward(grad, x, weight, gate if sparse else None, dropout, seed)
    if needs_x and not sparse:
        grad_x = drop(product(grad, weight.t()), dropout, seed)
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


def run_forward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    dropout: float,
    seed: int,
    *,
    tasks: int = 64,
    packed: Tensor | None = None,
    **others: Tensor | None,
) -> Tensor:
    """Run the kernel of x Wᵀ + bias by events; the arguments are those of the operator.

    Args:
        x: [rows, inputs].
        weight: [outputs, inputs].
        bias: [outputs].
        dropout: Share of inputs that are dropped.
        seed: Which ones.
        tasks: Number of parts of the rows.
        packed: The :func:`strips` of the weight, if they are there.
        others: Further tensors of the kernel's job.
    """
    from ..kernels.memory import empty
    from . import event_kernels as kernels

    outputs = weight.shape[0]
    check_operands(x, bias=(bias, (outputs,)))
    width = kernels.padded(outputs, x.element_size())
    y = empty(x, (x.shape[0], width))
    start = x.new_zeros(width)
    if bias is not None:
        start[:outputs] = bias
    tensors: dict[str, Any] = {
        "weight": strips(weight, width) if packed is None else packed,
        "bias": start,
        "y": y,
        **others,
    }
    run(kernels.forward, x, width, dropout, seed, tasks=tasks, **tensors)
    return y if width == outputs else y[:, :outputs].contiguous()


def run_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    gate: Tensor | None,
    dropout: float,
    seed: int,
    *,
    needs_weight: bool = True,
    packed: Tensor | None = None,
    **others: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Run the kernel of the gradients by events.

    Args:
        grad: Gradient of y, [rows, outputs].
        x: [rows, inputs].
        weight: [outputs, inputs].
        gate: Where the gradient of x is wanted, [rows, inputs]; nowhere by default.
        dropout: Share of inputs that are dropped.
        seed: Which ones.
        needs_weight: Whether the gradient of the weight is wanted.
        packed: The :func:`strips` of the weight, if they are there.
        others: Further tensors of the kernel's job, [..., outputs].

    Returns:
        The gradients of x and of the weight; empty where they are not wanted.
    """
    from ..kernels.memory import empty, empty_like
    from ..kernels.words import WORD
    from . import event_kernels as kernels

    outputs, inputs = weight.shape
    width = kernels.padded(outputs, x.element_size())
    # One task for 128 inputs or more: each reads all of dL/dy.
    tasks = -(-inputs // 128)
    tensors: dict[str, Any] = {
        name: tensor if tensor is None else widened(tensor, width, outputs) for name, tensor in others.items()
    }
    tensors["tiles"] = empty(x, (tasks * kernels.TILES * WORD, width))
    tensors["words"] = torch.empty(kernels.TILES * 2 * -(-inputs // WORD) * WORD, dtype=torch.int64)
    grad_x = x.new_empty(0) if gate is None else empty_like(x)
    grad_weight = empty(x, (inputs * width if needs_weight else 0,)).zero_()
    if gate is not None:
        tensors |= {
            "weight": strips(weight, width) if packed is None else packed,
            "gate": gate,
            "grad_x": grad_x,
        }
        room = tasks * (kernels.PANEL * kernels.TILES + 1) * WORD
        tensors |= {"products": empty(x, (room,)), "places": empty(x, (room,), torch.int32)}
    if needs_weight:
        tensors["grad_weight"] = grad_weight
    if gate is not None or needs_weight:
        grad_y = widened(grad, width, outputs)
        run(kernels.backward, x, width, dropout, seed, tasks=tasks, grad_y=grad_y, **tensors)
    return grad_x, from_strips(grad_weight, outputs, inputs, width) if needs_weight else grad_weight


def widened(tensor: Tensor, width: int, outputs: int) -> Tensor:
    """A tensor [..., outputs] with zeros up to a width, contiguous; others as they are."""
    if tensor.shape[-1:] != (outputs,) or width == outputs:
        return tensor.contiguous()
    return torch.nn.functional.pad(tensor, (0, width - outputs))


def strips(weight: Tensor, width: int) -> Tensor:
    """The weight as the kernels take it: of some outputs after others [inputs, outputs], zeros up to a width."""
    from ..kernels.memory import empty

    flat = empty(weight, (weight.shape[1] * width,))
    for first, part in _parts(flat, weight.shape[1], width):
        rows = weight[first : first + part.shape[1]]
        part[:, : len(rows)].copy_(rows.t())
        part[:, len(rows) :].zero_()
    return flat


def from_strips(flat: Tensor, outputs: int, inputs: int, width: int) -> Tensor:
    """The reverse of :func:`strips`."""
    from ..kernels.memory import empty

    weight = empty(flat, (outputs, inputs))
    for first, part in _parts(flat, inputs, width):
        rows = weight[first : first + part.shape[1]]
        rows.copy_(part[:, : len(rows)].t())
    return weight


def _parts(flat: Tensor, inputs: int, width: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the first output of each strip, and its memory [inputs, outputs]."""
    from .event_kernels import strip_of

    strip = strip_of(flat.element_size())
    for first in range(0, width, strip):
        yield first, flat[first * inputs : (first + strip) * inputs].view(inputs, min(strip, width - first))


def run(
    kernel: Any,
    x: Tensor,
    width: int,
    dropout: float,
    seed: int,
    *,
    tasks: int = 64,
    **tensors: Tensor | None,
) -> None:
    """Run a kernel over rows of x; ``width`` is the number of outputs as the kernels take it."""
    from .event_kernels import job_dtype

    if not x.shape[0]:
        return
    sizes = {"rows": x.shape[0], "inputs": x.shape[1], "outputs": width, "tasks": tasks}
    told = dropout_numbers(dropout, seed)
    # A sparse row costs about as much as 16 steps of a neuron for each output.
    run_job(kernel, job_dtype, x.dtype, tasks, 16 * x.shape[0] * width, x=x, **sizes, **told, **tensors)


def dropout_numbers(dropout: float, seed: int) -> dict[str, float]:
    """Return what kernels are told of a dropout."""
    return {"drop": int(dropout * 2**32), "seed": seed, "scale": 1 / (1 - dropout)}
