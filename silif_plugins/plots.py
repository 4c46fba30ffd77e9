"""Figures. Every function draws with matplotlib (extra [plot]) and returns the figure; :func:`save` writes it.

Colours are told apart by the colour-blind, and in grey print markers, line styles or a panel each tell things apart.
No window is opened and no global state of matplotlib is touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .dynamics import State, StateSpace, eigenvalues
from .files import write_file
from .neurons import Neuron
from .optional import require
from .scan import scan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .training import Summary

# Okabe and Ito (2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def raster(layers: Mapping[str, Tensor], *, dt: float | None = None) -> Figure:
    """Draw spikes over time, one panel a layer, a dot for each spike.

    Args:
        layers: Spikes [T, N] by the name of the layer, such as ``{"input": ..., "hidden 1": ...}``. Counts above 1
            are drawn as one dot.
        dt: Duration of a step in seconds, for an axis in milliseconds; steps by default.

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
    figure, panels = _new((7.0, 1.2 + 1.3 * len(layers)), nrows=len(layers), sharex=True, height_ratios=heights)
    for index, (axes, (name, spikes)) in enumerate(zip(_several(panels), layers.items(), strict=True)):
        times, neurons = torch.nonzero(spikes.detach().cpu(), as_tuple=True)
        area = max(min(3e3 / max(spikes.shape[1], 1), 12.0), 0.7)
        axes.scatter(_milliseconds(times, dt), neurons, s=area, marker="|", color=COLOURS[index % len(COLOURS)])
        rate = (spikes != 0).double().mean().item()
        axes.set(ylabel=name, ylim=(-0.5, spikes.shape[1] - 0.5), xlim=(0, _milliseconds(spikes.shape[0], dt)))
        axes.set_title(f"{100 * rate:.1f} % of bins", fontsize="small", loc="right", pad=2)
    _several(panels)[-1].set_xlabel("step" if dt is None else "time (ms)")
    return figure


def traces(space: StateSpace, states: State, *, neuron: int = 0, dt: float | None = None) -> Figure:
    """Draw membrane and adaptation of one neuron over time, with its threshold and its spikes.

    Args:
        space: The population's coefficients.
        states: States of all steps of one sample, each field [T, N]: ``scan(..., return_states=True)``.
        neuron: Index of the neuron.
        dt: Duration of a step in seconds, for an axis in milliseconds; steps by default.

    Raises:
        ValueError: If the states are not [T, N].

    Examples:
        >>> from silif_plugins import SiLIF
        >>> space = SiLIF(3).state_space()
        >>> _, _, states = scan(space, 3 * torch.rand(100, 1, 3), return_states=True)
        >>> figure = traces(space, State(*(field[:, 0] for field in states)))
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['membrane', 'adaptation']
    """
    if states.mem.dim() != 2:
        raise ValueError(f"states: got shape {tuple(states.mem.shape)}; every field must be [T, N]")
    mem, ada, spk = (field[:, neuron].detach().cpu() for field in states)
    times = _milliseconds(torch.arange(len(mem)), dt)
    threshold = space.threshold.expand(space.shape)[neuron].item() if space.threshold.dim() else space.threshold.item()
    figure, (top, bottom) = _new((7.0, 3.6), nrows=2, sharex=True, height_ratios=(2, 1))
    top.plot(times, mem, color=COLOURS[0], label="membrane")
    top.axhline(threshold, color=COLOURS[1], linestyle="--", label="threshold")
    fired = torch.nonzero(spk)[:, 0]
    level = max(mem.max().item(), threshold) * 1.1
    top.plot(
        _milliseconds(fired, dt), torch.full((len(fired),), level), "|", color=COLOURS[6], markersize=9, label="spikes"
    )
    top.set_ylabel("membrane")
    top.legend(frameon=False, ncols=3, fontsize="small", loc="lower left", bbox_to_anchor=(0, 1))
    bottom.plot(times, ada, color=COLOURS[2], linestyle="-")
    bottom.set(ylabel="adaptation", xlabel="step" if dt is None else "time (ms)")
    return figure


