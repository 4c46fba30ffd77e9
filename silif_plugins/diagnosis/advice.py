"""What to do about a layer that does not learn, in the words of its host's arguments."""

from __future__ import annotations

from dataclasses import dataclass

from .report import LayerDiagnosis

DEAD = 0.9
"""Share of silent neurons from which on a layer is called dead."""

SATURATED = 0.5
"""Share of saturated neurons from which on a layer is called saturated."""

UNREACHED = 0.01
"""Share of bins with a gradient below which a layer is called out of the surrogate's reach."""


@dataclass(frozen=True)
class Remedies:
    """What can be changed about a layer.

    Attributes:
        rouse: What makes it fire.
        calm: What makes it fire less.
        reach: Which argument gives it a wider surrogate.
    """

    rouse: str
    calm: str
    reach: str


def advise(
    layer: LayerDiagnosis, remedies: Remedies, before: LayerDiagnosis | None, *, fresh: bool = False
) -> str | None:
    """Return a line of advice about the most pressing trouble of a layer, or None.

    Args:
        layer: Its figures.
        remedies: What can be changed about it.
        before: The layer that ran before it, or None for the first.
        fresh: Whether batch norms of the network have seen no batch yet.
    """
    rouse = remedies.rouse
    if fresh:
        rouse = "train some steps before you diagnose, its batch norms have seen no batch yet; then " + rouse
    if layer.unstable:
        return (
            f"{layer.unstable} of {layer.size} neurons are unstable, their states grow without bound: use SiLIF or "
            "C-SiLIF, which are stable for all values of their parameters, or a lower learning rate"
        )
    if layer.silent >= DEAD:
        who = "no neuron fires" if layer.silent == 1 else f"{layer.silent:.0%} of the neurons never fire"
        if layer.silent == 1 and before is not None and before.silent == 1:
            return f"{who}, nor does {before.name} before it: mend that first"
        if layer.gradient is not None and layer.gradient < UNREACHED:
            return f"{who}, and no gradient passes that could change it: {rouse}; {remedies.reach}"
        return f"{who}: {rouse}"
    if layer.saturated >= SATURATED:
        return f"{layer.saturated:.0%} of the neurons fire at nearly every step: {remedies.calm}"
    if layer.gradient is not None and layer.gradient < UNREACHED:
        return (
            f"gradients pass in {layer.gradient:.1%} of the bins only, the membranes are too far from the threshold: "
            f"{remedies.reach}, or {rouse}"
        )
    return None
