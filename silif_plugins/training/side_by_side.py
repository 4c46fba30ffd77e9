"""Neurons side by side: the same data, budget and search of the learning rate for each, and what came of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import tables
from ..dynamics import GeneralReset, between_spikes, is_stable
from ..files import write_file
from ..neurons import LI, Neuron
from .checkpoint import load_network
from .comparison import Summary, cells, compare, summarize
from .config import TrainConfig
from .significance import Difference, differences


@dataclass(frozen=True)
class Animal:
    """What a zoo found out about one contender, a neuron or a network.

    Attributes:
        summary: Means and deviations over the seeds, at the learning rate that was chosen.
        valid_accuracy: Validation accuracy of the first seed at each learning rate; None where it diverged.
        unstable_before: Share of neurons that are unstable at the start; None if it cannot be told.
        unstable_after: The same after training.
        accuracies: Test accuracy of each seed.
    """

    summary: Summary
    valid_accuracy: dict[float, float | None]
    unstable_before: float | None
    unstable_after: float | None
    accuracies: tuple[float, ...] = ()


def zoo(
    contenders: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    rates: Sequence[float] = (0.01, 0.03, 0.1),
    beyond: int = 0,
    seeds: int = 3,
    jobs: int = 1,
) -> list[Animal]:
    """Give every contender the learning rate that is best on the validation set with seed 0, then as many seeds.

    ``results.jsonl`` in the folder gets a line for each run as soon as it has ended. What stands there, or is trained
    in part, is not trained again: a zoo that was interrupted goes on, and one with more contenders, seeds or rates
    adds to what is there. Runs that diverged stand in ``diverged.jsonl``, and are not tried again either.

    Args:
        contenders: Settings of TrainConfig by the name of the contender; seed and learning rate are set here.
        folder: Where the runs go, in a folder for each learning rate.
        rates: The learning rates that are tried.
        beyond: How many more are tried where an end of them is the best, one after the other, of 1, 3, 10, 30, ...
        seeds: Number of runs at the best one.
        jobs: How many runs at a time.

    Returns:
        An entry for every contender that did not diverge with each rate, best accuracy first.

    Raises:
        ValueError: If there are no rates or seeds, or as :func:`.comparison.compare` does.
    """
    if not rates or seeds < 1 or len(set(rates)) < len(rates):
        raise ValueError(f"rates, seeds: got {list(rates)} and {seeds}; give rates that differ, and one seed or more")
    runs = _Runs(contenders, folder, jobs)
    tried: dict[str, dict[float, float | None]] = {name: {} for name in contenders}
    for rate in rates:
        runs.search(rate, list(contenders), tried)
    for _ in range(beyond):
        further: dict[float, list[str]] = {}
        for name, known in tried.items():
            if (following := next_rate(known)) is not None:
                further.setdefault(following, []).append(name)
        for rate, names in further.items():
            runs.search(rate, names, tried)
    best = {name: found for name, known in tried.items() if (found := best_rate(known)) is not None}
    results = []
    for rate in sorted({*best.values()}):
        names = [name for name, chosen in best.items() if chosen == rate]
        results += runs.at(rate, [(name, seed) for name in names for seed in range(seeds)])
    animals = [
        Animal(
            summary,
            dict(sorted(tried[summary.neuron].items())),
            *_unstable_of(own := [result for result in results if result["neuron"] == summary.neuron], folder),
            tuple(result["test_accuracy"] for result in own),
        )
        for summary in summarize(results)
    ]
    return sorted(animals, key=lambda each: each.summary.accuracy, reverse=True)


class _Runs:
    """The runs of a zoo, each made once."""

    def __init__(self, contenders: Mapping[str, Mapping[str, Any]], folder: Path, jobs: int) -> None:
        self.contenders, self.folder, self.jobs = contenders, folder, jobs
        self.file = folder / "results.jsonl"
        self.lines, self.diverged = _lines(self.file), _lines(folder / "diverged.jsonl")

    def search(self, rate: float, names: Sequence[str], tried: dict[str, dict[float, float | None]]) -> None:
        """Note the validation accuracy of the first seed at a learning rate; None where it diverges."""
        for name in names:
            tried[name][rate] = None
        for result in self.at(rate, [(name, 0) for name in names]):
            tried[result["neuron"]][rate] = result["valid_accuracy"]

    def at(self, rate: float, wanted: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
        """Return the results of runs with a learning rate; those that diverge are not among them."""
        configs = {
            (name, seed): TrainConfig(**{**self.contenders[name], "learning_rate": rate, "seed": seed})
            for name, seed in wanted
        }
        place = self.folder / f"rate-{rate:g}"
        known = {_key(line): line for line in self.lines}
        tried = known.keys() | {_key(line) for line in self.diverged}
        keys = {key: (*key, _digest(config)) for key, config in configs.items()}
        missing = [key for key in wanted if keys[key] not in tried]

        def note(result: dict[str, Any]) -> None:
            key = (result["neuron"], result["seed"])
            run = Path(result["folder"]).relative_to(self.folder).as_posix()
            line = {**result, "folder": run, "settings": keys[key][2]}
            known[keys[key]] = line
            self.lines.append(line)
            _write_lines(self.file, self.lines)

        if missing:
            compare(
                [configs[key] for key in missing],
                place,
                names=[name for name, _ in missing],
                jobs=self.jobs,
                skip_diverged=True,
                on_result=note,
            )
            failed = [keys[key] for key in missing if keys[key] not in known]
            self.diverged += [dict(zip(("neuron", "seed", "settings"), key, strict=True)) for key in failed]
            if failed:
                _write_lines(self.folder / "diverged.jsonl", self.diverged)
        return [known[keys[key]] for key in wanted if keys[key] in known]


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def _write_lines(file: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, b"".join((json.dumps(each) + "\n").encode() for each in lines))


def _key(line: Mapping[str, Any]) -> tuple[str, int, str]:
    """What tells a run from others."""
    return line["neuron"], line["seed"], line["settings"]


def _digest(config: TrainConfig) -> str:
    """What tells the settings of a run from others: not where it was trained, nor options that are new since then."""
    own = {name: value for name, value in config.changed().items() if name != "device"}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]


def best_rate(found: Mapping[float, float | None]) -> float | None:
    """Return the learning rate with the best validation accuracy; None if the runs diverged at all of them.

    Examples:
        >>> best_rate({0.01: 0.5, 0.03: 0.7, 0.1: None})
        0.03
    """
    known = {rate: accuracy for rate, accuracy in found.items() if accuracy is not None}
    return max(known, key=known.__getitem__) if known else None


def next_rate(found: Mapping[float, float | None]) -> float | None:
    """Return the learning rate to try next: beyond the end of those that were tried, if that is the best of them.

    Examples:
        >>> next_rate({0.01: 0.5, 0.03: 0.7}), next_rate({0.01: 0.7, 0.03: 0.5}), next_rate({0.01: 0.7, 0.03: None})
        (0.1, 0.003, 0.003)
        >>> next_rate({0.01: 0.5, 0.03: 0.7, 0.1: None}) is None
        True
    """
    best = best_rate(found)
    if best not in (min(found), max(found)):
        return None
    exponent = math.floor(math.log10(best) + 1e-9)
    ladder = [float(f"{digit}e{power}") for power in range(exponent - 1, exponent + 2) for digit in (1, 3)]
    if best == max(found):
        return min(rate for rate in ladder if rate > 1.01 * best)
    return max(rate for rate in ladder if rate < 0.99 * best)


def _unstable_of(results: Sequence[dict[str, Any]], folder: Path) -> tuple[float | None, float | None]:
    """Share of unstable neurons before and after the runs, averaged over them; those that are still there."""
    shares: list[tuple[float | None, float | None]] = []
    for result in results:
        checkpoint = folder / result["folder"] / "best.safetensors"
        if not checkpoint.is_file():
            continue
        net, config, facts = load_network(checkpoint)
        torch.manual_seed(config.seed)  # as the run began
        shares.append((unstable(config.network(facts["num_inputs"], facts["num_classes"])), unstable(net)))
    return _mean([before for before, _ in shares]), _mean([after for _, after in shares])


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

    Rates that others alone have tried are empty.
    """
    rates = sorted({rate for animal in animals for rate in animal.valid_accuracy})
    rows = [("neuron", *(f"{rate:g}" for rate in rates))]
    for animal in animals:
        tried = animal.valid_accuracy
        shown = (_accuracy(tried[rate]) if rate in tried else "" for rate in rates)
        rows.append((animal.summary.neuron, *shown))
    return tables.table(rows, markdown=markdown)


def differences_of(animals: Sequence[Animal], against: str | None = None) -> list[Difference]:
    """Test the differences of a zoo's test accuracies, with correction; see :func:`.significance.differences`."""
    runs = [{"neuron": each.summary.neuron, "test_accuracy": one} for each in animals for one in each.accuracies]
    return differences(runs, against)


def _accuracy(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.2g}"
