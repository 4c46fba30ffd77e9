"""Any neuron of the core as a neuron of snnTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import snntorch as snn
import torch
from torch import Tensor

from ..neurons import Neuron, State, StateSpace
from ..surrogate import SpikeFunction
from .continuation import Continuation, may_continue
from .dynamics import Dynamics, Quantiser, ResetMechanism, heaviside, winners
from .lean import is_constant
from .registration import register_weakly
from .state import SecondOrderState, at_rest, rest_like, unpack
from .surrogates import spike_function

if TYPE_CHECKING:
    from .over_time import _Pass

Output = bool | Literal["mem"]


class Spiking(snn.Synaptic):  # type: ignore[misc]
    r"""A population of the core, such as your own :class:`silif_plugins.neurons.Neuron`, as a neuron of snnTorch.

    :class:`SiLIF`, :class:`CSiLIF` and the others are this class with a constructor of their own. It works wherever
    ``snn.Synaptic`` does, of which it is a subclass: ``snntorch.utils.reset``, ``snntorch.backprop``, monitors,
    quantised states. Its parameters are those of ``neuron``, in the state_dict as ``neuron.log_dt`` and so on; the
    coefficients that they define are computed once for all steps of a sequence.

    The state is two tensors, ``mem`` (the membrane) and ``syn`` (the adaptation, or the imaginary part of an
    oscillating neuron). What comes in packed goes out packed: code written for ``snn.Synaptic`` passes two tensors,
    code written for ``snn.Leaky`` passes on what ``init_leaky()`` returned, a :class:`SecondOrderState`. With
    ``init_hidden=True`` the neuron keeps its state.

    The spike that resets a neuron is that of the state passed in, mem > threshold, as in snnTorch; its gradient
    flows through the reset, as in the paper (snnTorch cuts it off there).

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
        output: True returns the states beside the spikes with ``init_hidden=True`` too; ``"mem"`` only the membrane,
            which is what ``snn.Leaky`` returns.
        graded_spikes_factor: Value of a spike in the output; the reset is not scaled.
        learn_graded_spikes_factor: Train it.
        sequence: Run over time in one call: [T, B, \*size] in and out. The states that are returned are those
            after the last step, to be passed to the next chunk, or with ``output`` those of all steps.

    Raises:
        TypeError: If ``neuron`` is not a Neuron.
        ValueError: If an option has a value that it does not know or a shape that does not fit the population.

    Examples:
        >>> from silif_plugins.neurons import LIF
        >>> currents = torch.full((3, 2, 10), 20.0)    # [T, B, N]
        >>> lif = Spiking(LIF(10, decay_u=0.9))
        >>> syn, mem = lif.init_synaptic()
        >>> for cur in currents:                       # as written for snn.Synaptic
        ...     spk, syn, mem = lif(cur, syn, mem)
        >>> mem = lif.init_leaky()
        >>> for cur in currents:                       # as written for snn.Leaky
        ...     spk, mem = lif(cur, mem)
        >>> lif = Spiking(LIF(10, decay_u=0.9), init_hidden=True)
        >>> for cur in currents:                       # with the state in the module
        ...     spk = lif(cur)
        >>> lif = Spiking(LIF(10, decay_u=0.9), init_hidden=True, sequence=True)
        >>> lif(currents).shape                        # all steps in one call
        torch.Size([3, 2, 10])
    """

    neuron: Neuron
    syn: Tensor
    mem: Tensor
    threshold: Tensor
    graded_spikes_factor: Tensor
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
    ) -> None:
        if not isinstance(neuron, Neuron):
            raise TypeError(f"neuron: got {type(neuron).__name__}; it must be a silif_plugins.neurons.Neuron")
        if output not in (False, True, "mem"):
            raise ValueError(f"output: got {output!r}; it must be False, True or 'mem'")
        if output == "mem" and not init_hidden:
            raise ValueError("output='mem' needs init_hidden=True: without it the second state would be lost")
        # Not the initialisers of Synaptic and LIF: they would put alpha and beta into the state_dict.
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
        self.neuron = neuron
        self.register_buffer("syn", rest_like(neuron.threshold), persistent=False)
        self.register_buffer("mem", rest_like(neuron.threshold), persistent=False)
        self._continuation: Continuation | None = None
        register_weakly(self)

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the population."""
        return self.neuron.size

    def state_space(self) -> StateSpace:
        r"""Return the coefficients that the layer runs: the neuron's, with threshold and reset mechanism applied.

        With ``reset_mechanism="zero"`` R is the reset per unit of the membrane.
        """
        space = self.neuron.state_space()
        made_for = self.neuron.threshold
        # A neuron that never fires, or fires above 0, has no threshold to measure its reset in: it keeps its own.
        measured = made_for.isfinite() & (made_for != 0)
        unit = torch.where(measured, made_for, 1.0)
        if self.reset_mechanism == "subtract":
            scale = torch.where(measured, self.threshold / unit, 1.0)
        else:
            scale = 1 / unit if self.reset_mechanism == "zero" else torch.zeros_like(unit)
        return space._replace(r1=space.r1 * scale, r2=space.r2 * scale, threshold=self.threshold)

    def reset_mem(self) -> SecondOrderState:
        """Bring the neurons to rest and return that state: two empty tensors, whose shape the next input decides."""
        self.syn, self.mem = rest_like(self.neuron.threshold), rest_like(self.neuron.threshold)
        return SecondOrderState(self.syn, self.mem)

    def init_synaptic(self) -> SecondOrderState:
        """Do :meth:`reset_mem`, under the name that code for ``snn.Synaptic`` uses."""
        return self.reset_mem()

    def init_leaky(self) -> SecondOrderState:
        """Do :meth:`reset_mem`, under the name that code for ``snn.Leaky`` uses."""
        return self.reset_mem()

    def forward(
        self, input_: Tensor, syn: Tensor | SecondOrderState | None = None, mem: Tensor | SecondOrderState | None = None
    ) -> Any:
        r"""Run the neurons for one step, or with ``sequence=True`` for many.

        Args:
            input_: Input current, [B, \*size]; [T, B, \*size] for a sequence.
            syn: Second state, [B, \*size], or both states packed. By default the neuron continues from the
                state that its last call left, or starts at rest.
            mem: Membrane, [B, \*size].

        Returns:
            ``spk, syn, mem``, or ``spk, state`` for a packed state; ``spk`` alone with ``init_hidden=True``, unless
            ``output`` asks for more. Spikes are in the data type of the input, states in that of the parameters.

        Raises:
            TypeError: If a state is passed with ``init_hidden=True``, or one state without the other.
            ValueError: If a state or the input does not fit the neurons.
        """
        given, was_packed = unpack(syn, mem)
        if given is not None and self.init_hidden:
            raise TypeError("with init_hidden=True the neuron keeps its state: pass none, or leave init_hidden out")
        if self._over_time is not None:
            spk, states = self._over_time.run_neuron(self, input_, given)
        elif self.sequence:
            spk, states = self._run(input_, given, all_steps=bool(self.output))
        else:
            spk, states = self._step(input_, given)
        if self.output == "mem":
            return spk, states.mem
        if self.init_hidden and not self.output:
            return spk
        return (spk, states) if was_packed else (spk, *states)

    def _step(self, input_: Tensor, given: SecondOrderState | None) -> tuple[Tensor, SecondOrderState]:
        before = SecondOrderState(self.syn, self.mem) if given is None else given
        if may_continue(input_):
            last = self._continuation
            if last is not None and last.holds(before, self):
                spk = last.spikes()
            else:
                last, spk = Continuation(self._dynamics(), self), None
                self._continuation = last
            state = last.step(input_, self._before(before, given, input_.shape, last.dynamics, spk))
            scales = last.scales_spikes
        else:
            scales = True
            dynamics = self._dynamics()
            state = dynamics.step(input_, self._before(before, given, input_.shape, dynamics, None))
        self._keep(state, given)
        return self._emit(state.spk, state.mem, input_, scales), SecondOrderState(state.ada, state.mem)

    def _run(
        self, input_: Tensor, given: SecondOrderState | None, *, all_steps: bool
    ) -> tuple[Tensor, SecondOrderState]:
        before = SecondOrderState(self.syn, self.mem) if given is None else given
        dynamics = self._dynamics()
        start = self._before(before, given, input_.shape[1:], dynamics, None)
        spk, state, trace = dynamics.run(input_, start, trace=all_steps or self.inhibition)
        self._keep(state, given)
        scales = not (may_continue(input_) and is_constant(self.graded_spikes_factor, 1.0))
        spk = self._emit(spk, trace.mem if trace is not None else state.mem, input_, scales)
        shown = trace if all_steps and trace is not None else state
        return spk, SecondOrderState(shown.ada, shown.mem)

    def _dynamics(self) -> Dynamics:
        return Dynamics(self.state_space(), self.spike_grad, self.reset_mechanism == "zero", self.state_quant)

    def _before(
        self,
        before: SecondOrderState,
        given: SecondOrderState | None,
        shape: torch.Size,
        dynamics: Dynamics,
        spk: Tensor | None,
    ) -> State | None:
        """Return the state before a step, or None for neurons at rest, after checking that it fits the input."""
        if before.mem.shape == shape == before.syn.shape:
            return State(before.mem, before.syn, dynamics.fire(before.mem) if spk is None else spk)
        if at_rest(before):
            return None
        if given is None:  # at rest too if reset by snnTorch's own functions, which keep the shape of the last batch
            is_left = before.syn.any() | before.mem.any()
            if torch.compiler.is_compiling():
                torch._assert_async(~is_left, "the state is that of a batch of another shape: reset the neuron first")
                return None
            if not is_left:
                return None
        name, value = next((name, value) for name, value in before._asdict().items() if value.shape != shape)
        advice = "" if given else ". The neuron continues from its last call: reset it first, see reset(net)"
        raise ValueError(f"{name}: got shape {tuple(value.shape)}; the input needs {tuple(shape)}{advice}")

    def _keep(self, state: State, given: SecondOrderState | None) -> None:
        """Store the state where monitors and a next call without arguments look for it."""
        if not torch.compiler.is_compiling():
            # What the assignment below does, in a tenth of its time.
            self._buffers["syn"], self._buffers["mem"] = state.ada, state.mem
        elif given is None or not torch.compiler.is_exporting():
            # An exported function of explicit states is to have no side effect.
            self.syn, self.mem = state.ada, state.mem

    def _emit(self, spk: Tensor, mem: Tensor, input_: Tensor, scales: bool) -> Tensor:
        """Turn the spikes that reset the neurons into those that leave the layer."""
        if self.inhibition:
            spk = spk * winners(mem, self.threshold, len(self.size))
        if scales:
            spk = spk * self.graded_spikes_factor
        return spk.to(input_.dtype) if input_.is_floating_point() else spk

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        """Load, and follow the reset mechanism that was saved; snnTorch loads its number alone."""
        super()._load_from_state_dict(*args, **kwargs)
        self._reset_mechanism = list(self.reset_dict)[int(self.reset_mechanism_val)]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the running sequence: tensors with a history can be neither copied nor pickled."""
        buffers = {n: t.detach() if n in SecondOrderState._fields else t for n, t in self._buffers.items()}
        return {**self.__dict__, "_buffers": buffers, "_continuation": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copy, and let snnTorch's own functions find it."""
        super().__setstate__(state)
        register_weakly(self)

    def extra_repr(self) -> str:
        """Say which options differ from the defaults."""
        shown = [f"threshold={self.threshold.item():g}" if self.threshold.numel() == 1 else "threshold per neuron"]
        shown += [f"reset_mechanism={self.reset_mechanism!r}"] if self.reset_mechanism != "subtract" else []
        shown += [f"output={self.output!r}"] if self.output else []
        shown += [
            name for name in ("init_hidden", "inhibition", "sequence", "surrogate_disable") if getattr(self, name)
        ]
        return ", ".join(shown)


def _option(name: str, value: float | Tensor, neuron: Neuron) -> Tensor:
    """Return an option as a tensor of its own, in the data type of the neuron, that fits its population."""
    tensor = torch.as_tensor(value).detach().clone().to(neuron.threshold)
    if tensor.isnan().any():
        raise ValueError(f"{name}: got NaN; it must be a number or one for each neuron")
    try:
        fits = torch.broadcast_shapes(tensor.shape, neuron.size) == neuron.size
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}; it must broadcast to the neurons {neuron.size}")
    return tensor
