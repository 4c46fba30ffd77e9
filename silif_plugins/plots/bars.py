"""Numbers of several contenders as bars."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .canvas import COLOURS, INK, figure_for, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 22
"""Characters of a contender's name in a line."""


def grouped_bars(
    numbers: Mapping[str, Mapping[str, float]], *, label: str, log: bool = False, ax: Axes | None = None
) -> Figure:
    """Draw a group of bars for each contender, one for each condition, and write the numbers beside them.

    Conditions are told apart by how strong the colour is.

    Args:
        numbers: By contender, then by condition; what was not measured may be absent.
        label: What the numbers are.
        log: Whether the axis is logarithmic. Bars then begin at 1, as suits ratios.
        ax: Axes to draw into; a new figure by default.

    Raises:
        ValueError: If there are no numbers, or ``log`` and one is not positive.

    Examples:
        >>> figure = grouped_bars({"loop": {"short": 10, "long": 30}, "kernel": {"short": 1}}, label="time", log=True)
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['loop', 'kernel']
    """
    every = [value for each in numbers.values() for value in each.values()]
    if not every or (log and min(every) <= 0):
        raise ValueError(f"numbers: got {dict(numbers)}; there must be some{', all above 0' if log else ''}")
    conditions = list(dict.fromkeys(condition for each in numbers.values() for condition in each))
    figure, (axes,) = figure_for(ax, 0.8 + (0.16 * len(conditions) + 0.12) * len(numbers))
    start, thick = float(log), 0.8 / len(conditions)
    for index, condition in enumerate(conditions):
        strength = 1 - 0.9 * index / max(len(conditions) - 1, 1)
        style = {"facecolor": (COLOURS[0], strength), "edgecolor": COLOURS[0], "linewidth": 0.8}
        shift = (index - (len(conditions) - 1) / 2) * thick
        for place, each in enumerate(numbers.values()):
            if (value := each.get(condition)) is None:
                continue
            axes.barh(place + shift, value - start, left=start, height=0.9 * thick, **style)
            beside = f" {value:.2g}" if value < 100 else f" {value:.0f}"
            axes.text(max(value, start), place + shift, beside, va="center", fontsize=8.5, color=INK)
        axes.fill([], [], label=condition, **style)
    axes.set_yticks(range(len(numbers)), [textwrap.fill(name, _LONGEST) for name in numbers])
    axes.set_ylim(len(numbers) - 0.5, -0.5)
    axes.set_xlabel(label)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlim(min(0.8, *every), 1.6 * max(every))
        axes.axvline(1, color=INK, linewidth=0.8)
    else:
        axes.set_xlim(0, 1.1 * max(every))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if len(conditions) > 1:
        owner, where = (figure, "outside upper center") if ax is None else (axes, "best")
        handles, names = axes.get_legend_handles_labels()
        legend(owner, handles, names, ncols=len(conditions) if ax is None else 1, loc=where)
    return figure
