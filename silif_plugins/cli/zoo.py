"""``silif zoo``: all neurons, or systems, on the same data, each with the learning rate that suits it."""

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
from ..training import (
    DEFAULT_NETWORK,
    SCALES,
    Animal,
    TrainConfig,
    classifiers,
    differences_of,
    differences_table,
    rates_of,
    table_of,
    zoo,
)
from . import base
from .base import Base
from .contenders import DELAYS, NAMES, contender
from .output import Answer, note
from .parser import Parser, UsageError
from .settings import add_settings, given_settings, listed

DESCRIPTION = """Train all neurons, or some, or networks such as s4d, with the same data, budget and search of the
learning rate: each takes the one that is best on the validation set with the first seed. What makes a network, such as
arguments of its neuron, is that of its shipped recipe; its learning rate is not. Prints tables, with tests of the
differences; draws accuracy against synaptic operations with the Pareto front. Goes on where it was interrupted, and
adds seeds, neurons or rates to what the folder holds."""

OWN = ("neuron", "seed", "learning_rate")
"""Settings that are different ones for each run."""

RATES = ("0.01", "0.03", "0.1", "0.3")


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("zoo", DESCRIPTION)
    found.add(
        "--neurons",
        nargs="+",
        default=[",".join(every_neuron())],
        metavar="NAME",
        help=f"{NAMES}. Default: all neurons; 'every-system' means these, SiLIF with delays and the networks.",
    )
    add_search(found, RATES, beyond=0)
    found.add("--out", type=Path, default=Path("runs/zoo"), help="Folder for runs, table and plot. Default: runs/zoo.")
    add_settings(found, {"neuron_options": "the recipe's"}, without=OWN)
    return found


def add_search(parser: Parser, rates: Sequence[str], *, beyond: int) -> None:
    """Add the options of a search for learning rates, and of the runs after it."""
    default = f"Default: {' '.join(rates)}."
    parser.add("--rates", nargs="+", default=list(rates), metavar="X", help=f"Learning rates that are tried. {default}")
    parser.add(
        "--beyond",
        type=int,
        default=beyond,
        metavar="N",
        help=f"How many further ones are tried where the lowest or highest is the best. Default: {beyond}.",
    )
    parser.add("--seeds", type=int, default=3, metavar="N", help="Number of seeds, 0 to N-1. Default: 3.")
    parser.add(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="Runs at a time, one thread each. Default: as many as processors.",
    )


def search_of(settings: argparse.Namespace) -> list[float]:
    """Return the learning rates, after checking the options of a search.

    Raises:
        UsageError: If one is not valid.
    """
    if settings.seeds < 1 or settings.jobs < 1:
        raise UsageError(f"seeds, jobs: got {settings.seeds} and {settings.jobs}; both must be positive")
    if settings.beyond < 0:
        raise UsageError(f"beyond: got {settings.beyond}; it must be 0 or more")
    try:
        rates = [float(rate) for rate in listed(",".join(settings.rates))]
    except ValueError:
        raise UsageError(f"rates: got {' '.join(settings.rates)}; they must be numbers, such as 0.01,0.1") from None
    if not rates:
        raise UsageError("rates: got none; give some, such as 0.01,0.1")
    for rate in rates:
        TrainConfig(learning_rate=rate)
    return rates


def every_neuron() -> list[str]:
    """Return the names of all neurons, and of those with recurrent weights."""
    return [*NEURONS, *RECURRENT]


def every_system() -> list[str]:
    """Return the names of all neurons, of SiLIF with each kind of delays, and of the other networks.

    Examples:
        >>> every_system()[-4:]
        ['spiking-linoss', 's4d', 'spiking-ssm', 'mamba']
    """
    small = [name for name in classifiers() if name.rpartition("-")[2] not in SCALES]
    networks = [name for name in small if name != DEFAULT_NETWORK]
    return [*every_neuron(), *(f"SiLIF+{kind}" for kind in DELAYS), *networks]


def runs(settings: argparse.Namespace) -> tuple[dict[str, dict[str, Any]], list[float]]:
    """Return the settings of every contender by its name, and the learning rates.

    Raises:
        ValueError: If one is not valid.
    """
    rates = search_of(settings)
    given = given_settings(settings, without=OWN)
    names, used = listed(",".join(settings.neurons)), set()
    if "every-system" in names:
        names = [*dict.fromkeys([*(name for name in names if name != "every-system"), *every_system()])]
    found = {}
    for name in names:
        each = contender(name, given, budget=False)
        found[each.name] = each.settings
        used |= each.used
    if not found:
        raise UsageError("neurons: got none; give some, such as LIF,SiLIF")
    if unused := sorted(given.keys() - used):
        raise UsageError(f"{unused[0]}: is an option of none of {', '.join(names)}")
    base.check(TrainConfig.from_mapping(next(iter(found.values()))), Base({}), given.get("data"))
    return found, rates


def run(settings: argparse.Namespace) -> Answer:
    """Train all, or what is left of them."""
    chosen, rates = runs(settings)
    note(f"zoo: {len(chosen)} contenders, {len(rates)} learning rates, {settings.seeds} seeds at the best one of each")
    animals = zoo(chosen, settings.out, rates=rates, beyond=settings.beyond, seeds=settings.seeds, jobs=settings.jobs)
    if not animals:
        raise UsageError("zoo: every run diverged; give lower rates")
    plot = settings.out / "accuracy_against_operations.png"
    plots.save(plots.accuracy_against_operations([each.summary for each in animals], pareto=True), plot)
    write_file(settings.out / "table.md", (written(animals) + "\n").encode())
    return Answer([facts(each) for each in animals], f"{written(animals, markdown=False)}\n\nplot: {plot}")


TRIED = "Validation accuracy of the first seed by learning rate"


def written(animals: Sequence[Animal], against: str | None = None, *, markdown: bool = True) -> str:
    """Lay out what was found: the table, the rates that were tried, and tests of the differences."""
    parts = [table_of(animals, markdown=markdown), f"{TRIED}:", rates_of(animals, markdown=markdown)]
    if tests := differences_of(animals, against):
        parts += ["Differences of mean test accuracy, over the seeds:", differences_table(tests, markdown=markdown)]
    return "\n\n".join(parts)


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
