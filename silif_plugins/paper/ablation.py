"""What each feature of C-SiLIF and SiLIF is worth: the paper's Table 2 and Figure 6, and the same for SiLIF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..hints import did_you_mean


@dataclass(frozen=True)
class Variant:
    """A neuron with some of the features.

    Attributes:
        name: What it is called in tables.
        settings: Settings of TrainConfig that make it.
        published: The paper's accuracy on SHD in percent, with its standard deviation (Table 2).
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[float, float] | None = None


def _csilif(name: str, published: tuple[float, float] | None = None, **options: Any) -> Variant:
    return Variant(name, {"neuron": "C-SiLIF", "neuron_options": options}, published)


def _silif(name: str, **options: Any) -> Variant:
    return Variant(name, {"neuron": "SiLIF", "neuron_options": options})


RF_TIMESTEP = 0.05
"""With its own 4 ms RF's input, which enters as Δ I, is too weak to make it fire when it starts at rest."""

_PLAIN: dict[str, Any] = {"half_reset": False, "input_gating": False}
_CONSTANT: dict[str, Any] = {"learn": ["log_decay", "omega", "b"]}

_FORWARD = (
    Variant("RF", {"neuron": "RF", "neuron_options": {"dt": RF_TIMESTEP}}),
    _csilif("+ exponential", **_PLAIN, init="uniform", log=False, dt=0.004, learn=["decay", "omega"]),
    _csilif("+ trained timestep", (90.2, 0.6), **_PLAIN, init="uniform", log=False),
    _csilif("+ logarithms", (93.3, 0.5), **_PLAIN, init="uniform"),
    _csilif("+ S4D-Lin", (94.9, 0.3), **_PLAIN),
    _csilif("C-SiLIF", (95.6, 0.3)),
)
"""Figure 6: from RF to C-SiLIF, which adds half reset and input gate. The last four are the first four rows of Table 2,
from the bottom."""

_BACK = (
    _csilif("C-SiLIF without half reset", half_reset=False),
    _csilif("C-SiLIF without input gate", input_gating=False),
    _csilif("C-SiLIF without S4D-Lin", init="uniform"),
    _csilif("C-SiLIF without logarithms", log=False),
    _csilif("C-SiLIF, constant timesteps", (95.1, 0.7), **_CONSTANT),
    _csilif("C-SiLIF, one of 4 ms", (89.3, 1.2), **_CONSTANT, dt=0.004),
    _csilif("C-SiLIF, one of 50 ms", **_CONSTANT, dt=0.05),
)
"""From C-SiLIF back, one feature at a time; the timesteps are Table 2's last two rows, and one that is longer."""

_OF_SILIF = (
    Variant("cAdLIF", {"neuron": "cAdLIF"}),
    _silif("+ rates", log=False, learn=["inv_tau_u", "inv_tau_w", "a", "b"]),
    _silif("+ logarithms of them", learn=["log_inv_tau_u", "log_inv_tau_w", "a", "b"]),
    _silif("SiLIF"),
    _silif("SiLIF without logarithms", log=False),
    _silif("SiLIF, timesteps spread", dt=(0.001, 0.5)),
    _silif("SiLIF, constant timesteps", dt=(0.001, 0.5), learn=["log_inv_tau_u", "log_inv_tau_w", "a", "b"]),
    _silif("SiLIF, all start alike", tau_u=0.02, tau_w=0.2, a=0.5, b=1.0),
)
"""From cAdLIF, whose decays themselves are trained, and clamped, to SiLIF, which trains the timestep; and back."""

ABLATIONS: dict[str, tuple[Variant, ...]] = {
    "figure6": _FORWARD,
    "table2": (_FORWARD[5], _FORWARD[4], _FORWARD[3], _FORWARD[2], _BACK[4], _BACK[5]),
    "c-silif": (*_FORWARD, *_BACK),
    "silif": _OF_SILIF,
}
"""Variants by the name of their set; a variant that stands in several is the same one."""

WHOLE = (_FORWARD[5].name, _OF_SILIF[3].name)
"""The neurons with all of their features, that the others are tested against."""


def variants_of(names: list[str]) -> list[Variant]:
    """Return the variants of some sets, each once.

    Raises:
        ValueError: If there is no such set.

    Examples:
        >>> [each.name for each in variants_of(["figure6"])][:2]
        ['RF', '+ exponential']
        >>> len(variants_of(["table2", "figure6"])), len(variants_of(["c-silif", "silif"]))
        (8, 21)
    """
    if unknown := [name for name in names if name not in ABLATIONS]:
        hint = did_you_mean(unknown[0], ABLATIONS)
        raise ValueError(f"ablation: got {unknown[0]!r}; it must be one of {', '.join(ABLATIONS)}{hint}")
    return list({each.name: each for name in names for each in ABLATIONS[name]}.values())
