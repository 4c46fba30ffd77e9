"""The two states of a neuron in snnTorch's words, packed and unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor


class _Pair(NamedTuple):
    syn: Tensor
    mem: Tensor


class SecondOrderState(_Pair):
    r"""What a neuron remembers between two time steps: ``(syn, mem)``.

    ``lif.reset_mem()`` and ``lif.init_leaky()`` return it. It can be taken apart, as code for ``snn.Synaptic``
    does, or handed on whole, as code for ``snn.Leaky`` does. Wherever a PyTorch function asks for a tensor it
    stands for its membrane, so that ``torch.stack(mem_rec)`` and ``loss_fn(mem, targets)`` mean what they mean
    with ``snn.Leaky``; what is returned is then a tensor.

    Attributes:
        syn: Second state, [B, \*size]: the adaptation of SiLIF, the imaginary part of oscillating neurons.
        mem: Membrane potential, [B, \*size].

    Examples:
        >>> state = SecondOrderState(torch.zeros(2, 3), torch.ones(2, 3))
        >>> syn, mem = state
        >>> torch.stack([state, state]).shape
        torch.Size([2, 2, 3])
    """

    __slots__ = ()

    def detach(self) -> SecondOrderState:
        """Return the same values without their history, to truncate backpropagation."""
        return SecondOrderState(self.syn.detach(), self.mem.detach())

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


def unpack(syn: Any, mem: Any) -> tuple[SecondOrderState | None, bool]:
    """Read the state arguments of ``forward``: the state or None, and whether it came packed.

    Raises:
        TypeError: If one of two states is missing.
    """
    if syn is None and mem is None:
        return None, False
    if isinstance(syn, tuple) and mem is None:
        return _pair(syn), True
    if isinstance(mem, tuple) and syn is None:
        return _pair(mem), True
    if isinstance(syn, Tensor) and isinstance(mem, Tensor):
        return SecondOrderState(syn, mem), False
    raise TypeError(
        "this neuron has two states and got one: write `mem = lif.init_leaky()`, then `spk, mem = lif(cur, mem)`; "
        "or `syn, mem = lif.init_synaptic()`, then `spk, syn, mem = lif(cur, syn, mem)`"
    )


def _pair(state: tuple[Any, ...]) -> SecondOrderState:
    if len(state) != 2:
        raise TypeError(f"state: got {len(state)} values; a packed state is (syn, mem)")
    return SecondOrderState(*state)


def _membranes(value: Any) -> Any:
    if isinstance(value, SecondOrderState):
        return value.mem
    if type(value) in (list, tuple):
        return type(value)(_membranes(item) for item in value)
    return value


def at_rest(state: SecondOrderState) -> bool:
    """Whether these are the placeholders of a neuron that was just made or reset: no elements yet."""
    return state.syn.dim() == 1 and state.mem.dim() == 1 and not state.syn.numel() and not state.mem.numel()


def rest_like(tensor: Tensor) -> Tensor:
    """Return the placeholder of a state at rest: its shape is taken from the next input."""
    return torch.zeros(0, dtype=tensor.dtype, device=tensor.device)
