"""Initial values of neuron parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ..dynamics import State

Init = float | tuple[float, float] | Tensor
"""An initial value: one number for all neurons, a range (low, high) to draw from, or a tensor [*neurons]."""

Learn = bool | Iterable[str]
"""Which parameters train: all, none, or those named."""

Sampler = Callable[[str, Init, bool], Tensor]
"""Draw a named initial value; the flag asks for the logarithm, uniform in the log domain."""


def sampler(size: Sequence[int], *, generator: torch.Generator | None = None) -> Sampler:
    """Return a function (name, init, log) -> tensor [*size] that draws initial values.

    With ``log`` the logarithm of the value is returned, and a range is drawn uniformly in the log domain.

    Raises:
        ValueError: By the returned function, if a value is NaN or infinite, a range is reversed, a tensor
            does not broadcast to the population, or a logarithm is asked of a value that is not positive.

    Examples:
        >>> draw = sampler((3,))
        >>> draw("dt", 1.0, True)
        tensor([0., 0., 0.])
    """
    shape = tuple(size)

    def draw(name: str, init: Init, log: bool) -> Tensor:
        if isinstance(init, Tensor):
            return _given(name, init, shape, log)
        low, high = init if isinstance(init, tuple) else (init, init)
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"{name}: got {init}; it must be a finite number or a range (low, high) with low <= high")
        if log:
            _positive(name, low)
            low, high = math.log(low), math.log(high)
        if low == high:
            return torch.full(shape, low)
        # in place, since other operations on the meta device import PyTorch's compiler, for a second
        return torch.rand(shape, generator=generator).mul_(high - low).add_(low)

    return draw


def trained(learn: Learn, names: Iterable[str]) -> frozenset[str]:
    """Return the names that train.

    Args:
        learn: True for all, False for none, or some of the names.
        names: All names of the neuron's parameters.

    Raises:
        ValueError: If a name is unknown, or one string is given instead of several names.

    Examples:
        >>> sorted(trained(True, ("a", "b"))), sorted(trained(("b",), ("a", "b")))
        (['a', 'b'], ['b'])
    """
    if isinstance(learn, str):
        raise ValueError(f"learn: got {learn!r}; give True, False or several names, such as ({learn!r},)")
    known = list(names)
    chosen = frozenset(known if learn is True else () if learn is False else learn)
    if unknown := sorted(chosen - set(known)):
        raise ValueError(f"learn: unknown parameter {unknown[0]!r}; this neuron has {', '.join(known)}")
    return chosen


def has_values(tensor: Tensor) -> bool:
    """Whether a tensor's values can be looked at: those on the meta device, for deferred initialisation, have none."""
    return not tensor.is_meta


def positive(name: str, value: Tensor) -> Tensor:
    """Return the logarithm of values that were drawn as they are.

    Raises:
        ValueError: If one is not positive.
    """
    if has_values(value):
        _positive(name, value.min().item())
    return value.log()


def _given(name: str, init: Tensor, shape: tuple[int, ...], log: bool) -> Tensor:
    value = init.detach().clone()
    if has_values(value) and not bool(value.isfinite().all()):
        raise ValueError(f"{name}: got a tensor with NaN or infinite values; all must be finite")
    try:
        value = value.expand(shape).clone()
    except RuntimeError:
        raise ValueError(f"{name}: got shape {tuple(init.shape)}; it must broadcast to the neurons {shape}") from None
    return positive(name, value) if log else value


def _positive(name: str, smallest: float) -> None:
    if smallest <= 0:
        raise ValueError(f"{name}: got {smallest:g}; it must be positive")


def uniform_complex_state(
    shape: tuple[int, ...], like: Tensor, scale: float, generator: torch.Generator | None
) -> State:
    """Draw a complex state and real spikes as the published code does."""
    u = torch.rand((*shape, 2), generator=generator).to(like) * scale
    spk = torch.rand(shape, generator=generator).to(like)
    return State(u[..., 0], u[..., 1], spk)
