"""``silif ablate``: what each feature of C-SiLIF and SiLIF is worth, on any data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import write_file
from ..paper import ABLATIONS, WHOLE, Variant, variants_of
from ..tables import table
from ..training import Animal, TrainConfig, cells, differences_of, differences_table, rates_of, zoo
from . import base
from .base import Base
from .output import Answer, note
from .parser import Parser, UsageError
from .settings import add_settings, given_settings, merged
from .zoo import TRIED, add_search, facts, search_of

DESCRIPTION = """Train C-SiLIF and SiLIF with some of their features (the paper's Table 2 and Figure 6, and the same for
SiLIF), each variant at the learning rate that is best on the validation set with the first seed. Prints a table with
means and standard deviations, and tests of the differences from the whole neuron. Goes on where it was interrupted."""

OWN = ("neuron", "neuron_options", "architecture", "seed", "learning_rate")
"""Settings that are those of each variant."""

SETS = ["c-silif", "silif"]


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("ablate", DESCRIPTION)
    found.add("sets", nargs="*", metavar="SET", help=f"{', '.join(ABLATIONS)}. Default: {' '.join(SETS)}.")
    add_search(found, ("0.01", "0.03", "0.1"), beyond=2)
    found.add("--out", type=Path, default=Path("runs/ablate"), help="Folder for runs and tables. Default: runs/ablate.")
    add_settings(found, {}, without=OWN)
    return found


def runs(settings: argparse.Namespace) -> tuple[list[Variant], dict[str, dict[str, Any]], list[float]]:
    """Return the variants, their settings by name, and the learning rates.

    Raises:
        ValueError: If one is not valid.
    """
    rates = search_of(settings)
    given = given_settings(settings, without=OWN)
    variants = variants_of(settings.sets or SETS)
    found = {each.name: merged(each.settings, given) for each in variants}
    base.check(TrainConfig.from_mapping(found[variants[0].name]), Base({}), given.get("data"))
    return variants, found, rates


def run(settings: argparse.Namespace) -> Answer:
    """Train all variants, or what is left of them."""
    variants, chosen, rates = runs(settings)
    note(f"ablate: {len(chosen)} variants, {len(rates)} learning rates, {settings.seeds} seeds at the best one of each")
    animals = {
        each.summary.neuron: each
        for each in zoo(
            chosen, settings.out, rates=rates, beyond=settings.beyond, seeds=settings.seeds, jobs=settings.jobs
        )
    }
    if not animals:
        raise UsageError("ablate: every run diverged; give lower rates")
    sets = settings.sets or SETS
    write_file(settings.out / "table.md", (written(sets, animals) + "\n").encode())
    data = [{**facts(animals[each.name]), "published": each.published} for each in variants if each.name in animals]
    return Answer(data, f"{written(sets, animals, markdown=False)}\n\ntable: {settings.out / 'table.md'}")


def written(sets: Sequence[str], animals: dict[str, Animal], *, markdown: bool = True) -> str:
    """Lay out what was found: for each set its table, then the rates that were tried, and tests."""
    parts = []
    for name in sets:
        found = [(each, animals[each.name]) for each in ABLATIONS[name] if each.name in animals]
        if not found:
            continue
        parts += [f"## {name}" if markdown else name, variants_table(found, markdown=markdown)]
        own = [animal for _, animal in found]
        parts += [f"{TRIED}:", rates_of(own, markdown=markdown)]
        if tests := differences_of(own, next((each.name for each, _ in found if each.name in WHOLE), None)):
            parts += ["Differences of mean test accuracy, over the seeds:", differences_table(tests, markdown=markdown)]
    return "\n\n".join(parts)


def variants_table(found: Sequence[tuple[Variant, Animal]], *, markdown: bool = True) -> str:
    """Lay variants out in their order, with what the paper published for SHD.

    Examples:
        >>> from silif_plugins.training import Summary
        >>> one = Animal(Summary("C-SiLIF", 3, 38460, 0.884, 0.008, 511e3, 11e3, 0.77, 0.03, 32.0), {}, 0.0, 0.0)
        >>> print(variants_table([(variants_of(["table2"])[0], one)], markdown=False))
        variant  test accuracy  operations   sparsity  rate  seeds  published on SHD
        C-SiLIF  88.4 ± 0.8 %   511k ± 11k   77.0 %    0.03  3      95.6 ± 0.3 %
    """
    rows: list[tuple[str, ...]] = [
        ("variant", "test accuracy", "operations", "sparsity", "rate", "seeds", "published on SHD")
    ]
    for variant, animal in found:
        name, accuracy, operations, sparsity, _, rate, seeds, _ = cells(animal.summary)
        published = "" if variant.published is None else "{:.1f} ± {:.1f} %".format(*variant.published)
        rows.append((name, accuracy, operations, sparsity, rate, seeds, published))
    return table(rows, markdown=markdown)
