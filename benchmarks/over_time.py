"""A network written for one step: stepped, and by over_time in one call; the same with snn.Leaky stepped.

A training step, forward and backward, of 140-128-128-20 neurons with dense layers between them, all of whose states are
hidden in the modules. The neurons' own parameters are trained too, of which snn.Leaky here has none.

    python -m benchmarks.over_time
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import snntorch as snn
import torch
from torch import Tensor, nn

from silif_plugins.snntorch import CSiLIF, SiLIF, over_time, reset

from .measure import interleaved

SHAPES = ((25, 128), (100, 64), (250, 32))
SIZES = (140, 128, 128, 20)
NEURONS: dict[str, Callable[..., nn.Module]] = {"SiLIF": SiLIF, "C-SiLIF": CSiLIF}


def network(make: Callable[..., nn.Module], sizes: Sequence[int], **options: Any) -> nn.Sequential:
    """Return dense layers, each followed by neurons of the kind that ``make`` makes."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), make(after, init_hidden=True, **options)]
    return nn.Sequential(*layers)


def by_steps(net: nn.Module, inputs: Tensor) -> None:
    """Train by calling the network for every step."""
    reset(net)
    torch.stack([net(x) for x in inputs]).sum().backward()


def at_once(net: nn.Module, inputs: Tensor) -> None:
    """Train by a single call."""
    reset(net)
    over_time(net, inputs).sum().backward()


def seconds(steps: int, batch: int, sizes: Sequence[int], rounds: int) -> dict[str, float]:
    """Return the median seconds of a training step by neuron and way."""
    inputs = 2 * torch.rand(steps, batch, sizes[0])
    leaky = network(lambda size, **options: snn.Leaky(beta=0.9, **options), sizes)
    contenders: dict[str, Callable[[], None]] = {"snn.Leaky, steps": lambda: by_steps(leaky, inputs)}
    for name, make in NEURONS.items():
        net = network(make, sizes, threshold=0.1)
        contenders[f"{name}, steps"] = lambda net=net: by_steps(net, inputs)  # type: ignore[misc]
        contenders[f"{name}, over_time"] = lambda net=net: at_once(net, inputs)  # type: ignore[misc]
    return interleaved(contenders, rounds=rounds, seconds=60.0)


def main(argv: Sequence[str] | None = None) -> dict[tuple[str, int, int], float]:
    """Print the table; return how many times longer each takes than over_time with SiLIF, by (name, T, B)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=2, action="append", help="T and B (default: 25 128, 100 64, 250 32)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="neurons (default: 140 128 128 20)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the median counts (default: 15)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(f"A training step: milliseconds (ratio to SiLIF, over_time), one thread, torch {torch.__version__}")
    ratios: dict[tuple[str, int, int], float] = {}
    for steps, batch in args.shape or SHAPES:
        found = seconds(steps, batch, args.sizes, args.rounds)
        base = found["SiLIF, over_time"]
        for name, value in found.items():
            ratios[name, steps, batch] = value / base
            print(f"[{steps}, {batch}]".ljust(12), f"{name:20} {1e3 * value:8.1f} ({value / base:.2f})", flush=True)
    return ratios


if __name__ == "__main__":
    main()
