"""Neurons side by side: the same data, budget and search of the learning rate for each, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import tables
from ..dynamics import GeneralReset, between_spikes, is_stable
from ..neurons import LI, Neuron
from .checkpoint import load_network
from .comparison import Summary, cells, compare, summarize
from .config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Animal:
    """What a zoo found out about one neuron.

    Attributes:
        summary: Means and deviations over the seeds, at the learning rate that was chosen.
        valid_accuracy: Validation accuracy of the first seed at each learning rate; None where it diverged.
        unstable_before: Share of neurons that are unstable at the start; None if it cannot be told.
        unstable_after: The same after training.
    """

    summary: Summary
    valid_accuracy: dict[float, float | None]
    unstable_before: float | None
    unstable_after: float | None


def zoo(
    settings: Sequence[dict[str, Any]],
    folder: Path,
    *,
    rates: Sequence[float] = (0.01, 0.03, 0.1),
    seeds: int = 3,
    jobs: int = 1,
) -> list[Animal]:
    """Give every neuron the learning rate that is best on the validation set with seed 0, and then as many seeds.

    What the folder holds already is not trained again: a run with more neurons, seeds or rates goes on from there.

    Args:
        settings: For each neuron settings of TrainConfig; seed and learning rate are set here.
        folder: Where the runs go, in a folder for each learning rate.
        rates: The learning rates that are tried.
        seeds: Number of runs at the best one.
        jobs: How many runs at a time.

    Returns:
        An entry for every neuron that did not diverge with each rate, best accuracy first.

    Raises:
        ValueError: If there are no rates or seeds, or as :func:`.comparison.compare` does.
    """
    if not rates or seeds < 1 or len(set(rates)) < len(rates):
        raise ValueError(f"rates, seeds: got {list(rates)} and {seeds}; give rates that differ, and one seed or more")
    tried: dict[str, dict[float, float]] = {}
    for rate in rates:
        configs = [TrainConfig(**{**each, "learning_rate": rate, "seed": 0}) for each in settings]
        for result in compare(configs, _folder(folder, rate), jobs=jobs, skip_diverged=True):
            tried.setdefault(result["neuron"], {})[rate] = result["valid_accuracy"]
    best = {neuron: max(found, key=lambda rate: found[rate]) for neuron, found in tried.items()}
    results = []
    for rate in rates:
        configs = [
            config
            for each in settings
            for seed in range(seeds)
            if best.get((config := TrainConfig(**{**each, "learning_rate": rate, "seed": seed})).label) == rate
        ]
        if configs:
            results += compare(configs, _folder(folder, rate), jobs=jobs, skip_diverged=True)
    found = [
        Animal(
            summary,
            {rate: tried[summary.neuron].get(rate) for rate in rates},
            *_unstable_of([result for result in results if result["neuron"] == summary.neuron]),
        )
        for summary in summarize(results)
    ]
    return sorted(found, key=lambda each: each.summary.accuracy, reverse=True)


def _folder(folder: Path, rate: float) -> Path:
    return folder / f"rate-{rate:g}"


def _unstable_of(results: Sequence[dict[str, Any]]) -> tuple[float | None, float | None]:
    """Share of unstable neurons before and after the runs, averaged over them."""
    shares = []
    for result in results:
        net, config, facts = load_network(Path(result["folder"]) / "best.safetensors")
        torch.manual_seed(config.seed)  # as the run began
        shares.append((unstable(config.network(facts["num_inputs"], facts["num_classes"])), unstable(net)))
    before, after = zip(*shares, strict=True)
    return _mean(before), _mean(after)


def _mean(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known else None


@torch.no_grad()
def unstable(net: nn.Module) -> float | None:
    """Return the share of a network's spiking neurons that are unstable between their spikes; None if it has none.

    For neurons that are no linear system the one that they are while they do not fire is taken.

    Examples:
        >>> from silif_plugins.sparch import SpArchNet
        >>> round(unstable(SpArchNet(5, (4000,), 2, neuron="AdLIF")), 1), unstable(SpArchNet(5, (50,), 2))
        (0.5, 0.0)
    """
    known = [
        found
        for neuron in net.modules()
        if isinstance(neuron, Neuron) and not isinstance(neuron, LI) and (found := stable(neuron)) is not None
    ]
    return 1 - torch.cat(known).double().mean().item() if known else None


def stable(neuron: Neuron) -> torch.Tensor | None:
    """Return whether each neuron is stable between its spikes, booleans [neurons]; None if that cannot be told.

    Examples:
        >>> from silif_plugins.neurons import DRF, SiLIF
        >>> bool(stable(SiLIF(3)).all()), bool(stable(DRF(3)).all())
        (True, True)
    """
    dynamics = neuron.dynamics()
    if isinstance(dynamics, GeneralReset):
        return (dynamics.spectral_radius() < 1).flatten()
    system = between_spikes(dynamics)
    return None if system is None else is_stable(system).flatten()


def table_of(animals: Sequence[Animal], *, markdown: bool = True) -> str:
    """Lay a zoo out as a table; "unstable" is the share of unstable neurons before and after training.

    Examples:
        >>> one = Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0)
        >>> print(table_of([Animal(one, {0.03: 0.8, 0.1: 0.9}, 0.0, 0.25)]))
        | neuron | test accuracy | operations | sparsity | parameters | unstable | rate | seeds | seconds |
        |--------|---------------|------------|----------|------------|----------|------|-------|---------|
        | SiLIF  | 90.0 ± 0.5 %  | 170k ± 2k  | 96.0 %   | 38,716     | 0 → 25 % | 0.03 | 3     | 20      |
    """
    head = ("neuron", "test accuracy", "operations", "sparsity", "parameters", "unstable")
    rows: list[tuple[str, ...]] = [(*head, "rate", "seeds", "seconds")]
    for animal in animals:
        *first, rate, seeds, seconds = cells(animal.summary)
        shares = f"{_percent(animal.unstable_before)} → {_percent(animal.unstable_after)} %"
        rows.append((*first, shares, rate, seeds, seconds))
    return tables.table(rows, markdown=markdown)


def rates_of(animals: Sequence[Animal], *, markdown: bool = True) -> str:
    """Lay out the validation accuracy of the first seed at each learning rate; a dash where it diverged.

    Examples:
        >>> one = Summary("RF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.1, 20.0)
        >>> print(rates_of([Animal(one, {0.03: 0.8, 0.1: 0.9, 1.0: None}, 0.0, 0.25)]))
        | neuron | 0.03   | 0.1    | 1 |
        |--------|--------|--------|---|
        | RF     | 80.0 % | 90.0 % | - |
    """
    rates = sorted({rate for animal in animals for rate in animal.valid_accuracy})
    rows = [("neuron", *(f"{rate:g}" for rate in rates))]
    for animal in animals:
        found = [animal.valid_accuracy.get(rate) for rate in rates]
        rows.append((animal.summary.neuron, *("-" if each is None else f"{100 * each:.1f} %" for each in found)))
    return tables.table(rows, markdown=markdown)


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.2g}"
