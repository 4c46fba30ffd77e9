"""``silif figures``: the paper's figures, from trained networks and results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..paper import Drawn, figures_of_network, figures_of_results
from .output import Answer
from .parser import Parser, UsageError
from .settings import listed

DESCRIPTION = """Draw the figures of the paper. Of a run, a checkpoint or a published checkpoint: eigenvalues by the
matrix that is simulated and by the published one (Figure 2), regimes (5), parameters before and after training, spikes
and a membrane. Of results.jsonl, which silif compare, zoo and ablate write: accuracy against operations (3), features
one by one (6) and sparsity; of several such files, of networks of several sizes, how they scale (4)."""

ENDINGS = ("png", "svg", "pdf")


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("figures", DESCRIPTION)
    found.add("sources", nargs="+", metavar="SOURCE", help="Runs, checkpoints, or files of results.")
    found.add("--out", type=Path, default=Path("figures"), help="Folder for the figures. Default: figures.")
    found.add("--formats", default="png,svg", metavar="NAME,NAME", help="Of png, svg and pdf. Default: png,svg.")
    found.add("--data", metavar="NAME", help="Where the data are, for spikes and membranes. Default: as in training.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Draw what the sources hold."""
    endings = listed(settings.formats)
    if not endings or not set(endings) <= {*ENDINGS}:
        raise UsageError(f"formats: got {settings.formats}; it must be some of {', '.join(ENDINGS)}")
    results: list[Path] = []
    networks: list[Path] = []
    for source in map(Path, settings.sources):
        (results if source.suffix in (".jsonl", ".json") else networks).append(source)
    drawn: dict[str, Drawn] = {}
    if results:
        drawn |= figures_of_results([_read(file) for file in results])
    for source in networks:
        found = figures_of_network(source, data=settings.data)
        prefix = f"{source.stem if source.is_file() else source.resolve().name}-" if len(networks) > 1 else ""
        drawn |= {prefix + name: each for name, each in found.items()}
    files = {}
    for name, each in drawn.items():
        files[name] = [settings.out / f"{name}.{ending}" for ending in endings]
        for file in files[name]:
            plots.save(each.figure, file)
    lines = [f"{settings.out / name}: {drawn[name].says}" for name in drawn]
    data = [{"figure": name, "says": drawn[name].says, "files": list(map(str, files[name]))} for name in drawn]
    return Answer(data, "\n".join([*lines, "", f"formats: {', '.join(endings)}"]))


def _read(file: Path) -> list[dict[str, Any]]:
    """Read results: a line of JSON for each run, or a list, or the results of a benchmark."""
    load: Callable[[str], Any] = json.loads
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".jsonl":
            return [load(line) for line in text.splitlines()]
        found = load(text)
    except ValueError as error:
        raise ValueError(
            f"{file}: got no JSON ({error}); it must be what silif compare, zoo or ablate wrote"
        ) from error
    return list(found["results"] if isinstance(found, dict) and "results" in found else found)
