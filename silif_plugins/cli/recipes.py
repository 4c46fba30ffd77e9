"""``silif recipes``: what can be trained, and what was published."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from ..datasets import SOURCES
from ..paper import recipes
from ..tables import table
from .output import Answer, wrap
from .parser import Parser
from .settings import described


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("recipes", "List the recipes, with what was published; of one recipe everything.")
    found.add("set", nargs="?", help=f"{', '.join(recipes.SETS)}, a data set, or one recipe.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """List some, or describe one."""
    if settings.set is None:
        chosen = [recipes.describe(recipes.find(name)) for name in recipes.names()]
    else:
        chosen = recipes.in_set(settings.set)
    data = [dataclasses.asdict(recipe) for recipe in chosen]
    if settings.set is None or settings.set in recipes.SETS or len(chosen) > 1:
        return Answer(data, listing(chosen), "silif recipes RECIPE, or silif train RECIPE")
    (recipe,) = chosen
    source = SOURCES.get(recipe.settings.get("data", ""))
    needs_data = " --data FOLDER" if source and not source.shipped else ""
    return Answer(data[0], everything(recipe), f"silif train {recipe.name}{needs_data}")


def listing(chosen: Sequence[recipes.Recipe]) -> str:
    """A line for each recipe, at most 80 columns wide."""
    head = ("recipe", "neuron", "published", "tables")
    rows = [
        (
            each.name,
            str(each.settings.get("neuron", each.settings.get("architecture", "SiLIF"))),
            next((_short(row) for row in each.rows if figures_of(row)), ""),
            ",".join(sorted({row.table_name for row in each.rows})),
        )
        for each in chosen
    ]
    sources = [SOURCES[name] for name in dict.fromkeys(str(each.settings.get("data", "")) for each in chosen)]
    where = [wrap(f"{each.name}: {each.title}; {each.where}", "  ") for each in sources if not each.shipped]
    return "\n\n".join(
        [table([head, *rows]), "published: test accuracy, or with * sparsity; or perplexity", "\n".join(where)]
    ).strip()


def _short(row: recipes.Row) -> str:
    first = figures_of(row).partition(",")[0]
    if row.accuracy:
        return first.removeprefix("accuracy ")
    return f"{first.removeprefix('sparsity ')} *" if row.sparsity else first


def figures_of(row: recipes.Row) -> str:
    """The published figures of a row; empty for a row of settings."""
    figures = {"accuracy": row.accuracy, "sparsity": row.sparsity}
    spread = f" ± {row.sd:g}" if row.sd is not None else ""
    found = [f"{name} {value:g}{spread} %" for name, value in figures.items() if value is not None]
    return ", ".join([*found, *([] if row.perplexity is None else [f"perplexity {row.perplexity:g}"])])


def everything(recipe: recipes.Recipe) -> str:
    """All that is known of a recipe, and where it comes from."""
    data = str(recipe.settings.get("data", ""))
    source = SOURCES.get(data)
    facts = [
        ("recipe", recipe.name),
        ("settings", described(recipe.settings)),
        ("source", recipe.source),
        ("time step", recipe.resolution),
        ("parameters", f"{recipe.parameters:,}" if recipe.parameters else recipe.published_parameters or ""),
        *((f"table {row.table_name}", f"{row.method}: {figures_of(row) or 'settings only'}") for row in recipe.rows),
        *((name, recipes.CONVENTIONS[name]) for name in recipe.conventions),
        ("data", f"{source.title}; {source.where}" if source and not source.shipped else data),
    ]
    return "\n".join(wrap(f"{name}: {what}", "  ") for name, what in facts if what)
