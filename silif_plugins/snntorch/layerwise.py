"""Run a network that is written for one time step over all steps in one call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import snntorch as snn
import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.overrides import TorchFunctionMode

from ..dynamics import State
from .delayed import Delayed
from .kept import changes, restore, slots
from .membrane import Membrane
from .spiking import Spiking, _packed, _pair
from .state import SecondOrderState


def over_time(net: nn.Module, inputs: Tensor | tuple[Any, ...]) -> Any:
    r"""Run a network that is written for one time step over all steps in one call, layer by layer.

    Layers without a state see all steps as one large batch, [T\*B, ...]; our neurons see them in their order and run
    the fused kernel. In evaluation mode the result is that of calling ``net`` step by step, many times sooner. It
    works on any module whose forward handles one step and in which nothing but our neurons remembers:
    ``nn.Sequential`` with ``init_hidden=True``, and classes with a forward of their own, which keep the states of their
    neurons, take and return them, or ask for them by ``init_leaky()``. The neurons continue from the states that
    they hold, or start at rest, see :func:`reset`; afterwards they hold those of the last step, so that the next
    call continues the sequence. A forward that begins with ``init_leaky()`` is called once: the sequence starts at
    rest, its steps do not.

    In training mode, batch norm takes its statistics over all steps and samples at once, and moves its running
    mean once, not once a step; dropout draws for each step anew, as it does when stepping.

    Monitors and hooks see all steps as one batch, and of a state what the last step left.

    Args:
        net: The network. It treats the samples of a batch apart from each other, for time becomes a part of it.
        inputs: What ``net`` takes at a step, with time first: a tensor [T, B, ...], or a tuple of its arguments.
            Among these, states are handed on as they are: None, those at rest that ``init_leaky()`` returns, and those
            that the last step left (``net.lif1.mem``, or ``mem[-1]`` of what was returned). It is assumed that each
            comes back to the neuron that returned it, unedited.

    Returns:
        What ``net`` returns at a step, with time first: every tensor [T, B, ...], in nested tuples, lists and dicts
        too. Membranes that neurons return are those of all steps.

    Raises:
        TypeError: If ``net`` is not a module or an input is not a tensor.
        ValueError: If something else in ``net`` has a state, if something is fed back to an earlier layer, if a neuron
            is called twice or is made for sequences, or if shapes do not fold. The message names the layer.

    Examples:
        >>> from silif_plugins.snntorch import SiLIF
        >>> net = nn.Sequential(nn.Linear(4, 8), SiLIF(8, init_hidden=True), nn.Linear(8, 2))
        >>> over_time(net, torch.rand(100, 16, 4)).shape  # instead of torch.stack([net(x) for x in inputs])
        torch.Size([100, 16, 2])
    """
    if not isinstance(net, nn.Module):
        raise TypeError(f"net: got {type(net).__name__}; it must be a torch.nn.Module")
    # A compiled function breaks its graph here.
    run = torch.compiler.disable(_run) if torch.compiler.is_compiling() else _run
    return run(net, inputs if isinstance(inputs, tuple) else (inputs,))


def _run(net: nn.Module, inputs: tuple[Any, ...]) -> Any:
    return _Pass(net, inputs).run()


class _Pass:
    """One call of :func:`over_time`: what its neurons get and leave, and whether anything else remembers."""

    def __init__(self, net: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.net = net
        modules = {name or type(net).__name__: module for name, module in net.named_modules()}
        self.names = {module: name for name, module in modules.items() if isinstance(module, Spiking)}
        self.delayed = {module: name for name, module in modules.items() if isinstance(module, Delayed)}
        for name, module in modules.items():
            _refuse_other_states(name, module)
        self.others = {name: module for name, module in modules.items() if not isinstance(module, MAY_CHANGE)}
        self.kept = slots(self.others)
        self.before = {neuron: neuron._state for neuron in self.names}
        self.travelled = {module: module._state for module in self.delayed}
        self.unread: dict[int, tuple[str, Tensor]] = {}
        for neuron in self.names:
            self._watch(neuron)
        self.shown: dict[Spiking, Any] = {}  # the states of all steps, as the network has seen them
        self.finished: set[nn.Module] = set()
        self.steps, self.batch = _leading(x for x in inputs if x is not None and not self._is_state(x))
        self.inputs = [x.flatten(0, 1) if isinstance(x, Tensor) and not self._is_state(x) else x for x in inputs]

    def run(self) -> Any:
        """Run the network once."""
        try:
            for module in (*self.names, *self.delayed):
                module.__dict__["_over_time"] = self
            with _eagerly(), _Watch(self.check_read):
                output = self.net(*self.inputs)
            self._settle()
            return self._unfold(output)
        except BaseException as error:
            for neuron, state in self.before.items():
                neuron._state = state
            for module, travelling in self.travelled.items():
                module._state = travelling
            reason = self._why(error)
            restore(self.kept)
            if reason is not None:
                raise type(error)(reason) from error
            raise
        finally:
            for module in (*self.names, *self.delayed):
                module.__dict__.pop("_over_time", None)

    def run_neuron(
        self, neuron: Spiking, input_: Tensor, given: Tensor | SecondOrderState | None
    ) -> tuple[Tensor, Any]:
        r"""Run a neuron over all steps.

        Args:
            neuron: The neuron.
            input_: Its input at all steps, [T\*B, \*size].
            given: The state that it was called with.

        Returns:
            Spikes, and the state as one value if the neuron returns any, [T\*B, \*size].
        """
        name = self.names[neuron]
        self._check_call(neuron, name, input_)
        all_steps = bool(neuron.output) or not neuron.init_hidden
        with torch._C.DisableTorchFunction():  # what neurons do with their own states is not watched
            start = None if given is None else self._start(name, neuron, given)
            folded = input_.unflatten(0, (self.steps, self.batch))
            spk, state = neuron._run(folded, start, all_steps=all_steps, continues=given is None)
            if all_steps:
                syn, mem = (field.flatten(0, 1) for field in _parts(state))
                state = self.shown[neuron] = _packed(State(mem, syn, spk))
        self.finished.add(neuron)
        self._watch(neuron)
        return spk.flatten(0, 1), state

    def run_delayed(self, module: Delayed, input_: Tensor) -> Tensor:
        r"""Run a connection with delays over all steps: outputs [T\*B, outputs] from inputs [T\*B, inputs]."""
        self._check_call(module, self.delayed[module], input_)
        with torch._C.DisableTorchFunction():
            folded = input_.unflatten(0, (self.steps, self.batch))
            outputs, module._state = module.connection.run(folded, module._state)
        self.finished.add(module)
        return outputs.flatten(0, 1)

    def _check_call(self, module: nn.Module, name: str, input_: Tensor) -> None:
        """Raise unless this is the first call of what remembers, with all steps."""
        if module in self.finished:
            raise ValueError(
                f"{name}: it is called twice in one step, which over_time cannot do: "
                "its second call needs the state that its first one left at the same step"
            )
        self._check_folded(f"{name}: its input", input_)

    def check_read(self, values: Any) -> None:
        """Refuse a function of a state that is not that of all steps.

        Raises:
            ValueError: If there is one among the arguments ``values``.
        """
        for value in _tensors(values):
            name, _ = self.unread.get(id(value), (None, None))
            if name is not None:
                raise ValueError(
                    f"{name}: its state is read by something else than the neuron, which over_time cannot do for "
                    "every step. If this is no feedback, use the membrane that the neuron returns "
                    "(output=True with init_hidden=True)"
                )

    def _watch(self, neuron: Spiking) -> None:
        """Take note of a neuron's state before the first step, or after the last one."""
        # With the tensor itself, so that its id stays its own.
        self.unread |= {id(part): (self.names[neuron], part) for part in _parts(neuron._state)}

    def _is_state(self, value: Any) -> bool:
        """Whether an input is a state, not one with time first."""
        if isinstance(value, SecondOrderState):
            return True
        if not isinstance(value, Tensor):
            return False
        if value.dim() < 2 and value.numel() < 2:  # at rest, or one value for all neurons
            return True
        shapes = [state.shape for state in self.before.values() if state is not None]
        is_part = isinstance(value, Membrane) and value.shape in shapes  # mem[-1] of what over_time returned
        return is_part or _is_among(value, *self.before.values())

    def _start(self, name: str, neuron: Spiking, given: Tensor | SecondOrderState) -> Tensor | SecondOrderState | None:
        """Return the state before the first step, None for rest."""
        pair, own = _parts(given), _parts(neuron._state)
        if own and all(a is b or _equal(a, b) for a, b in zip(pair, own, strict=True)):
            return given
        is_new = not any(_is_among(state, *self.shown.values()) for state in pair)
        if is_new and not any(state.any() for state in pair):
            return None
        raise ValueError(
            f"{name}: it is given a state that is neither rest nor what its own last call left: over_time cannot know "
            "what it would be at every step"
        )

    def _check_folded(self, what: str, value: Tensor) -> None:
        if value.shape[:1] != (self.steps * self.batch,):
            raise DoesNotFold(f"{what} has shape {tuple(value.shape)}")

    def _why(self, error: BaseException) -> str | None:
        """Say why a network may fail with the samples of all steps, None for errors of another kind."""
        # No subclasses of RuntimeError, such as those that tell of a lack of memory.
        if not (type(error) is DoesNotFold or (type(error) is RuntimeError and self.steps > 1)):
            return None
        for name in changes(self.kept, slots(self.others)):
            return f"{name}: {STORED}"
        for name, slot in self.kept.items():
            if isinstance(slot.value, Tensor) and slot.value.shape[:1] == (self.batch,) and self.batch > 1:
                return f"{name}: it has the samples of a single step, and the network fails on those of all: {error}"
        return (
            f"{error}. The {self.steps} x {self.batch} samples of all steps came as one batch: if the network runs on "
            "one step, it has a batch size written into its forward (use x.size(0)), or joins the samples of a batch"
        )

    def _settle(self) -> None:
        """Refuse anything but a neuron's state that was stored, and store that of the last step."""
        for name, (holder, key, value, _) in changes(self.kept, slots(self.others)).items():
            if (last := self._last_of(value)) is None or holder is None:
                raise ValueError(f"{name}: {STORED}")
            holder[key] = last

    def _last_of(self, value: Any) -> Any:
        """Return the state after the last step, given the states of all steps; None if it is something else."""
        for neuron, shown in self.shown.items():
            for of_all, of_last in zip(_parts(shown), _parts(neuron._state), strict=True):
                if value is of_all:
                    return of_last
        return None

    def _unfold(self, output: Any) -> Any:
        if isinstance(output, Tensor):
            self._check_folded("net: a tensor that it returns", output)
            unfolded = output.unflatten(0, (self.steps, self.batch))
            syn = output.__dict__.get("syn") if isinstance(output, Membrane) else None
            return unfolded if syn is None else Membrane.of(unfolded, syn.unflatten(0, (self.steps, self.batch)))
        if isinstance(output, Mapping):
            return type(output)((key, self._unfold(value)) for key, value in output.items())  # type: ignore[call-arg]
        if isinstance(output, tuple | list):
            values = [self._unfold(value) for value in output]
            return type(output)(*values) if hasattr(output, "_fields") else type(output)(values)
        return output


