"""How things are timed here: contenders take turns, and the median of their rounds counts."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import torch

Contender = Callable[[], object]


def interleaved(contenders: Mapping[str, Contender], *, rounds: int = 9, seconds: float = 20.0) -> dict[str, float]:
    """Return the median seconds of each contender; in every round each runs once, so that all see the same load.

    Their order changes from round to round: who comes next finds the caches as the one before has left them.
    With one thread it is CPU time, which other processes disturb least; with several it is wall time. Contenders
    that would take longer than their share of ``seconds`` run in fewer rounds, but in three at least.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    order = list(contenders)
    for index in range(rounds):
        random.Random(index).shuffle(order)
        for name in order:
            if index >= 3 and sum(times[name]) > seconds / len(contenders):
                continue
            start = clock()
            contenders[name]()
            times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def copying(elements: int) -> Contender:
    """Copying a float32 tensor of this size into another one: the measure of memory traffic."""
    source, target = torch.randn(elements), torch.zeros(elements)
    return lambda: target.copy_(source)


def peak_memory(contender: str, shape: tuple[int, ...]) -> float:
    """Peak memory of one forward and backward in a process of its own, in tensors of this shape, without the input.

    The output and the gradient of the input, one tensor each, are part of it.
    """
    command = [sys.executable, "-m", "benchmarks.peak", contender, json.dumps(shape)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ}).stdout
    return float(output.splitlines()[-1])
