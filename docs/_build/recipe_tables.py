"""The shipped recipes as a page shows them: a table for each data set, and everything about each on demand."""

import html
import re

from silif_plugins.cli.recipes import everything, figures_of
from silif_plugins.datasets import SOURCES, DataSource
from silif_plugins.neurons import canonical_name, neuron_class
from silif_plugins.paper import recipes

NETWORKS = {"s4d": "S4D", "spiking-ssm": "SpikingSSM", "mamba": "Mamba"}
LITERAL = re.compile(r"'((?:silif|git) [^']+)'|(https?://[^\s,;]*[^\s,;.])")
"""Commands and addresses in the words that say where data are."""


def section(data: str) -> str:
    """Return where a data set is found, its recipes as a table, and all about them as HTML that opens on demand."""
    source, found = SOURCES[data], recipes.in_set(data)
    with_paper = any(recipe.rows for recipe in found)
    head = ["recipe", "what it is", *(["published"] if with_paper else []), "command"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for recipe in found:
        name = recipe.name.partition("/")[2]
        published = [_published(recipe)] if with_paper else []
        cells = [f"`{name}`", _what(recipe), *published, f"`silif train {recipe.name}`{{.command}}"]
        lines.append(f"| {' | '.join(cells)} |")
    text = html.escape("\n\n".join(map(everything, found)))
    more = f"<details><summary>Settings and sources of these</summary><pre><code>{text}</code></pre></details>"
    data_first = f"To get the data, {where(source)}. The commands take that folder as `--data FOLDER`.\n"
    return "\n".join(["" if source.shipped else data_first, *lines, "", more, ""])


def where(source: DataSource) -> str:
    """Return how to get a data set as Markdown; empty for those that are there."""
    return LITERAL.sub(lambda found: f"`{found[1]}`" if found[1] else f"<{found[2]}>", source.where)


def _what(recipe: recipes.Recipe) -> str:
    """The row of the paper, or else the neuron or network; and its size."""
    settings = recipe.settings
    if recipe.rows:
        what = recipe.rows[0].method
    elif "architecture" in settings:
        what = NETWORKS[settings["architecture"]]
    else:
        name = canonical_name(settings["neuron"])
        what = f"[{name}][silif_plugins.neurons.{neuron_class(name).__name__}]"
    sizes = settings.get("hidden_sizes")
    size = "\u2011".join(map(str, sizes)) if sizes else f"width {settings['width']}" if "width" in settings else ""
    return "; ".join(filter(None, [what, size, recipe.resolution and f"{recipe.resolution} a step"]))


def _published(recipe: recipes.Recipe) -> str:
    """A line for each table with a figure, in which numbers stay beside their units."""
    figures = {row: figures_of(row).removeprefix("accuracy ").replace(" ", "\u00a0") for row in recipe.rows}
    lines = [f"{what} (table\u00a0{row.table_name})" for row, what in figures.items() if what]
    return "<br>".join(lines) or ("settings only" if recipe.rows else "")
