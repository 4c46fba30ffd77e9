"""``silif stability``: whether the neurons of a trained network are stable, and how they fire."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from ..datasets import batches
from ..diagnosis import clamped, diagnose
from ..neurons import Neuron
from ..training import load_network, load_split, stable
from .output import Answer
from .parser import Parser

SAMPLES = 64
"""Of the data, on which firing is looked at; stability does not depend on them."""


def parser(arguments: Sequence[str] = ()) -> Parser:
    """Return the options."""
    found = Parser("stability", "Say whether all neurons of a trained network are stable; exit code 1 if not.")
    found.add("run", help="Folder of a run, or a .safetensors file of one.")
    found.add("--data", metavar="NAME", help="Other data than it was trained on, to see how it fires.")
    return found


def run(settings: argparse.Namespace) -> Answer:
    """Diagnose a network on a batch of its validation set."""
    net, config, _ = load_network(settings.run)
    config = dataclasses.replace(config, data=settings.data or config.data)
    batch = next(iter(batches(load_split(config, "valid"), SAMPLES, pad=not config.published)))
    found = diagnose(net, (batch.frames.float(), batch.lengths))
    neurons = {name: module for name, module in net.named_modules() if isinstance(module, Neuron)}
    held = {name: {key: share for key, share in clamped(each).items() if share} for name, each in neurons.items()}
    known = {name: stable(each) for name, each in neurons.items()}
    unstable = sum(int((~each).sum()) for each in known.values() if each is not None)
    untold = [f"{name} ({type(neurons[name]).__name__})" for name, each in known.items() if each is None]
    verdict = f"{unstable} neurons are unstable" if unstable else "all neurons are stable"
    if untold:
        verdict += f", but for those that cannot be told: {', '.join(untold)}"
    lines = [
        f"{name}: {', '.join(f'{share:.0%} of {key}' for key, share in shares.items())} beyond the clamp"
        for name, shares in held.items()
        if shares
    ]
    return Answer(
        {
            "stable": not unstable if unstable or not untold else None,
            "untold": untold,
            "layers": [dataclasses.asdict(layer) for layer in found],
            "beyond_clamps": {name: shares for name, shares in held.items() if shares},
        },
        "\n\n".join([str(found), *(["\n".join(lines)] if lines else []), verdict]),
        code=1 if unstable else 0,
    )
