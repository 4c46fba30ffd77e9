"""One layer, forward and backward: time of every contender relative to ours, memory, scaling, traffic."""

from __future__ import annotations

import statistics
import time

import torch

from .measure import copying, interleaved, peak_memory
from .rivals import QUADRATIC, layers, training_step

SHAPES = [(250, 32, 512), (250, 128, 512), (1000, 16, 256), (16000, 1, 128)]
TRAFFIC = 5
"""float32 per element that must move: forward reads the input and writes spikes, backward reads the input and the
gradient of the spikes and writes that of the input."""


def input_of(shape: tuple[int, int, int]) -> torch.Tensor:
    return 3 * torch.randn(shape)


def table(shape: tuple[int, int, int], threads: int, *, compile: bool, quick: bool) -> dict[str, float]:
    """Print and return the time per element [ns] of all contenders."""
    torch.set_num_threads(threads)
    x = input_of(shape)
    makers = layers(shape[2], compile=compile)
    if shape[0] > 2000 or quick:
        makers = {name: make for name, make in makers.items() if name not in QUADRATIC}
    runs = {name: training_step(make(), x) for name, make in makers.items()}
    times = interleaved(runs | {"copy of the tensor": copying(x.numel())})
    copy = times["copy of the tensor"]
    floor = TRAFFIC / 2 * copy  # a copy reads one float32 and writes one
    print(f"\n## {list(shape)}, {threads} thread{'s' if threads > 1 else ''}, float32, forward + backward\n")
    print("| layer | ns per element | times SiLIF |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {1e9 * seconds / x.numel():.2f} | {seconds / times['SiLIF']:.2f} |")
    speed, copied = 4 * TRAFFIC * x.numel() / times["SiLIF"] / 1e9, 8 * x.numel() / copy / 1e9
    print(f"\nSiLIF moves {speed:.1f} GB/s of what it must, a copy {copied:.1f}: ", end="")
    print(f"{times['SiLIF'] / floor:.2f} times the memory-traffic limit.")
    return {name: 1e9 * times[name] / x.numel() for name in makers}


def memory(shape: tuple[int, int, int]) -> None:
    """Print the peak memory of every contender."""
    print(
        f"\n## Peak memory at {list(shape)}: tensors of this shape beside the input\n\n| layer | tensors |\n|---|---|"
    )
    for name in layers(shape[2]):
        print(f"| {name} | {peak_memory(name, shape):.2f} |", flush=True)


def scaling(threads: int = 1) -> dict[str, list[tuple[int, float]]]:
    """Print and return the time per element of SiLIF over the number of steps, the batch and the neurons."""
    torch.set_num_threads(threads)
    print("\n## SiLIF: time per element over the size\n\n| [T, B, N] | elements | ns per element |\n|---|---|---|")
    sweeps = {
        "T": [(steps, 8, 512) for steps in (25, 100, 400, 1600, 6400, 25600)],
        "B": [(250, batch, 512) for batch in (1, 4, 16, 64, 256, 800)],
        "N": [(250, 8, neurons) for neurons in (20, 50, 100, 512, 2048, 8192, 50000)],
    }
    result: dict[str, list[tuple[int, float]]] = {}
    for axis, shapes in sweeps.items():
        for shape in shapes:
            run = training_step(layers(shape[2])["SiLIF"](), input_of(shape))
            size = shape[0] * shape[1] * shape[2]
            seconds = interleaved({"SiLIF": run}, rounds=5 if size > 10**7 else 15)["SiLIF"]
            result.setdefault(axis, []).append((size, 1e9 * seconds / size))
            print(f"| {list(shape)} | {size:.1e} | {1e9 * seconds / size:.2f} |", flush=True)
    return result


def speedup(most: int, rounds: int = 21) -> None:
    """Print how much faster SiLIF is with more threads, in wall time."""
    print("\n## SiLIF: speed-up by threads, wall time\n\n| [T, B, N] | threads | speed-up |\n|---|---|---|")
    for shape in SHAPES[:3]:
        run = training_step(layers(shape[2])["SiLIF"](), input_of(shape))
        times: dict[int, list[float]] = {threads: [] for threads in range(1, most + 1)}
        for _ in range(rounds):
            for threads, seconds in times.items():
                torch.set_num_threads(threads)
                run()  # starts the threads
                start = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - start)
        for threads in range(2, most + 1):
            ratio = statistics.median(times[1]) / statistics.median(times[threads])
            print(f"| {list(shape)} | {threads} | {ratio:.2f} |", flush=True)
