"""``silif train-sdn``: a surrogate dynamic network for the neurons of SpikingSSM."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..optional import require
from ..ssm import spike_accuracy, train_sdn
from ..tables import table
from .output import Answer, note
from .parser import Parser, UsageError

DESCRIPTION = """Train a surrogate dynamic network, which guesses what a hard reset leaves of the membrane, for a decay
tau; a minute on one core. Its spikes are compared with those of the neurons, and with guesses that need no network."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("train-sdn", DESCRIPTION)
    found.add("--tau", type=float, default=0.125, metavar="X", help="Decay of the membrane. Default: 0.125.")
    found.add("--steps", type=int, default=10_000, metavar="N", help="Optimiser steps. Default: 10000.")
    found.add("--width", type=int, default=8, metavar="N", help="Channels of the network. Default: 8.")
    found.add(
        "--reach", type=int, default=8, metavar="N", help="Past currents that it sees; more near tau 1. Default: 8."
    )
    found.add("--seed", type=int, default=0, metavar="N", help="Of weights and currents. Default: 0.")
    found.add("--out", type=Path, default=Path("sdn.json"), help="The file. Default: sdn.json.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Train and compare."""
    if min(settings.steps, settings.width, settings.reach) < 1 or not 0 < settings.tau < 1:
        raise UsageError(
            f"steps, width, reach, tau: got {settings.steps}, {settings.width}, {settings.reach} and {settings.tau}; "
            "they must be positive, tau below 1"
        )
    torch.set_num_threads(1)
    tqdm = require("tqdm", extra="train", purpose="The progress bar").tqdm
    note(f"train-sdn: tau {settings.tau}, {settings.steps} steps, into {settings.out}")
    start = time.perf_counter()
    with tqdm(total=settings.steps, desc="train-sdn", unit="step", disable=None) as bar:
        net = train_sdn(
            settings.tau,
            steps=settings.steps,
            width=settings.width,
            reach=settings.reach,
            seed=settings.seed,
            on_step=lambda step, loss: bar.update(),
        )
    seconds = time.perf_counter() - start
    found = spike_accuracy(net)
    net.save(settings.out, **found._asdict())
    rows = [
        ("spike accuracy", f"{100 * found.network:.3f} %"),
        ("without memory", f"{100 * found.no_memory:.3f} %"),
        ("without reset", f"{100 * found.no_reset:.3f} %"),
        ("spikes found", f"{100 * found.recall:.2f} %"),
        ("parameters", f"{sum(each.numel() for each in net.parameters())}"),
        ("seconds", f"{seconds:.0f}"),
    ]
    data = {"tau": settings.tau, **found._asdict(), "seconds": round(seconds, 1), "file": str(settings.out)}
    option = f" --tau {settings.tau}" if settings.tau != 0.125 else ""
    then = f"silif train --architecture spiking-ssm --membrane sdn --sdn {settings.out}{option}"
    return Answer(data, table(rows), then)
