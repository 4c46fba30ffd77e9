"""The modules behind every model: cell or layer, without or with recurrence, on Norse's own bases."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from ..diagnosis import SilenceWatch
from ..dynamics import RESET_MECHANISMS
from ..neurons import Learn, trained
from ..surrogate import SpikeFunction
from ._host import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell
from .functional import (
    NORSE_DT,
    feed_forward_integral,
    feed_forward_step,
    motion,
    norse_state,
    recurrent_integral,
    recurrent_step,
)
from .parameters import SETTINGS, Parameters, SpikingState, check_method, spike_function

REMEDY = 'method="super" instead of the boxcar, a lower v_th=, or a batch norm before it'
"""What wakes a silent layer."""

Size = int | tuple[int, ...]
P = TypeVar("P", bound=Parameters[Any])
S = TypeVar("S", bound=SpikingState)


class Parametrised(nn.Module, Generic[P, S]):
    """A module that keeps the fields of its parameter tuple ``p`` as its own parameters and buffers.

    Norse's modules hold ``p`` as a plain tuple: what is in it neither trains nor moves nor is saved with the
    module. Here ``p`` reads and is assigned as the tuple, but its tensors are the module's. A tensor given in it
    becomes a copy that trains if ``learn`` says so; an ``nn.Parameter``, and a leaf that requires gradients, is
    kept as the very object, so that it can be shared; a :class:`torch.nn.Module` becomes a submodule.
    """

    parameters_type: type[P]
    learn: frozenset[str]
    dt: float

    @property
    def p(self) -> P:
        """The parameters as a tuple.

        Assigning one registers its tensors: those of the tuple that was read stay the same objects, others are new,
        and unknown to an optimiser made before.
        """
        model = _named_tuple(self.parameters_type)
        p: P = model._make(getattr(self, name) for name in model._fields)
        return p

    @p.setter
    def p(self, p: P) -> None:
        if not isinstance(p, self.parameters_type):
            own = self.parameters_type.__name__
            hint = "; from_lif() makes a neuron that starts as one of Norse's" if hasattr(p, "v_reset") else ""
            raise TypeError(f"p: got {type(p).__name__}; it must be {own}, such as {own}.sample(128){hint}")
        values = {name: _checked(name, value) for name, value in _named_tuple(p)._asdict().items()}
        check_method(values["method"], values["alpha"])
        _check_shapes(values)
        for name, value in values.items():
            if name in self._parameters or name in self._buffers:
                delattr(self, name)
            if not isinstance(value, Tensor) or isinstance(value, nn.Parameter):
                setattr(self, name, value)
            elif name in self.learn and not value.requires_grad:
                self.register_parameter(name, nn.Parameter(value.clone()))
            else:
                kept = value if value.requires_grad else value.clone()
                self.register_buffer(name, kept, persistent=name != "v_th")  # which is a setting, as in the core

    @property
    def surrogate(self) -> SpikeFunction:
        """The spike function that method and alpha ask for."""
        return spike_function(self.p.method, self.p.alpha)

    def _prepare(self, p: P | Size | None, size: int | None, dt: float, learn: Learn) -> P:
        """Set what the setter of ``p`` needs, before a base class assigns it; return it, drawn for None or a size."""
        if dt <= 0:
            raise ValueError(f"dt: got {dt}; it must be a positive time in seconds")
        self._silence = SilenceWatch(REMEDY)
        model = _named_tuple(self.parameters_type)
        names = [name for name in model._fields if name not in SETTINGS]
        self.learn = trained(learn, names if learn is True else [*names, "v_th"])
        given: Any = p
        if given is None:
            given = model.shared(dt) if size is None else model.sample(size, dt=dt)
        elif size is None and _is_size(given):  # a recurrent population has told its size already
            given = model.sample(given, dt=dt)
        return given

    def _at_rest(self, input_tensor: Tensor, shape: torch.Size) -> S:
        dynamics = motion(self.p, self.dt)
        dtype = dynamics.dtype
        if input_tensor.is_floating_point():
            dtype = torch.promote_types(dtype, input_tensor.dtype)
        rest = dynamics.rest(tuple(shape), dtype=dtype, device=input_tensor.device)
        state: S = norse_state(rest, self.p.state_type)
        return state

    def extra_repr(self) -> str:
        """Say the shape of the parameters, the timestep and the surrogate, not the parameters."""
        p = self.p
        # A hosted neuron has its own timestep.
        dt = "" if math.isnan(self.dt) else f"dt={self.dt:g}, "
        return f"{tuple(motion(p, self.dt).shape)}, {dt}method={p.method!r}"


class Cell(Parametrised[P, S], SNNCell):  # type: ignore[misc]  # Norse is untyped
    """Neurons for one time step, without recurrence."""

    def __init__(self, p: P | Size | None = None, dt: float = NORSE_DT, learn: Learn = True) -> None:
        p = self._prepare(p, None, dt, learn)
        super().__init__(feed_forward_step, self.initial_state, p, dt)

    def forward(self, input_tensor: Tensor, state: S | None = None) -> tuple[Tensor, S]:
        r"""Return the spikes [B, \*neurons] and the state after a step with the currents [B, \*neurons]."""
        z, after = feed_forward_step(input_tensor, state, self.p, self.dt)
        self._silence(self, z, begins=state is None)
        return z, after

    def initial_state(self, input_tensor: Tensor) -> S:
        """Return the state at rest for this input."""
        return self._at_rest(input_tensor, input_tensor.shape)


class Layer(Parametrised[P, S], SNN):  # type: ignore[misc]
    """Neurons over a sequence, without recurrence."""

    record_states: bool

    def __init__(
        self, p: P | Size | None = None, dt: float = NORSE_DT, learn: Learn = True, record_states: bool = False
    ) -> None:
        p = self._prepare(p, None, dt, learn)
        super().__init__(feed_forward_step, self.initial_state, p, dt, record_states=record_states)

    def forward(self, input_tensor: Tensor, state: S | None = None) -> tuple[Tensor, S]:
        r"""Return the spikes [T, B, \*neurons] for the currents [T, B, \*neurons], and the last state.

        With ``record_states`` the states of all steps are returned, each field [T, B, \*neurons].
        """
        z, after = feed_forward_integral(input_tensor, state, self.p, self.dt, self.record_states)
        self._silence(self, z)
        return z, after

    def initial_state(self, input_tensor: Tensor) -> S:
        """Return the state at rest for this input, a sequence."""
        return self._at_rest(input_tensor, input_tensor.shape[1:])


class Recurrence(Parametrised[P, S]):
    """Weights from the input and from the population to itself."""

    input_weights: nn.Parameter
    recurrent_weights: nn.Parameter
    autapses: bool

    def _own_weights(self, given: dict[str, Tensor | None], autapses: bool) -> None:
        """Replace what Norse made of the weights.

        Norse removes autapses, synapses of a neuron onto itself, by writing into the given tensor and by a hook
        on its gradient: copies and loaded weights have them again. Here they are masked in the forward pass.
        """
        for name, weights in given.items():
            expected = getattr(self, name).shape
            if weights is None:
                continue
            if weights.shape != expected:
                raise ValueError(f"{name}: got shape {tuple(weights.shape)}; it must be {tuple(expected)}")
            delattr(self, name)
            own = weights if isinstance(weights, nn.Parameter) else nn.Parameter(weights.detach().clone())
            self.register_parameter(name, own)
        self.autapses = autapses
        if not autapses and given["recurrent_weights"] is None:
            with torch.no_grad():
                self.recurrent_weights.fill_diagonal_(0)

    @property
    def synapses(self) -> Tensor:
        """The recurrent weights that act, [hidden, hidden] (to, from): without autapses unless they are allowed."""
        weights = self.recurrent_weights
        if self.autapses:
            return weights
        return weights.diagonal_scatter(weights.new_zeros(weights.shape[0]))

    def extra_repr(self) -> str:
        """Add the sizes."""
        hidden, inputs = self.input_weights.shape
        return f"{inputs}, {hidden}, p={super().extra_repr()}, autapses={self.autapses}"


class RecurrentCell(Recurrence[P, S], SNNRecurrentCell):  # type: ignore[misc]
    """A population that drives itself, for one time step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        p: P | None = None,
        dt: float = NORSE_DT,
        learn: Learn = True,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
    ) -> None:
        p = self._prepare(p, hidden_size, dt, learn)
        super().__init__(recurrent_step, self.initial_state, input_size, hidden_size, p, autapses=True, dt=dt)
        self._own_weights({"input_weights": input_weights, "recurrent_weights": recurrent_weights}, autapses)

    def forward(self, input_tensor: Tensor, state: S | None = None) -> tuple[Tensor, S]:
        """Return the spikes [B, hidden] and the state after a step with the input [B, inputs]."""
        z, after = recurrent_step(input_tensor, state, self.input_weights, self.synapses, self.p, self.dt)
        self._silence(self, z, begins=state is None)
        return z, after

    def initial_state(self, input_tensor: Tensor) -> S:
        """Return the state at rest for this input."""
        return self._at_rest(input_tensor, torch.Size((*input_tensor.shape[:-1], self.input_weights.shape[0])))


