"""``silif report``: one page about a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..files import write_file
from .output import Answer
from .parser import Parser


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("report", "Write a page about a run: curves, confusions, spikes, costs, parameters.")
    found.add("run", help="Folder of a run.")
    found.add("--out", metavar="FILE", help="Where to write it. Default: report.html in the folder.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Write the page."""
    from ..report import write_up

    folder = Path(settings.run)
    file = Path(settings.out or folder / "report.html")
    page = write_up(folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_file(file, page.encode())
    return Answer({"report": str(file)}, f"{file}: {len(page) / 1e6:.1f} MB; open it in a browser")
