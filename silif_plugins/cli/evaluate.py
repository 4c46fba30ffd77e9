"""``silif evaluate``: a trained network on a data set."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
from collections.abc import Sequence

from ..hints import did_you_mean
from ..metrics import OperationCount
from ..tables import table
from ..training import evaluate, load_network, load_split
from .output import Answer
from .parser import Parser, UsageError

SPLITS = ("train", "valid", "test")


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("evaluate", "Evaluate a trained network.")
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add("--data", metavar="NAME", help="Another data set than it was trained on.")
    found.add("--split", default="test", metavar="NAME", help="train, valid or test. Default: test.")
    found.add("--operations", action="store_true", help="Count all operations, of neurons too, layer by layer; slower.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Evaluate the best epoch of a run."""
    if settings.split not in SPLITS:
        hint = did_you_mean(settings.split, SPLITS)
        raise UsageError(f"split: got {settings.split!r}; it must be train, valid or test{hint}")
    net, config, facts = load_network(settings.run)
    config = dataclasses.replace(config, data=settings.data or config.data)
    dataset = load_split(config, settings.split)
    if dataset.num_channels != facts["num_inputs"] or dataset.num_classes != facts["num_classes"]:
        raise ValueError(
            f"{config.data}: got {dataset.num_channels} channels and {dataset.num_classes} classes; "
            f"{settings.run} needs {facts['num_inputs']} and {facts['num_classes']}"
        )
    with OperationCount(net) if settings.operations else contextlib.nullcontext() as count:
        figures = evaluate(net, dataset, pad=not config.published)
    if not math.isfinite(figures.loss):
        raise ValueError(f"{settings.run}: the loss is {figures.loss}; the network has diverged")
    rows = [
        ("accuracy", f"{100 * figures.accuracy:.1f} %"),
        ("loss", f"{figures.loss:.3f}"),
        ("sparsity", f"{100 * figures.sparsity:.1f} %"),
        ("operations", f"{figures.synaptic_operations:,.0f} synaptic ones a sample"),
    ]
    data = {"neuron": config.label, "data": config.data, "split": settings.split, **dataclasses.asdict(figures)}
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
