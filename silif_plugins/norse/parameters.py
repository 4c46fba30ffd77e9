"""What a neuron's parameters and state are in Norse: tuples, and the state space that they stand for."""

from __future__ import annotations

from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ..dynamics import ResetMechanism, StateSpace
from ..surrogate import Boxcar, FastSigmoid, SpikeFunction
from .surrogates import NorseMethod

Method = str | SpikeFunction
"""A surrogate: ``"boxcar"``, a method of Norse's ``threshold``, or a callable of v - v_th."""

BOXCAR = "boxcar"
"""The SiLIF paper's surrogate."""

SUPER = "super"
"""Norse's default surrogate, SuperSpike, and ours."""

SHARPNESS = {SUPER: 10.0}
"""Where ``p.alpha`` is not given: as sharp as recurrent layers need; 1 for other surrogates.

SuperSpike has a long tail. Measured on spoken digits at T = 100, with recurrence: at alpha 1, which Norse 1.1.0 has
whatever is given, gradients explode; from 3 to 25 layers learn alike; at 100, Norse's own default, they learn half as
fast.
"""

SCALES = ("input_scale", "reset_scale")
"""Fields that are the units of current and spike: set at the start, saved, never trained."""

SETTINGS = ("v_th", *SCALES, "method", "alpha", "detach_reset", "reset_mechanism")
"""Fields that ``learn=True`` leaves out."""


class SpikingState(Protocol):
    r"""A state tuple."""

    def __init__(self, z: Tensor, v: Tensor, w: Tensor) -> None: ...

    @property
    def z(self) -> Tensor:
        r"""Spikes of the last step, [B, \*neurons]."""

    @property
    def v(self) -> Tensor:
        r"""Membrane potential, [B, \*neurons]."""

    @property
    def w(self) -> Tensor:
        r"""The other state, [B, \*neurons]."""


S_co = TypeVar("S_co", bound=SpikingState, covariant=True)


class Parameters(Protocol[S_co]):
    """A parameter tuple: all that makes a neuron model out of the shared functions and modules.

    A model of one's own needs no new tuple: a :class:`silif_plugins.neurons.Neuron` is hosted as it is, by
    :class:`silif_plugins.norse.NeuronLayer` and its siblings.
    """

    @property
    def method(self) -> Method:
        """Surrogate."""

    @property
    def alpha(self) -> float | None:
        """Sharpness of the surrogate."""

    @property
    def detach_reset(self) -> bool:
        """Whether the spikes that reset are constants for the gradient."""

    @property
    def reset_mechanism(self) -> ResetMechanism:
        """What a spike does to the next step."""

    @property
    def state_type(self) -> type[S_co]:
        """The model's state tuple."""

    def state_space(self, dt: float) -> StateSpace:
        """Return the coefficients of one step of ``dt`` seconds."""


def spike_function(method: Method, alpha: float | None = None) -> SpikeFunction:
    """Return the spike function that ``p.method`` and ``p.alpha`` ask for.

    Args:
        method: ``"super"``, SuperSpike: 1 / (1 + alpha |v - v_th|)². ``"boxcar"``, the SiLIF paper's surrogate: 1
            within 1 / (2 alpha) of the threshold. Another name that Norse's ``threshold`` knows: Norse's function.
            A callable of v - v_th, such as those of :mod:`silif_plugins.surrogate`: itself, whatever alpha is.
        alpha: Sharpness of the surrogate, with Norse's meaning: its width goes with 1 / alpha. Norse 1.1.0 ignores
            it in its own "super", as if it were 1; later versions of Norse, and this function, do not. By default 10
            for "super", 1 for others.

    Examples:
        >>> spike_function("super"), spike_function("boxcar")
        (FastSigmoid(slope=10.0), Boxcar(half_width=0.5))
    """
    if not isinstance(method, str):
        return method
    if alpha is None:
        alpha = SHARPNESS.get(method, 1.0)
    if method == SUPER:
        return FastSigmoid(alpha)
    return Boxcar(0.5 / alpha) if method == BOXCAR else NorseMethod(method, alpha)


def check_method(method: Method, alpha: float | None) -> None:
    """Raise, at construction rather than in the first forward pass, if there is no such surrogate."""
    if not isinstance(method, str):
        if not callable(method):
            raise TypeError(f"method: got {type(method).__name__}; it must be a name or a callable")
        return
    if alpha is not None and not alpha > 0:
        raise ValueError(f"alpha: got {alpha}; the sharpness of a surrogate must be positive")
    try:
        spike_function(method, alpha)(torch.zeros(1))
    except ValueError as error:
        raise ValueError(
            f"method: got {method!r}; it must be 'boxcar', a method of Norse's threshold, or a callable"
        ) from error
