"""The functions of every model: one step and a sequence, without and with recurrence.

A model differs from another only in its parameter tuple, which turns itself into a state space; stepping and
sequences are the core's. Sparse input is accepted and answered by sparse spikes, as Norse's own neurons do.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from ..dynamics import Dynamics, State, linear_part, with_reset
from ..scan import scan, step
from .parameters import Parameters, SpikingState, spike_function

S = TypeVar("S", bound=SpikingState)

NORSE_DT = 0.001
"""Norse's default timestep in seconds."""


def feed_forward_step(
    input_tensor: Tensor, state: S | None = None, p: Parameters[S] | None = None, dt: float = NORSE_DT
) -> tuple[Tensor, S]:
    r"""Advance neurons by one step.

    Args:
        input_tensor: Input current, [B, \*neurons]; booleans, integers and sparse tensors are accepted.
        state: State before the step, each field [B, \*neurons]; None is at rest.
        p: Parameters, which tell the model: a ``SiLIFParameters``, or a ``NeuronParameters`` of any neuron. They have
            a default in the signature alone, where Norse's ``lift`` wants one for the state.
        dt: Timestep in seconds.

    Returns:
        The spikes, [B, \*neurons] in the data type of the input, and the state after the step.

    Raises:
        ValueError: If the input does not fit the parameters or the state does not fit the input.
        TypeError: If the state is another model's, or there are no parameters.

    Examples:
        >>> from silif_plugins.norse import SiLIFParameters
        >>> p = SiLIFParameters.sample(128)
        >>> z, state = feed_forward_step(torch.ones(8, 128), None, p)
        >>> z, state = feed_forward_step(torch.ones(8, 128), state, p)
        >>> state.v.shape
        torch.Size([8, 128])
    """
    p = _given(p)
    current = _dense(input_tensor)
    dynamics = motion(p, dt)
    before = core_state(state, p.state_type, current.shape, dynamics)
    z, after = step(
        dynamics,
        current,
        before,
        surrogate=spike_function(p.method, p.alpha),
        detach_reset=p.detach_reset,
    )
    return _as_sparse_as(input_tensor, z), norse_state(after, p.state_type)


def feed_forward_integral(
    input_tensor: Tensor,
    state: S | None = None,
    p: Parameters[S] | None = None,
    dt: float = NORSE_DT,
    record_states: bool = False,
) -> tuple[Tensor, S]:
    r"""Advance neurons over a sequence, by the sequence kernel where it applies.

    Args:
        input_tensor: Input currents, [T, B, \*neurons]; T may be 0.
        state: State before the first step, each field [B, \*neurons]; None is at rest.
        p: Parameters, which tell the model.
        dt: Timestep in seconds.
        record_states: Whether to return the states of all steps instead of the last.

    Returns:
        The spikes, [T, B, \*neurons], and the last state, or with ``record_states`` a state tuple whose fields are
        [T, B, \*neurons].

    Raises:
        ValueError: If the input does not fit the parameters or the state does not fit the input.
        TypeError: If the state is another model's.
    """
    z, state = _integral(_dense(input_tensor), state, None, _given(p), dt, record_states)
    return _as_sparse_as(input_tensor, z), state


def recurrent_step(
    input_tensor: Tensor,
    state: S | None,
    input_weights: Tensor,
    recurrent_weights: Tensor,
    p: Parameters[S],
    dt: float = NORSE_DT,
) -> tuple[Tensor, S]:
    """Advance a recurrent population by one step, with I = W x[t] + V z[t-1].

    Args:
        input_tensor: Input, [B, inputs].
        state: State before the step, each field [B, hidden]; None is at rest.
        input_weights: W, [hidden, inputs].
        recurrent_weights: V, [hidden, hidden] (to, from), used as they are: with autapses.
        p: Parameters, which tell the model.
        dt: Timestep in seconds.

    Returns:
        The spikes, [B, hidden], and the state after the step.

    Raises:
        ValueError: If a shape does not fit; the message says which.
        TypeError: If the state is another model's.
    """
    current = project(_dense(input_tensor), input_weights)
    z, state = _integral(current.unsqueeze(0), state, recurrent_weights, p, dt, False)
    return _as_sparse_as(input_tensor, z[0]), state


def recurrent_integral(
    input_tensor: Tensor,
    state: S | None,
    input_weights: Tensor,
    recurrent_weights: Tensor,
    p: Parameters[S],
    dt: float = NORSE_DT,
    record_states: bool = False,
) -> tuple[Tensor, S]:
    """Advance a recurrent population over a sequence, with I[t] = W x[t] + V z[t-1].

    Args:
        input_tensor: Input, [T, B, inputs]; T may be 0.
        state: State before the first step, each field [B, hidden]; None is at rest.
        input_weights: W, [hidden, inputs].
        recurrent_weights: V, [hidden, hidden] (to, from), used as they are: with autapses.
        p: Parameters, which tell the model.
        dt: Timestep in seconds.
        record_states: Whether to return the states of all steps instead of the last.

    Returns:
        The spikes, [T, B, hidden], and the last state, or with ``record_states`` a state tuple whose fields are
        [T, B, hidden].

    Raises:
        ValueError: If a shape does not fit; the message says which.
        TypeError: If the state is another model's.
    """
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