class RecurrentLayer(Recurrence[P, S], SNNRecurrent):  # type: ignore[misc]
    """A population that drives itself, over a sequence."""

    record_states: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        p: P | None = None,
        dt: float = NORSE_DT,
        learn: Learn = True,
        input_weights: Tensor | None = None,
        recurrent_weights: Tensor | None = None,
        autapses: bool = False,
        record_states: bool = False,
    ) -> None:
        p = self._prepare(p, hidden_size, dt, learn)
        super().__init__(
            recurrent_step,
            self.initial_state,
            input_size,
            hidden_size,
            p,
            autapses=True,
            dt=dt,
            record_states=record_states,
        )
        self._own_weights({"input_weights": input_weights, "recurrent_weights": recurrent_weights}, autapses)

    def forward(self, input_tensor: Tensor, state: S | None = None) -> tuple[Tensor, S]:
        """Return the spikes [T, B, hidden] for the input [T, B, inputs], and the last state.

        With ``record_states`` the states of all steps are returned, each field [T, B, hidden].
        """
        z, after = recurrent_integral(
            input_tensor, state, self.input_weights, self.synapses, self.p, self.dt, self.record_states
        )
        self._silence(self, z)
        return z, after

    def initial_state(self, input_tensor: Tensor) -> S:
        """Return the state at rest for this input, a sequence."""
        return self._at_rest(input_tensor, torch.Size((*input_tensor.shape[1:-1], self.input_weights.shape[0])))


