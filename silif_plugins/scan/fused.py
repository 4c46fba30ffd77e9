"""The fused scan as PyTorch operators: what the backends compute, its gradient, its shapes for compilers.

All backends have the same two functions, ``forward`` and ``backward``. Between them they keep the input current (which
the caller holds in any case; with recurrent weights the total current instead) and the states before every 16th step,
2/16 of a tensor [T, B, N]: 4.5 bytes per element in float32, half a byte of them of its own. Backward computes the
other states again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..kernels.operators import check_operands, differentiable_function, is_direct, one_by_one, operator, shapes_of
from ..kernels.spike_bits import WORD, open_gates
from ..surrogate import in_forward_mode
from .layout import Backward, Forward, chunk_count, empty_gradients, empty_outputs


def fused_backend(name: str) -> Any:
    """Import a fused backend: the module with its functions."""
    if name == "cpu":
        from . import cpu

        return cpu
    if name == "triton":
        from .gpu import launch

        return launch
    raise ValueError(f"backend: got {name!r}; the fused backends are 'cpu' and 'triton'")


def check_sequence(current: Tensor) -> None:
    """Raise unless kernels can run over currents: TypeError for their type or shape, RuntimeError in forward mode."""
    if in_forward_mode():
        raise RuntimeError("the fused scan has no derivative in forward mode; use backend='reference' or 'auto'")
    if current.dim() != 3 or current.dtype not in (torch.float32, torch.float64):
        got = f"{current.dtype} of shape {tuple(current.shape)}"
        raise TypeError(f"current: got {got}; it must be float32 or float64 of shape [T, B, N]")


def check_inputs(call: Forward | Backward) -> None:
    """Raise TypeError unless the inputs of a scan are what the kernels take them for."""
    current = call.current
    check_sequence(current)
    _, batch, neurons = current.shape
    check_operands(
        current,
        coefficients=(call.coefficients, (9, neurons)),
        initial=(call.initial, (3, batch, neurons)),
        weights=(call.weights, (neurons, neurons)),
        affine=(call.affine, (3, neurons)),
    )
    check_operands(current, torch.int64, lengths=(call.lengths, (batch,)))


def forward(call: Forward) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run neurons over a sequence; the results are those of :class:`.layout.Outputs`."""
    check_inputs(call)
    return tuple(fused_backend(call.backend).forward(call))


run_forward = operator("scan", Forward)(forward)


@shapes_of(run_forward, Forward)
def _(call: Forward) -> tuple[Tensor, ...]:
    return tuple(empty_outputs(call))


def backward(call: Backward) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run the adjoint; the results are those of :class:`.layout.Gradients`."""
    check_inputs(call)
    current = call.current
    steps, batch, neurons = current.shape
    check_operands(
        current,
        chunks=(call.chunks, (2 * chunk_count(steps), batch, neurons)),
        grad_spikes=(call.grad_spikes, current.shape),
        grad_final=(call.grad_final, (3, batch, neurons)),
        grad_mem=(call.grad_mem, current.shape),
        grad_ada=(call.grad_ada, current.shape),
        derivative=(call.derivative, current.shape),
    )
    if call.grad_open is not None:
        check_operands(current, torch.int64, bits=(call.bits, (3, steps, batch, neurons // WORD)))
        assert call.bits is not None
        check_operands(current, grad_open=(call.grad_open, (open_gates(call.bits),)))
    return tuple(fused_backend(call.backend).backward(call))


run_backward = operator("scan_backward", Backward)(backward)


@shapes_of(run_backward, Backward)
def _(call: Backward) -> tuple[Tensor, ...]:
    return tuple(empty_gradients(call))


def refuse(ctx: Any, *grads: Tensor) -> None:
    """Stand for a second derivative."""
    raise RuntimeError("the fused scan can be differentiated once; use backend='reference' for second derivatives")


torch.library.register_autograd(run_backward, refuse)


ScanBackward = differentiable_function(run_backward, lambda ctx, inputs, output: None, refuse)


def both_or_none(first: Tensor | None, second: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Zeros for a missing gradient where the other one is there: the kernels take both or none."""
    if first is None and second is not None:
        first = torch.zeros_like(second)
    elif second is None and first is not None:
        second = torch.zeros_like(first)
    return first, second


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    current, coefficients, initial, weights, lengths, *ctx.options, affine, ctx.counts, _ = inputs
    # With weights, backward needs what the neurons got, and not what came in.
    got = current if weights is None else output[5]
    bits = output[7] if output[7].numel() else None
    ctx.save_for_backward(got, coefficients, initial, weights, lengths, output[2], affine, bits)
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_chunks: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
    grad_extra: Tensor | None,
    grad_counts: Tensor | None,
    grad_bits: Tensor | None,
    grad_open: Tensor | None = None,
) -> tuple[Tensor | None, ...]:
    current, coefficients, initial, weights, lengths, chunks, affine, bits = ctx.saved_tensors
    hard_reset, trace, *surrogate, detach_reset, backend, _ = ctx.options
    grad_mem, grad_ada = both_or_none(grad_mem, grad_ada) if trace else (None, None)
    if ctx.counts and grad_counts is not None:  # every spike of a neuron counts
        each = grad_counts.to(current.dtype).expand(current.shape)
        grad_spikes = each if grad_spikes is None else grad_spikes + each
    needs_current = ctx.needs_input_grad[0] or weights is not None
    values = (
        current,
        coefficients,
        initial,
        weights,
        lengths,
        chunks,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        None,
        hard_reset,
        *surrogate,
        detach_reset,
        needs_current,
        backend,
        affine,
        ctx.needs_input_grad[2],
        bits,
        None if grad_open is None else grad_open.contiguous(),
    )
    call = Backward(*values)
    if torch.is_grad_enabled():  # with a graph of the backward pass itself: torch.func always asks for one
        grads = ScanBackward.apply(*call)
    else:
        grads = backward(call) if is_direct(current, grad_spikes, grad_open) else run_backward(*call)
    wanted = grads[0] if needs_current else None, grads[1], grads[2], None if weights is None else grads[3]
    others: list[Tensor | None] = [None] * (len(Forward._fields) - len(wanted))
    others[-3] = None if affine is None else grads[4]
    return *wanted, *others


torch.library.register_autograd(run_forward, _differentiate, setup_context=_save)


Scan = differentiable_function(run_forward, _save, _differentiate)


class DirectScan(torch.autograd.Function):
    """The same for tensors that ``is_direct`` takes: without PyTorch's dispatcher, which costs as much as a call.

    Where spikes and gates are packed there is one more output, what :class:`.spike_bits.SpikeBits` has as ``open``.
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
        """Run the neurons."""
        call = Forward(*inputs)
        outputs = forward(call)
        _save(ctx, inputs, outputs)
        if not call.packed:
            return outputs
        return *outputs, call.current.new_zeros(1).expand(open_gates(outputs[7]))

    backward = staticmethod(_differentiate)


torch.library.register_vmap(run_forward, one_by_one(run_forward))
torch.library.register_vmap(run_backward, one_by_one(run_backward))