def _given(p: Parameters[S] | None) -> Parameters[S]:
    if p is None:
        raise TypeError("p: got None; it must be the parameters of a model, such as SiLIFParameters()")
    return p


def _integral(
    current: Tensor, state: S | None, recurrent_weights: Tensor | None, p: Parameters[S], dt: float, record_states: bool
) -> tuple[Tensor, S]:
    dynamics = motion(p, dt)
    before = core_state(state, p.state_type, current.shape[1:], dynamics)
    options: dict[str, Any] = {
        "surrogate": spike_function(p.method, p.alpha),
        # Norse's weights are [to, from], the core's [from, to].
        "recurrent": None if recurrent_weights is None else recurrent_weights.T,
        "detach_reset": p.detach_reset,
    }
    if record_states:
        z, _, states = scan(dynamics, current, before, return_states=True, **options)
    else:
        z, states = scan(dynamics, current, before, **options)
    return z, norse_state(states, p.state_type)


def motion(p: Any, dt: float) -> Dynamics[Any]:
    """Return how neurons with these parameters move: of two states, or, of a hosted neuron, as it says itself."""
    own = p.dynamics() if hasattr(p, "dynamics") else p.state_space(dt)
    return with_reset(own, p.reset_mechanism)


TUPLES: dict[Any, Any] = {}
"""Norse's tuples for the core's states that are not mem and ada."""


def tuple_of(kind: Any) -> Any:
    """Return Norse's tuple for a core state that is not mem and ada: z and v for spk and mem, the others as they are.

    Examples:
        >>> from silif_plugins.neurons import FITSTS
        >>> tuple_of(type(FITSTS(3).dynamics().rest((1, 3))))._fields
        ('z', 'v', 'x1', 'x2', 'x3')
    """
    if kind not in TUPLES:
        others = [field for field in kind._fields if field not in ("mem", "spk")]
        name = f"Norse{kind.__name__}"
        found: Any = namedtuple(name, ["z", "v", *others], module=__name__)  # type: ignore[misc]
        found.__doc__ = f"{kind.__name__} of a hosted neuron in Norse's names: spikes z, membrane v, and the others."
        globals()[name] = TUPLES[kind] = found  # where pickle looks for it
    return TUPLES[kind]


def norse_state(state: Any, state_type: type[S]) -> S:
    """Turn the core's state into a model's state tuple."""
    if isinstance(state, State):
        return state_type(z=state.spk, v=state.mem, w=state.ada)
    fields = state._asdict()
    found: S = tuple_of(type(state))(z=fields.pop("spk"), v=fields.pop("mem"), **fields)
    return found


def core_state(state: Any, state_type: type[SpikingState], shape: torch.Size, dynamics: Dynamics[Any]) -> Any:
    """Turn a model's state tuple into the core's, after checking that it fits: it is never broadcast.

    Raises:
        TypeError: If it is the state of another model.
        ValueError: If a field does not have the shape that the input needs, such as [B, *neurons].
    """
    if state is None:
        return None
    own: Any = state_type
    names = {"spk": "z", "mem": "v", "ada": "w"}
    kind, shapes = State, dict.fromkeys(names, shape)
    if linear_part(dynamics) is None:  # its state may be any
        rest = dynamics.rest(tuple(shape), device="meta")
        kind, shapes = type(rest), {field: part.shape for field, part in rest._asdict().items()}
        own = state_type if kind is State else tuple_of(kind)
    if not isinstance(state, own):
        raise TypeError(f"state: got {type(state).__name__}; it must be {own.__name__} or None")
    values = {}
    for field, needed in shapes.items():
        name = names.get(field, field)
        values[field] = getattr(state, name)
        got = values[field].shape
        if got != needed:
            recorded = "; of recorded states pass the last step: type(state)(*(field[-1] for field in state))"
            raise ValueError(
                f"state.{name}: got shape {tuple(got)}; the input needs {tuple(needed)}"
                + (recorded if got[1:] == needed else "")
            )
    return kind(**values)


def _dense(input_tensor: Tensor) -> Tensor:
    return input_tensor.to_dense() if input_tensor.is_sparse else input_tensor


def _as_sparse_as(input_tensor: Tensor, z: Tensor) -> Tensor:
    return z.to_sparse() if input_tensor.is_sparse else z
