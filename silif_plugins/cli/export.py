"""``silif export``: a trained network as files that others run."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..deploy import export_c, export_web, load_trained
from ..hints import did_you_mean
from ..training import options_of
from .output import Answer
from .parser import Parser, UsageError
from .settings import read

FORMATS: dict[str, Callable[..., dict[str, Any]]] = {"c": export_c, "web": export_web}
"""What writes each format; their arguments are the options."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options: those of all formats."""
    lines = (f"{name}: {(function.__doc__ or '').partition(chr(10))[0]}" for name, function in FORMATS.items())
    found = Parser("export", "Write a trained network as files that others run.", epilog=" ".join(lines))
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add("--to", required=True, metavar="NAME", help=f"The format: {', '.join(FORMATS)}.")
    found.add("--out", type=Path, metavar="PATH", help="Where to write. Default: in the folder of the run.")
    for name, (option, owners) in _options().items():
        words: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": f"{option.description} ({', '.join(owners)})".replace("%", "%%"),
        }
        if option.kind is bool:
            found.add(f"--{name}", action=argparse.BooleanOptionalAction, **words)
        else:
            found.add(f"--{name}", type=functools.partial(read, option.kind), metavar="VALUE", **words)
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Write the files, and say what they take."""
    if settings.to not in FORMATS:
        hint = did_you_mean(settings.to, FORMATS)
        raise UsageError(f"to: got {settings.to!r}; it must be one of {', '.join(FORMATS)}{hint}")
    function = FORMATS[settings.to]
    known = options_of(function, without=("trained", "path"))
    given = {name: getattr(settings, name) for name in _options() if hasattr(settings, name)}
    if unknown := sorted(given.keys() - known.keys()):
        raise UsageError(f"{unknown[0]}: {settings.to} has no such option; it has {', '.join(known)}")
    options = {name: known[name].checked(name, value) for name, value in given.items()}
    beside = Path(settings.run) if Path(settings.run).is_dir() else Path(settings.run).parent
    said = function(load_trained(settings.run), settings.out or beside / settings.to, **options)
    return Answer(said, "\n".join(f"{name}: {value}" for name, value in said.items()))


def _options() -> dict[str, tuple[Any, list[str]]]:
    """All options, and which formats have them."""
    found: dict[str, tuple[Any, list[str]]] = {}
    for to, function in FORMATS.items():
        for name, option in options_of(function, without=("trained", "path")).items():
            found.setdefault(name, (option, []))[1].append(to)
    return found
