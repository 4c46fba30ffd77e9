"""``silif compare``: several neurons or networks, the same data and budget."""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..files import write_file
from ..tables import table
from ..training import (
    Summary,
    TrainConfig,
    cells,
    compare,
    differences,
    differences_table,
    run_folder,
    summarize,
    summary_table,
)
from . import base
from .base import Base
from .contenders import NAMES, contender
from .output import Answer, note
from .parser import Parser, UsageError
from .settings import add_settings, given_settings, listed

DESCRIPTION = """Train several neurons, or networks such as s4d, with the same data, seeds and budget. Settings that are
not given are those of the shipped recipe of each; options that only some of the networks have are theirs alone. Prints
a table; draws accuracy against synaptic operations. With --folds all of it is repeated for several values of an option
of the data, such as the speakers that are left out."""

_FOLDS = "leave_out=lucas,theo"

OWN = ("neuron", "seed")
"""Settings that are different ones for each run."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("compare", DESCRIPTION)
    found.add("--neurons", nargs="+", default=["LIF,SiLIF"], metavar="NAME", help=f"{NAMES}. Default: LIF,SiLIF.")
    found.add("--seeds", type=int, default=1, metavar="N", help="Number of seeds, 0 to N-1. Default: 1.")
    found.add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="Runs at a time, one thread each. Default: as many as processors.",
    )
    found.add(
        "--folds",
        metavar="NAME=VALUE,VALUE",
        help="Repeat everything with each of these values of an option of the data, and show the spread over them.",
    )
    found.add(
        "--out",
        type=Path,
        default=Path("runs/compare"),
        help="Folder for the runs, table and plot. Default: runs/compare.",
    )
    add_settings(found, {"learning_rate": "the recipe's", "neuron_options": "the recipe's"}, without=OWN)
    return found


def configs(settings: argparse.Namespace) -> tuple[list[TrainConfig], list[str]]:
    """Return the settings of every run, and the name of its contender.

    Raises:
        ValueError: If one is not valid.
    """
    if settings.seeds < 1 or settings.jobs < 1:
        raise UsageError(f"seeds, jobs: got {settings.seeds} and {settings.jobs}; both must be positive")
    given = given_settings(settings, without=OWN)
    found, called, notes = [], [], []
    names, used = listed(",".join(settings.neurons)), set()
    for name in names:
        each = contender(name, given)
        used |= each.used
        found += [TrainConfig.from_mapping({**each.settings, "seed": seed}) for seed in range(settings.seeds)]
        called += [each.name] * settings.seeds
        notes.append(f"compare: {each.name} on {each.settings['data']}, {each.source.told(each.used)}")
    if not found:
        raise UsageError("neurons: got none; give some, such as LIF,SiLIF")
    if unused := sorted(given.keys() - used):
        raise UsageError(f"{unused[0]}: is an option of none of {', '.join(names)}")
    base.check(found[0], Base({}), given.get("data"))
    for text in notes:
        note(text)
    return found, called


def run(settings: argparse.Namespace) -> Answer:
    """Train all, or what is left of them."""
    if settings.folds is not None:
        return _run_folds(settings)
    runs, names = configs(settings)
    results = compare(runs, settings.out, names=names, jobs=settings.jobs)
    summaries = summarize(results)
    plot = settings.out / "accuracy_against_operations.png"
    plots.save(plots.accuracy_against_operations(summaries), plot)
    tests = differences(results)
    tested = [differences_table(tests)] if tests else []
    write_file(settings.out / "table.md", ("\n\n".join([summary_table(summaries), *tested]) + "\n").encode())
    best = max(summaries, key=lambda each: each.accuracy)
    return Answer(
        [_data(each) for each in summaries],
        "\n\n".join(
            [summary(summaries), *([differences_table(tests, markdown=False)] if tests else []), f"plot: {plot}"]
        ),
        f"silif evaluate {settings.out / run_folder(best.neuron, 0)}",
    )


def _run_folds(settings: argparse.Namespace) -> Answer:
    name, _, values = settings.folds.partition("=")
    if not name or len(chosen := list(dict.fromkeys(listed(values)))) < 2:
        raise UsageError(f"folds: got {settings.folds}; it must be an option of the data with values, such as {_FOLDS}")
    runs, names = configs(settings)
    found: dict[str, list[Summary]] = {}
    for value in chosen:
        fold = [dataclasses.replace(each, data_options={**each.data_options, name: value}) for each in runs]
        found[value] = summarize(compare(fold, settings.out / f"{name}-{value}", names=names, jobs=settings.jobs))
    text = folds_table(found)
    write_file(settings.out / "table.md", (folds_table(found, markdown=True) + "\n").encode())
    data = [{name: value, **_data(each)} for value, summaries in found.items() for each in summaries]
    first = found[chosen[0]][0].neuron
    return Answer(
        data,
        f"{text}\n\ntest accuracy in percent; the last column is the mean over the folds and its standard deviation",
        f"silif evaluate {settings.out / f'{name}-{chosen[0]}' / run_folder(first, 0)}",
    )


def _data(summary: Summary) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in dataclasses.asdict(summary).items()}


def folds_table(found: Mapping[str, Sequence[Summary]], *, markdown: bool = False) -> str:
    """Lay out the test accuracy of every neuron in every fold.

    Examples:
        >>> folds = {
        ...     "ada": [Summary("SiLIF", 1, 38716, 0.9, float("nan"), 170e3, 2e3, 0.96, 0.03, 20.0)],
        ...     "bob": [Summary("SiLIF", 1, 38716, 0.8, float("nan"), 170e3, 2e3, 0.96, 0.03, 20.0)],
        ... }
        >>> print(folds_table(folds))
        neuron  ada   bob   all
        SiLIF   90.0  80.0  85.0 ± 7.1
    """
    rows = [("neuron", *found, "all")]
    for parts in zip(*found.values(), strict=True):
        accuracies = [100 * each.accuracy for each in parts]
        spread = f"{statistics.fmean(accuracies):.1f} ± {statistics.stdev(accuracies):.1f}"
        rows.append((parts[0].neuron, *(f"{each:.1f}" for each in accuracies), spread))
    return table(rows, markdown=markdown)


def summary(summaries: Sequence[Summary]) -> str:
    """Lay out means and standard deviations in 80 columns.

    Examples:
        >>> print(summary([Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0)]))
        neuron  accuracy      operations  sparsity  parameters  rate  seeds  seconds
        SiLIF   90.0 ± 0.5 %  170k ± 2k   96.0 %    38,716      0.03  3      20
    """
    head = ("neuron", "accuracy", "operations", "sparsity", "parameters", "rate", "seeds", "seconds")
    return table([head, *map(cells, summaries)])
