"""What neurons do over time: rasters of spikes, and membranes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..dynamics import State, StateSpace
from .canvas import COLOURS, INK, figure_for, legend, milliseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def raster(layers: Mapping[str, Tensor], *, dt: float | None = None, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw spikes over time, one panel a layer, a dot for each spike.

    Args:
        layers: Spikes [T, N] by the name of the layer, such as ``{"input": ..., "hidden 1": ...}``. Counts above 1
            are drawn as one dot.
        dt: Duration of a step in seconds, for an axis in milliseconds; steps by default.
        ax: Axes to draw into, one for each layer; a new figure by default.

    Raises:
        ValueError: If spikes are not [T, N].

    Examples:
        >>> figure = raster({"input": torch.rand(100, 40) > 0.9, "hidden": torch.rand(100, 20) > 0.95}, dt=0.004)
        >>> len(figure.axes)
        2
    """
    for name, spikes in layers.items():
        if spikes.dim() != 2:
            raise ValueError(f"layers[{name!r}]: got shape {tuple(spikes.shape)}; it must be [T, N]")
    heights = [max(spikes.shape[1], 1) ** 0.5 for spikes in layers.values()]
    height, count = 1.0 + 1.1 * len(layers), len(layers)
    figure, panels = figure_for(ax, height, panels=count, nrows=count, sharex=True, height_ratios=heights)
    for index, (axes, (name, spikes)) in enumerate(zip(panels, layers.items(), strict=True)):
        times, neurons = torch.nonzero(spikes.detach().cpu(), as_tuple=True)
        area = max(min(3e3 / max(spikes.shape[1], 1), 12.0), 0.7)
        axes.scatter(milliseconds(times, dt), neurons, s=area, marker="|", color=COLOURS[index % len(COLOURS)])
        rate = (spikes != 0).double().mean().item()
        axes.set(ylabel=name, ylim=(-0.5, spikes.shape[1] - 0.5), xlim=(0, milliseconds(spikes.shape[0], dt)))
        axes.set_title(f"{100 * rate:.1f} % of bins", fontsize="small", loc="right", pad=2, color=INK)
    panels[-1].set_xlabel("step" if dt is None else "time (ms)")
    return figure


def traces(
    space: StateSpace,
    states: State,
    *,
    neuron: int = 0,
    dt: float | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Draw membrane and adaptation of one neuron over time, with its threshold and its spikes.

    Args:
        space: The population's coefficients.
        states: States of all steps of one sample, each field [T, N]: ``scan(..., return_states=True)``.
        neuron: Index of the neuron.
        dt: Duration of a step in seconds, for an axis in milliseconds; steps by default.
        ax: Two axes to draw into; a new figure by default.

    Raises:
        ValueError: If the states are not [T, N].

    Examples:
        >>> from silif_plugins import SiLIF
        >>> from silif_plugins.scan import scan
        >>> space = SiLIF(3).state_space()
        >>> _, _, states = scan(space, 3 * torch.rand(100, 1, 3), return_states=True)
        >>> figure = traces(space, State(*(field[:, 0] for field in states)))
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['membrane', 'adaptation']
    """
    if states.mem.dim() != 2:
        raise ValueError(f"states: got shape {tuple(states.mem.shape)}; every field must be [T, N]")
    mem, ada, spk = (field[:, neuron].detach().cpu() for field in states)
    times = milliseconds(torch.arange(len(mem)), dt)
    threshold = space.threshold.expand(space.shape)[neuron].item() if space.threshold.dim() else space.threshold.item()
    figure, (top, bottom) = figure_for(ax, 3.4, panels=2, nrows=2, sharex=True, height_ratios=(2, 1))
    top.plot(times, mem, color=COLOURS[0], label="membrane")
    top.axhline(threshold, color=COLOURS[1], linestyle="--", label="threshold")
    fired = torch.nonzero(spk)[:, 0]
    level = torch.full((len(fired),), max(mem.max().item(), threshold) * 1.1)
    top.plot(milliseconds(fired, dt), level, "|", color=INK, markersize=9, label="spikes")
    top.set_ylabel("membrane")
    legend(top, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    bottom.plot(times, ada, color=COLOURS[2], linestyle="-")
    bottom.set(ylabel="adaptation", xlabel="step" if dt is None else "time (ms)")
    return figure
