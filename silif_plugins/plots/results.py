"""What training came to: accuracy and its price, variants beside each other, curves and confusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .canvas import COLOURS, INK, LINES, MARKERS, figure_for, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..training import Summary

_WIDE = 8.0
"""How many times as large the largest number must be as the smallest, for an axis of logarithms."""


def pareto_front(summaries: Sequence[Summary]) -> list[Summary]:
    """Return those that no other one beats in both: more accurate at no more operations, from cheap to dear.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> def one(name, accuracy, operations):
        ...     return Summary(name, 3, 38716, accuracy, 0.005, operations, 2e3, 0.96, 0.03, 20.0)
        >>> found = pareto_front([one("LIF", 0.7, 3e5), one("SiLIF", 0.87, 2e5), one("C-SiLIF", 0.88, 5e5)])
        >>> [each.neuron for each in found]
        ['SiLIF', 'C-SiLIF']
    """
    front: list[Summary] = []
    for each in sorted(summaries, key=lambda one: (one.synaptic_operations, -one.accuracy)):
        if not front or each.accuracy > front[-1].accuracy:
            front.append(each)
    return front


def accuracy_against_operations(
    summaries: Sequence[Summary], *, pareto: bool = False, join: bool = False, ax: Axes | None = None
) -> Figure:
    """Draw test accuracy against synaptic operations per sample, one marker for each neuron (the paper's Figure 3).

    Bars show one standard deviation over the seeds.

    Args:
        summaries: One for each neuron or network; with ``join`` several, of several sizes.
        pareto: Whether to draw the Pareto front: the line of those that no other one beats in both.
        join: Whether to join summaries of one name by a line: how it scales with its size (the paper's Figure 4).
        ax: Axes to draw into; a new figure by default.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> figure = accuracy_against_operations(
        ...     [Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0)])
        >>> figure.axes[0].get_ylabel()
        'test accuracy (%)'
    """
    names = list(dict.fromkeys(each.neuron for each in summaries))
    figure, (axes,) = figure_for(ax, 3.6 + 0.19 * max(len(names) - 6, 0) / 2)
    if pareto:
        front = pareto_front(summaries)
        axes.plot(
            [each.synaptic_operations / 1e3 for each in front],
            [100 * each.accuracy for each in front],
            color=INK,
            linewidth=1,
            linestyle=":",
            zorder=0,
            label="Pareto front",
        )
    for index, name in enumerate(names):
        own = sorted((each for each in summaries if each.neuron == name), key=lambda each: each.synaptic_operations)
        spread = all(each.seeds > 1 for each in own)
        axes.errorbar(
            [each.synaptic_operations / 1e3 for each in own],
            [100 * each.accuracy for each in own],
            xerr=[each.synaptic_operations_sd / 1e3 for each in own] if spread else None,
            yerr=[100 * each.accuracy_sd for each in own] if spread else None,
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
            markersize=7,
            capsize=3,
            linestyle=LINES[index % len(LINES)] if join else "none",
            linewidth=1,
            label=name,
        )
    costs = [each.synaptic_operations for each in summaries]
    if min(costs) > 0 and max(costs) > _WIDE * min(costs):
        axes.set_xscale("log")
    axes.set(xlabel="synaptic operations per sample (thousands)", ylabel="test accuracy (%)")
    axes.margins(0.1)
    axes.grid(alpha=0.3)
    if ax is None and len(names) > 6:
        legend(figure, loc="outside lower center", ncols=3)
    else:
        legend(axes)
    return figure


def accuracies(
    summaries: Sequence[Summary],
    *,
    published: Mapping[str, float] | None = None,
    quantity: str = "accuracy",
    ax: Axes | None = None,
) -> Figure:
    """Draw a bar for each contender in the order given, such as features added one by one (the paper's Figure 6).

    Lines at the ends of the bars are one standard deviation over the seeds.

    Args:
        summaries: One for each contender.
        published: Published numbers in percent by the contender's name, drawn as diamonds beside ours.
        quantity: ``"accuracy"``, or ``"sparsity"`` (the paper's Table 7).
        ax: Axes to draw into; a new figure by default.

    Raises:
        ValueError: If the quantity is none of these.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> one = Summary("C-SiLIF", 3, 38460, 0.88, 0.008, 511e3, 11e3, 0.77, 0.03, 32.0)
        >>> figure = accuracies([one], published={"C-SiLIF": 95.6})
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
        ['C-SiLIF']
    """
    if quantity not in ("accuracy", "sparsity"):
        raise ValueError(f"quantity: got {quantity!r}; it must be 'accuracy' or 'sparsity'")
    published = published or {}
    figure, (axes,) = figure_for(ax, 0.8 + 0.27 * len(summaries))
    for place, each in enumerate(summaries):
        value = 100 * getattr(each, quantity)
        spread = 100 * each.accuracy_sd if quantity == "accuracy" and each.seeds > 1 else None
        error = {"capsize": 2, "elinewidth": 1}
        axes.barh(place, value, xerr=spread, height=0.62, color=COLOURS[0], ecolor=INK, error_kw=error)
        beside = f"  {value:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")
        axes.text(value + (spread or 0), place, beside, va="center", fontsize="x-small", color=INK)
        if (known := published.get(each.neuron)) is not None:
            axes.plot(known, place, "D", color=COLOURS[1], markersize=5)
    shown = [100 * getattr(each, quantity) for each in summaries] + list(published.values())
    floor = 10 * int(max(min(shown) - 10, 0) / 10)
    axes.set_xlim(floor, floor + 1.22 * (max(shown) - floor))
    axes.set_xlabel("test accuracy (%)" if quantity == "accuracy" else "sparsity (%)")
    axes.set_yticks(range(len(summaries)), [each.neuron for each in summaries])
    axes.invert_yaxis()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if published:
        axes.plot([], [], "D", color=COLOURS[1], markersize=5, label="published, on SHD")
        handles, labels = axes.get_legend_handles_labels()
        legend(axes, handles[-1:], labels[-1:], loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def learning_curves(epochs: Sequence[Mapping[str, Any]], *, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw loss and accuracy over the epochs of a run, on training and validation data.

    Args:
        epochs: The lines of a run's ``metrics.jsonl``, each with ``epoch``, ``train_loss``, ``train_accuracy``,
            ``valid_loss`` and ``valid_accuracy``.
        ax: Two axes to draw into; a new figure by default.

    Examples:
        >>> epochs = [{"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.3, "valid_loss": 1.9, "valid_accuracy": 0.4}]
        >>> [axes.get_ylabel() for axes in learning_curves(epochs).axes]
        ['loss', 'accuracy (%)']
    """
    figure, panels = figure_for(ax, 2.4, panels=2, ncols=2)
    numbers = [each["epoch"] for each in epochs]
    for axes, quantity, scale, unit in zip(panels, ("loss", "accuracy"), (1, 100), ("", " (%)"), strict=True):
        for place, (split, style) in enumerate({"train": "--", "valid": "-"}.items()):
            values = [scale * each[f"{split}_{quantity}"] for each in epochs]
            axes.plot(numbers, values, style, marker=MARKERS[place], markersize=3, color=COLOURS[place], label=split)
        axes.set(xlabel="epoch", ylabel=quantity + unit)
        axes.grid(alpha=0.3)
    legend(panels[0])
    return figure


def confusion(counts: Tensor, classes: Sequence[str], *, ax: Axes | None = None) -> Figure:
    """Draw how often each class is taken for each other one, as shares of the class; numbers where they fit.

    Args:
        counts: Samples by class and by decision, [C, C].
        classes: Names of the classes.
        ax: Axes to draw into; a new figure by default.

    Raises:
        ValueError: If ``counts`` is not [C, C].

    Examples:
        >>> figure = confusion(torch.tensor([[9, 1], [0, 5]]), ["yes", "no"])
        >>> figure.axes[0].get_xlabel()
        'decision'
    """
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"counts: got shape {tuple(counts.shape)}; it must be [{len(classes)}, {len(classes)}]")
    side = min(7.0, 2.0 + 0.3 * len(classes))
    figure, (axes,) = figure_for(ax, side, width=side)
    shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
    blue = torch.tensor([int(COLOURS[0][place : place + 2], 16) / 255 for place in (1, 3, 5)])
    picture = torch.cat([blue.expand(*shares.shape, 3), shares[..., None].float()], dim=-1)  # what is never, is clear
    axes.imshow(picture.numpy())
    places = range(len(classes))
    axes.set(xlabel="decision", ylabel="class", yticks=places, yticklabels=classes)
    axes.set_xticks(places, classes, rotation=90)
    if len(classes) <= 20:
        for row, column in torch.nonzero(counts).tolist():
            number = f"{100 * shares[row, column]:.0f}"
            shade = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, number, ha="center", va="center", fontsize="x-small", color=shade)
    return figure
