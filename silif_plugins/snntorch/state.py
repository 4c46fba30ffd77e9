"""The two states of a neuron in snnTorch's words, packed and unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor


class _Pair(NamedTuple):
    syn: Tensor
    mem: Tensor


class SecondOrderState(_Pair):
    r"""What a neuron remembers between two time steps: ``(syn, mem)``.

    ``lif.init_synaptic()`` returns it, to be taken apart by code for ``snn.Synaptic``. It also stands for a
    :class:`~silif_plugins.snntorch.membrane.Membrane` wherever PyTorch rewrites code (``torch.compile``,
    ``torch.export``, ``torch.func``), which cannot follow a tensor of a class of its own. There, too, it is the
    membrane to PyTorch's functions, its tensors' methods, arithmetic, comparisons and slices: ``torch.stack(mem_rec)``,
    ``mem.max()``, ``mem - target`` and ``mem[:, 0]`` mean what they mean with ``snn.Leaky``. ``detach``, ``detach_``,
    ``clone`` and ``to`` keep both states. A whole number as index, ``len`` and ``==`` are those of a pair.

    Attributes:
        syn: Second state, [B, \*size]: the adaptation of SiLIF, the imaginary part of oscillating neurons.
        mem: Membrane potential, [B, \*size].

    Examples:
        >>> import torch
        >>> state = SecondOrderState(torch.zeros(2, 3), torch.ones(2, 3))
        >>> syn, mem = state
        >>> torch.stack([state, state]).shape
        torch.Size([2, 2, 3])
        >>> (state > 0.5).sum(), state.shape
        (tensor(6), torch.Size([2, 3]))
    """

    __slots__ = ()

    def detach(self) -> SecondOrderState:
        """Return the same values without their history, to truncate backpropagation."""
        return SecondOrderState(self.syn.detach(), self.mem.detach())

    def detach_(self) -> SecondOrderState:
        """Cut off the history of both states in place."""
        self.syn.detach_()
        self.mem.detach_()
        return self

    def clone(self) -> SecondOrderState:
        """Return a copy of both states."""
        return SecondOrderState(self.syn.clone(), self.mem.clone())

    def to(self, *args: Any, **kwargs: Any) -> SecondOrderState:
        """Move both states to a device or data type; the arguments are those of ``torch.Tensor.to``."""
        return SecondOrderState(self.syn.to(*args, **kwargs), self.mem.to(*args, **kwargs))

    def __getitem__(self, index: Any) -> Any:
        """Return one of the two states for a whole number, else a part of the membrane."""
        return tuple.__getitem__(self, index) if isinstance(index, int) else self.mem[index]

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the membrane, such as its shape."""
        if name.startswith("__"):  # protocols, such as copying, are the pair's own
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.mem, name)

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a PyTorch function on the membranes."""
        return func(*_membranes(args), **{name: _membranes(value) for name, value in (kwargs or {}).items()})


def _on_membrane(name: str) -> Callable[..., Tensor]:
    def method(self: SecondOrderState, *others: Any) -> Tensor:
        result: Tensor = getattr(self.mem, name)(*_membranes(others))
        return result

    method.__name__ = name
    return method


for _name in (
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__"),
    *("__pow__", "__rpow__", "__matmul__", "__rmatmul__", "__neg__", "__abs__"),
    *("__lt__", "__le__", "__gt__", "__ge__"),
):
    setattr(SecondOrderState, _name, _on_membrane(_name))


def unpack(syn: Any, mem: Any) -> tuple[Tensor | SecondOrderState | None, bool]:
    """Read the state arguments of ``forward``: the state or None, and whether it came as two tensors.

    Raises:
        TypeError: If they are no state.
    """
    if syn is None or mem is None:
        state = mem if syn is None else syn
        if state is None or isinstance(state, Tensor):
            return state, False
        if isinstance(state, tuple) and len(state) == 2:
            return SecondOrderState(*state), False
        raise TypeError(f"mem: got {type(state).__name__}; it must be a tensor, or the two tensors (syn, mem)")
    if isinstance(syn, Tensor) and isinstance(mem, Tensor):
        return SecondOrderState(syn, mem), True
    raise TypeError(f"syn, mem: got {type(syn).__name__} and {type(mem).__name__}; they must be tensors")


def _membranes(value: Any) -> Any:
    if isinstance(value, SecondOrderState):
        return value.mem
    if type(value) in (list, tuple):
        return type(value)(_membranes(item) for item in value)
    return value
