"""Figures. Every function draws with matplotlib (extra [plot]) and returns the figure; :func:`save` writes it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import write_file
from .optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .training import Summary

# Okabe and Ito's colours: told apart by the colour-blind and in grey print; markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def accuracy_against_operations(summaries: Sequence[Summary]) -> Figure:
    """Draw test accuracy against synaptic operations per sample, one marker for each neuron (as the paper's Figure 3).

    Bars show one standard deviation over the seeds.
    """
    figure, axes = _new((6.0, 4.0))
    for index, each in enumerate(summaries):
        spread = each.seeds > 1
        axes.errorbar(
            each.synaptic_operations / 1e3,
            100 * each.accuracy,
            xerr=each.synaptic_operations_sd / 1e3 if spread else None,
            yerr=100 * each.accuracy_sd if spread else None,
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=8,
            capsize=3,
            linestyle="none",
            label=each.neuron,
        )
    axes.set(xlabel="synaptic operations per sample (thousands)", ylabel="test accuracy (%)")
    axes.margins(0.15)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the file's ending; an older file stays as it was if anything goes wrong."""
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_file(path, content.getvalue())


def _new(size: tuple[float, float], **grid: Any) -> tuple[Any, Any]:
    """Make a figure that no window or global state knows of."""
    figures = require("matplotlib.figure", extra="plot", purpose="Drawing")
    figure = figures.Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(**grid)
