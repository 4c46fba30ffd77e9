"""Which implementation runs a scan, and the common way into the fused ones."""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..dynamics import (
    Dynamics,
    Flow,
    GeneralReset,
    HardReset,
    LinearSystem,
    PackedSpace,
    State,
    StateSpace,
    linear_part,
)
from ..kernels.operators import is_direct, is_exporting, is_recorded
from ..kernels.spike_bits import WORD, SpikeBits
from ..surrogate import SpikeFunction, in_forward_mode
from . import fused_flow, fused_system
from .callables import CallableScan, is_step
from .fused import DirectScan, Scan, run_forward
from .layout import GIVEN, Forward, Outputs, in_kernel

Fused = Literal["cpu", "triton"]
Backend = Literal["auto", "reference", "graph"] | Fused
"""What a user may ask for."""

BACKENDS: tuple[str, ...] = ("auto", "reference", "graph", *get_args(Fused))

NUMBA = find_spec("numba") is not None
TRITON = find_spec("triton") is not None

FEW_STEPS = 4
FEW_ELEMENTS = 1 << 15
"""Below both, the reference's loop is over before the fused operator has started."""


MOST_RECURRENT = 1024
"""Neurons of a population with recurrent weights, on a GPU: one program runs them all."""


def choose(
    backend: str,
    neurons: Dynamics[Any],
    current: Tensor,
    dtype: torch.dtype,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    durations: Tensor | None = None,
) -> Literal["reference", "graph"] | Fused:
    """Return the name of the implementation: the given one if it can run this scan, the best one for "auto".

    Raises:
        ValueError: If there is no such backend, or if it cannot run this scan; the message says why.
    """
    if backend == "reference":
        return "reference"
    if backend == "graph":
        if durations is not None:
            raise ValueError("backend: 'graph' cannot run this: its steps have durations; use 'reference' or 'auto'")
        return "graph"
    if backend == "auto":
        if is_exporting():
            return "graph" if durations is None else "reference"
        if is_recorded() and torch.onnx.is_in_onnx_export():  # ONNX has the reference's operations alone
            return "reference"
        if current.shape[0] < FEW_STEPS and current.numel() < FEW_ELEMENTS:
            return "reference"
        name: Fused = "triton" if current.is_cuda else "cpu"
        return "reference" if _obstacle(name, neurons, current, dtype, surrogate, recurrent, durations) else name
    if backend not in get_args(Fused):
        raise ValueError(f"backend: got {backend!r}; it must be one of {', '.join(BACKENDS)}")
    if obstacle := _obstacle(backend, neurons, current, dtype, surrogate, recurrent, durations):
        raise ValueError(f"backend: {backend!r} cannot run this: {obstacle}; use 'reference' or 'auto'")
    return "cpu" if backend == "cpu" else "triton"


def _obstacle(
    backend: str,
    neurons: Dynamics[Any],
    current: Tensor,
    dtype: torch.dtype,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    durations: Tensor | None,
) -> str | None:
    """Why a fused backend cannot run a scan; None if it can."""
    system = neurons if isinstance(neurons, LinearSystem | GeneralReset) else None
    flow = neurons if isinstance(neurons, Flow) else None
    if system is None and flow is None and linear_part(neurons) is None:
        return f"the dynamics {type(neurons).__name__} are neither a StateSpace nor a HardReset of one"
    if system is not None and backend == "triton":
        return f"it has {system.states} states"
    if flow is not None and backend == "triton":
        return "its steps have durations"
    if in_forward_mode():
        return "derivatives in forward mode are asked for"
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # Triton's own switch: kernels run on the CPU, slowly
    if current.device.type != ("cpu" if backend == "cpu" or interpreted else "cuda"):
        return f"the input is on {current.device}"
    if not (NUMBA if backend == "cpu" else TRITON):
        return f"{'numba' if backend == 'cpu' else 'triton'} is not installed"
    if backend == "triton" and current.numel() >= 2**31:
        return "it has 2³¹ elements or more"
    if dtype not in (torch.float32, torch.float64):
        return f"the state is {dtype}, and it must be float32 or float64"
    if system is not None:
        return fused_system.obstacle(system, surrogate, recurrent)
    if flow is not None:
        return fused_flow.obstacle(surrogate, recurrent, durations)
    if recurrent is not None and backend == "triton" and len(recurrent) > MOST_RECURRENT:
        return f"it has recurrent weights of more than {MOST_RECURRENT} neurons"
    if recurrent is not None and backend == "triton" and torch.version.hip:
        # Lanes pass lists by memory; the code that Triton makes for AMD does not wait for stores at a barrier.
        return "it has recurrent weights, on a GPU of AMD's"
    if in_kernel(surrogate)[0] != GIVEN:
        return None
    if recurrent is not None and backend == "cpu":
        return "with recurrent weights the surrogate must be boxcar, atan, fast_sigmoid or triangle"
    if isinstance(surrogate, nn.Module) and any(p.requires_grad for p in surrogate.parameters()):
        return "the surrogate has parameters to train"
    if not is_step(surrogate, dtype, current.device):
        return f"the surrogate {surrogate!r} is not the step H(x > 0) forward"
    return None


