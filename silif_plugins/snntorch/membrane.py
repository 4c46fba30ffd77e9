"""The membrane of a neuron as a tensor that brings the second state along."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

_NEW_TENSORS = {
    *(torch.zeros_like, torch.ones_like, torch.full_like, torch.empty_like),
    *(torch.rand_like, torch.randn_like, torch.randint_like),
    *(Tensor.new_zeros, Tensor.new_ones, Tensor.new_full, Tensor.new_empty, Tensor.new_tensor),
    Tensor.grad.__get__,  # type: ignore[union-attr]
}
"""Functions whose result is no successor of a state, although it may have its shape."""

_MOVES = {
    Tensor.__getitem__,
    *(Tensor.detach, Tensor.clone, torch.detach, torch.clone, Tensor.data.__get__),  # type: ignore[attr-defined]
    *(Tensor.to, Tensor.cpu, Tensor.cuda, Tensor.double, Tensor.float, Tensor.half, Tensor.bfloat16, Tensor.type),
}
"""Functions that the second state goes through as well."""

_RECORDS = {torch.stack, torch.cat, torch.concat, torch.vstack}
"""Functions that make a record of the membranes of many steps."""

_RESTARTS: dict[Any, Callable[[Tensor], Tensor]] = {Tensor.detach_: torch.detach, Tensor.zero_: torch.zeros_like}
"""What changing the membrane in place means for the second state."""


class Membrane(Tensor):
    r"""The membrane potential of a neuron, [B, \*size], which brings its second state along.

    ``spk, mem = lif(cur, mem)`` returns it: a tensor as that of ``snn.Leaky`` is. A successor of its own shape keeps
    the second state (``mem.detach()``, ``mem.clone()``, ``mem.to(...)``, ``mem * mask``) and so does a part of it
    (``mem[:16]``), so that a state may be truncated, moved or edited between two steps. A record of many,
    ``torch.stack(mem_rec)``, is of this class too, without second states; a new tensor such as
    ``torch.zeros_like(mem)`` is a plain one. NumPy and plots see the values, with or without a history.

    Attributes:
        syn: Second state, [B, \*size]: the adaptation of SiLIF, the imaginary part of oscillating neurons.

    Examples:
        >>> mem = Membrane.of(torch.ones(2, 3), torch.zeros(2, 3))
        >>> mem.detach().syn.shape, type(mem.sum())
        (torch.Size([2, 3]), <class 'torch.Tensor'>)
    """

    syn: Tensor

    @classmethod
    def of(cls, mem: Tensor, syn: Tensor) -> Membrane:
        """Return a membrane and a second state as one value, with the history of both."""
        packed: Membrane
        has_history = mem.requires_grad and torch.is_grad_enabled()
        packed = _AsMembrane.apply(mem) if has_history else as_membrane(mem)  # type: ignore[no-untyped-call]
        packed.syn = syn
        return packed

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a PyTorch function on the membrane; its successor gets the second state."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
            sources = [value for value in (*args, *kwargs.values()) if isinstance(value, Membrane)]
            is_record = len(sources) == 1 and "syn" not in sources[0].__dict__
            if func in _RECORDS or (is_record and func is Tensor.__getitem__):
                return _AsMembrane.apply(result)  # type: ignore[no-untyped-call]
            if len(sources) != 1 or is_record or func in _NEW_TENSORS:
                return result
            (source,) = sources
            if result is source:
                if func in _RESTARTS:
                    source.syn = _RESTARTS[func](source.syn)
            elif func in _MOVES:
                return cls.of(result, func(source.syn, *args[1:], **kwargs))
            elif type(result) is Tensor and result.shape == source.shape and result.is_floating_point():
                return cls.of(result, source.syn)
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the values for NumPy, as plots ask for them."""
        with torch._C.DisableTorchFunctionSubclass():
            values = self.detach().cpu().numpy()
        return values if dtype is None else values.astype(dtype)

    def __iter__(self) -> Any:
        """Iterate over the batch; a state at rest gives ``syn, mem``, as code for ``snn.Synaptic`` expects."""
        return iter((self.syn, self)) if at_rest(self) else super().__iter__()  # type: ignore[no-untyped-call]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle as two tensors."""
        syn = self.__dict__.get("syn")
        return (as_membrane, (_plain(self),)) if syn is None else (Membrane.of, (_plain(self), syn))

    def __deepcopy__(self, memo: dict[int, Any]) -> Membrane:
        """Copy both states; like any tensor, only one without a history can be copied."""
        rebuild, states = self.__reduce_ex__(None)
        memo[id(self)] = made = rebuild(*(copy.deepcopy(state, memo) for state in states))
        return made


class _AsMembrane(torch.autograd.Function):
    """The same values as a Membrane. Not ``as_subclass``, which makes a view: views cannot be detached in place."""

    @staticmethod
    def forward(ctx: Any, mem: Tensor) -> Any:
        return as_membrane(mem)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        return tangents[0].view_as(tangents[0])


def as_membrane(mem: Tensor) -> Membrane:
    """Return the values of a tensor as a membrane without history, whose second state is to be set."""
    membrane: Membrane = Tensor._make_subclass(Membrane, mem)
    return membrane


def _plain(mem: Tensor) -> Tensor:
    """Return the membrane alone."""
    with torch._C.DisableTorchFunctionSubclass():
        return mem.detach().requires_grad_(mem.requires_grad) if mem.is_leaf else mem.as_subclass(Tensor)


def at_rest(state: Tensor) -> bool:
    """Whether this is the placeholder of a neuron that was just made or reset: no elements yet."""
    return state.dim() == 1 and not state.numel()
