"""What the runs say: how far the loss falls beside snn.Leaky's, what is classified, whether the network fires."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean, stdev
from typing import Any

from silif_plugins.tables import table

WAYS = {
    "SiLIF": 0.3,
    "SiLIF-beta": 0.8,
    "SiLIF-replace": 0.8,
    "CSiLIF": 0.3,
    "CSiLIF-beta": 0.8,
    "CSiLIF-replace": 0.8,
}
"""Ways of putting our neuron there, and what part of snn.Leaky's relative fall of the loss is asked of each. Without
beta= it is the part of the accuracy, too: a loss on counts of spikes falls far where all classes fire at one rate."""

LEARNS = 0.1
"""Relative fall of snn.Leaky's loss from which on a training is judged."""

FIRES = 0.1
"""Part of snn.Leaky's rate of the last layer that is asked of a neuron without beta=: the loss may fall in silence."""

POINTS = 2.0
"""By how much the accuracy may be lower where beta= is kept."""

Runs = Mapping[str, Mapping[str, Any]]
Training = Mapping[str, Any]


class Comparison:
    """The runs of one notebook.

    Args:
        runs: By "notebook/way/seed".
        notebook: Its name.
    """

    def __init__(self, runs: Runs, notebook: str) -> None:
        self.notebook = notebook
        self.by_way: dict[str, dict[str, Mapping[str, Any]]] = {}
        for key, run in runs.items():
            name, way, seed = key.split("/")
            if name == notebook:
                self.by_way.setdefault(way, {})[seed] = run
        self.leaky = self.by_way.get("leaky", {})

    @property
    def trainings(self) -> list[Training]:
        """Those of snn.Leaky's first run."""
        return next(iter(self.leaky.values()))["trainings"] if self.leaky else []

    def mean(
        self,
        way: str,
        index: int,
        value: Callable[[Training], float | None],
        average: Callable[[list[float]], float | None] = fmean,
    ) -> float | None:
        """Return the mean over seeds of a value of a training, None where one of them lacks it."""
        runs = self.by_way.get(way, {}).values()
        values = [value(run["trainings"][index]) if index < len(run["trainings"]) else None for run in runs]
        found = [each for each in values if each is not None]
        return average(found) if found and len(found) == len(values) else None

    def fall(self, way: str, index: int) -> float | None:
        """Return by which part of itself the loss falls."""
        return self.mean(way, index, lambda training: 1 - training["loss"][1] / training["loss"][0])

    def rate(self, way: str, index: int) -> float | None:
        """Return the rate of the last spiking layer at the end, in spikes per neuron and step."""
        return self.mean(way, index, lambda training: training["rate"])

    def accuracy(self, way: str, index: int) -> float | None:
        """Return the accuracy by spikes [%]."""
        return self.mean(way, index, lambda training: training["accuracy"])

    def accuracy_spread(self, way: str, index: int) -> float | None:
        """Return the standard deviation of the accuracy over seeds, None for one seed."""
        return self.mean(way, index, lambda training: training["accuracy"], average=_deviation)

    def failed(self, way: str) -> dict[str, str]:
        """Return the cells that fail with a neuron of ours and run with snn.Leaky, each with its error."""
        also = {cell for run in self.leaky.values() for cell in run["failed"]}
        found = {cell: error for run in self.by_way.get(way, {}).values() for cell, error in run["failed"].items()}
        return {cell: error for cell, error in found.items() if cell not in also}

    def misses(self, way: str, index: int) -> list[str]:
        """Return what a way lacks in a training, nothing if it learns as it should."""
        before, now = self.fall("leaky", index), self.fall(way, index)
        if way not in self.by_way or before is None or not before > LEARNS:
            return []
        steps = {
            run["trainings"][index]["steps"]
            for seeds in (self.leaky, self.by_way[way])
            for run in seeds.values()
            if index < len(run["trainings"])
        }
        if now is None:
            return ["does not train"]
        found = [f"other numbers of steps {sorted(steps)}"] if len(steps) > 1 else []
        if not now >= WAYS[way] * before:
            found.append(f"fall {now / before:.2f}")
        if WAYS[way] < 0.5:
            leaky, ours = self.rate("leaky", index), self.rate(way, index)
            if leaky is not None and ours is not None and not ours >= FIRES * leaky:
                found.append(f"rate {ours:.4f}, Leaky {leaky:.4f}")
        leaky, ours = self.accuracy("leaky", index), self.accuracy(way, index)
        if leaky is not None and ours is not None:
            asked = leaky - POINTS if WAYS[way] > 0.5 else WAYS[way] * leaky
            if not ours >= asked:
                found.append(f"accuracy {ours - leaky:+.1f}")
        return found


