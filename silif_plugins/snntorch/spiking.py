"""Any neuron of the core as a neuron of snnTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import snntorch as snn
import torch
from torch import Tensor

from ..diagnosis import SilenceWatch
from ..dynamics import Dynamics, State, StateSpace
from ..exchange import reset_ratio
from ..neurons import Neuron, has_values, hostable
from ..surrogate import SpikeFunction, is_plain
from .continuation import Continuation, may_continue
from .lean import is_constant
from .membrane import Membrane, at_rest
from .motion import Motion, Quantiser, ResetMechanism, heaviside, winners
from .neurobench import tell_neurobench
from .registration import register_weakly
from .state import SecondOrderState, unpack
from .surrogates import spike_function

if TYPE_CHECKING:
    from .layerwise import _Pass

Output = bool | Literal["mem"]

REMEDY = "beta= of the snn.Leaky that it replaces, a lower threshold=, or a batch norm before it"
"""What wakes a silent layer."""

_NOT_OURS = ("alpha", "beta")
"""Attributes of snnTorch's neurons that must be missing: its NIR exporter would write another neuron from them."""


class Spiking(snn.Leaky):  # type: ignore[misc]
    r"""A population of the core, such as your own :class:`silif_plugins.neurons.Neuron`, as a neuron of snnTorch.

    :class:`SiLIF`, :class:`CSiLIF` and the others are this class with a constructor of their own. It works wherever
    ``snn.Leaky`` does, of which it is a subclass: ``snntorch.utils.reset``, ``snntorch.backprop``, monitors,
    quantised states. Its parameters are those of ``neuron``, in the state_dict as ``neuron.log_dt`` and so on; the
    coefficients that they define are computed once for all steps of a sequence.

    It returns what ``snn.Leaky`` returns: ``spk, mem``. ``mem`` is the membrane and brings the second state along (the
    adaptation, or the imaginary part of an oscillating neuron), as :class:`Membrane` says. Code that is written for
    ``snn.Synaptic`` gets what it expects as well: after ``syn, mem = lif.init_synaptic()``, and wherever two states are
    passed, three values come back. With ``init_hidden=True`` the neuron keeps its state, which is no buffer: nothing
    broadcasts, averages or saves it with the parameters.

    The spike that resets a neuron is that of the state passed in, mem > threshold, as in snnTorch.

    Args:
        neuron: The population. Do not share one between two layers.
        threshold: Membrane potential above which it fires, a number or [\*size]; by default the neuron's own, with
            its own reset. Another threshold scales the reset with it: subtracted is the threshold, as in snnTorch.
        spike_grad: Surrogate of mem - threshold: a callable such as those of ``snntorch.surrogate``, or a name of
            :data:`silif_plugins.surrogate.SURROGATES`. By default snnTorch's own, ``"atan"``. The paper's is
            ``"boxcar"``: it is zero further than 0.5 from the threshold, so that a layer without a batch norm before
            it may stay silent for ever. snnTorch's atan, fast_sigmoid and sigmoid become the classes of
            :mod:`silif_plugins.surrogate`, which are the fastest and can be pickled.
        surrogate_disable: Fire without a surrogate gradient, whatever ``spike_grad`` says.
        init_hidden: Keep the state in the module; the spikes alone are returned.
        inhibition: Only the neuron with the highest membrane of each sample may emit its spike, among those of
            all positions after a convolution. All that crossed the threshold are reset.
        learn_threshold: Train the threshold.
        reset_mechanism: What a spike s does to the next step, R being the neuron's own reset, for a threshold of 1.
            ``"subtract"``: threshold R s, a soft reset: SiLIF's membrane loses the threshold before it decays, and
            its adaptation gains b times as much. ``"zero"``: mem R s: the membrane loses all that it has instead.
            ``"none"``: nothing. It may be changed at any time, and is stored in the state_dict.
        state_quant: Function applied to both states after every step, such as those that
            ``snntorch.functional.quant.state_quant`` makes.
        output: Return the membrane beside the spikes with ``init_hidden=True`` too. ``"mem"`` does so even where code
            for ``snn.Synaptic`` would get three values.
        graded_spikes_factor: Value of a spike in the output; the reset is not scaled.
        learn_graded_spikes_factor: Train it.
        sequence: Run over time in one call: [T, B, \*size] in and out. Every call starts at rest, or at the state
            that is passed. The states that are returned are those after the last step, to be passed to the next
            chunk, or with ``output`` those of all steps.
        detach_reset: Cut off the gradient that flows through the spike that resets, as snnTorch's own neurons do. The
            paper does not.
        input_scale: Factor of the input current, a number or [\*size]; fixed, and saved with the parameters.
        reset_scale: Factor of what a spike does to the next step, likewise; not of a reset to zero.

    Raises:
        TypeError: If ``neuron`` is not a Neuron.
        ValueError: If an option has a value that it does not know or a shape that does not fit the population.

    Examples:
        >>> from silif_plugins.neurons import LIF
        >>> currents = torch.full((3, 2, 10), 20.0)    # [T, B, N]
        >>> lif = Spiking(LIF(10, decay_u=0.9))
        >>> mem = lif.init_leaky()
        >>> for cur in currents:                       # as written for snn.Leaky
        ...     spk, mem = lif(cur, mem)
        >>> syn, mem = lif.init_synaptic()
        >>> for cur in currents:                       # as written for snn.Synaptic
        ...     spk, syn, mem = lif(cur, syn, mem)
        >>> lif = Spiking(LIF(10, decay_u=0.9), init_hidden=True)
        >>> for cur in currents:                       # with the state in the module
        ...     spk = lif(cur)
        >>> lif = Spiking(LIF(10, decay_u=0.9), init_hidden=True, sequence=True)
        >>> lif(currents).shape                        # all steps in one call
        torch.Size([3, 2, 10])
    """

    neuron: Neuron
    threshold: Tensor
    graded_spikes_factor: Tensor
    input_scale: Tensor
    reset_scale: Tensor
    _state: Tensor | SecondOrderState | None
    _over_time: _Pass | None = None  # set while over_time runs

    def __init__(
        self,
        neuron: Neuron,
        *,
        threshold: float | Tensor | None = None,
        spike_grad: str | SpikeFunction | None = None,
        surrogate_disable: bool = False,
        init_hidden: bool = False,
        inhibition: bool = False,
        learn_threshold: bool = False,
        reset_mechanism: ResetMechanism = "subtract",
        state_quant: Literal[False] | Quantiser = False,
        output: Output = False,
        graded_spikes_factor: float | Tensor = 1.0,
        learn_graded_spikes_factor: bool = False,
        sequence: bool = False,
        detach_reset: bool = False,
        input_scale: float | Tensor = 1.0,
        reset_scale: float | Tensor = 1.0,
    ) -> None:
        hostable(neuron)
        if output not in (False, True, "mem"):
            raise ValueError(f"output: got {output!r}; it must be False, True or 'mem'")
        # Not the initialisers of Leaky and LIF: they would put beta into the state_dict.
        super(snn.LIF, self).__init__(
            threshold=_option("threshold", neuron.threshold if threshold is None else threshold, neuron),
            spike_grad=heaviside if surrogate_disable else spike_function(spike_grad),
            init_hidden=init_hidden,
            learn_threshold=learn_threshold,
            reset_mechanism=reset_mechanism,
            state_quant=state_quant,
            output=output,
            graded_spikes_factor=_option("graded_spikes_factor", graded_spikes_factor, neuron),
            learn_graded_spikes_factor=learn_graded_spikes_factor,
        )
        self.surrogate_disable = surrogate_disable
        self.inhibition = inhibition  # not passed on: the host warns of limits that are not ours
        self.sequence = sequence
        self.detach_reset = detach_reset
        self.neuron = neuron
        for name, scale in (("input_scale", input_scale), ("reset_scale", reset_scale)):
            self.register_buffer(name, _option(name, scale, neuron).expand(neuron.size).clone())
        self._dims, self._is_shared = len(neuron.size), neuron.size == (1,)
        self._state = None
        self._gives_three = False
        self._continuation: Continuation | None = None
        self._silence = SilenceWatch(REMEDY)
        register_weakly(self)

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the population."""
        return self.neuron.size

    @property
    def mem(self) -> Any:
        """The membrane that the last call left; no elements for a neuron at rest."""
        if self._state is None:
            return Membrane.of(self._no_elements(), self._no_elements())
        return self._state  # a SecondOrderState, if compiled code left it

    @mem.setter
    def mem(self, mem: Any) -> None:
        self._state = mem

    @property
    def syn(self) -> Tensor:
        """The second state that the last call left."""
        return _pair(self.mem).syn

    @syn.setter
    def syn(self, syn: Tensor) -> None:
        state = _pair(self.mem)
        with torch._C.DisableTorchFunctionSubclass():
            self._state = Membrane.of(state.mem.as_subclass(Tensor), syn)

    def __getattr__(self, name: str) -> Any:
        """Answer snnTorch's monitors, which ask here, and those who look for what this neuron does not have."""
        if name in ("mem", "syn"):
            return object.__getattribute__(self, name)
        if name in _NOT_OURS:
            names = ", ".join(name for name, _ in self.neuron.named_parameters())
            raise AttributeError(
                f"{type(self).__name__} has no {name!r}: its neurons have decays of their own, by {names}"
            )
        return super().__getattr__(name)

    def state_space(self) -> StateSpace:
        r"""Return the coefficients that the layer runs: the neuron's, with its scales, threshold and reset mechanism.

        With ``reset_mechanism="zero"`` R is the reset per unit of the membrane.
        """
        space = self.neuron.state_space()
        made_for = self.neuron.threshold
        if self.reset_mechanism == "none":
            scale = torch.zeros_like(made_for)
        elif self.reset_mechanism == "zero":
            scale = reset_ratio(torch.ones_like(made_for), made_for)
        elif is_plain() and is_constant(made_for, 1.0):
            scale = self.threshold * self.reset_scale  # what follows, for the common case
        else:
            scale = reset_ratio(self.threshold, made_for) * self.reset_scale
        return space._replace(
            b1=_scaled(space.b1, self.input_scale),
            b2=_scaled(space.b2, self.input_scale),
            r1=_scaled(space.r1, scale),
            r2=_scaled(space.r2, scale),
            threshold=self.threshold,
        )

    def dynamics(self) -> Dynamics[State]:
        """Return how the neurons move: the state space with the reset mechanism and the quantiser."""
        return self._dynamics().dynamics

    def reset_mem(self) -> Tensor | SecondOrderState:
        """Bring the neurons to rest and return that state, without elements: the next input decides its shape.

        It is a :class:`Membrane`, or ``syn, mem`` for a neuron that takes the place of ``snn.Synaptic``.
        """
        self._state = None
        syn, mem = self._no_elements(), self._no_elements()
        return SecondOrderState(syn, mem) if self._gives_three or not is_plain() else Membrane.of(mem, syn)

    def reset(self) -> None:
        """Bring the neurons to rest, as other libraries call it (``spikingjelly.activation_based.functional``)."""
        self._state = None

    def init_leaky(self) -> Tensor | SecondOrderState:
        """Do :meth:`reset_mem` for code that is written for ``snn.Leaky``: calls return ``spk, mem``."""
        self._gives_three = False
        return self.reset_mem()

    def init_synaptic(self) -> SecondOrderState:
        """Do :meth:`reset_mem` for code that is written for ``snn.Synaptic``: calls return ``spk, syn, mem``."""
        self._gives_three = True
        self._state = None
        return SecondOrderState(self._no_elements(), self._no_elements())

    def forward(
        self, input_: Tensor, syn: Tensor | SecondOrderState | None = None, mem: Tensor | SecondOrderState | None = None
    ) -> Any:
        r"""Run the neurons for one step, or with ``sequence=True`` for many: ``lif(cur, mem)``, ``lif(cur, syn, mem)``.

        Args:
            input_: Input current, [B, \*size] or [\*size]; [T, B, \*size] for a sequence.
            syn: The state, if it is the only one: what the last call returned as ``mem``, or a membrane of the input's
                shape or of one element, its second state being at rest. Else the second state. By default a step
                continues from the state that the last one left, or starts at rest, as a sequence does.
            mem: Membrane, [B, \*size].

        Returns:
            ``spk, mem``; ``spk, syn, mem`` where two states are passed, or none after ``init_synaptic()``; ``spk``
            alone with ``init_hidden=True`` and without ``output``. Spikes are in the data type of the input, states in
            that of the parameters.

        Raises:
            TypeError: If a state is passed with ``init_hidden=True``.
            ValueError: If a state or the input does not fit the neurons.
        """
        given, came_as_two = unpack(syn, mem)
        if given is not None and self.init_hidden:
            raise TypeError("with init_hidden=True the neuron keeps its state: pass none, or leave init_hidden out")
        self._check(input_)
        with torch._C.DisableTorchFunctionSubclass():
            if self._over_time is not None:
                spk, state = self._over_time.run_neuron(self, input_, given)
            elif self.sequence:
                spk, state = self._run(input_, given, all_steps=bool(self.output))
            else:
                spk, state = self._step(input_, given)
        if self.init_hidden and not self.output:
            return spk
        if (came_as_two or (given is None and self._gives_three)) and self.output != "mem":
            syn, mem = _pair(state)
            return spk, syn, mem
        return spk, state

    def _check(self, input_: Tensor) -> None:
        """Raise if the input has dimensions that this population does not; one neuron is shared by all positions."""
        if self._is_shared or 0 <= input_.dim() - self._dims - self.sequence <= 1:
            return
        dims = self._dims
        neurons = self.size[0] if dims == 1 else self.size
        shape, trailing = tuple(input_.shape), ", ".join(map(str, self.size))
        advice = f"it must be [B, {trailing}]"
        if self.sequence:
            advice = f"it must be [T, B, {trailing}]"
        elif dims == 1 and input_.dim() > 2 and input_.shape[-1] == self.size[0]:
            advice += (
                f". For a sequence, [T, B, {trailing}], write sequence=True; for further dimensions of the batch, "
                f"[B, S, {trailing}], write {type(self).__name__}((1, {trailing}))"
            )
        elif dims == 1 and input_.dim() > 2 and input_.shape[1] == self.size[0]:
            population = (*self.size, *[1] * (input_.dim() - 2))
            advice += f". After a convolution with {neurons} channels write {type(self).__name__}({population})"
        raise ValueError(f"input_: got shape {shape} for neurons {neurons}; {advice}")

    def _step(self, input_: Tensor, given: Tensor | SecondOrderState | None) -> tuple[Tensor, Any]:
        start = self._state if given is None else given
        before = None if start is None else _pair(start)
        current = input_ if input_.dim() else input_.expand(1)
        shape = current.shape
        if may_continue(input_):
            last = self._continuation
            goes_on = last is not None and before is not None and last.holds(before, self)
            if last is not None and goes_on:
                spk = last.spikes()
            else:
                last, spk = Continuation(self._dynamics(), self), None
                self._continuation = last
            state = last.step(current, self._before(before, given, shape, last.dynamics, spk))
            scales = last.scales_spikes
            if self._silence.watches:
                self._silence(self, state.spk, begins=not goes_on)
            if input_.dim():
                self.__dict__["_state"] = state.mem  # what _keep does, where nothing is left to ask
                return self._emit(state.spk, state.mem, input_, scales), state.mem
        else:
            scales = True
            dynamics = self._dynamics()
            state = dynamics.step(current, self._before(before, given, shape, dynamics, None))
        if not input_.dim():
            state = State(*(field.as_subclass(Tensor).reshape(()) for field in state))
        return self._emit(state.spk, state.mem, input_, scales), self._keep(state, given)

    def _run(
        self, input_: Tensor, given: Tensor | SecondOrderState | None, *, all_steps: bool, continues: bool = False
    ) -> tuple[Tensor, Any]:
        begin = self._state if continues and given is None else given
        before = None if begin is None else _pair(begin)
        dynamics = self._dynamics()
        start = self._before(before, given, input_.shape[1:], dynamics, None)
        spk, state, trace = dynamics.run(input_, start, trace=all_steps or self.inhibition)
        if self._silence.watches:
            self._silence(self, spk)
        scales = not (may_continue(input_) and is_constant(self.graded_spikes_factor, 1.0))
        spk = self._emit(spk, trace.mem if trace is not None else state.mem, input_, scales)
        last = self._keep(state, given)
        return spk, _packed(trace) if all_steps and trace is not None else last

    def _dynamics(self) -> Motion:
        return Motion(
            self.state_space(),
            self.spike_grad,
            self.reset_mechanism == "zero",
            self.state_quant,
            self.detach_reset,
        )

    def _no_elements(self) -> Tensor:
        """Return one of the two states at rest: its shape is taken from the next input."""
        return torch.zeros(0, dtype=self.neuron.threshold.dtype, device=self.neuron.threshold.device)

    def _before(
        self,
        before: SecondOrderState | None,
        given: Tensor | SecondOrderState | None,
        shape: torch.Size,
        dynamics: Motion,
        spk: Tensor | None,
    ) -> State | None:
        """Return the state before a step, or None for neurons at rest, after checking that it fits the input."""
        if before is None or (at_rest(before.mem) and at_rest(before.syn)):
            return dynamics.at_rest(shape)
        if before.mem.shape == shape == before.syn.shape:
            return State(before.mem, before.syn, dynamics.fire(before.mem) if spk is None else spk)
        if given is None and before.mem.dim():  # at rest too if reset by snnTorch's own functions, which keep its shape
            is_left = before.syn.any() | before.mem.any()
            if torch.compiler.is_compiling():
                torch._assert_async(~is_left, "the state is that of a batch of another shape: reset the neuron first")
                return None
            if not is_left:
                return None
        elif before.mem.numel() == before.syn.numel() == 1:
            mem, syn = (state.reshape(()).expand(shape) for state in (before.mem, before.syn))
            return State(mem, syn, dynamics.fire(mem))
        name, value = next((name, value) for name, value in before._asdict().items() if value.shape != shape)
        advice = "" if given is not None else ". It continues from its last call: reset it first, see reset(net)"
        raise ValueError(f"{name}: got shape {tuple(value.shape)}; the input needs {tuple(shape)}{advice}")

    def _keep(self, state: State, given: Tensor | SecondOrderState | None) -> Tensor | SecondOrderState:
        """Store the state where monitors and a next call without arguments look for it, and return it as one value."""
        packed = _packed(state)
        if is_plain():
            self.__dict__["_state"] = packed  # what the assignment below does, in a tenth of its time
        elif given is None or not torch.compiler.is_exporting():
            # An exported function of explicit states is to have no side effect.
            self._state = packed
        return packed

    def _emit(self, spk: Tensor, mem: Tensor, input_: Tensor, scales: bool) -> Tensor:
        """Turn the spikes that reset the neurons into those that leave the layer."""
        if self.inhibition:
            spk = spk * winners(mem, self.threshold, len(self.size))
        if scales:
            spk = spk * self.graded_spikes_factor
        same = spk.dtype == input_.dtype or not input_.is_floating_point()
        return spk if same else spk.to(input_.dtype)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Load, and follow the reset mechanism that was saved; snnTorch loads its number alone."""
        super()._load_from_state_dict(*args, **kwargs)
        self._reset_mechanism = list(self.reset_dict)[int(self.reset_mechanism_val)]

    def train(self, mode: bool = True) -> Spiking:
        """Change the mode; NeuroBench, which evaluates what it counts, then learns what a step of this class takes."""
        tell_neurobench(self)
        super().train(mode)
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move or convert the state with the parameters."""
        super()._apply(fn, recurse)
        if self._state is not None:
            state = _pair(self._state)
            with torch._C.DisableTorchFunctionSubclass():
                self._state = Membrane.of(fn(state.mem), fn(state.syn))
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the running sequence: tensors with a history can be neither copied nor pickled."""
        state = None if self._state is None else self._state.detach()
        return {**self.__dict__, "_state": state, "_continuation": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, and let snnTorch's own functions find it."""
        super().__setstate__(state)
        register_weakly(self)

    def extra_repr(self) -> str:
        """Say which options differ from the defaults."""
        shown = [f"threshold={self.threshold.item():g}" if self.threshold.numel() == 1 else "threshold per neuron"]
        shown += [f"reset_mechanism={self.reset_mechanism!r}"] if self.reset_mechanism != "subtract" else []
        shown += [f"output={self.output!r}"] if self.output else []
        flags = ("init_hidden", "inhibition", "sequence", "surrogate_disable", "detach_reset")
        return ", ".join(shown + [name for name in flags if getattr(self, name)])


