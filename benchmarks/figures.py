"""Figures of the tables, saved as PNG."""

from __future__ import annotations

import re
from pathlib import Path


def save(
    folder: Path, tables: dict[str, dict[str, float]], sweeps: dict[str, list[tuple[int, float]]] | None
) -> list[Path]:
    """Draw the times per element of the contenders, one figure a table, and of SiLIF over the size.

    Args:
        folder: Where to put them; it is made.
        tables: Title: contender: ns per element.
        sweeps: Axis: (elements, ns per element).

    Returns:
        The files.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for title, times in tables.items():
        figure, axes = pyplot.subplots(figsize=(7, 0.3 * len(times) + 1), layout="constrained")
        bars = axes.barh(list(times), list(times.values()), color=["C1" if n == "SiLIF" else "C0" for n in times])
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
        axes.set(xscale="log", xlabel="ns per element, forward + backward", title=title)
        axes.invert_yaxis()
        files.append(folder / f"{re.sub('[^0-9]+', '_', title).strip('_')}.png")
        figure.savefig(files[-1], dpi=150)
        pyplot.close(figure)
    if sweeps:
        figure, axes = pyplot.subplots(figsize=(5, 3.5), layout="constrained")
        for axis, points in sweeps.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=f"over {axis}")
        axes.set(xscale="log", xlabel="elements of [T, B, N]", ylabel="ns per element", ylim=(0, None))
        axes.legend()
        files.append(folder / "scaling.png")
        figure.savefig(files[-1], dpi=150)
        pyplot.close(figure)
    return files
