"""A recurrent layer, forward and backward: RadLIF by events against a loop over steps as SpArch runs it.

The loop takes the sequence apart first (``unbind``), which is fairer than indexing it, and has the equations and the
surrogate of the layer. The input weights and the norm before it are left out of both. The rate is set by the mean of
the input.

    python -m benchmarks.recurrent
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from silif_plugins.neurons import AdLIF
from silif_plugins.scan import scan
from silif_plugins.surrogate import SpikeFunction, resolve

from .measure import interleaved


def loop(neuron: AdLIF, current: Tensor, recurrent: Tensor, spike: SpikeFunction) -> Tensor:
    """Run RadLIF step by step in PyTorch."""
    alpha, beta, a, b = (getattr(neuron, name).clamp(*limits) for name, limits in neuron.ranges.items())
    u = w = s = torch.zeros_like(current[0])
    spikes = []
    for now in current.unbind():
        w = beta * w + a * u + b * s
        u = alpha * (u - s) + (1 - alpha) * (now + torch.matmul(s, recurrent) - w)
        s = spike(u - 1.0)
        spikes.append(s)
    return torch.stack(spikes)


def times(
    steps: int, batch: int, size: int, rate: float, rounds: int, spike: SpikeFunction
) -> tuple[float, dict[str, float]]:
    """Return the share of bins with a spike, and the median seconds of both."""
    torch.manual_seed(0)
    neuron, weights = AdLIF(size), nn.Parameter(nn.init.orthogonal_(torch.empty(size, size)))
    noise, low, high = 5 * torch.randn(steps, batch, size), -20.0, 20.0
    for _ in range(12):
        offset = (low + high) / 2
        with torch.no_grad():
            found = scan(neuron, noise + offset, recurrent=weights)[0].mean().item()
        low, high = (offset, high) if found < rate else (low, offset)
    x = (noise + offset).requires_grad_()
    gradient = torch.randn_like(x)

    def contender(run: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def step() -> None:
            masked = torch.diagonal_scatter(weights, weights.new_zeros(size))
            run(masked).backward(gradient)
            x.grad = None  # each contender gives back its own gradients
            neuron.zero_grad()
            weights.grad = None

        return step

    runs = {
        "RadLIF": contender(lambda v: scan(neuron, x, recurrent=v, surrogate=spike)[0]),
        "loop, unbind": contender(lambda v: loop(neuron, x, v, spike)),
    }
    return found, interleaved(runs, rounds=rounds, seconds=120.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(250, 32, 512), help="T, B, N (default: 250 32 512)")
    parser.add_argument("--rates", type=float, nargs="+", default=(0.01, 0.05, 0.15), help="shares of spikes")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--surrogate", default="boxcar", help="boxcar, triangle, atan or fast_sigmoid")
    args = parser.parse_args(argv)
    spike = resolve(args.surrogate)
    torch.set_num_threads(1)
    print("| share of bins with a spike | RadLIF [ms] | loop, unbind | ratio |\n|---|---|---|---|")
    for rate in args.rates:
        found, seconds = times(*args.shape, rate, args.rounds, spike)
        ours, theirs = seconds["RadLIF"], seconds["loop, unbind"]
        print(f"| {100 * found:.1f} % | {1e3 * ours:.1f} | {1e3 * theirs:.1f} | {theirs / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
