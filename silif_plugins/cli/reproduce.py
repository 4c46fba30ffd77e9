"""``silif reproduce``: rows of the paper's tables, measured beside published."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..datasets import SOURCES, source_names
from ..files import write_file
from ..paper import Reproduced, comparison, figures, notes, recipes, reproduce
from ..tables import table
from ..training import every_setting
from .output import Answer, wrap
from .parser import Parser
from .settings import add_settings, given_settings

DESCRIPTION = """Train the recipes of a table of the paper, or single ones, over several seeds. Prints what was
measured beside what was published. Settings given here replace those of the recipes."""

OWN = ("architecture", "data", "neuron", "seed")
"""Settings that belong to the recipes."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("reproduce", DESCRIPTION)
    found.add("sets", nargs="+", metavar="SET", help=f"Recipes, or sets: {', '.join(recipes.SETS)}.")
    for name in _fetched():
        found.add(f"--data.{name}", type=Path, metavar="FOLDER", dest=name, help=f"Where {SOURCES[name].title} is.")
    found.add("--seeds", type=int, metavar="N", help="Number of seeds. Default: as many as were published.")
    found.add("--jobs", type=int, default=1, metavar="N", help="Runs at a time, one thread each. Default: 1.")
    found.add(
        "--out",
        type=Path,
        default=Path("runs/reproduce"),
        help="Folder for the runs and the table. Default: runs/reproduce.",
    )
    add_settings(found, dict.fromkeys(every_setting(), "the recipe's"), without=OWN)
    return found


def _fetched() -> list[str]:
    """Names of the published data sets that are in folders of the user's."""
    return [name for name in source_names() if not SOURCES[name].shipped and not SOURCES[name].own]


def run(settings: argparse.Namespace) -> Answer:
    """Train what the folder does not hold yet, and compare."""
    chosen = {recipe.name: recipe for name in settings.sets for recipe in recipes.in_set(name)}
    folders = {name: str(folder) for name in _fetched() if (folder := getattr(settings, name)) is not None}
    changes = given_settings(settings, without=OWN)
    done = reproduce(
        list(chosen.values()), folders, settings.out, seeds=settings.seeds, jobs=settings.jobs, changes=changes
    )
    changed = f"Not the published settings: {json.dumps(changes)}." if changes else ""
    settings.out.mkdir(parents=True, exist_ok=True)
    file = settings.out / f"{'-'.join(settings.sets).replace('/', '-')}.md"
    write_file(file, "\n".join(filter(None, (comparison(done), changed, ""))).encode())
    lines = [measured(done), "", *(wrap(line, "  ") for line in (*notes(done), changed) if line), "", f"table: {file}"]
    return Answer([_data(each) for each in done], "\n".join(lines), f"silif recipes {done[0].recipe.name}")


def measured(done: Sequence[Reproduced]) -> str:
    """Lay out a line for each figure, in 80 columns."""
    rows: list[tuple[str, ...]] = [("recipe", "figure", "measured", "published")]
    for each in done:
        rows += figures(each)
    return table(rows)


def _data(each: Reproduced) -> dict[str, Any]:
    summary = None
    if each.summary is not None:
        summary = {name: None if value != value else value for name, value in dataclasses.asdict(each.summary).items()}
    return {
        "recipe": each.recipe.name,
        "measured": summary,
        "published": [dataclasses.asdict(row) for row in each.recipe.rows],
        "selected_on": each.selected_on,
        "problem": each.problem,
    }
