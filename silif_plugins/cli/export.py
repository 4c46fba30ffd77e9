"""``silif export``: a trained network as a file that others run."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

from ..deploy import export_c, export_web  # noqa: F401 - formats that deploy registers
from ..formats import EXPORTERS, Model, export, exporter_named
from .output import Answer, wrap
from .parser import Parser
from .settings import read


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options: those of all formats."""
    found = Parser("export", "Write a trained network as a file that others run.", epilog=_formats())
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add("--to", required=True, metavar="NAME", help=f"The format: {', '.join(EXPORTERS)}.")
    found.add("--out", type=Path, metavar="PATH", help="Where to write it. Default: in the folder of the run.")
    for name in sorted({name for exporter in EXPORTERS.values() for name in exporter.options}):
        owners = [to for to, exporter in EXPORTERS.items() if name in exporter.options]
        option = EXPORTERS[owners[0]].options[name]
        words = {"default": argparse.SUPPRESS, "help": f"{option.description} ({', '.join(owners)})".replace("%", "%%")}
        if option.kind is bool:
            found.add(f"--{name.replace('_', '-')}", action=argparse.BooleanOptionalAction, **words)
        else:
            kind = functools.partial(read, option.kind)
            found.add(f"--{name.replace('_', '-')}", type=kind, metavar="VALUE", **words)
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Write the file, and say what it takes."""
    exporter = exporter_named(settings.to)
    trained = Model.load(settings.run)
    beside = Path(settings.run) if Path(settings.run).is_dir() else Path(settings.run).parent
    path = settings.out or beside / (f"net{exporter.suffix}" if exporter.suffix else settings.to)
    names = {name for each in EXPORTERS.values() for name in each.options}
    options = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    said = export(trained, path, to=settings.to, **options)
    return Answer(said, "\n".join(_lines(name, value) for name, value in said.items()))


def _lines(name: str, value: object) -> str:
    """A fact for people; a list takes a line for each entry."""
    if isinstance(value, list):
        return "\n".join([f"{name}:", *(wrap(f"  {each}", "    ") for each in value)])
    return wrap(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}", "  ")


def _formats() -> str:
    return " ".join(f"{name}: {exporter.description}" for name, exporter in EXPORTERS.items())
