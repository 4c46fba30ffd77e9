"""Event by event beside a clock: python -m benchmarks.events [--rate 20] [--seconds 5] [--batch 32] [--neurons 512].

Forward, float32, one thread: the time of a clock of 1 ms, with the currents of the events on its ticks and zeros
between them, relative to scan(..., dt=gaps). The latter runs ten times in a row, since the clock leaves nothing in the
caches.
"""

from __future__ import annotations

import argparse

import torch

from silif_plugins.neurons import CSiLIF, Neuron, SiLIF
from silif_plugins.scan import scan

from .measure import interleaved

TICK = 0.001
REPEATS = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--neurons", type=int, default=512)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    ticks, events = round(arguments.seconds / TICK), round(arguments.seconds * arguments.rate)
    batch, neurons = arguments.batch, arguments.neurons
    times = torch.stack([torch.randperm(ticks)[:events].sort().values for _ in range(batch)], dim=1)
    gaps = torch.diff(times, dim=0, prepend=torch.full((1, batch), -1))
    current = torch.randn(events, batch, neurons)
    clock = torch.zeros(ticks, batch, neurons).scatter_(0, times.unsqueeze(-1).expand_as(current), current)
    print(f"## {events} events in {arguments.seconds:g} s, [B, N] = [{batch}, {neurons}], 1 thread, float32, forward\n")
    print("| neuron | 1 ms clock [ms] | event by event [ms] | times faster |\n|---|---|---|---|")
    models: dict[str, Neuron] = {
        "SiLIF": SiLIF(neurons, dt=TICK),
        "C-SiLIF": CSiLIF(neurons, dt=TICK, omega=(5.0, 50.0), decay=(1.0, 10.0)),
    }
    for name, neuron in models.items():
        with torch.no_grad():
            seconds = interleaved(
                {
                    "clock": lambda neuron=neuron: scan(neuron, clock, backend="cpu"),  # type: ignore[misc]
                    "events": lambda neuron=neuron: [  # type: ignore[misc]
                        scan(neuron, current, dt=gaps, backend="cpu") for _ in range(REPEATS)
                    ],
                },
                rounds=21,
            )
        slow, fast = 1e3 * seconds["clock"], 1e3 * seconds["events"] / REPEATS
        print(f"| {name} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} |")


if __name__ == "__main__":
    main()