def delay_matrices(delays: Mapping[str, Tensor]) -> Figure:
    """Draw delays as shades, one panel a matrix, on one scale of steps.

    Args:
        delays: In steps, [outputs, inputs], or [N] for one per neuron, by name: ``{"before": ..., "after": ...}``.

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
    figure, panels = _new((1.0 + 2.6 * len(delays), 2.8), ncols=len(delays))
    for axes, (name, each) in zip(_several(panels), delays.items(), strict=True):
        matrix = each.detach().cpu().reshape(-1, each.shape[-1]).numpy()
        image = axes.imshow(matrix, vmin=0, vmax=max(longest, 1), cmap="cividis", aspect="auto")
        axes.set(title=name, xlabel="input", ylabel="output" if each.dim() == 2 else "", xticks=[], yticks=[])
    figure.colorbar(image, ax=_several(panels), label="delay (steps)")
    return figure


def impulse_response(neurons: Mapping[str, Neuron], *, steps: int = 100, index: int = 0) -> Figure:
    """Draw what the membrane does after one input of 1, without spikes: the neuron's memory, one line a model.

    Args:
        neurons: Populations by the name of their line.
        steps: Length of the response.
        index: Which neuron of each population.

    Examples:
        >>> from silif_plugins import CSiLIF, SiLIF
        >>> figure = impulse_response({"SiLIF": SiLIF(1), "C-SiLIF": CSiLIF(1, dt=0.1)})
        >>> [line.get_label() for line in figure.axes[0].get_lines()][:2]
        ['SiLIF', 'C-SiLIF']
    """
    figure, axes = _new((6.0, 3.2))
    for place, (name, neuron) in enumerate(neurons.items()):
        with torch.no_grad():
            space = neuron.state_space().double()
            space = space._replace(threshold=torch.full_like(space.threshold, torch.inf))
            impulse = torch.zeros(steps, 1, *neuron.size, dtype=torch.float64)
            impulse[0] = 1
            _, _, states = scan(space, impulse, return_states=True)
        style = ("-", "--", "-.", ":")[place % 4]
        axes.plot(states.mem.flatten(1)[:, index], color=COLOURS[place % len(COLOURS)], linestyle=style, label=name)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="step after the input", ylabel="membrane")
    axes.legend(frameon=False)
    return figure


def eigenvalue_plane(spaces: Mapping[str, StateSpace]) -> Figure:
    """Draw eigenvalues in the complex plane with the unit circle, one panel a population (as the paper's Figure 2).

    They are those of the dynamics that the code simulates; the paper's figure uses another matrix for SiLIF and
    cAdLIF. The titles say which share oscillates. Eigenvalues outside the circle are shown too.

    Args:
        spaces: State spaces by the title of their panel.

    Examples:
        >>> from silif_plugins import CSiLIF, SiLIF
        >>> figure = eigenvalue_plane({"SiLIF": SiLIF(50).state_space(), "C-SiLIF": CSiLIF(50).state_space()})
        >>> figure.axes[1].get_title()
        'C-SiLIF: 100 % oscillate'
    """
    figure, panels = _new((3.1 * len(spaces) + 0.6, 3.6), ncols=len(spaces), sharex=True, sharey=True)
    angle = torch.linspace(0, 2 * torch.pi, 200)
    populations = [eigenvalues(space).detach().cpu().flatten() for space in spaces.values()]
    reach = 1.08 * max([1.0, *(torch.view_as_real(values).abs().max().item() for values in populations)])
    for index, (axes, name, values) in enumerate(zip(_several(panels), spaces, populations, strict=True)):
        axes.plot(angle.cos(), angle.sin(), color="0.6", linewidth=0.8)
        axes.scatter(values.real, values.imag, s=7, alpha=0.5, linewidths=0, color=COLOURS[index % len(COLOURS)])
        oscillating = (values.imag != 0).double().mean().item()
        axes.set_title(f"{name}: {100 * oscillating:.0f} % oscillate", fontsize="medium")
        axes.set(xlabel="real part", xlim=(-reach, reach), ylim=(-reach, reach), box_aspect=1)
    _several(panels)[0].set_ylabel("imaginary part")
    return figure


def parameter_histograms(before: Neuron, after: Neuron) -> Figure:
    """Draw each parameter's distribution over the neurons before and after training, one panel a parameter.

    Each distribution is drawn as high as the panel: one that starts as a single value would dwarf the other.

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
    figure, panels = _new((7.0, 0.4 + 1.8 * rows), nrows=rows, ncols=columns)
    for axes, name in zip(_several(panels), names, strict=False):
        pair = [getattr(neuron, name).detach().cpu().flatten().double() for neuron in (before, after)]
        low, high = min(each.min() for each in pair).item(), max(each.max() for each in pair).item()
        edges = torch.linspace(low - 1e-3, high + 1e-3, 31, dtype=torch.double)
        counts = [torch.histogram(each, edges).hist for each in pair]
        heights = [each / each.max() for each in counts]
        axes.stairs(heights[0], edges, fill=True, color="0.75", label="before")
        axes.stairs(heights[1], edges, linewidth=1.5, color=COLOURS[0], label="after")
        axes.set(xlabel=name, yticks=[], ylim=(0, 1.1))
    for axes in _several(panels)[len(names) :]:
        axes.remove()
    _several(panels)[0].set_ylabel("neurons, relative")
    figure.legend(*_several(panels)[0].get_legend_handles_labels(), frameon=False, loc="outside upper right", ncols=2)
    return figure


def accuracy_against_operations(summaries: Sequence[Summary]) -> Figure:
    """Draw test accuracy against synaptic operations per sample, one marker for each neuron (as the paper's Figure 3).

    Bars show one standard deviation over the seeds.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> figure = accuracy_against_operations(
        ...     [Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0)])
        >>> figure.axes[0].get_ylabel()
        'test accuracy (%)'
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


def learning_curves(epochs: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and accuracy over the epochs of a run, on training and validation data.

    Args:
        epochs: The lines of a run's ``metrics.jsonl``, each with ``epoch``, ``train_loss``, ``train_accuracy``,
            ``valid_loss`` and ``valid_accuracy``.

    Examples:
        >>> epochs = [{"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.3, "valid_loss": 1.9, "valid_accuracy": 0.4}]
        >>> [axes.get_ylabel() for axes in learning_curves(epochs).axes]
        ['loss', 'accuracy (%)']
    """
    figure, panels = _new((7.0, 2.8), ncols=2)
    numbers = [each["epoch"] for each in epochs]
    for axes, quantity, scale, unit in zip(panels, ("loss", "accuracy"), (1, 100), ("", " (%)"), strict=True):
        for place, (split, style) in enumerate({"train": "--", "valid": "-"}.items()):
            values = [scale * each[f"{split}_{quantity}"] for each in epochs]
            axes.plot(numbers, values, style, marker=MARKERS[place], markersize=3, color=COLOURS[place], label=split)
        axes.set(xlabel="epoch", ylabel=quantity + unit)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False)
    return figure