def _is_among(value: Tensor, *states: Any) -> bool:
    """Whether a tensor is one of these states or a part of them, the very same."""
    return any(value is part for state in states for part in _parts(state))


def _parts(state: Tensor | SecondOrderState | None) -> tuple[Tensor, ...]:
    """Return syn and mem, nothing for a neuron at rest."""
    return () if state is None else _pair(state)


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def _eagerly() -> AbstractContextManager[Any]:
    """Run compiled parts of the network as they were written: compilers cannot follow the watch."""
    # Nothing is compiled where the compiler was never loaded, which takes a second.
    loaded = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if loaded else nullcontext()


class DoesNotFold(ValueError):
    """A tensor has not the samples of all steps first."""


class _Watch(TorchFunctionMode):
    """Looks at the arguments of all functions of PyTorch that a network calls, but for those that neurons call."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        super().__init__()
        self.check = check

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Check the arguments and call the function."""
        if func not in WITHOUT_VALUES:
            self.check((args, kwargs))
        return func(*args, **(kwargs or {}))


STORED = (
    "it is stored during a step, and may be read in the next one, which over_time cannot do: only neurons of "
    "silif_plugins.snntorch may remember. If it is a record, return it instead"
)
WITHOUT_VALUES: frozenset[Any] = frozenset(
    {
        *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "requires_grad", "is_cuda")),
        *(Tensor.size, Tensor.dim, Tensor.numel, Tensor.is_floating_point, Tensor.__len__),
        *(torch.zeros_like, torch.ones_like, torch.empty_like, torch.full_like, torch.rand_like, torch.randn_like),
        *(Tensor.new_zeros, Tensor.new_ones, Tensor.new_empty, Tensor.new_full),
    }
)
"""Functions that ask a tensor for its shape or type, not for its values."""


