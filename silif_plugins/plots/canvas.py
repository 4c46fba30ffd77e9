"""What figures are drawn on: transparent ground, ink that any page can be read with, and files."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import write_file
from ..optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777778")
"""Okabe and Ito (2008); grey in the place of black, which dark pages would hide."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

LINES = ("-", "--", "-.", ":")

INK = "#767676"
"""Of axes and words: as far from white as from black. In SVG it is the colour of the text around the figure."""

WIDTH = 5.6
"""Inches of a figure; a screen of 400 pixels shows it three quarters as large, and can be read."""

_THEME = "<style>svg{color:#333}@media(prefers-color-scheme:dark){svg{color:#ccc}}</style>"


def figure_for(
    ax: Axes | Sequence[Axes] | None, height: float, *, width: float = WIDTH, panels: int = 1, **grid: Any
) -> tuple[Figure, list[Any]]:
    """Return the figure to draw in, and its panels: those that are given, or new ones.

    Args:
        ax: Axes to draw into, one for each panel; None for a new figure that no window or global state knows of.
        height: Of a new figure, in inches.
        width: Of a new figure, in inches.
        panels: Their number.
        **grid: Arguments of ``Figure.subplots`` for a new figure; by default a column.

    Raises:
        ValueError: If more or fewer axes are given than there are panels.
    """
    if ax is not None:
        given = list(ax) if isinstance(ax, Sequence) else list(getattr(ax, "flat", [ax]))
        if len(given) != panels:
            raise ValueError(f"ax: got {len(given)} axes; this figure has {panels} panels")
        own: Any = given[0].figure
        return own, given
    figures = require("matplotlib.figure", extra="plot", purpose="Drawing")
    figure = figures.Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots(**(grid or {"nrows": panels}), squeeze=False)
    found = list(axes.flat)
    for each in found:
        _plain(each)
    for spare in found[panels:]:
        spare.remove()
    return figure, found[:panels]


def _plain(axes: Any) -> None:
    """Draw axes with ink on nothing."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, which="both", labelsize=9)
    for spine in axes.spines.values():
        spine.set_color(INK)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title, axes._right_title):
        text.set_color(INK)


def blank(height: float = 3.0) -> tuple[Figure, Axes]:
    """Return an empty figure that looks like the others here, and its axes, to draw what is not drawn by a function.

    Args:
        height: In inches.

    Examples:
        >>> from silif_plugins import plots
        >>> figure, axes = plots.blank()
        >>> lines = axes.plot([0, 1], color=plots.COLOURS[0], label="a line")
        >>> plots.legend(axes)
    """
    figure, (axes,) = figure_for(None, height)
    return figure, axes


def legend(owner: Any, *handles: Any, **options: Any) -> None:
    """Add a legend of axes or of a figure, in ink and without a box."""
    if hasattr(owner, "get_legend_handles_labels") and not handles and not owner.get_legend_handles_labels()[0]:
        return
    owner.legend(*handles, **{"frameon": False, "fontsize": "small", "labelcolor": INK, **options})


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the file's ending; its folder is made if need be.

    An SVG follows the light or dark scheme of who looks at it. An older file stays as it was if anything goes wrong.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    kind = Path(path).suffix.lstrip(".").lower() or "png"
    if kind == "svg":
        text = _drawn(figure)
        start = text.index(">", text.index("<svg")) + 1
        write_file(path, (text[:start] + _THEME + text[start:]).encode())
        return
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=150)
    write_file(path, content.getvalue())


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, for web pages and notebooks.

    Examples:
        >>> import torch
        >>> from silif_plugins import plots
        >>> plots.svg(plots.raster({"input": torch.eye(5)})).startswith("<svg")
        True
    """
    text = _drawn(figure)
    return text[text.index("<svg") :]


def _drawn(figure: Figure) -> str:
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue().replace(INK, "currentColor")


def milliseconds(steps: Any, dt: float | None) -> Any:
    """Return steps in milliseconds, or as they are."""
    return steps if dt is None else 1e3 * dt * steps
