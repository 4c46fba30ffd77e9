"""From tensors to kernels: allocates the outputs, describes the job, shares it among threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...kernels.code import Code, code_of_kernel
from ...kernels.jobs import run_job
from ...kernels.memory import LARGE, empty, empty_like
from ...kernels.spike_bits import WORD
from ..flow_layout import (
    FlowBackward,
    FlowForward,
    FlowGradients,
    FlowOutputs,
    empty_flow_gradients,
    empty_flow_outputs,
)
from ..layout import Backward, Forward, Gradients, Outputs, empty_gradients, empty_outputs
from ..system_layout import (
    Form,
    SystemBackward,
    SystemForward,
    SystemGradients,
    SystemOutputs,
    empty_system_gradients,
    empty_system_outputs,
)
from . import bit_kernels, flows, kernels, systems
from .tiles import BATCH, PADDED, WIDTH, job_dtype


def forward(call: Forward) -> Outputs:
    """Run the neurons, without weights."""
    outputs = empty_outputs(call, empty_like, empty)
    trace, gated = call.trace, call.gate_width is not None
    job = Job(
        code_of("forward", call),
        call,
        sums=1 if call.counted else 0,
        spk=None if call.packed else outputs.spikes,
        final=outputs.final,
        chunks=outputs.chunks,
        mem=outputs.mem if trace else None,
        ada=outputs.ada if trace else None,
        gates=outputs.extra if gated and not call.packed else None,
        gate_width=call.gate_width,
        bits=outputs.bits.data_ptr() if call.packed else 0,
    )
    job.run()
    if call.packed:
        number_gates(outputs.bits)
    return outputs if job.sums is None else outputs._replace(counts=job.sums[:, 0].sum(0))


def backward(call: Backward) -> Gradients:
    """Run the adjoint, without weights."""
    grads = empty_gradients(call, empty_like)
    job = Job(
        code_of("backward", call),
        call,
        chunks=call.chunks,
        grad_x=grads.current if call.needs_current else None,
        grad_spk=call.grad_spikes,
        grad_final=call.grad_final,
        grad_mem=call.grad_mem,
        grad_ada=call.grad_ada,
        grad_initial=grads.initial,
        gate=call.derivative,
        bits=0 if call.grad_open is None or call.bits is None else call.bits.data_ptr(),
        grad_open=0 if call.grad_open is None else call.grad_open.data_ptr(),
        sums=9 if call.affine is None else 11,
    )
    job.run()
    if call.affine is None:
        return grads._replace(coefficients=job.coefficient_gradients(call.current.dtype))
    assert job.sums is not None
    coefficients, affine = split_sums(job.sums.numpy().sum(0), call.coefficients.numpy(), call.affine.numpy())
    return grads._replace(coefficients=torch.from_numpy(coefficients), affine=torch.from_numpy(affine))


def number_gates(bits: Tensor) -> None:
    """Write how many gates are open before each word of bits [3, T, B, N / 64]."""
    run_job(bit_kernels.number_gates, bit_kernels.job_dtype, bits.dtype, 1, 0, bits=bits, words=bits[0].numel())


def split_sums(sums: Any, coefficients: Any, affine: Any) -> tuple[Any, Any]:
    """Make gradients of coefficients [9, N] and of mean, scale and shift [3, N] of the adjoint's sums.

    Args:
        sums: [11, N] in float64, where those of B are sums of λ (x - mean), and the last two are sums of λ.
        coefficients: [9, N].
        affine: Mean, scale and shift of each neuron, [3, N].
    """
    _, scale, shift = affine.astype(np.float64)
    b, products, plain = coefficients[4:6].astype(np.float64), sums[4:6], sums[9:]
    of_scale, of_shift = (b * products).sum(0), (b * plain).sum(0)
    both = sums[:9].copy()
    both[4:6] = scale * products + shift * plain
    return both.astype(affine.dtype), np.stack([-scale * of_shift, of_scale, of_shift]).astype(affine.dtype)


def shares(steps: int, batch: int, neurons: int, row: int, item: int) -> dict[str, int]:
    """Width and number of the tiles of rows of ``row`` lanes, and the number of tasks that they make."""
    # Wide tiles are read fastest; there should be enough of them to be shared.
    share = -(-batch * neurons // (16 * WORD)) * WORD
    width = min(WIDTH // item, max(4 * PADDED, share))
    tiles = batch * neurons // row * -(-row // width) if row else 0
    # The sums of the coefficients' gradients depend on how tiles are shared among tasks: by shape alone. A power
    # of two shares them evenly; the sums take some percent of the input's memory.
    tasks = min(tiles, max(4, min(32, 1 << max(0, (steps * batch // 256).bit_length() - 1))))
    return {"width": width, "tiles": tiles, "tasks": tasks}


class Job:
    """A kernel and what it is told; it can be run again after changing a field.

    Args:
        code: The kernel.
        call: What the scan is told.
        sums: Rows of [N] sums of each task: the coefficients' gradients, or what else the kernel adds up.
        fields: Views (tensors [T, B, N] or absent) and numbers of the kernels' job.
    """

    def __init__(
        self,
        code: Code,
        call: Forward | Backward | SystemForward | SystemBackward | FlowForward | FlowBackward,
        sums: int | None = None,
        **fields: Tensor | float | None,
    ) -> None:
        current, coefficients, lengths = call.current, call.coefficients, call.lengths
        steps, batch, neurons = current.shape
        views = {field: view_of(value) for field, value in fields.items() if isinstance(value, Tensor)}
        views |= {"x": view_of(current), "initial": view_of(call.initial)}
        # A tile has one length, and one duration a step; and its lanes lie side by side.
        one_sequence = lengths is not None or isinstance(call, (FlowForward, FlowBackward))
        if one_sequence or (neurons % PADDED == 0 and any(view[BATCH] != neurons for view in views.values())):
            row = neurons
        else:
            row = batch * neurons
        tiling = shares(steps, batch, neurons, row, current.element_size())
        self.tasks = tiling["tasks"]
        if sums is None:
            sums = coefficients.shape[0] if "grad_initial" in fields else 0
        if isinstance(call, (Forward, Backward)) and call.affine is not None:
            coefficients = torch.cat([coefficients, call.affine])
        self.coefficients = coefficients  # kept, as the lengths are: the kernel has its address alone
        self.sums = empty(current, (self.tasks, sums, neurons), torch.float64).zero_() if sums else None
        self.elements = current.numel()
        self.lengths = None if lengths is None else lengths.contiguous()
        self.code = code
        values: dict[str, Any] = tiling | {
            "steps": steps,
            "batch": batch,
            "neurons": neurons,
            "row": row,
            "streams": current.numel() * current.element_size() >= LARGE,
            "sums": 0 if self.sums is None else self.sums.data_ptr(),
            "coefficients": (coefficients.data_ptr(), coefficients.stride(0), 0, coefficients.stride(1)),
            "lengths": 0 if self.lengths is None else self.lengths.data_ptr(),
            "surrogate": call.surrogate,
            "shape1": call.shape1,
            "shape2": call.shape2,
            "detach_reset": call.detach_reset,
        }
        values |= {field: value for field, value in fields.items() if not isinstance(value, Tensor | None)} | views
        self.memory = code.pack(code.fill(code.absent.copy(), values))

    @property
    def record(self) -> Any:
        """What the kernel is told, by names; it may be changed before the kernel runs again."""
        return np.frombuffer(self.memory, self.code.layout)[0]

    def run(self) -> None:
        """Run the kernel; backward adds to the sums of the coefficients' gradients."""
        if self.tasks:
            self.code.run(self.memory, self.tasks, self.elements)

    def coefficient_gradients(self, dtype: torch.dtype) -> Tensor:
        """What backward has added up, in the shape of the coefficients."""
        assert self.sums is not None
        return (self.sums[0] if self.tasks == 1 else self.sums.sum(0)).to(dtype)