MAY_CHANGE = (nn.modules.batchnorm._NormBase, LazyModuleMixin)
"""Modules that change when they run: running statistics, and what a first call makes."""
OTHER_STATES = (snn.SpikingNeuron, nn.RNNBase, nn.RNNCellBase)


def _refuse_other_states(name: str, module: nn.Module) -> None:
    if isinstance(module, Spiking):
        if module.sequence:
            raise ValueError(f"{name}: it is made with sequence=True; over_time takes neurons made for one step")
    elif isinstance(module, OTHER_STATES):
        raise ValueError(
            f"{name}: {type(module).__module__.split('.')[0]}'s {type(module).__name__} has a state, which over_time "
            "cannot run over all steps: only silif_plugins.snntorch neurons may remember; see replace()"
        )


def _leading(inputs: Iterable[Any]) -> tuple[int, int]:
    """Return T and B, which all inputs share."""
    found: tuple[int, int] | None = None
    for value in inputs:
        if not isinstance(value, Tensor):
            raise TypeError(f"inputs: got {type(value).__name__}; they must be tensors [T, B, ...]")
        if value.dim() < 2:
            raise ValueError(f"inputs: got shape {tuple(value.shape)}; they need time and batch first, [T, B, ...]")
        here = (value.shape[0], value.shape[1])
        if found is not None and here != found:
            raise ValueError(f"inputs: got [T, B] = {list(found)} and {list(here)}; all need the same")
        found = here
    if found is None:
        raise ValueError("inputs: got no tensor; one [T, B, ...] is needed")
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