def run(
    neurons: StateSpace | HardReset | LinearSystem | GeneralReset | Flow,
    current: Tensor,
    state: Any,
    surrogate: SpikeFunction,
    recurrent: Tensor | None,
    lengths: Tensor | None,
    trace: bool,
    detach_reset: bool,
    backend: str,
    gate_width: float | None = None,
    durations: Tensor | None = None,
    affine: Tensor | None = None,
    count: bool = False,
    as_bits: bool = False,
) -> tuple[Any, Any, Tensor, Tensor | None, SpikeBits | None]:
    """Run neurons of any shape by a fused backend; as :func:`silif_plugins.scan.reference.run`.

    Args:
        neurons: How they move.
        current: Input currents, [T, B, *neurons], float32 or float64.
        state: The state before the first step; None at rest.
        surrogate: Spike function.
        recurrent: Weights from spikes to currents of the next step, [N, N] (from, to), or None.
        lengths: Steps of each sequence, int64 [B].
        trace: Whether the states of all steps are wanted; empty but for the spikes otherwise.
        detach_reset: Whether the spikes that reset are constants for the gradient.
        backend: Which implementation runs it.
        gate_width: Also tell where |mem - threshold| is at most this; not with a callable surrogate,
            nor with recurrent weights.
        durations: Of each step, [T, B], for a :class:`silif_plugins.dynamics.Flow`.
        affine: What normalises the currents, [3, *neurons]; where :func:`normalises` says so.
        count: Whether spikes are counted; likewise.
        as_bits: Whether spikes are wanted as bits, where that can be; likewise.

    Returns:
        The states of all steps, the last one, with ``gate_width`` booleans of the shape of ``current``, and with
        ``count`` the number of spikes of each neuron, float64 [*neurons], and the spikes as bits.
    """
    if isinstance(neurons, LinearSystem | GeneralReset):
        options = lengths, trace, detach_reset, gate_width
        return *fused_system.run(neurons, current, state, surrogate, *options), None, None
    if isinstance(neurons, Flow):
        assert durations is not None
        return *fused_flow.run(neurons, current, state, surrogate, lengths, durations, trace, detach_reset), None, None
    space, hard_reset = linear_part(neurons), isinstance(neurons, HardReset)
    assert space is not None
    shape = current.shape
    dims = max(1, len(space.shape))  # of the neurons; what is before them is the batch
    sizes = shape[-dims:] if len(shape) > dims else shape[1:]
    # Every view costs some microseconds and more in the backward pass: none is made of what has its shape already.
    flat = as_shape(current, torch.Size((shape[0], math.prod(shape[1:]) // max(1, math.prod(sizes)), math.prod(sizes))))
    batch = flat.shape[1:]
    packed = space.packed if isinstance(space, PackedSpace) else None
    if packed is None or packed.shape[1:] != sizes or packed.dtype != flat.dtype:
        fields = [field if field.dtype == flat.dtype else field.to(flat.dtype) for field in space]
        packed = torch.stack([field if field.shape == sizes else field.expand(sizes) for field in fields])
    coefficients = as_shape(packed, torch.Size((len(space), math.prod(sizes))))
    given = [as_shape(field, batch) for field in state or ()]
    initial = torch.stack(given) if given else flat.new_zeros((3, *batch))
    if lengths is not None:
        lengths = lengths.repeat_interleave(batch[0] // max(1, shape[1]))
    number, shape1, shape2 = in_kernel(surrogate)
    direct = is_direct(flat, coefficients, initial, recurrent)
    call = Forward(
        flat,
        coefficients,
        initial,
        recurrent,
        lengths,
        hard_reset,
        trace,
        number,
        shape1,
        shape2,
        detach_reset,
        backend,
        gate_width,
        affine if affine is None else as_shape(affine, torch.Size((3, math.prod(sizes)))),
        count,
        as_bits and direct and gate_width is not None and not trace and flat.shape[2] % WORD == 0,
    )
    if number == GIVEN:
        results = CallableScan.apply(surrogate, *call)  # type: ignore[no-untyped-call]
    elif direct:
        results = DirectScan.apply(*call)  # type: ignore[no-untyped-call]
    elif is_recorded():
        results = run_forward(*call)
    else:
        results = Scan.apply(*call)
    outputs = Outputs(*results[: len(Outputs._fields)])
    mem, ada, gates = outputs.mem, outputs.ada, outputs.extra
    if trace:
        mem, ada = as_shape(mem, shape), as_shape(ada, shape)
    last = State(*(as_shape(field, shape[1:]) for field in outputs.final.unbind()))
    if gate_width is not None and not call.packed:
        gates = as_shape(gates, shape)
    counts = as_shape(outputs.counts, sizes) if count else None
    bits = None
    if call.packed:
        bits = SpikeBits(outputs.bits, int(outputs.counts.detach().sum()), *results[len(Outputs._fields) :])
    spikes = current.new_zeros(1).expand(shape) if call.packed else as_shape(outputs.spikes, shape)
    return State(mem, ada, spikes), last, gates, counts, bits


def normalises(backend: str, neurons: Dynamics[Any], surrogate: SpikeFunction, recurrent: Tensor | None) -> bool:
    """Whether a backend's kernels normalise the currents that they read and count spikes."""
    known = in_kernel(surrogate)[0] != GIVEN
    return backend == "cpu" and known and recurrent is None and linear_part(neurons) is not None


def as_shape(tensor: Tensor, shape: torch.Size) -> Tensor:
    """``tensor.reshape(shape)``, or the tensor itself where that is its shape."""
    return tensor if tensor.shape == shape else tensor.reshape(shape)
