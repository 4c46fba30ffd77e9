"""Surrogates in snnTorch: its default, and its functions as the core's where both have the same derivative."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

from snntorch import surrogate as host

from ..surrogate import ATan, FastSigmoid, Sigmoid, SpikeFunction, Surrogate, resolve

COUNTERPARTS: dict[str, tuple[Callable[[float], Surrogate], str]] = {
    "atan": (ATan, "alpha"),
    "fast_sigmoid": (FastSigmoid, "slope"),
    "sigmoid": (Sigmoid, "slope"),
}
"""Functions of ``snntorch.surrogate`` that make a surrogate, the core's class for it, and the argument of both."""


def spike_function(spike_grad: str | SpikeFunction | None) -> SpikeFunction:
    """Return what a layer fires with: for None snnTorch's default, and for what snnTorch made the core's counterpart.

    The core's surrogates run inside of the sequence kernel and of a step, fire in the data type of their input, where
    snnTorch's fire in float32, and can be pickled. ``snntorch.surrogate.sigmoid`` of 1.0.0 overflows to NaN far below
    the threshold, where the core's does not.

    Args:
        spike_grad: What a constructor got: None, a name of :data:`silif_plugins.surrogate.SURROGATES`, or a callable.

    Raises:
        ValueError: If there is no surrogate of this name.
        TypeError: If it is neither a name nor a callable.

    Examples:
        >>> spike_function(None)
        ATan(alpha=2.0)
        >>> spike_function(host.fast_sigmoid(slope=10))
        FastSigmoid(slope=10)
    """
    if spike_grad is None:
        return ATan()
    found = resolve(spike_grad)
    known = _MADE_BY.get(getattr(found, "__code__", None))
    if known is None:
        return found
    cls, argument = known
    cells = zip(found.__code__.co_freevars, found.__closure__ or (), strict=True)
    value = {name: cell.cell_contents for name, cell in cells}[argument]
    return cls(value) if isinstance(value, int | float) else found


def _code_of(make: Callable[[], Any] | None) -> CodeType | None:
    """Return what the surrogates that a function of snnTorch makes have in common: their code."""
    return getattr(make(), "__code__", None) if make is not None else None


_MADE_BY: dict[CodeType | None, tuple[Callable[[float], Surrogate], str]] = {
    code: known
    for name, known in COUNTERPARTS.items()
    if (code := _code_of(getattr(host, name, None))) is not None and known[1] in code.co_freevars
}
