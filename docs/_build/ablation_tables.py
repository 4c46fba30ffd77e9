"""Rows of the committed ablation for pages."""

from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def rows(*names: str) -> str:
    """Return the table of some variants, in this order, with what the paper published."""
    lines = (RESULTS / "ablation_spoken_digits.md").read_text().splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("| variant"))
    found = {line.split("|")[1].strip(): line for line in reversed(lines) if line.count("|") == lines[head].count("|")}
    return "\n".join([*lines[head : head + 2], *(found[name] for name in names)])