def _is_size(p: Any) -> bool:
    """Whether p is a number of neurons or the shape of a population; tuples of parameters have names."""
    return isinstance(p, int) or (isinstance(p, (tuple, list)) and not hasattr(p, "_fields"))


def _named_tuple(p: Any) -> Any:
    """Return a parameter tuple, or its class, as the NamedTuple that it is; a protocol cannot ask for one."""
    return p


def _checked(name: str, value: Any) -> Any:
    """Return a field as it can be registered: tensors of floats, a module, the settings of the surrogate."""
    if name == "alpha":
        return None if value is None else float(value)
    if name == "detach_reset":
        return bool(value)
    if name == "reset_mechanism":
        if value not in RESET_MECHANISMS:
            raise ValueError(f"reset_mechanism: got {value!r}; it must be one of {', '.join(RESET_MECHANISMS)}")
        return value
    if name == "method" or isinstance(value, nn.Module):
        return value
    if not isinstance(value, Tensor) or not value.is_floating_point():
        value = torch.as_tensor(value, dtype=torch.get_default_dtype())
    if value.requires_grad and not value.is_leaf:
        raise ValueError(
            f"{name}: got a tensor computed from others, whose graph a module cannot keep; give an nn.Parameter, "
            "detach it, or call the functional form with it"
        )
    # A tensor on the meta device has no values to look at.
    if not value.is_meta and bool(value.detach().isnan().any()):
        raise ValueError(f"{name}: got NaN; all values must be numbers")
    return value


def _check_shapes(values: dict[str, Any]) -> None:
    shapes = {name: value.shape for name, value in values.items() if isinstance(value, Tensor)}
    try:
        torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"p: the shapes of its fields do not broadcast to one population: {listed}") from None
