"""``silif evaluate``: a trained network on a data set."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
from collections.abc import Sequence

from ..datasets import SOURCES, check_data, is_function
from ..hints import did_you_mean
from ..metrics import OperationCount
from ..tables import table
from ..training import Trained, evaluate, load_network, load_split
from .base import use
from .output import Answer
from .parser import Parser, UsageError

SPLITS = ("train", "valid", "test")


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("evaluate", "Evaluate a trained network.")
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add(
        "--data",
        metavar="NAME",
        help="Another data set than it was trained on: a name, a folder, or a function MODULE:FUNCTION.",
    )
    found.add("--split", default="test", metavar="NAME", help="train, valid or test. Default: test.")
    found.add("--operations", action="store_true", help="Count all operations, of neurons too, layer by layer; slower.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Evaluate the best epoch of a run."""
    if settings.split not in SPLITS:
        hint = did_you_mean(settings.split, SPLITS)
        raise UsageError(f"split: got {settings.split!r}; it must be train, valid or test{hint}")
    trained = load_network(settings.run)
    net, config, _ = trained
    use(settings.data)
    if settings.data not in (None, config.data) and is_function(config.data):  # the options are that function's
        config = dataclasses.replace(config, data_options={})
    config = dataclasses.replace(config, data=settings.data or config.data)
    if settings.data is None:
        _find(config.data, settings.run, trained)
    dataset = load_split(config, settings.split)
    trained.check(dataset, config.data)
    with OperationCount(net) if settings.operations else contextlib.nullcontext() as count:
        figures = evaluate(net, dataset, pad=not config.published)
    if not math.isfinite(figures.loss):
        raise ValueError(f"{settings.run}: the loss is {figures.loss}; the network has diverged")
    language = getattr(net, "language_model", False)
    rows = [
        ("perplexity", f"{figures.perplexity:,.2f}") if language else ("accuracy", f"{100 * figures.accuracy:.1f} %"),
        ("loss", f"{figures.loss:.3f}"),
        ("sparsity", f"{100 * figures.sparsity:.1f} %"),
        ("operations", f"{figures.synaptic_operations:,.0f} synaptic ones a sample"),
    ]
    data = {"neuron": config.label, "data": config.data, "split": settings.split, **dataclasses.asdict(figures)}
    if language:
        data["perplexity"] = figures.perplexity
    text = f"{config.label} on {config.data}, {settings.split} set of {len(dataset):,} samples\n{table(rows)}"
    if count is not None:
        data["layers"] = {name: (each / len(dataset))._asdict() for name, each in count.layers.items()}
        data["not_counted"] = count.unknown
        text += f"\n\noperations of a sample\n{count.summary(len(dataset))}"
    return Answer(
        data,
        text,
        f"silif train --init {settings.run} --epochs 5",
    )


def _find(data: str, run: str, trained: Trained) -> None:
    """Raise if the data of a run are not found again; the message says what to give instead.

    Raises:
        ValueError: If it is so.
    """
    try:
        check_data(data)
    except (ValueError, FileNotFoundError) as error:
        if data in SOURCES:
            raise
        like = f"data with {trained.num_inputs} channels and the classes {', '.join(trained.classes)}"
        how = f"--data {data if is_function(data) else 'FOLDER, or MODULE:FUNCTION'}"
        what = "what a function returns" if is_function(data) else "data in memory, or in a folder that is not here"
        raise ValueError(f"{run}: was trained on {data}, {what}; name {like}: silif evaluate {run} {how}") from error
