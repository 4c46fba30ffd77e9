"""The fused scan of steps of their own length, as PyTorch operators: on the CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..dynamics import Flow, State
from ..kernels.operators import check_operands, differentiable_function, is_recorded, one_by_one, operator, shapes_of
from ..surrogate import SpikeFunction
from .flow_layout import FlowBackward, FlowForward, FlowOutputs, empty_flow_gradients, empty_flow_outputs
from .fused import both_or_none, check_sequence, refuse
from .layout import GIVEN, chunk_count, in_kernel

NUMBERS = len(Flow._fields)


def check_inputs(call: FlowForward | FlowBackward) -> None:
    """Raise TypeError unless the inputs of a scan are what the kernels take them for."""
    current = call.current
    check_sequence(current)
    steps, batch, neurons = current.shape
    check_operands(
        current,
        durations=(call.durations, (steps, batch)),
        coefficients=(call.coefficients, (NUMBERS, neurons)),
        initial=(call.initial, (3, batch, neurons)),
    )
    check_operands(current, torch.int64, lengths=(call.lengths, (batch,)))


@operator("scan_flow", FlowForward)
def run_forward(call: FlowForward) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run neurons over a sequence; the results are those of :class:`.flow_layout.FlowOutputs`."""
    from . import cpu

    check_inputs(call)
    outputs: Any = cpu.forward_flow(call)
    return tuple(outputs)


@shapes_of(run_forward, FlowForward)
def _(call: FlowForward) -> tuple[Tensor, ...]:
    return tuple(empty_flow_outputs(call))


@operator("scan_flow_backward", FlowBackward)
def run_backward(call: FlowBackward) -> tuple[Tensor, Tensor, Tensor]:
    """Run the adjoint; the results are those of :class:`.flow_layout.FlowGradients`."""
    from . import cpu

    check_inputs(call)
    current = call.current
    steps, batch, neurons = current.shape
    check_operands(
        current,
        chunks=(call.chunks, (2 * chunk_count(steps), batch, neurons)),
        grad_spikes=(call.grad_spikes, current.shape),
        grad_final=(call.grad_final, call.initial.shape),
        grad_mem=(call.grad_mem, current.shape),
        grad_ada=(call.grad_ada, current.shape),
    )
    grads: Any = cpu.backward_flow(call)
    return tuple(grads)


@shapes_of(run_backward, FlowBackward)
def _(call: FlowBackward) -> tuple[Tensor, ...]:
    return tuple(empty_flow_gradients(call))


torch.library.register_autograd(run_backward, refuse)

FlowScanBackward = differentiable_function(run_backward, lambda ctx, inputs, output: None, refuse)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    current, durations, coefficients, initial, lengths, *ctx.options = inputs
    ctx.save_for_backward(current, durations, coefficients, initial, lengths, output[2])
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_chunks: Tensor | None,
    grad_mem: Tensor | None,
    grad_ada: Tensor | None,
) -> tuple[Tensor | None, ...]:
    current, durations, coefficients, initial, lengths, chunks = ctx.saved_tensors
    trace, *surrogate, detach_reset = ctx.options
    grad_mem, grad_ada = both_or_none(grad_mem, grad_ada) if trace else (None, None)
    adjoint: Any = FlowScanBackward.apply if torch.is_grad_enabled() else run_backward
    needs_current = ctx.needs_input_grad[0]
    grads = adjoint(
        current,
        durations,
        coefficients,
        initial,
        lengths,
        chunks,
        grad_spikes,
        grad_final,
        grad_mem,
        grad_ada,
        *surrogate,
        detach_reset,
        needs_current,
    )
    wanted = grads[0] if needs_current else None, None, grads[1], grads[2]
    return *wanted, *[None] * (len(FlowForward._fields) - len(wanted))


torch.library.register_autograd(run_forward, _differentiate, setup_context=_save)

FlowScan = differentiable_function(run_forward, _save, _differentiate)

torch.library.register_vmap(run_forward, one_by_one(run_forward))
torch.library.register_vmap(run_backward, one_by_one(run_backward))


def obstacle(surrogate: SpikeFunction, recurrent: Tensor | None, durations: Tensor | None) -> str | None:
    """Why there is no kernel for steps of their own length with these options; None if there is."""
    if recurrent is not None:
        return "it has recurrent weights, and durations"
    if durations is not None and durations.requires_grad:
        return "the gradient of the durations is asked for"
    if in_kernel(surrogate)[0] == GIVEN:
        return "with durations the surrogate must be boxcar, atan, fast_sigmoid or triangle"
    return None


def run(
    flow: Flow,
    current: Tensor,
    state: State | None,
    surrogate: SpikeFunction,
    lengths: Tensor | None,
    durations: Tensor,
    trace: bool,
    detach_reset: bool,
) -> tuple[State, State, Tensor]:
    """Run neurons of any shape; as :func:`.backends.run`."""
    shape, dims = current.shape, max(1, len(flow.shape))
    sizes = shape[-dims:] if current.dim() > dims else shape[1:]
    neurons = math.prod(sizes)
    flat = current.reshape(shape[0], math.prod(shape[1:]) // max(1, neurons), neurons)
    batch = flat.shape[1:]
    numbers = [number.to(flat.dtype).expand(sizes) for number in flow]
    coefficients = torch.stack(numbers).reshape(len(numbers), neurons)
    given = [field.reshape(batch) for field in state or ()]
    initial = torch.stack(given) if given else flat.new_zeros((3, *batch))
    copies = batch[0] // max(1, shape[1])
    if lengths is not None:
        lengths = lengths.repeat_interleave(copies)
    if copies != 1:
        durations = durations.repeat_interleave(copies, dim=1)
    call = FlowForward(flat, durations, coefficients, initial, lengths, trace, *in_kernel(surrogate), detach_reset)
    outputs = FlowOutputs(*(run_forward(*call) if is_recorded() else FlowScan.apply(*call)))
    mem, ada = (field.reshape(shape) if trace else field for field in (outputs.mem, outputs.ada))
    last = State(*(field.reshape(shape[1:]) for field in outputs.final.unbind()))
    return State(mem, ada, outputs.spikes.reshape(shape)), last, current.new_empty(0)
