"""Figures of the tables, saved as PNG."""

from __future__ import annotations

from pathlib import Path


def save(
    folder: Path, tables: dict[str, dict[str, float]], sweeps: dict[str, list[tuple[int, float]]] | None
) -> list[Path]:
    """Draw the times of the contenders, times that of SiLIF, and of SiLIF over the size.

    Args:
        folder: Where to put them; it is made.
        tables: Title: contender: ns per element.
        sweeps: Axis: (elements, ns per element).

    Returns:
        The files.
    """
    from silif_plugins import plots

    files = []
    if tables:
        names = dict.fromkeys(name for times in tables.values() for name in times)
        ratios = {
            name: {title: times[name] / times["SiLIF"] for title, times in tables.items() if name in times}
            for name in names
        }
        files.append(folder / "layer.png")
        plots.save(plots.grouped_bars(ratios, label="time, times that of SiLIF (log)", log=True), files[-1])
    if sweeps:
        figure, axes = plots.blank()
        for index, (axis, points) in enumerate(sweeps.items()):
            style = {"marker": plots.MARKERS[index], "color": plots.COLOURS[index]}
            axes.plot(*zip(*points, strict=True), label=f"over {axis}", **style)
        axes.set(xscale="log", xlabel="elements of [T, B, N]", ylabel="ns per element", ylim=(0, None))
        plots.legend(axes)
        files.append(folder / "scaling.png")
        plots.save(figure, files[-1])
    return files
