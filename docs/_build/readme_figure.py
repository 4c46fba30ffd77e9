"""The README's table as its figure, which the front page shows, too: python docs/_build/readme_figure.py."""

import re
from pathlib import Path

from silif_plugins import plots
from silif_plugins.training import Summary

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| ([\w-]+) +\| ([\d.]+) ± ([\d.]+) % +\| (\d+)k ± (\d+)k +\| ([\d.]+) % +\| ([\d,]+) +\|$", re.MULTILINE
)
SEEDS = 3


def summaries() -> list[Summary]:
    """Return what the table says, a line for each neuron."""
    found = []
    for name, *cells in ROW.findall((ROOT / "README.md").read_text(encoding="utf-8")):
        accuracy, spread, operations, theirs, sparsity = map(float, cells[:5])
        parameters = int(cells[5].replace(",", ""))
        shares = (accuracy / 100, spread / 100, 1e3 * operations, 1e3 * theirs, sparsity / 100)
        found.append(Summary(name, SEEDS, parameters, *shares, learning_rate=0.0, seconds=0.0))
    return found


if __name__ == "__main__":
    figure = plots.accuracy_against_operations(summaries())
    plots.save(figure, ROOT / "docs" / "images" / "accuracy_against_operations.svg")
