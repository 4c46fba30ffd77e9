"""``silif predict``: what a trained network says of recordings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..tables import table
from ..training import load_network
from .output import Answer
from .parser import Parser

DESCRIPTION = """Say what recordings are: of each the word and the confidence in it, and the time from which on the word
stood. As JSON also the confidence after every step."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("predict", DESCRIPTION)
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add(
        "files",
        nargs="+",
        metavar="FILE",
        help="Recordings of sound, if the network was trained on sound; or .npy and .npz files of frames or events.",
    )
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Ask the best epoch of a run for every file."""
    trained = load_network(settings.run)
    step = trained.step
    data: list[dict[str, Any]] = []
    rows = [("file", "word", "confidence", "decided")]
    for file in settings.files:
        said = trained.predict(file)
        confidences = [round(float(each), 4) for each in said.confidences]
        facts = {"file": file, "word": said.word, "confidence": round(said.confidence, 4)}
        data.append({**facts, "decided": said.decided, "step": step, "confidences": confidences})
        when = f"step {said.decided} of {len(confidences)}" if step is None else f"after {said.decided * step:.2f} s"
        rows.append((Path(file).name, said.word, f"{100 * said.confidence:.0f} %", when))
    return Answer(data, table(rows))
