"""``silif download``: data sets that tonic fetches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..datasets import download
from .output import Answer
from .parser import Parser


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("download", "Download SHD or SSC with tonic, which checks the files.")
    found.add("name", help="shd or ssc.")
    found.add("folder", type=Path, help="Where the .h5 files go.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Download, unless the files are there."""
    files = [str(file) for file in download(settings.name, settings.folder)]
    recipe = {"shd": "shd/silif-512", "ssc": "ssc/silif-4ms"}[settings.name]
    return Answer(files, "\n".join(files), f"silif train {recipe} --data {settings.folder}")
