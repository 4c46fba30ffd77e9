"""AdLIF and cAdLIF: leaky integrate-and-fire neurons with an adaptation variable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .coefficients import coefficients
from .lif import MEMBRANE_DECAYS
from .neuron import Neuron
from .registry import register_neuron
from .sampling import Init, Learn, sampler


def adaptive_integrator(
    alpha: Tensor, one_minus_alpha: Tensor, beta: Tensor, a: Tensor, b: Tensor, threshold: Tensor | float
) -> StateSpace:
    """The adaptive neuron of SpArch as a state space on (u, w).

        w[t] = β w[t-1] + a u[t-1] + b s[t-1]
        u[t] = α (u[t-1] - s[t-1]) + (1-α) (I[t] - w[t])

    The published code lets the new w act on u at once and uses the gain a, where the paper's equation 2 has the
    old w and (1-β) a; we follow the code, which made the published results.
    """
    return StateSpace.of(
        a11=alpha - one_minus_alpha * a,
        a12=-one_minus_alpha * beta,
        a21=a,
        a22=beta,
        b1=one_minus_alpha,
        r1=-(alpha + one_minus_alpha * b),
        r2=b,
        threshold=threshold,
    )


def adlif_space(
    decay_u: Tensor,
    decay_w: Tensor,
    a: Tensor,
    b: Tensor,
    threshold: Tensor | float,
    *,
    ranges: Sequence[tuple[float, float]],
) -> StateSpace:
    """AdLIF's parameters as a state space: the adaptive integrator with each of them clamped to its range."""
    alpha, beta, a, b = (value.clamp(*limits) for value, limits in zip((decay_u, decay_w, a, b), ranges, strict=True))
    return adaptive_integrator(alpha, 1 - alpha, beta, a, b, threshold)


@register_neuron("AdLIF")
class AdLIF(Neuron):
    """Adaptive leaky integrate-and-fire neurons, with decays trained directly and clamped.

    The equations are those of :func:`adaptive_integrator`. Source: Bittar and Garner (2022), adLIF. Half of its
    range is unstable: every neuron with a < -(1-β), as the tests show; cAdLIF mends it.

    Args:
        size: Number of neurons, or shape of the population.
        decay_u: Initial membrane decay α; by default drawn from the model's range, as are the following.
        decay_w: Initial adaptation decay β.
        a: Initial coupling from membrane to adaptation.
        b: Initial jump of the adaptation by a spike.
        threshold: Membrane potential above which the neuron fires.
        learn: True, False, or the names of the parameters to train: ``decay_u, decay_w, a, b``.
        generator: Source of randomness of the initial values.

    Raises:
        ValueError: If a size, a range or a name is not valid; the message says which.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> is_stable(AdLIF(2, a=torch.tensor([0.5, -0.5])).state_space())
        tensor([ True, False])
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "decay_u": MEMBRANE_DECAYS,
        "decay_w": (math.exp(-1 / 30), math.exp(-1 / 120)),
        "a": (-1.0, 1.0),
        "b": (0.0, 2.0),
    }
    """Where each parameter starts and where it is clamped in the forward pass; the raw value is kept."""

    normalised = True
    published_names: ClassVar = {"alpha": "decay_u", "beta": "decay_w", "a": "a", "b": "b"}

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        decay_u: Init | None = None,
        decay_w: Init | None = None,
        a: Init | None = None,
        b: Init | None = None,
        threshold: float | Tensor = 1.0,
        learn: Learn = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(size, threshold=threshold)
        draw = sampler(self.size, generator=generator)
        given = {"decay_u": decay_u, "decay_w": decay_w, "a": a, "b": b}
        self.register_values(
            learn,
            **{name: draw(name, self.ranges[name] if init is None else init, False) for name, init in given.items()},
        )

    def state_space(self) -> StateSpace:
        """Return the adaptive integrator with the clamped parameters."""
        values = (getattr(self, name) for name in self.ranges)
        return coefficients(adlif_space, *values, self.threshold, ranges=tuple(self.ranges.values()))


@register_neuron("cAdLIF")
class CAdLIF(AdLIF):
    """Constrained AdLIF: the coupling a is kept positive, which makes every neuron stable.

    Source: Deckers et al. (2024), with the ranges of the SiLIF paper's published code.

    Examples:
        >>> from silif_plugins.dynamics import is_stable
        >>> bool(is_stable(CAdLIF(100).state_space()).all())
        True
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {
        "decay_u": (0.36, 0.96),
        "decay_w": (0.96, 0.99),
        "a": (0.0, 1.0),
        "b": (0.0, 2.0),
    }
    xavier = True