def _scaled(coefficient: Tensor, scale: Tensor) -> Tensor:
    """Scale a coefficient; one that is missing stays the number 0, which a step leaves out."""
    is_missing = is_plain() and is_constant(coefficient, 0.0)
    return coefficient if is_missing else coefficient * scale


def _pair(state: Tensor | SecondOrderState) -> SecondOrderState:
    """Take a state apart; a plain tensor is a membrane whose second state is at rest."""
    if isinstance(state, SecondOrderState):
        return state
    if isinstance(state, Membrane) and torch.compiler.is_compiling():  # which cannot follow such a tensor
        raise RuntimeError("the state is of a step that was not compiled: reset the neuron first, see reset(net)")
    syn = getattr(state, "syn", None) if isinstance(state, Membrane) else None
    return SecondOrderState(torch.zeros_like(state) if syn is None else syn, state)


def _packed(state: State) -> Tensor | SecondOrderState:
    """Return both states as one value."""
    if isinstance(state.mem, Membrane):
        return state.mem
    return SecondOrderState(state.ada, state.mem) if not is_plain() else Membrane.of(state.mem, state.ada)


def _option(name: str, value: float | Tensor, neuron: Neuron) -> Tensor:
    """Return an option as a tensor of its own, in the data type of the neuron, that fits its population."""
    tensor = torch.as_tensor(value).detach().clone().to(neuron.threshold)
    if has_values(tensor) and bool(tensor.isnan().any()):
        raise ValueError(f"{name}: got NaN; it must be a number or one for each neuron")
    try:
        fits = torch.broadcast_shapes(tensor.shape, neuron.size) == neuron.size
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}; it must broadcast to the neurons {neuron.size}")
    return tensor