def confusion(counts: Tensor, classes: Sequence[str]) -> Figure:
    """Draw how often each class is taken for each other one, as shares of the class; numbers where they fit.

    Args:
        counts: Samples by class and by decision, [C, C].
        classes: Names of the classes.

    Raises:
        ValueError: If ``counts`` is not [C, C].

    Examples:
        >>> figure = confusion(torch.tensor([[9, 1], [0, 5]]), ["yes", "no"])
        >>> figure.axes[0].get_xlabel()
        'decision'
    """
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"counts: got shape {tuple(counts.shape)}; it must be [{len(classes)}, {len(classes)}]")
    side = min(9.0, 2.0 + 0.34 * len(classes))
    figure, axes = _new((side, side))
    shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(classes))
    axes.set(xlabel="decision", ylabel="class", xticks=places, yticks=places, yticklabels=classes)
    axes.set_xticks(places, classes, rotation=90)
    if len(classes) <= 20:
        for row, column in torch.nonzero(counts).tolist():
            shade = "white" if shares[row, column] > 0.5 else "black"
            number = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, number, ha="center", va="center", fontsize="x-small", color=shade)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure in the format of the file's ending; its folder is made if need be.

    An older file stays as it was if anything goes wrong.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    figure.savefig(content, format=Path(path).suffix.lstrip(".") or "png", dpi=150)
    write_file(path, content.getvalue())


def svg(figure: Figure) -> str:
    """Return a figure as SVG text, for web pages and notebooks.

    Examples:
        >>> svg(raster({"input": torch.eye(5)})).startswith("<svg")
        True
    """
    content = io.StringIO()
    figure.savefig(content, format="svg")
    text = content.getvalue()
    return text[text.index("<svg") :]


def _new(size: tuple[float, float], **grid: Any) -> tuple[Any, Any]:
    """Make a figure that no window or global state knows of."""
    figures = require("matplotlib.figure", extra="plot", purpose="Drawing")
    figure = figures.Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(**grid)


def _several(panels: Any) -> list[Any]:
    return list(getattr(panels, "flat", [panels]))


def _milliseconds(steps: Any, dt: float | None) -> Any:
    return steps if dt is None else 1e3 * dt * steps
