"""The GPU kernels: time, and share of the memory bandwidth that a plain copy reaches. It needs a GPU and Triton.

    python -m benchmarks.gpu [--output runs/benchmarks/gpu.md]     # or python -m benchmarks --only gpu

First the kernels are compared with the reference on this GPU. Then each shape runs 30 times, after writes that leave
none of its numbers in the cache and give the processor time to launch; medians of times by the GPU's own clock count.
Bytes are those of silif_plugins.scan.gpu: what must move, so that a share cannot be raised by moving more. The goal is
60 %.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from silif_plugins import tables
from silif_plugins.dynamics import HardReset, StateSpace
from silif_plugins.files import write_file
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.scan.gpu import AHEAD, GPUS, backward_traffic, forward_traffic, lanes_to_fill

SHAPES = [
    (256, 8, 512),
    (250, 32, 512),
    (256, 32, 512),
    (256, 128, 512),
    (1024, 64, 512),
    (16384, 4, 512),
    (32, 64, 65536),
]
"""[T, B, N], from what fills no GPU; the last one is that of SpikingJelly's published figure, which is in fp16."""
ROUNDS = 30
FLUSHED = 1 << 28
FLUSHES = 16
"""Writes before each run: one takes 0.1 ms or less, and a processor takes up to 0.5 ms to launch a run."""


def obstacle() -> str | None:
    """Why nothing can be measured here; None if it can."""
    if not torch.cuda.is_available():
        return "No GPU at hand (torch.cuda.is_available() is False): nothing was measured."
    if find_spec("triton") is None:
        return "Triton is not installed: nothing was measured."
    return None


def seconds(run: Callable[[], object], flush: torch.Tensor) -> float:
    """Median time of a run by the GPU's clock, its data not in the cache."""
    run()
    times = []
    for _ in range(ROUNDS):
        for _ in range(FLUSHES):
            flush.zero_()  # and the processor launches the run meanwhile: its own time does not count
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return statistics.median(times)


def problem(shape: tuple[int, int, int], hard_reset: bool) -> tuple[StateSpace | HardReset, torch.Tensor, torch.Tensor]:
    """Neurons, currents and a gradient of their spikes."""
    space = StateSpace(*(field.detach().expand(shape[2]).cuda() for field in SiLIF(shape[2]).state_space()))
    current = (3 * torch.randn(shape, device="cuda")).requires_grad_()
    return HardReset(space) if hard_reset else space, current, torch.randn(shape, device="cuda")


def check(hard_reset: bool) -> None:
    """Raise AssertionError unless spikes and gradients are those of the reference."""
    for steps in (64, 75):
        neurons, current, grad = problem((steps, 5, 300), hard_reset)
        found = []
        for backend in ("reference", "triton"):
            spikes, _ = scan(neurons, current, backend=backend)  # type: ignore[arg-type]
            found.append((spikes.detach(), *torch.autograd.grad(spikes, current, grad)))
        assert torch.equal(found[0][0], found[1][0]), "spikes are not those of the reference"
        torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5 * float(grad.abs().max()))


def copy_bandwidth(flush: torch.Tensor) -> float:
    """Bytes a second that a plain copy reads and writes."""
    source = torch.randn(1 << 28, device="cuda")
    target = torch.empty_like(source)
    return 8 * source.numel() / seconds(lambda: target.copy_(source), flush)


def table() -> list[tuple[str, ...]]:
    """Measure all shapes."""
    flush = torch.empty(FLUSHED, dtype=torch.uint8, device="cuda")
    copied = copy_bandwidth(flush)
    known = next((gpu for name, gpu in GPUS.items() if name.split()[0] in torch.cuda.get_device_name()), None)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; a copy moves {copied / 1e9:.0f} GB/s", end="")
    print(f", {100 * copied / known.bandwidth:.0f} % of the data sheet's" if known else "")
    if known is not None:
        for name, moved in (("forward", forward_traffic(SHAPES[2])), ("backward", backward_traffic(SHAPES[2]))):
            print(f"By count, {lanes_to_fill(known, moved, AHEAD[name]):,} lanes B N fill it in {name}.")
    rows = [("[T, B, N]", "lanes", "reset", "forward", "backward", "ps per element", "share forward", "share backward")]
    for shape in SHAPES:
        for hard_reset in (False, True):
            neurons, current, grad = problem(shape, hard_reset)
            inputs: Any = neurons, current
            spikes, _ = scan(*inputs, backend="triton")
            times = (
                seconds(lambda inputs=inputs: scan(*inputs, backend="triton"), flush),  # type: ignore[misc]
                seconds(lambda run=(spikes, current, grad): torch.autograd.grad(*run, retain_graph=True), flush),  # type: ignore[misc]
            )
            moved = forward_traffic(shape).total, backward_traffic(shape).total
            shares = [f"{100 * each / spent / copied:.0f} %" for each, spent in zip(moved, times, strict=True)]
            micros = [f"{1e6 * spent:.0f} µs" for spent in times]
            each = f"{1e12 * sum(times) / current.numel():.1f}"
            lanes = f"{shape[1] * shape[2]:,}"
            rows.append((str(list(shape)), lanes, "hard" if hard_reset else "soft", *micros, each, *shares))
            del neurons, current, grad, inputs, spikes
    return rows


def run(output: Path) -> bool:
    """Measure, print and write the table; say why not where nothing can be measured, and return whether it was."""
    if reason := obstacle():
        print(f"{reason} The table that this command fills is in the documentation, under GPU.")
        return False
    for hard_reset in (False, True):
        check(hard_reset)
    print("Spikes and gradients are those of the reference on this GPU.")
    text = tables.table(table(), markdown=True)
    print(text)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_file(output, f"{text}\n".encode())
    print(f"saved {output}")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks/gpu.md"), help="file of the table")
    raise SystemExit(0 if run(parser.parse_args().output) else 1)


if __name__ == "__main__":
    main()
