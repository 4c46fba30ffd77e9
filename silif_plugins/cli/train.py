"""``silif train``: one run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..tables import table
from ..training import DEFAULT_NETWORK, TrainConfig, train
from . import base
from .base import Base
from .output import Answer, note
from .parser import Parser, UsageError
from .settings import add_settings, given_settings, merged

DESCRIPTION = """Train a network; by default SiLIF on spoken digits. Settings that are not given are those of the
recipe; without one, of the shipped recipe for neuron and data; with --resume, of the run; with --init, of that network.
Under torchrun several processes, on one machine or more, share each batch."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options; the help shows the settings that the given arguments lead to."""
    found = _parser({})
    if not arguments:
        return _parser(_base(found.read([])).settings)
    try:
        return _parser(_base(found.read(arguments)).settings)
    except (ValueError, OSError):  # help is for those who do not know it yet
        return parser()


def _parser(defaults: dict[str, Any]) -> Parser:
    found = Parser("train", DESCRIPTION)
    found.add(
        "recipe",
        nargs="?",
        help="A recipe by name, such as spoken-digits/silif, a data set that has some, or YAML file.",
    )
    found.add("--out", type=Path, help="Folder of the run. Default: runs/DATA/NEURON-seedN, or runs/RECIPE/seedN.")
    found.add(
        "--resume",
        action="store_true",
        help="Go on with the run in the folder, if there is one; perhaps to more --epochs.",
    )
    found.add(
        "--threads", type=int, default=1, metavar="N", help="Of PyTorch; small networks are fastest with 1. Default: 1."
    )
    add_settings(found, defaults, network=defaults.get("architecture", DEFAULT_NETWORK))
    return found


def plan(settings: argparse.Namespace) -> tuple[TrainConfig, Path, Base]:
    """Return the settings of the run, its folder, and where they come from.

    Raises:
        ValueError: If a setting is not valid.
        FileNotFoundError: If data or a checkpoint is missing.
    """
    given = given_settings(settings)
    source = _base(settings)
    folder = settings.out or _folder(TrainConfig.from_mapping(merged(source.settings, given)), source)
    run = base.of_run(folder) if settings.resume else None
    if run is not None and settings.recipe is None:
        source = run
    chosen = merged(source.settings, given)
    if run is not None and "epochs" not in given:  # it may have been given more than the recipe's
        chosen["epochs"] = run.settings.get("epochs", TrainConfig().epochs)
    config = TrainConfig.from_mapping(chosen)
    base.check(config, source, given.get("data"))
    return config, folder, source


def _base(settings: argparse.Namespace) -> Base:
    given = given_settings(settings)
    if settings.recipe is not None:
        return base.of_recipe(settings.recipe, given)
    if given.get("init") is not None:
        return base.of_checkpoint(given["init"])
    return base.of_neuron(given)


def _folder(config: TrainConfig, source: Base) -> Path:
    if source.recipe is not None:
        return Path("runs") / source.recipe / f"seed{config.seed}"
    tuned = "-tuned" if config.init is not None else ""
    name = Path(config.data).name.replace(":", ".")  # of a function, where files must not have it in their names
    return Path("runs") / name / f"{config.label}-seed{config.seed}{tuned}"


def run(settings: argparse.Namespace) -> Answer | None:
    """Train; one of several processes answers for all."""
    if settings.threads < 1:
        raise UsageError(f"threads: got {settings.threads}; it must be positive")
    torch.set_num_threads(settings.threads)
    config, folder, source = plan(settings)
    speaks = os.environ.get("RANK", "0") == "0"
    if speaks:
        told = source.told(given_settings(settings))
        note(f"train: {config.label} on {config.data}, seed {config.seed}, {told}, into {folder}")
    result = train(config, folder, resume=settings.resume, extend=True)
    return Answer(result, summary(result), f"silif evaluate {folder}") if speaks else None


def summary(result: dict[str, Any]) -> str:
    """Lay out the result of a run in columns."""
    chosen = f"in epoch {result['best_epoch']} of {result['epochs']}"
    rows = [
        ("test accuracy", f"{100 * result['test_accuracy']:.1f} %"),
        ("validation", f"{100 * result['valid_accuracy']:.1f} % {chosen}"),
    ]
    if "test_perplexity" in result:
        rows = [
            ("test perplexity", f"{result['test_perplexity']:,.2f}"),
            ("validation", f"{1 / result['valid_accuracy']:,.2f} {chosen}"),
        ]
    rows += [
        ("chosen on", result["selected_on"]),
        ("sparsity", f"{100 * result['test_sparsity']:.1f} %"),
        ("operations", f"{result['test_synaptic_operations']:,.0f} synaptic ones a sample"),
        ("parameters", f"{result['parameters']:,}"),
        ("seconds", f"{result['seconds']:g}"),
        ("folder", result["folder"]),
    ]
    return f"{result['neuron']} on {result['data']}, seed {result['seed']}\n{table(rows)}"