def code_of(name: str, call: Forward | Backward) -> Code:
    """Return machine code and job of the kernel ``"forward"`` or ``"backward"`` for two states."""
    kernel = name + "_hard" * call.hard_reset + "_normalised" * (call.affine is not None)
    kernel += "_packed" * (isinstance(call, Forward) and call.packed)
    return code_of_kernel(getattr(kernels, kernel), call.current.dtype, job_dtype)


def forward_system(call: SystemForward) -> SystemOutputs:
    """Run neurons of more states."""
    outputs = empty_system_outputs(call, empty_like, empty)
    Job(
        _system_code("forward", call),
        call,
        spk=outputs.spikes,
        final=outputs.final,
        chunks=outputs.chunks,
        mem=outputs.trace if call.trace else None,
        gates=None if call.gate_width is None else outputs.gates,
        gate_width=call.gate_width,
    ).run()
    return outputs


def backward_system(call: SystemBackward) -> SystemGradients:
    """Run the adjoint of neurons of more states."""
    grads = empty_system_gradients(call, empty_like)
    job = Job(
        _system_code("backward", call),
        call,
        chunks=call.chunks,
        grad_x=grads.current if call.needs_current else None,
        grad_spk=call.grad_spikes,
        grad_final=call.grad_final,
        grad_mem=call.grad_trace,
        grad_initial=grads.initial,
    )
    job.run()
    return grads._replace(coefficients=job.coefficient_gradients(call.current.dtype))


def forward_flow(call: FlowForward) -> FlowOutputs:
    """Run neurons over steps of their own length."""
    outputs = empty_flow_outputs(call, empty_like, empty)
    Job(
        code_of_kernel(flows.forward, call.current.dtype, job_dtype),
        call,
        spk=outputs.spikes,
        final=outputs.final,
        chunks=outputs.chunks,
        mem=outputs.mem if call.trace else None,
        ada=outputs.ada if call.trace else None,
        gate=call.durations.unsqueeze(-1).expand_as(call.current),
    ).run()
    return outputs


def backward_flow(call: FlowBackward) -> FlowGradients:
    """Run the adjoint of neurons over steps of their own length."""
    grads = empty_flow_gradients(call, empty_like)
    job = Job(
        code_of_kernel(flows.backward, call.current.dtype, job_dtype),
        call,
        chunks=call.chunks,
        grad_x=grads.current if call.needs_current else None,
        grad_spk=call.grad_spikes,
        grad_final=call.grad_final,
        grad_mem=call.grad_mem,
        grad_ada=call.grad_ada,
        grad_initial=grads.initial,
        gate=call.durations.unsqueeze(-1).expand_as(call.current),
    )
    job.run()
    return grads._replace(coefficients=job.coefficient_gradients(call.current.dtype))


def _system_code(name: str, call: SystemForward | SystemBackward) -> Code:
    return code_of_kernel(systems.kernel(name, Form.of(call)), call.current.dtype, job_dtype)


def view_of(tensor: Tensor) -> tuple[int, ...]:
    """Where a tensor lies, as kernels are told: its address and strides."""
    return (tensor.data_ptr(), *tensor.stride())
