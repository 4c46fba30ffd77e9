"""One entrance to all ways of running neurons over time; checks the shapes that they all rely on."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, cast, overload

import torch
from torch import Tensor

from .. import surrogate as spike_functions
from ..dynamics import Dynamics, Flow, PackedSpace, State, StateSpace, StateT, linear_part
from ..kernels.spike_bits import SpikeBits
from ..surrogate import SpikeFunction
from . import backends, graph, reference
from .backends import Backend
from .checkpoint import in_chunks
from .durations import as_durations, flow_of
from .layout import support
from .lengths import as_lengths


class HasDynamics(Protocol[StateT]):
    """A population of neurons, such as a :class:`silif_plugins.neurons.Neuron`."""

    def dynamics(self) -> Dynamics[StateT]:
        """Return how they move."""


Neurons = Dynamics[StateT] | HasDynamics[StateT]
"""What can be run: neurons, or how they move."""


@overload
def scan(
    neurons: Neurons[StateT],
    current: Tensor,
    state: StateT | None = None,
    *,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    return_states: Literal[False] = False,
    lengths: Tensor | None = None,
    dt: Tensor | None = None,
    backend: Backend = "auto",
    checkpoint_chunks: int | None = None,
    detach_reset: bool = False,
) -> tuple[Tensor, StateT]: ...


@overload
def scan(
    neurons: Neurons[StateT],
    current: Tensor,
    state: StateT | None = None,
    *,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    return_states: Literal[True],
    lengths: Tensor | None = None,
    dt: Tensor | None = None,
    backend: Backend = "auto",
    checkpoint_chunks: int | None = None,
    detach_reset: bool = False,
) -> tuple[Tensor, StateT, StateT]: ...


def scan(
    neurons: Neurons[StateT],
    current: Tensor,
    state: StateT | None = None,
    *,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    return_states: bool = False,
    lengths: Tensor | None = None,
    dt: Tensor | None = None,
    backend: Backend = "auto",
    checkpoint_chunks: int | None = None,
    detach_reset: bool = False,
) -> tuple[Tensor, StateT] | tuple[Tensor, StateT, StateT]:
    r"""Run spiking neurons over a sequence.

    Args:
        neurons: A population, such as ``SiLIF(128)``, or how it moves: its ``dynamics()``, a
            :class:`silif_plugins.dynamics.StateSpace` or a class of your own.
        current: Input currents, [T, B, \*neurons]. Booleans and integers are accepted. T may be 0. Any layout
            runs without a copy: ``x.transpose(0, 1)`` of a batch-first x too.
        state: State before the first step, each field [B, \*neurons]; at rest by default.
        surrogate: Spike function of mem - threshold, by name or as a callable; by default the neurons' own, mostly
            the paper's boxcar.
        recurrent: Weights V of I[t] + s[t-1] V, [N, N] (from, to), for a population of one dimension.
        return_states: Whether to return the states of all steps too.
        lengths: Steps of each sequence, integers [B], or a mask [T, B] that is true for them. Later steps do
            not run, whatever the input is there: their spikes (and states, with ``return_states``) are zero, and the
            state after the last step is that after the sequence's own.
        dt: Durations of the steps, [T] or [T, B], in steps of the neurons, from 0 on; each 1 by default. For neurons
            that have a flow (SiLIF and C-SiLIF): they run for dt[t] without input, and then take current[t] as an
            impulse. So a stream of events runs event by event, dt being the gaps between them, with the result of a
            clock that ticks at every step, unless a neuron would fire between events: here it fires at events alone.
        backend: ``"cpu"`` and ``"triton"`` (on a GPU), the fused kernels; ``"reference"``, a loop in PyTorch and the
            definition; ``"graph"``, that loop as one operator for any number of steps, without gradients, which "auto"
            takes in ``torch.export``; ``"auto"``, the fastest that can run this. They give the same spikes and states,
            and gradients that differ by rounding (with ``recurrent`` states do, too: the CPU's kernel adds weights
            event by event). Only the reference can be differentiated twice, in forward mode, or
            run a spike function that is not the step H(x > 0); "auto" takes it for the last two.
        checkpoint_chunks: Run the sequence in so many pieces, each of them again in backward: of each only the state
            before it is kept, so √T pieces need the memory of 2 √T steps instead of T. It is for the reference;
            the fused kernel does so by itself, every 16 steps.
        detach_reset: Whether s[t-1] in R s[t-1] is a constant for the gradient, as in snnTorch: none flows through the
            spikes that reset. By default it flows, as in the paper. R itself gets its gradient in any case, and the
            spikes theirs through ``recurrent``.

    Returns:
        The spikes [T, B, \*neurons] in the data type of ``current``, the state after the last step, and with
        ``return_states`` the states of all steps, each field [T, B, \*neurons]. The state is kept in the data
        type of the coefficients, or of ``current`` where that is wider: under autocast it stays float32.

    Raises:
        ValueError: If ``current`` does not fit the neurons, ``state``, ``recurrent``, ``lengths`` or ``dt`` do not
            fit it, neurons have no flow for ``dt``, or ``backend`` is unknown or cannot run this.
        TypeError: If one of them is complex.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> neurons = SiLIF(4)
        >>> current = torch.rand(10, 2, 4)
        >>> spikes, state = scan(neurons, current)
        >>> first, middle = scan(neurons, current[:5])
        >>> second, end = scan(neurons, current[5:], middle)
        >>> torch.equal(torch.cat([first, second]), spikes)
        True
    """
    space: Any = dynamics_of(neurons) if dt is None else flow_of(neurons)
    dtype = state_dtype(space, current)
    durations = None if dt is None else as_durations(dt, current, dtype)
    spike_dtype = current.dtype if current.is_floating_point() else dtype
    check_current(space, current, time=True)
    shape = current.shape[1:]
    if recurrent is not None and recurrent.shape != (shape[-1], shape[-1]):
        raise ValueError(f"recurrent: got shape {tuple(recurrent.shape)}; it must be {(shape[-1], shape[-1])}")
    if recurrent is not None:
        check_real("recurrent", recurrent)
    initial = initial_state(space, state, shape, dtype)
    spike_function = spike_function_of(neurons, surrogate)
    steps = None if lengths is None else as_lengths(lengths, current)
    name = backends.choose(backend, space, current, dtype, spike_function, recurrent, durations)
    if checkpoint_chunks is not None:

        def run(
            current: Tensor, state: StateT, lengths: Tensor | None, durations: Tensor | None
        ) -> tuple[Tensor, StateT, StateT]:
            spikes, last, states = scan(
                space,
                current,
                state,
                surrogate=spike_function,
                recurrent=recurrent,
                return_states=True,
                lengths=lengths,
                dt=durations,
                backend=name,
                detach_reset=detach_reset,
            )
            return spikes, last, states if return_states else type(last)(*(spikes[:0] for _ in last))

        initial = initial or space.rest(tuple(shape), dtype=dtype, device=current.device)
        spikes, last, trace = in_chunks(run, checkpoint_chunks, current, initial, steps, durations)
        return (spikes, last, trace) if return_states else (spikes, last)
    current = current if current.dtype == dtype else current.to(dtype)
    weights = None if recurrent is None else recurrent.to(dtype)
    if name == "reference":
        initial = initial or space.rest(tuple(shape), dtype=dtype, device=current.device)
        states, last = reference.run(space, current, initial, spike_function, weights, steps, detach_reset, durations)
        if states:
            trace = type(last)(*(torch.stack(field) for field in zip(*states, strict=True)))
        else:
            trace = type(last)(*(field.new_empty((0, *field.shape)) for field in last))
    elif name == "graph":
        initial = initial or space.rest(tuple(shape), dtype=dtype, device=current.device)
        trace, last = graph.run(space, current, initial, spike_function, weights, steps)
    else:
        fused: Any = space
        trace, last, _, _, _ = cast(
            tuple[StateT, StateT, Tensor, Tensor | None, SpikeBits | None],
            backends.run(
                fused,
                current,
                initial,
                spike_function,
                weights,
                steps,
                return_states,
                detach_reset,
                name,
                durations=durations,
            ),
        )
    spikes = trace.spk if trace.spk.dtype == spike_dtype else trace.spk.to(spike_dtype)
    return (spikes, last, trace) if return_states else (spikes, last)


def scan_with_gate(
    neurons: Neurons[StateT],
    current: Tensor,
    state: StateT | None = None,
    *,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    lengths: Tensor | None = None,
    backend: Backend = "auto",
    detach_reset: bool = False,
) -> tuple[Tensor, StateT, Tensor | None]:
    r"""Run spiking neurons over a sequence, and tell which spikes' gradients matter.

    Where the derivative of the surrogate is zero, whatever gradient a spike gets is lost. A layer that takes the
    spikes, such as :class:`silif_plugins.synapses.SpikeLinear`, need not compute it there.

    The arguments are those of :func:`scan`.

    Returns:
        The spikes, the state after the last step, and booleans [T, B, \*neurons], true wherever the derivative may
        be other than zero; None instead of them if that is everywhere (all surrogates but boxcar and triangle), or
        cannot be told from a fixed threshold.

    Raises:
        ValueError: As :func:`scan`.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> spikes, _, gate = scan_with_gate(SiLIF(64), 3 * torch.randn(100, 2, 64))
        >>> bool(gate.float().mean() < 0.5)
        True
    """
    spikes, last, gate, *_ = scan_layer(
        neurons,
        current,
        state,
        surrogate=surrogate,
        recurrent=recurrent,
        lengths=lengths,
        backend=backend,
        detach_reset=detach_reset,
    )
    return spikes, last, gate


class Firing(NamedTuple):
    r"""What neurons did, as :func:`scan_layer` tells it.

    Attributes:
        spikes: [T, B, \*neurons].
        last: The state after the last step.
        gate: Which spikes' gradients matter, as :func:`scan_with_gate` tells it.
        counts: How often each neuron fired, float64 [\*neurons], with the gradient of a sum; None where the kernels
            do not count.
        states: The states of all steps, if they were asked for.
        bits: The spikes as bits, for a connection that visits events, if they were asked for; None where the kernels
            write none: other than the CPU's for two states, with recurrent weights, with all states, with a surrogate
            without gates, or where the number of neurons is no multiple of 64.
    """

    spikes: Tensor
    last: Any
    gate: Tensor | None
    counts: Tensor | None
    states: Any
    bits: SpikeBits | None


def scan_layer(
    neurons: Neurons[Any],
    current: Tensor,
    state: Any = None,
    *,
    affine: Tensor | None = None,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    return_states: bool = False,
    lengths: Tensor | None = None,
    backend: Backend = "auto",
    detach_reset: bool = False,
    as_bits: bool = False,
) -> Firing:
    r"""Run spiking neurons over a sequence, with all that a network wants to know of it.

    The CPU's kernels for two states normalise the current that they read, and count the spikes that they write:
    neither is then a pass over [T, B, N] of its own.

    The other arguments are those of :func:`scan`.

    Args:
        neurons: A population, or how it moves.
        current: Input currents before normalisation, [T, B, \*neurons].
        state: State before the first step; at rest by default.
        affine: Mean, scale and shift of each neuron, [3, \*neurons]: it gets scale (current - mean) + shift. For
            example from :func:`silif_plugins.synapses.normalised`. Without it the current is taken as it is.
        surrogate: Spike function of mem - threshold.
        recurrent: Weights V of I[t] + s[t-1] V.
        return_states: Whether to return the states of all steps too.
        lengths: Steps of each sequence.
        backend: Which implementation runs it.
        detach_reset: Whether s[t-1] in R s[t-1] is a constant for the gradient.
        as_bits: Whether spikes are wanted as bits. Where the kernels write these, ``spikes`` is then zeros without
            memory, of the right shape, and ``gate`` is None.

    Raises:
        ValueError: As :func:`scan`.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> mean, scale, shift = torch.zeros(64), 3 * torch.ones(64), torch.zeros(64)
        >>> fired = scan_layer(SiLIF(64), torch.randn(100, 2, 64), affine=torch.stack([mean, scale, shift]))
        >>> bool(fired.counts.sum() == fired.spikes.sum())
        True
    """
    space = dynamics_of(neurons)
    spike_function = spike_function_of(neurons, surrogate)
    # Graded spikes have a surrogate at every level, and outputs each their own.
    one_level = space.threshold is not None and not getattr(space, "graded", False)
    width = support(spike_function) if one_level else None
    dtype = state_dtype(space, current)
    check_current(space, current, time=True)
    name = backends.choose(backend, space, current, dtype, spike_function, recurrent)
    knows = backends.normalises(name, space, spike_function, recurrent)
    if affine is not None and not knows:
        mean, scale, shift = affine
        current, affine = (current - mean) * scale + shift, None
    if not knows and (width is None or recurrent is not None or name in ("reference", "graph")):
        threshold = None if width is None else space.threshold
        options: dict[str, Any] = {"recurrent": recurrent, "lengths": lengths, "detach_reset": detach_reset}
        options |= {
            "surrogate": spike_function,
            "backend": name,
            "return_states": threshold is not None or return_states,
        }
        spikes, last, *trace_of = scan(space, current, state, **options)
        gate = None
        if threshold is not None:
            gate = (trace_of[0].mem.detach() - threshold.detach()).abs() <= width
        states = trace_of[0] if return_states else None
        return Firing(spikes, last, gate, None, states, None)
    initial = initial_state(space, state, current.shape[1:], dtype)
    steps = None if lengths is None else as_lengths(lengths, current)
    fused: Any = space
    trace, last, gate, counts, bits = backends.run(
        fused,
        current.to(dtype),
        initial,
        spike_function,
        None,
        steps,
        return_states,
        detach_reset,
        name,
        gate_width=width,
        affine=None if affine is None else affine.to(dtype),
        count=knows,
        as_bits=as_bits and knows,
    )
    spikes = trace.spk.to(current.dtype if current.is_floating_point() else dtype)
    states = trace if return_states else None
    return Firing(spikes, last, gate if width is not None and bits is None else None, counts, states, bits)


def normalises(
    neurons: Neurons[Any],
    inputs: Tensor,
    *,
    surrogate: str | SpikeFunction | None = None,
    recurrent: Tensor | None = None,
    backend: Backend = "auto",
) -> bool:
    """Whether :func:`scan_layer` with ``affine`` makes no pass over the currents for it.

    Args:
        neurons: A population, or how it moves.
        inputs: A sequence of the length, data type and device of the currents.
        surrogate: Spike function of mem - threshold.
        recurrent: Weights V of I[t] + s[t-1] V.
        backend: Which implementation is asked for.

    Examples:
        >>> from silif_plugins.neurons import SiLIF
        >>> normalises(SiLIF(64), torch.zeros(100, 2, 20), backend="reference")
        False
    """
    space, spike_function = dynamics_of(neurons), spike_function_of(neurons, surrogate)
    name = backends.choose(backend, space, inputs, state_dtype(space, inputs), spike_function, recurrent)
    return backends.normalises(name, space, spike_function, recurrent)


def step(
    neurons: Neurons[StateT],
    current: Tensor,
    state: StateT | None = None,
    *,
    surrogate: str | SpikeFunction | None = None,
    dt: Tensor | float | None = None,
    detach_reset: bool = False,
) -> tuple[Tensor, StateT]:
    r"""Run spiking neurons for one time step: ``scan`` for a sequence of length one.

    Args:
        neurons: A population, such as ``SiLIF(128)``, or how it moves: its ``dynamics()``, a
            :class:`silif_plugins.dynamics.StateSpace` or a class of your own.
        current: Input current, [B, \*neurons].
        state: State before the step, each field [B, \*neurons]; at rest by default.
        surrogate: Spike function of mem - threshold, by name or as a callable; by default the neurons' own, mostly
            the paper's boxcar.
        dt: Duration of the step, a number or [B], in steps of the neurons; see :func:`scan`.
        detach_reset: Whether no gradient flows to the spikes of ``state``, which reset; see :func:`scan`.

    Returns:
        The spikes [B, \*neurons] in the data type of ``current``, and the state after the step.

    Raises:
        ValueError: If ``current`` does not fit the neurons or ``state`` does not fit it.

    Examples:
        >>> from silif_plugins.neurons import LIF
        >>> spikes, state = step(LIF(3), torch.ones(1, 3))
        >>> spikes
        tensor([[0., 0., 0.]], grad_fn=...)
    """
    space: Any = dynamics_of(neurons) if dt is None else flow_of(neurons)
    dtype = state_dtype(space, current)
    check_current(space, current, time=False)
    options: dict[str, Any] = {"detach_reset": detach_reset}
    if dt is not None:
        given = torch.as_tensor(dt)
        each = as_durations(given.expand(current.shape[:1]).unsqueeze(0), current.unsqueeze(0), dtype)
        options["duration"] = each.view(-1, *[1] * (current.dim() - 1))
    before = initial_state(space, state, current.shape, dtype)
    before = before or space.rest(tuple(current.shape), dtype=dtype, device=current.device)
    after = space.step(current.to(dtype), before, spike_function_of(neurons, surrogate), **options)
    return after.spk.to(current.dtype if current.is_floating_point() else dtype), after


def dynamics_of(neurons: Neurons[StateT]) -> Dynamics[StateT]:
    """Return how neurons move, from a population or from just that.

    Raises:
        TypeError: If they are neither.
    """
    if isinstance(neurons, StateSpace):
        return neurons
    if not isinstance(neurons, type):
        if hasattr(neurons, "dynamics"):
            return neurons.dynamics()
        if hasattr(neurons, "step") and hasattr(neurons, "rest"):
            return neurons
    got = f"the class {neurons.__name__}" if isinstance(neurons, type) else type(neurons).__name__
    raise TypeError(f"neurons: got {got}; it must be a Neuron, such as SiLIF(128), or have rest and step")


def spike_function_of(neurons: object, surrogate: str | SpikeFunction | None) -> SpikeFunction:
    """Return the spike function that is asked for, else that of the model."""
    return spike_functions.resolve(getattr(neurons, "own_surrogate", None) if surrogate is None else surrogate)


def state_dtype(space: Dynamics[Any], current: Tensor) -> torch.dtype:
    """Data type in which the state is kept: at 1 ms a decay of 0.998 would be lost in bfloat16."""
    return torch.promote_types(space.dtype, current.dtype) if current.is_floating_point() else space.dtype


def check_current(space: Dynamics[Any], current: Tensor, *, time: bool) -> None:
    """Raise if the input cannot belong to these neurons."""
    check_real("current", current)
    trailing = current.shape[int(time) :]
    # Sizes that are those of the neurons need no broadcasting, which would be a third of the time of one step.
    if trailing and isinstance(space, PackedSpace) and trailing[-len(space.shape) :] == space.shape:
        return
    shapes = {field.shape for field in space} if isinstance(space, StateSpace) else {space.shape}
    if trailing and all(
        len(shape) <= len(trailing) and trailing[len(trailing) - len(shape) :] == shape for shape in shapes
    ):
        return
    leading = "[T, B, *neurons]" if time else "[B, *neurons]"
    neurons = space.shape
    needed = len(neurons) + int(time)
    if current.dim() < max(needed, 1 + int(time)) or not _broadcasts(neurons, trailing):
        raise ValueError(
            f"current: got shape {tuple(current.shape)}; it must be {leading} with neurons {tuple(neurons)}"
        )


def initial_state(
    space: Dynamics[StateT], state: StateT | None, shape: torch.Size, dtype: torch.dtype
) -> StateT | None:
    """Return the given state after checking that it fits, since it is never broadcast; None, at rest, as it is."""
    if state is None:
        return None
    own = (shape,) * len(state)
    if type(state) is not State or not (isinstance(space, Flow) or linear_part(space) is not None):
        needed = space.rest(tuple(shape), device="meta")
        if not isinstance(state, type(needed)):
            raise TypeError(f"state: got {type(state).__name__}; it must be a {type(needed).__name__}")
        own = tuple(field.shape for field in needed)
    for name, field, size in zip(state._fields, state, own, strict=True):
        if field.shape != size:
            raise ValueError(f"state.{name}: got shape {tuple(field.shape)}; the input needs {tuple(size)}")
        check_real(f"state.{name}", field)
    return cast(StateT, type(state)(*(field.to(dtype) for field in state)))


def check_real(name: str, tensor: Tensor) -> None:
    """Raise if a tensor is complex: taken as a real one it would lose its imaginary part."""
    if tensor.is_complex():
        raise TypeError(f"{name}: got {tensor.dtype}; it must be real")


def _broadcasts(small: torch.Size, large: torch.Size) -> bool:
    """Whether a tensor of the one shape expands to the other; torch.broadcast_shapes costs as much as a small step."""
    trailing = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(n in (1, m) for n, m in zip(small, trailing, strict=True))
