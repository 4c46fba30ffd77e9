"""``silif zoo``: all neurons on the same data, each with the learning rate that suits it."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..files import write_file
from ..neurons import NEURONS, RECURRENT
from ..training import Animal, TrainConfig, rates_of, table_of, zoo
from . import base
from .base import Base
from .output import Answer, note
from .parser import Parser, UsageError
from .settings import add_settings, given_settings, listed, merged

DESCRIPTION = """Train all neurons, or some, with the same data, budget and search of the learning rate: each takes the
one that is best on the validation set with the first seed. Arguments of a neuron are those of its shipped recipe, its
learning rate is not. Goes on where it was interrupted, and adds seeds, neurons or rates to what the folder holds."""

OWN = ("neuron", "seed", "learning_rate")
"""Settings that are different ones for each run."""

RATES = ("0.01", "0.03", "0.1", "0.3")


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("zoo", DESCRIPTION)
    found.add("--neurons", nargs="+", default=[",".join(every_neuron())], metavar="NAME", help="Default: all.")
    found.add(
        "--rates",
        nargs="+",
        default=list(map(str, RATES)),
        metavar="X",
        help="Learning rates. Default: 0.01 0.03 0.1 0.3.",
    )
    found.add("--seeds", type=int, default=3, metavar="N", help="Number of seeds, 0 to N-1. Default: 3.")
    found.add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="Runs at a time, one thread each. Default: as many as processors.",
    )
    found.add("--out", type=Path, default=Path("runs/zoo"), help="Folder for runs, table and plot. Default: runs/zoo.")
    add_settings(found, {"neuron_options": "the recipe's"}, without=OWN)
    return found


def every_neuron() -> list[str]:
    """Return the names of all neurons, and of those with recurrent weights."""
    return [*NEURONS, *RECURRENT]


def runs(settings: argparse.Namespace) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the settings of every neuron, and the learning rates.

    Raises:
        ValueError: If one is not valid.
    """
    if settings.seeds < 1 or settings.jobs < 1:
        raise UsageError(f"seeds, jobs: got {settings.seeds} and {settings.jobs}; both must be positive")
    given = given_settings(settings, without=OWN)
    found = []
    for neuron in listed(",".join(settings.neurons)):
        recipe = base.of_neuron({**given, "neuron": neuron}).settings
        kept = {name: value for name, value in recipe.items() if name in ("architecture", "neuron_options")}
        found.append(merged({"neuron": neuron, "data": given.get("data", TrainConfig().data), **kept}, given))
    if not found:
        raise UsageError("neurons: got none; give some, such as LIF,SiLIF")
    try:
        rates = [float(rate) for rate in listed(",".join(settings.rates))]
    except ValueError:
        raise UsageError(f"rates: got {' '.join(settings.rates)}; they must be numbers, such as 0.01,0.1") from None
    configs = [TrainConfig.from_mapping({**each, "learning_rate": rate}) for each in found for rate in rates]
    if not configs:
        raise UsageError("rates: got none; give some, such as 0.01,0.1")
    base.check(configs[0], Base({}), given.get("data"))
    return found, rates


def run(settings: argparse.Namespace) -> Answer:
    """Train all, or what is left of them."""
    chosen, rates = runs(settings)
    note(f"zoo: {len(chosen)} neurons, {len(rates)} learning rates, {settings.seeds} seeds at the best one of each")
    animals = zoo(chosen, settings.out, rates=rates, seeds=settings.seeds, jobs=settings.jobs)
    if not animals:
        raise UsageError("zoo: every run diverged; give lower rates")
    plot = settings.out / "accuracy_against_operations.png"
    plots.save(plots.accuracy_against_operations([each.summary for each in animals]), plot)
    tried = "Validation accuracy of the first seed by learning rate"
    write_file(settings.out / "table.md", f"{table_of(animals)}\n\n{tried}:\n\n{rates_of(animals)}\n".encode())
    shown = f"{table_of(animals, markdown=False)}\n\n{tried.lower()}\n{rates_of(animals, markdown=False)}"
    return Answer([facts(each) for each in animals], f"{shown}\n\nplot: {plot}")


def facts(animal: Animal) -> dict[str, Any]:
    """Return what JSON holds of a neuron, without NaN.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> one = Summary("SiLIF", 1, 38716, 0.9, float("nan"), 170e3, 2e3, 0.96, 0.03, 20.0)
        >>> found = facts(Animal(one, {0.1: 0.9}, 0.0, 0.25))
        >>> found["accuracy_sd"], found["valid_accuracy"], found["unstable_after"]
        (None, {'0.1': 0.9}, 0.25)
    """
    summary = {name: None if value != value else value for name, value in dataclasses.asdict(animal.summary).items()}
    valid = {f"{rate:g}": accuracy for rate, accuracy in animal.valid_accuracy.items()}
    unstable = {"unstable_before": animal.unstable_before, "unstable_after": animal.unstable_after}
    return {**summary, "valid_accuracy": valid, **unstable}
