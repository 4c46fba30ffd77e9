"""The functions behind every model: one step and a sequence, without and with recurrence.

A model differs from another only in its parameter tuple, which turns itself into a state space; stepping and
sequences are the core's. Sparse input is accepted and answered by sparse spikes, as Norse's own neurons do.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..neurons import State
from ..scan import scan, step
from .parameters import Parameters, SpikingState, spike_function

S = TypeVar("S", bound=SpikingState)

NORSE_DT = 0.001
"""Norse's default timestep in seconds."""


def feed_forward_step(input_tensor: Tensor, state: S | None, p: Parameters[S], dt: float) -> tuple[Tensor, S]:
    """Advance neurons by one step; input and state are [B, *neurons]."""
    current = _dense(input_tensor)
    before = core_state(state, p.state_type, current.shape)
    z, after = step(
        p.state_space(dt),
        current,
        before,
        surrogate=spike_function(p.method, p.alpha),
        detach_reset=p.detach_reset,
    )
    return _as_sparse_as(input_tensor, z), norse_state(after, p.state_type)


def feed_forward_integral(
    input_tensor: Tensor, state: S | None, p: Parameters[S], dt: float, record_states: bool
) -> tuple[Tensor, S]:
    """Advance neurons over a sequence; input is [T, B, *neurons], the state [B, *neurons]."""
    z, state = _integral(_dense(input_tensor), state, None, p, dt, record_states)
    return _as_sparse_as(input_tensor, z), state


def recurrent_step(
    input_tensor: Tensor, state: S | None, input_weights: Tensor, recurrent_weights: Tensor, p: Parameters[S], dt: float
) -> tuple[Tensor, S]:
    """Advance a recurrent population by one step: a sequence of length one. Input is [B, inputs]."""
    current = project(_dense(input_tensor), input_weights)
    z, state = _integral(current.unsqueeze(0), state, recurrent_weights, p, dt, False)
    return _as_sparse_as(input_tensor, z[0]), state


def recurrent_integral(
    input_tensor: Tensor,
    state: S | None,
    input_weights: Tensor,
    recurrent_weights: Tensor,
    p: Parameters[S],
    dt: float,
    record_states: bool,
) -> tuple[Tensor, S]:
    """Advance a recurrent population over a sequence; input is [T, B, inputs], the state [B, hidden]."""
    current = project(_dense(input_tensor), input_weights)
    z, state = _integral(current, state, recurrent_weights, p, dt, record_states)
    return _as_sparse_as(input_tensor, z), state


def project(input_tensor: Tensor, input_weights: Tensor) -> Tensor:
    """Apply the input weights, [hidden, inputs], to input of any data type; spikes may be booleans."""
    if input_tensor.shape[-1:] != input_weights.shape[1:]:
        raise ValueError(
            f"input_tensor: got shape {tuple(input_tensor.shape)}; it must end in {input_weights.shape[1]} inputs"
        )
    device = input_tensor.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        # Autocast brings both operands to one data type by itself, but leaves booleans and integers alone.
        return linear(input_tensor if input_tensor.is_floating_point() else input_tensor.float(), input_weights)
    return linear(input_tensor.to(input_weights.dtype), input_weights)


def _integral(
    current: Tensor, state: S | None, recurrent_weights: Tensor | None, p: Parameters[S], dt: float, record_states: bool
) -> tuple[Tensor, S]:
    space = p.state_space(dt)
    before = core_state(state, p.state_type, current.shape[1:])
    options: dict[str, Any] = {
        "surrogate": spike_function(p.method, p.alpha),
        # Norse's weights are [to, from], the core's [from, to].
        "recurrent": None if recurrent_weights is None else recurrent_weights.T,
        "detach_reset": p.detach_reset,
    }
    if record_states:
        z, _, states = scan(space, current, before, return_states=True, **options)
    else:
        z, states = scan(space, current, before, **options)
    return z, norse_state(states, p.state_type)


def norse_state(state: State, state_type: type[S]) -> S:
    """Turn the core's state into a model's state tuple."""
    return state_type(z=state.spk, v=state.mem, w=state.ada)


def core_state(state: SpikingState | None, state_type: type[SpikingState], shape: torch.Size) -> State | None:
    """Turn a model's state tuple into the core's, after checking that it fits: it is never broadcast.

    Raises:
        TypeError: If it is the state of another model.
        ValueError: If a field does not have the shape [B, *neurons] of the input.
    """
    if state is None:
        return None
    if not isinstance(state, state_type):
        raise TypeError(f"state: got {type(state).__name__}; it must be {state_type.__name__} or None")
    for name in ("z", "v", "w"):
        got = getattr(state, name).shape
        if got != shape:
            recorded = "; of recorded states pass the last step: type(state)(*(field[-1] for field in state))"
            raise ValueError(
                f"state.{name}: got shape {tuple(got)}; the input needs {tuple(shape)}"
                + (recorded if got[1:] == shape else "")
            )
    return State(mem=state.v, ada=state.w, spk=state.z)


def _dense(input_tensor: Tensor) -> Tensor:
    return input_tensor.to_dense() if input_tensor.is_sparse else input_tensor


def _as_sparse_as(input_tensor: Tensor, z: Tensor) -> Tensor:
    return z.to_sparse() if input_tensor.is_sparse else z
