"""Surrogates in snnTorch: its default, and its functions as the core's where both have the same derivative."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
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
        TypeError: If it is neither a name nor a callable, or is what makes a surrogate instead of one:
            ``surrogate.atan`` instead of ``surrogate.atan()``.

    Examples:
        >>> spike_function(None)
        ATan(alpha=2.0)
        >>> spike_function(host.fast_sigmoid(slope=10))
        FastSigmoid(slope=10)
    """
    if spike_grad is None:
        return ATan()
    name = str(getattr(spike_grad, "__name__", None))
    if getattr(host, name, None) is spike_grad is not None:
        call = f"surrogate.{name}()" if isinstance(spike_grad, FunctionType) else f"surrogate.{name.lower()}()"
        raise TypeError(f"spike_grad: got surrogate.{name}, which is no surrogate but makes one: write {call}")
    found = resolve(spike_grad)
    for name, (cls, argument) in COUNTERPARTS.items():
        make = getattr(host, name, None)
        if make is not None and _kind_of(found) is not None and _kind_of(found) == _kind_of(make()):
            value = _argument_of(found, argument)
            return cls(value) if isinstance(value, int | float) else found
    return found


def _kind_of(surrogate: Any) -> Any:
    """Return what all surrogates of one function of snnTorch have in common, and no others; None if nothing.

    Those of 1.0.0 are closures with the same code, those of its main branch objects of a class.
    """
    if isinstance(surrogate, FunctionType):
        return surrogate.__code__
    return type(surrogate) if type(surrogate).__module__ == host.__name__ else None


def _argument_of(surrogate: Any, name: str) -> Any:
    if isinstance(surrogate, FunctionType):
        return inspect.getclosurevars(surrogate).nonlocals.get(name)
    return getattr(surrogate, name, None)
