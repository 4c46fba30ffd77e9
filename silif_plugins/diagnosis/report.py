"""What a diagnosis says: figures of every layer, printed as tables that fit 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..tables import table

WIDTH = 80
"""Columns of a terminal."""


class Quantiles(NamedTuple):
    """How a quantity is spread over the neurons of a layer.

    Attributes:
        low: The quantile of 10 %.
        median: That of 50 %.
        high: That of 90 %.
    """

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class LayerDiagnosis:
    """What one layer did with the sample, and what its dynamics are.

    What cannot be told is None: the dynamics and the surrogate of some neurons of the hosts.

    Attributes:
        name: Name in the network, as ``net.named_modules()`` has it.
        kind: Class of the neurons.
        size: Number of neurons; after a convolution all positions count.
        firing_rate: Share of the time steps at which a neuron fires; one with several outputs, by any of them.
        silent: Share of neurons that never fired.
        saturated: Share of neurons that fired at more than :data:`ALWAYS` of the steps.
        gradient: Share of bins (a neuron at a step of a sample) whose membrane is so near to the threshold that the
            derivative of the surrogate is above :data:`REACH` of its peak.
        radius: Largest spectral radius of the neurons: the largest |eigenvalue| of their dynamics.
        margin: Smallest stability margin of the neurons, by the Jury criterion (with coupled states beyond two,
            1 - radius): positive if all are stable.
        unstable: Number of neurons that are not stable.
        membrane: Time constants of the membrane: of the eigenvalue that is nearer to a11; with more than two states, of
            the slowest mode.
        second: Those of the second state, or of the other modes; None where they keep nothing to the next step.
        in_seconds: Whether the time constants are in seconds; in steps otherwise, for neurons without a timestep.
        oscillating: Share of neurons with a complex pair of eigenvalues.
        advice: What to do about it, or None.
    """

    name: str
    kind: str
    size: int
    firing_rate: float
    silent: float
    saturated: float
    gradient: float | None = None
    radius: float | None = None
    margin: float | None = None
    unstable: int | None = None
    membrane: Quantiles | None = None
    second: Quantiles | None = None
    in_seconds: bool = False
    oscillating: float | None = None
    advice: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What a network does with a sample; print it, or look a layer up by its name.

    Attributes:
        layers: The layers in the order in which they ran.

    Examples:
        >>> lif1 = LayerDiagnosis("lif1", "Leaky", 100, 0.0, 1.0, 0.0, advice="no neuron fires: lower threshold=")
        >>> report = Diagnosis((lif1,))
        >>> print(report)
        layer  class  size  rate   silent  saturated  gradient
        lif1   Leaky  100   0.000  100 %   0 %        -
        <BLANKLINE>
        lif1: no neuron fires: lower threshold=
        >>> report["lif1"].silent
        1.0
    """

    layers: tuple[LayerDiagnosis, ...]

    @property
    def advice(self) -> tuple[str, ...]:
        """A line for every layer that needs one, which begins with its name."""
        return tuple(f"{layer.name}: {layer.advice}" for layer in self.layers if layer.advice)

    def __getitem__(self, name: str) -> LayerDiagnosis:
        """Return a layer by its name.

        Raises:
            KeyError: If there is none; the message lists those that there are.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"{name!r} is no layer of this diagnosis; it has {', '.join(each.name for each in self)}")

    def __iter__(self) -> Iterator[LayerDiagnosis]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __str__(self) -> str:
        """Return the tables and the advice."""
        parts = [_fitted(_activity(self.layers))]
        if dynamic := [layer for layer in self.layers if layer.radius is not None]:
            parts.append(_fitted(_dynamics(dynamic)))
        if self.advice:
            parts.append("\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in self.advice))
        return "\n\n".join(parts)


def _activity(layers: Sequence[LayerDiagnosis]) -> list[list[str]]:
    rows = [["layer", "class", "size", "rate", "silent", "saturated", "gradient"]]
    for layer in layers:
        shares = [_percent(share) for share in (layer.silent, layer.saturated, layer.gradient)]
        rows.append([layer.name, layer.kind, str(layer.size), f"{layer.firing_rate:.3f}", *shares])
    return rows


def _dynamics(layers: Sequence[LayerDiagnosis]) -> list[list[str]]:
    rows = [["layer", "radius", "margin", "unstable", "membrane", "second", "oscillate"]]
    for layer in layers:
        times = [_times(each, layer.in_seconds) for each in (layer.membrane, layer.second)]
        assert layer.radius is not None
        assert layer.margin is not None
        radius = f"{layer.radius:.4f}" if layer.radius < 10 else f"{layer.radius:.1e}"
        margin = f"{layer.margin:.2g}"
        rows.append([layer.name, radius, margin, str(layer.unstable), *times, _percent(layer.oscillating)])
    return rows


def _fitted(rows: list[list[str]]) -> str:
    """Lay out a table, with the beginnings of names and classes cut off where it would be too wide."""
    shortened = range(2 if rows[0][1] == "class" else 1)
    while max(map(len, table(rows).splitlines())) > WIDTH:  # which ends: the others need 76 columns at most
        column = max(shortened, key=lambda each: max(len(row[each]) for row in rows))
        longest = max(len(row[column]) for row in rows)
        rows = [[_ending(cell, longest - 1) if i == column else cell for i, cell in enumerate(row)] for row in rows]
    return table(rows)


def _ending(name: str, length: int) -> str:
    """Return the end of a name, which tells layers apart better than its beginning."""
    return name if len(name) <= length else "…" + name[len(name) - length + 1 :]


def _percent(share: float | None) -> str:
    """Return a share as it is read: what is not all or nothing does not look like it."""
    if share is None:
        return "-"
    if 0 < share < 0.01:
        return "<1 %"
    return f"{min(round(100 * share), 99 if share < 1 else 100)} %"


def _times(spread: Quantiles | None, in_seconds: bool) -> str:
    if spread is None:
        return "-"
    unit = "steps"
    low, high = spread.low, spread.high
    if in_seconds:
        unit = "s" if low >= 1 else "ms"
        low, high = (low, high) if low >= 1 else (1e3 * low, 1e3 * high)
    shown = list(dict.fromkeys(_two_digits(value) for value in (low, high)))
    return f"{'-'.join(shown)} {unit}"


def _two_digits(value: float) -> str:
    if value >= 9999.5:
        return ">9999"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
