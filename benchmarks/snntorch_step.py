"""Time of one step in snnTorch: snn.Leaky against SiLIF and C-SiLIF, and of a sequence against the kernel below.

A step is measured within a sequence, as networks run it: state out, state in, for inference, for the forward pass of
training, and for forward and backward together, which here also trains the neurons' four or five parameters, where
snn.Leaky has none to train. Beside a dense layer there is one after a convolution, whose channels share parameters over
all positions. The second table compares ``sequence=True`` with the core's scan, whose cost is the least
there can be, and with steps.

    python -m benchmarks.snntorch_step
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import snntorch as snn
import torch
from torch import Tensor, nn

from silif_plugins.scan import scan
from silif_plugins.snntorch import CSiLIF, SiLIF

from .measure import interleaved

NEURONS: dict[str, Callable[..., nn.Module]] = {
    "snn.Leaky": lambda size, **options: snn.Leaky(beta=torch.full(size, 0.9), **options),
    "snn.Leaky, trained": lambda size, **options: snn.Leaky(beta=torch.full(size, 0.9), learn_beta=True, **options),
    "snn.Synaptic": lambda size, **options: snn.Synaptic(alpha=0.8, beta=torch.full(size, 0.9), **options),
    "SiLIF": SiLIF,
    "C-SiLIF": CSiLIF,
}
HABITS = ("states passed", "init_hidden")
MODES = ("inference", "forward", "training")


def run_steps(lif: Any, inputs: Sequence[Tensor], habit: str, mode: str) -> None:
    """Run a sequence step by step."""
    state = lif.reset_mem()
    state = state if isinstance(state, tuple) else (state,)
    total: Tensor | int = 0
    for now in inputs:
        if habit == "init_hidden":
            spk = lif(now)
        else:
            spk, *state = lif(now, *state)
        if mode == "training":
            total = total + spk
    if mode == "training":
        assert isinstance(total, Tensor)
        total.sum().backward()


def step_seconds(
    batch: int, shape: tuple[int, ...], steps: int, habit: str, mode: str, rounds: int
) -> dict[str, float]:
    """Return the median seconds of a step by neuron; a layer is (N,), or (C, H, W) with C sets of parameters."""
    inputs = (2 * torch.rand(steps, batch, *shape)).requires_grad_(mode != "inference").unbind()
    size = (shape[0], *[1] * (len(shape) - 1))
    neurons = {name: make(size, init_hidden=habit == "init_hidden") for name, make in NEURONS.items()}

    def contender(lif: nn.Module) -> Callable[[], None]:
        return lambda: run_steps(lif, inputs, habit, mode)

    with torch.set_grad_enabled(mode != "inference"):
        times = interleaved({name: contender(lif) for name, lif in neurons.items()}, rounds=rounds, seconds=60.0)
    return {name: seconds / steps for name, seconds in times.items()}


def sequence_seconds(batch: int, size: int, steps: int, rounds: int) -> dict[str, float]:
    """Return the median seconds of forward and backward over a sequence: our layer, the scan below it, steps."""
    whole, stepped = SiLIF(size, sequence=True, init_hidden=True), SiLIF(size, init_hidden=True)
    leaky = NEURONS["snn.Leaky"]((size,), init_hidden=True)
    x = (2 * torch.rand(steps, batch, size)).requires_grad_()

    def sequence() -> None:
        whole.reset_mem()
        whole(x).sum().backward()

    def kernel() -> None:
        scan(whole.state_space(), x)[0].sum().backward()

    return interleaved(
        {
            "the core's scan": kernel,
            "SiLIF, sequence=True": sequence,
            "SiLIF, steps": lambda: run_steps(stepped, x.unbind(), "init_hidden", "training"),
            "snn.Leaky, steps": lambda: run_steps(leaky, x.unbind(), "init_hidden", "training"),
        },
        rounds=rounds,
        seconds=60.0,
    )


def main(argv: Sequence[str] | None = None) -> dict[tuple[str, tuple[int, ...], int, str, str], float]:
    """Print both tables; return the ratios to snn.Leaky by (neuron, shape, batch, habit, mode)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 32), help="batch sizes (default: 1 32)")
    parser.add_argument("--size", type=int, default=512, help="neurons (default: 512)")
    parser.add_argument(
        "--map", type=int, nargs=3, default=(12, 8, 8), help="channels, rows, columns (default: 12 8 8)"
    )
    parser.add_argument("--steps", type=int, default=100, help="steps of a sequence (default: 100)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds, of which the median counts (default: 15)")
    parser.add_argument("--no-sequence", action="store_true", help="leave the second table out")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ratios: dict[tuple[str, tuple[int, ...], int, str, str], float] = {}
    print(f"One step of a layer: microseconds (ratio to snn.Leaky), one thread, torch {torch.__version__}")
    print("  ".join([f"{'':42}", *(f"{name:>18}" for name in NEURONS)]))
    for shape, batch, habit, mode in product([(args.size,), tuple(args.map)], args.batches, HABITS, MODES):
        seconds = step_seconds(batch, shape, args.steps, habit, mode, args.rounds)
        cells = []
        for name, value in seconds.items():
            ratio = ratios[name, shape, batch, habit, mode] = value / seconds["snn.Leaky"]
            cells.append(f"{f'{1e6 * value:.0f} ({ratio:.2f})':>18}")
        print(
            "  ".join([f"{' x '.join(map(str, shape)):12} B {batch:<3} {habit}, {mode}".ljust(42), *cells]), flush=True
        )
    if not args.no_sequence:
        print(f"\nSiLIF over {args.steps} steps, forward and backward: milliseconds (ratio to the core's scan)")
        for batch in args.batches:
            seconds = sequence_seconds(batch, args.size, args.steps, args.rounds)
            base = seconds["the core's scan"]
            for name, value in seconds.items():
                print(f"B {batch:<3} {name:22} {1e3 * value:8.2f} ({value / base:.2f})", flush=True)
    return ratios


if __name__ == "__main__":
    main()
