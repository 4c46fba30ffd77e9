"""``silif download``: data sets that are fetched by a library."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..datasets import download, downloadable
from ..paper import recipes
from .output import Answer
from .parser import Parser


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("download", "Download SHD or SSC with tonic, which checks the files.")
    found.add("name", help=f"{' or '.join(downloadable())}.")
    found.add("folder", type=Path, help="Where the .h5 files go.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Download, unless the files are there."""
    files = [str(file) for file in download(settings.name, settings.folder)]
    return Answer(files, "\n".join(files), f"silif train {_recipe(settings.name)}--data {settings.folder}")


def _recipe(data: str) -> str:
    """The recipe of the best published accuracy, and a blank; nothing if there is none."""
    found = [recipes.describe(recipes.find(name)) for name in recipes.names() if name.startswith(f"{data}/")]
    known = {each.name: each.accuracy.accuracy or 0 for each in found if each.accuracy}
    return f"{max(known, key=known.__getitem__)} " if known else ""
