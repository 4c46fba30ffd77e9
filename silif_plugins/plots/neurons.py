"""What neurons are: eigenvalues and regimes, memory, parameters and delays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..dynamics import StateSpace, eigenvalues, oscillates
from ..neurons import Neuron
from ..scan import scan
from .canvas import COLOURS, INK, LINES, WIDTH, figure_for, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def eigenvalue_plane(
    spaces: Mapping[str, StateSpace | Tensor], *, ax: Axes | Sequence[Axes] | None = None, columns: int = 2
) -> Figure:
    """Draw eigenvalues in the complex plane with the unit circle, one panel a population (as the paper's Figure 2).

    They are those of the dynamics that the code simulates; the paper's figure uses another matrix for SiLIF and
    cAdLIF (:func:`silif_plugins.paper.published_eigenvalues`). The titles say which share oscillates. Eigenvalues
    outside the circle are shown too.

    Args:
        spaces: State spaces, or eigenvalues, by the title of their panel.
        ax: Axes to draw into, one for each; a new figure by default.
        columns: Of a new figure.

    Examples:
        >>> from silif_plugins import CSiLIF, SiLIF
        >>> figure = eigenvalue_plane({"SiLIF": SiLIF(50).state_space(), "C-SiLIF": CSiLIF(50).state_space()})
        >>> figure.axes[1].get_title()
        'C-SiLIF: 100 % oscillate'
    """
    columns = min(len(spaces), columns)
    rows = -(-len(spaces) // columns)
    side = WIDTH / max(columns, 2)
    figure, panels = figure_for(
        ax,
        0.3 + 1.14 * side * rows,
        width=0.6 + side * columns,
        panels=len(spaces),
        nrows=rows,
        ncols=columns,
        sharex=True,
        sharey=True,
    )
    angle = torch.linspace(0, 2 * torch.pi, 200)
    populations = [
        (space if isinstance(space, Tensor) else eigenvalues(space)).detach().cpu() for space in spaces.values()
    ]
    reach = 1.08 * max([1.0, *(torch.view_as_real(values).abs().max().item() for values in populations)])
    for index, (axes, name, values) in enumerate(zip(panels, spaces, populations, strict=True)):
        axes.plot(angle.cos(), angle.sin(), color=INK, linewidth=0.8)
        flat = values.flatten()
        axes.scatter(flat.real, flat.imag, s=7, alpha=0.5, linewidths=0, color=COLOURS[index % len(COLOURS)])
        share = 100 * (flat.imag != 0).double().mean().item()
        axes.set_title(f"{name}: {share:.{int(0 < share < 10)}f} % oscillate", fontsize=9, color=INK)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), box_aspect=1)
        if index >= len(panels) - columns:
            axes.set_xlabel("real part")
        if index % columns == 0:
            axes.set_ylabel("imaginary part")
    return figure


def regimes(spaces: Mapping[str, StateSpace], *, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw which adaptive neurons resonate and which integrate (as the paper's Figure 5), one panel a population.

    A neuron's place is the ratio of its time constants and its coupling; what it is, is told by the eigenvalues of
    the dynamics that the code simulates: a pair of complex ones resonates.

    Args:
        spaces: State spaces of SiLIF, AdLIF or cAdLIF by the title of their panel.
        ax: Axes to draw into, one for each; a new figure by default.

    Raises:
        ValueError: If a state space is not one of an adaptive neuron.

    Examples:
        >>> from silif_plugins import CAdLIF, SiLIF
        >>> figure = regimes({"cAdLIF": CAdLIF(50).state_space(), "SiLIF": SiLIF(50).state_space()})
        >>> [axes.get_xscale() for axes in figure.axes]
        ['log', 'log']
    """
    count = len(spaces)
    figure, panels = figure_for(ax, 3.0, panels=count, ncols=count, sharex=True, sharey=True)
    for axes, (name, space) in zip(panels, spaces.items(), strict=True):
        with torch.no_grad():
            space = space.double()
            coupling, slow = (field.expand(space.shape).flatten().cpu() for field in (space.a21, space.a22))
            fast = ((space.a11 + space.a21) / (1 + space.a21)).expand(space.shape).flatten().cpu()
            fits = torch.allclose(-(1 - fast) * slow, space.a12.expand(space.shape).flatten().cpu(), atol=1e-4)
            if not fits or not ((slow > 0) & (fast > -1e-6)).all():
                raise ValueError(f"spaces[{name!r}]: is no adaptive neuron; it must be SiLIF, AdLIF or cAdLIF")
            ratio = fast.clamp(min=1e-13).log() / slow.log()  # a decay near 0 is lost in the rounding of a11
            rings = oscillates(space).flatten().cpu()
        for place, (word, chosen) in enumerate({"resonate": rings, "integrate": ~rings}.items()):
            axes.scatter(
                ratio[chosen],
                coupling[chosen],
                s=10,
                marker=("o", "x")[place],
                alpha=0.6,
                linewidths=(0, 0.8)[place],
                color=COLOURS[place],
                label=word,
            )
        axes.set_title(f"{name}: {100 * rings.double().mean():.0f} % resonate", fontsize=9, color=INK)
        axes.set(xscale="log", xlabel="τ of adaptation / membrane")
    panels[0].set_ylabel("coupling a")
    handles = panels[0].get_legend_handles_labels()
    legend(figure if ax is None else panels[0], *handles, **({"loc": "outside lower center"} if ax is None else {}))
    return figure


def impulse_response(
    neurons: Mapping[str, Neuron], *, steps: int = 100, index: int = 0, ax: Axes | None = None
) -> Figure:
    """Draw what the membrane does after one input of 1, without spikes: the neuron's memory, one line a model.

    Args:
        neurons: Populations by the name of their line.
        steps: Length of the response.
        index: Which neuron of each population.
        ax: Axes to draw into; a new figure by default.

    Examples:
        >>> from silif_plugins import CSiLIF, SiLIF
        >>> figure = impulse_response({"SiLIF": SiLIF(1), "C-SiLIF": CSiLIF(1, dt=0.1)})
        >>> [line.get_label() for line in figure.axes[0].get_lines()][:2]
        ['SiLIF', 'C-SiLIF']
    """
    figure, (axes,) = figure_for(ax, 3.0)
    for place, (name, neuron) in enumerate(neurons.items()):
        with torch.no_grad():
            space = neuron.state_space().double()
            space = space._replace(threshold=torch.full_like(space.threshold, torch.inf))
            impulse = torch.zeros(steps, 1, *neuron.size, dtype=torch.float64)
            impulse[0] = 1
            _, _, states = scan(space, impulse, return_states=True)
        style = LINES[place % len(LINES)]
        axes.plot(states.mem.flatten(1)[:, index], color=COLOURS[place % len(COLOURS)], linestyle=style, label=name)
    axes.axhline(0, color=INK, linewidth=0.5, zorder=0)
    axes.set(xlabel="step after the input", ylabel="membrane")
    legend(axes)
    return figure


def parameter_histograms(before: Neuron, after: Neuron, *, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw each parameter's distribution over the neurons before and after training, one panel a parameter.

    Each distribution is drawn as high as the panel: one that starts as a single value would dwarf the other.

    Args:
        before: The population as it was.
        after: The same, trained.
        ax: Axes to draw into, one for each parameter; a new figure by default.

    Raises:
        ValueError: If the two are different models.

    Examples:
        >>> from silif_plugins import SiLIF
        >>> figure = parameter_histograms(SiLIF(100), SiLIF(100))
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['log_inv_tau_u', 'log_inv_tau_w', 'log_dt', 'a', 'b']
    """
    if type(before) is not type(after):
        raise ValueError(f"after: got {type(after).__name__}; it must be {type(before).__name__}, as before")
    names = list(after.state_dict())
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, panels = figure_for(ax, 0.5 + 1.5 * rows, panels=len(names), nrows=rows, ncols=columns)
    for axes, name in zip(panels, names, strict=True):
        pair = [getattr(neuron, name).detach().cpu().flatten().double() for neuron in (before, after)]
        low, high = min(each.min() for each in pair).item(), max(each.max() for each in pair).item()
        edges = torch.linspace(low - 1e-3, high + 1e-3, 31, dtype=torch.double)
        counts = [torch.histogram(each, edges).hist for each in pair]
        heights = [each / each.max() for each in counts]
        axes.stairs(heights[0], edges, fill=True, color=INK, alpha=0.5, label="before")
        axes.stairs(heights[1], edges, linewidth=1.5, color=COLOURS[0], label="after")
        axes.set(xlabel=name, yticks=[], ylim=(0, 1.1))
    panels[0].set_ylabel("neurons, relative")
    handles = panels[0].get_legend_handles_labels()
    place = {"loc": "outside upper right", "ncols": 2} if ax is None else {}
    legend(figure if ax is None else panels[0], *handles, **place)
    return figure


def delay_matrices(delays: Mapping[str, Tensor], *, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw delays as shades, one panel a matrix, on one scale of steps.

    Args:
        delays: In steps, [outputs, inputs], or [N] for one per neuron, by name: ``{"before": ..., "after": ...}``.
        ax: Axes to draw into, one for each; a new figure by default.

    Raises:
        ValueError: If there are none, or they are of another shape.

    Examples:
        >>> figure = delay_matrices({"before": 20 * torch.rand(6, 8), "after": 20 * torch.rand(6, 8)})
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['before', 'after']
    """
    if not delays:
        raise ValueError("delays: got none; it must be at least one matrix by its name")
    for name, each in delays.items():
        if each.dim() not in (1, 2) or not each.numel():
            raise ValueError(f"delays[{name!r}]: got shape {tuple(each.shape)}; it must be [outputs, inputs] or [N]")
    longest = max(each.max().item() for each in delays.values())
    figure, panels = figure_for(ax, 2.6, panels=len(delays), ncols=len(delays))
    for axes, (name, each) in zip(panels, delays.items(), strict=True):
        matrix = each.detach().cpu().reshape(-1, each.shape[-1]).numpy()
        image = axes.imshow(matrix, vmin=0, vmax=max(longest, 1), cmap="cividis", aspect="auto")
        axes.set(title=name, xlabel="input", ylabel="output" if each.dim() == 2 else "", xticks=[], yticks=[])
    bar = figure.colorbar(image, ax=panels)
    bar.set_label("delay (steps)", color=INK)
    bar.ax.tick_params(colors=INK)
    bar.outline.set_edgecolor(INK)
    return figure
