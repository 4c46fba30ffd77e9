"""Table 1 of SpikingSSMs, on one CPU thread: forward and backward of its neurons, five ways.

    python -m benchmarks.hard_reset
    python -m benchmarks.hard_reset --channels 128 --batch 8

BPTT and SLTT are loops over time in PyTorch, as in the published code, with the gradient through all steps and through
the current of the same step; SDN is the surrogate dynamic network with its prediction outside of the graph; the fixed
point is equation 10 iterated until no spike changes; the exact kernel is that of `silif_plugins.scan`, with either
gradient. Inputs are N(0, 1), tau is 1/8. Contenders take turns and medians of CPU time count, so that the ratios of one
run hold on a busy machine, too; the milliseconds are those of that machine. What was measured is added to
benchmarks/results/hard_reset.json, and all of it laid out in hard_reset.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from silif_plugins import tables
from silif_plugins.ssm import HardLIF, fixed_point
from silif_plugins.surrogate import resolve

from .measure import Contender, interleaved

TAU = 0.125
PUBLISHED = {1024: 7.5, 2048: 15.0, 4096: 40.2, 8192: 101.2}
"""Speed-up of SDN over BPTT on the paper's GPU, one channel and a batch of 64."""

RESULTS = Path(__file__).parent / "results"
HEAD = """Made by `python -m benchmarks.hard_reset`: speed-ups over the BPTT loop of the same run, on two cores that
others were busy on."""


def loop(*, through_time: bool) -> Callable[[Tensor], Tensor]:
    """The neurons step by step; spikes that reset are constants, as in the published code."""
    surrogate = resolve("triangle")

    def run(current: Tensor) -> Tensor:
        kept, spikes = torch.zeros_like(current[0]), []
        for now in current.unbind():
            mem = TAU * (kept if through_time else kept.detach()) + now
            spikes.append(surrogate(mem - 1))
            kept = mem * (1 - spikes[-1].detach())
        return torch.stack(spikes)

    return run


def contenders(channels: int) -> dict[str, Callable[[Tensor], Tensor]]:
    return {
        "BPTT loop": loop(through_time=True),
        "SLTT loop": loop(through_time=False),
        "SDN": HardLIF(channels, membrane="sdn", learn_threshold=False),
        "fixed point": HardLIF(channels, membrane="fixed-point", learn_threshold=False),
        "fixed point, BPTT": HardLIF(channels, membrane="fixed-point", through="membrane", learn_threshold=False),
        "exact kernel": HardLIF(channels, learn_threshold=False),
        "exact kernel, BPTT": HardLIF(channels, through="membrane", learn_threshold=False),
    }


def forward_backward(neurons: Callable[[Tensor], Tensor], current: Tensor) -> Contender:
    def run() -> None:
        current.grad = None
        neurons(current).sum().backward()

    return run


def table(length: int, batch: int, channels: int, seconds: float) -> dict[str, object]:
    """Time all contenders on one shape."""
    current = torch.randn(length, batch, channels, generator=torch.Generator().manual_seed(0)).requires_grad_()
    chosen = contenders(channels)
    times = interleaved(
        {name: forward_backward(neurons, current) for name, neurons in chosen.items()}, rounds=7, seconds=seconds
    )
    with torch.no_grad():
        exact = chosen["exact kernel"](current)
        differing = {name: int((neurons(current) != exact).sum()) for name, neurons in chosen.items()}
    return {
        "steps": length,
        "batch": batch,
        "channels": channels,
        "milliseconds": {name: 1000 * value for name, value in times.items()},
        "differing_spikes": differing,
        "evaluations": fixed_point(current).evaluations,
    }


def told(found: list[dict[str, object]]) -> str:
    """Lay out speed-ups over the BPTT loop."""
    rows = [("steps x batch x channels", *contenders(1), "paper's SDN, GPU", "BPTT loop, ms", "evaluations")]
    for each in found:
        times = each["milliseconds"]
        assert isinstance(times, dict)
        published = PUBLISHED.get(int(str(each["steps"])))
        rows.append(
            (
                f"{each['steps']} x {each['batch']} x {each['channels']}",
                *(f"{times['BPTT loop'] / value:.1f}x" for value in times.values()),
                f"{published:g}x" if published and each["channels"] == 1 and each["batch"] == 64 else "",
                f"{times['BPTT loop']:.0f}",
                str(each["evaluations"]),
            )
        )
    return tables.table(rows, markdown=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--channels", type=int, nargs="+", default=[1])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each shape")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    file = RESULTS / "hard_reset.json"
    found = json.loads(file.read_text()) if file.exists() else []
    for channels in arguments.channels:
        for length in arguments.lengths:
            measured = table(length, arguments.batch, channels, arguments.seconds)
            shape = ("steps", "batch", "channels")
            found = [each for each in found if any(each[name] != measured[name] for name in shape)] + [measured]
            file.write_text(json.dumps(found, indent=1) + "\n")
    text = f"# Neurons with a hard reset, forward and backward, one thread\n\n{HEAD}\n\n{told(found)}\n"
    (RESULTS / "hard_reset.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
