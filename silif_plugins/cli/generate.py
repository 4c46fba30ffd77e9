"""``silif generate``: more spoken digits."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..datasets.speech import generate
from .output import Answer
from .parser import Parser, UsageError


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("generate", "Synthesise spoken digits as spikes, in the layout of the Spiking Heidelberg Digits.")
    found.add("folder", type=Path, help="Where to write spoken_digits_{train,valid,test}.h5.")
    found.add(
        "--utterances",
        type=int,
        default=1440,
        metavar="N",
        help="For training; a third of it for validation, two for test. Default: 1440.",
    )
    found.add(
        "--channels",
        type=int,
        default=140,
        metavar="N",
        help="Channels of the cochlea; 700 for as many as SHD. Default: 140.",
    )
    found.add("--seed", type=int, default=0, metavar="N", help="Another seed gives other utterances. Default: 0.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Write the files of the three splits."""
    if settings.utterances < 1:
        raise UsageError(f"utterances: got {settings.utterances}; it must be positive")
    made = generate(settings.folder, utterances=settings.utterances, channels=settings.channels, seed=settings.seed)
    files = [str(file) for file in made]
    return Answer(files, "\n".join(files), f"silif train --data {settings.folder}")
