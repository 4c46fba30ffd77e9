"""The fused scan of systems of more than two states, as PyTorch operators: on the CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..dynamics import GeneralReset, LinearSystem
from ..kernels.operators import check_operands, differentiable_function, is_recorded, one_by_one, operator, shapes_of
from ..surrogate import SpikeFunction
from . import fused_general
from .fused import check_sequence, refuse
from .layout import GIVEN, chunk_count, in_kernel
from .system_layout import (
    Form,
    SystemBackward,
    SystemForward,
    SystemOutputs,
    empty_system_gradients,
    empty_system_outputs,
)


def check_inputs(call: SystemForward | SystemBackward) -> None:
    """Raise TypeError unless the inputs of a scan are what the kernels take them for."""
    current, form = call.current, Form.of(call)
    check_sequence(current)
    if form.states < 1 or form.entries not in (form.states**2, 2 * form.states):
        got = f"{call.coefficients.shape[0]} rows"
        raise TypeError(f"coefficients: got {got}; for {form.states} states there must be others")
    _, batch, neurons = current.shape
    check_operands(
        current,
        coefficients=(call.coefficients, (form.numbers, neurons)),
        initial=(call.initial, (form.fields, batch, neurons)),
    )
    check_operands(current, torch.int64, lengths=(call.lengths, (batch,)))


@operator("scan_system", SystemForward)
def run_forward(call: SystemForward) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Run neurons over a sequence; the results are those of :class:`.system_layout.SystemOutputs`."""
    from . import cpu

    check_inputs(call)
    outputs: Any = cpu.forward_system(call)
    return tuple(outputs)


@shapes_of(run_forward, SystemForward)
def _(call: SystemForward) -> tuple[Tensor, ...]:
    return tuple(empty_system_outputs(call))


@operator("scan_system_backward", SystemBackward)
def run_backward(call: SystemBackward) -> tuple[Tensor, Tensor, Tensor]:
    """Run the adjoint; the results are those of :class:`.system_layout.SystemGradients`."""
    from . import cpu

    check_inputs(call)
    current, form = call.current, Form.of(call)
    steps, batch, neurons = current.shape
    check_operands(
        current,
        chunks=(call.chunks, (form.kept * chunk_count(steps), batch, neurons)),
        grad_spikes=(call.grad_spikes, (form.outputs * steps, batch, neurons)),
        grad_final=(call.grad_final, call.initial.shape),
        grad_trace=(call.grad_trace, ((form.states + form.outputs) * steps, batch, neurons)),
    )
    grads: Any = cpu.backward_system(call)
    return tuple(grads)


@shapes_of(run_backward, SystemBackward)
def _(call: SystemBackward) -> tuple[Tensor, ...]:
    return tuple(empty_system_gradients(call))


torch.library.register_autograd(run_backward, refuse)

SystemScanBackward = differentiable_function(run_backward, lambda ctx, inputs, output: None, refuse)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    current, coefficients, initial, lengths, *ctx.options = inputs
    ctx.save_for_backward(current, coefficients, initial, lengths, output[2])
    ctx.set_materialize_grads(False)


def _differentiate(
    ctx: Any,
    grad_spikes: Tensor | None,
    grad_final: Tensor | None,
    grad_chunks: Tensor | None,
    grad_trace: Tensor | None,
    grad_gates: Tensor | None,
) -> tuple[Tensor | None, ...]:
    current, coefficients, initial, lengths, chunks = ctx.saved_tensors
    trace, *surrogate, detach_reset, _ = ctx.options[:6]
    form = ctx.options[6:]
    adjoint: Any = SystemScanBackward.apply if torch.is_grad_enabled() else run_backward
    needs_current = ctx.needs_input_grad[0]
    grads = adjoint(
        current,
        coefficients,
        initial,
        lengths,
        chunks,
        grad_spikes,
        grad_final,
        grad_trace if trace else None,
        *surrogate,
        detach_reset,
        needs_current,
        *form,
    )
    wanted = grads[0] if needs_current else None, grads[1], grads[2]
    return *wanted, *[None] * (len(SystemForward._fields) - len(wanted))


torch.library.register_autograd(run_forward, _differentiate, setup_context=_save)

SystemScan = differentiable_function(run_forward, _save, _differentiate)

torch.library.register_vmap(run_forward, one_by_one(run_forward))
torch.library.register_vmap(run_backward, one_by_one(run_backward))


def obstacle(system: LinearSystem | GeneralReset, surrogate: SpikeFunction, recurrent: Tensor | None) -> str | None:
    """Why there is no kernel for a system with these options; None if there is."""
    if isinstance(system, GeneralReset) and (reason := fused_general.obstacle(system)):
        return reason
    if isinstance(system, LinearSystem) and system.proportional and system.graded:
        return "graded spikes reset in proportion"
    if recurrent is not None:
        return "it has recurrent weights, and more than two states"
    if in_kernel(surrogate)[0] == GIVEN:
        return "with more than two states the surrogate must be boxcar, atan, fast_sigmoid or triangle"
    return None


def run(
    system: LinearSystem | GeneralReset,
    current: Tensor,
    state: Any,
    surrogate: SpikeFunction,
    lengths: Tensor | None,
    trace: bool,
    detach_reset: bool,
    gate_width: float | None = None,
) -> tuple[Any, Any, Tensor]:
    """Run neurons of any shape; as :func:`.backends.run`."""
    shape, sizes = current.shape, _sizes(system, current)
    neurons = math.prod(sizes)
    flat = current.reshape(shape[0], math.prod(shape[1:]) // max(1, neurons), neurons)
    each = None if lengths is None else lengths.repeat_interleave(flat.shape[1] // max(1, shape[1]))
    options = *in_kernel(surrogate), detach_reset, gate_width
    if isinstance(system, GeneralReset):
        before = state or system.rest(tuple(shape[1:]), dtype=current.dtype)
        coefficients, initial, form = fused_general.packed(system, flat, sizes, before)
        outputs = _called(SystemForward(flat, coefficients, initial, each, trace, *options, *form))
        return *fused_general.unpacked(system, outputs, before, surrogate, lengths, trace), outputs.gates
    kind = type(system.rest(()))
    batch = flat.shape[1:]
    numbers = [number.to(flat.dtype).expand(sizes) for number in system.coefficients()]
    coefficients = torch.stack(numbers).reshape(len(numbers), neurons)
    if state is None:
        initial = flat.new_zeros((len(kind._fields), *batch))
    else:
        initial = torch.stack([field.reshape(batch) for field in state])
    form = system.spikes, system.proportional
    outputs = _called(SystemForward(flat, coefficients, initial, each, trace, *options, *form))
    spikes = outputs.spikes.reshape(shape)
    if trace:
        states = kind(*outputs.trace.reshape(shape[0], len(kind._fields) - 1, *shape[1:]).unbind(1), spikes)
    else:
        states = kind(*[spikes[:0]] * (len(kind._fields) - 1), spikes)
    last = kind(*(field.reshape(shape[1:]) for field in outputs.final.unbind()))
    return states, last, outputs.gates.reshape(shape) if gate_width is not None else outputs.gates


def _called(call: SystemForward) -> SystemOutputs:
    return SystemOutputs(*(run_forward(*call) if is_recorded() else SystemScan.apply(*call)))


def _sizes(system: LinearSystem | GeneralReset, current: Tensor) -> torch.Size:
    """The shape of the population, as the current has it."""
    dims = max(1, len(system.shape))
    return current.shape[-dims:] if current.dim() > dims else current.shape[1:]