def markdown(runs: Runs) -> str:
    """Return the tables."""
    notebooks = [Comparison(runs, name) for name in dict.fromkeys(key.split("/")[0] for key in sorted(runs))]
    seeds = sorted({key.split("/")[2] for key in runs})
    lines = [
        "# snnTorch's own notebooks with our neurons",
        "",
        "Made by `SNNTORCH_SOURCE=checkout python -m benchmarks.snntorch_notebooks`; its help says what each way is. "
        f"Data are stand-ins, trainings are short. Means over seeds {', '.join(seeds)}.",
        "",
        "Relative fall of the loss, first three steps to last three, with snn.Leaky, and ours as a part of it. It "
        "holds if all cells run that do with snn.Leaky, and in every training in which snn.Leaky's loss falls by more "
        f"than {LEARNS:.0%}, with beta= and by replace the part is at least {WAYS['SiLIF-beta']} and the accuracy at "
        f"most {POINTS:g} points lower, and without beta= the part is at least {WAYS['SiLIF']}, that of the "
        f"accuracy too, and the last layer fires at {FIRES:.0%} of snn.Leaky's rate or more.",
        "",
        _table(notebooks, Comparison.fall, verdict=True),
        "",
        "Accuracy by spikes, as the notebook prints it [%], and its standard deviation over the seeds:",
        "",
        _table(notebooks, Comparison.accuracy, spread=Comparison.accuracy_spread),
        "",
        "Spikes per neuron and step of the last spiking layer at the end of the training:",
        "",
        _table(notebooks, Comparison.rate),
    ]
    failures = [
        (each.notebook, way, ", ".join(failed), next(iter(failed.values())).replace("\n", " "))
        for each in notebooks
        for way in WAYS
        if (failed := each.failed(way))
    ]
    if failures:
        lines += ["", "Cells that fail, and run with snn.Leaky:", ""]
        lines += [table([("notebook", "way", "cells", "error of the first"), *failures], markdown=True)]
    return "\n".join(lines) + "\n"


def _table(
    notebooks: list[Comparison],
    value: Callable[[Comparison, str, int], float | None],
    *,
    verdict: bool = False,
    spread: Callable[[Comparison, str, int], float | None] = lambda *_: None,
) -> str:
    """Return a table of a value of every training by way; with a verdict, ours as a part of snn.Leaky's."""
    head = ["notebook", "cell", "steps", "Leaky", *WAYS, *(["verdict"] if verdict else [])]
    rows = [head]
    for each in notebooks:
        failed = [f"{way}: {len(cells)} cells fail" for way in WAYS if (cells := each.failed(way))]
        for index, training in enumerate(each.trainings):
            base = value(each, "leaky", index)
            numbers = [value(each, way, index) for way in WAYS]
            if verdict and base:
                numbers = [None if number is None else number / base for number in numbers]
            if verdict or base is not None:
                missed = [f"{way}: {', '.join(lacks)}" for way in WAYS if (lacks := each.misses(way, index))]
                spreads = [spread(each, way, index) for way in ("leaky", *WAYS)]
                shown = map(_number, [base, *numbers], spreads)
                row = [each.notebook, str(training["cell"]), str(training["steps"]), *shown]
                rows.append([*row, *(["; ".join(missed + failed) or "holds"] if verdict else [])])
                failed = []  # said once
        if verdict and not each.trainings:
            rows.append([each.notebook, *["-"] * (len(head) - 2), "; ".join(failed) or "holds"])
    return table(rows, markdown=True)


def _number(value: float | None, spread: float | None) -> str:
    if value is None:
        return "-"
    return (f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}") + ("" if spread is None else f" ± {spread:.1f}")


def _deviation(values: list[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None
