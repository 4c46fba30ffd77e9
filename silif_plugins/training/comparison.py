"""Several neurons or networks on the same data, seeds and budget."""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import queue
import re
import signal
import statistics
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import torch

from .. import tables
from ..datasets import SOURCES, is_function, register_function
from ..files import write_file
from ..optional import require
from .config import TrainConfig
from .model import NETWORKS, Network
from .run import Diverged, train

logger = logging.getLogger(__name__)

_Result = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """Means and standard deviations over the seeds of one neuron or network.

    Attributes:
        neuron: Name of the model; see `TrainConfig.label`.
        seeds: Number of runs.
        parameters: Trained numbers of the network.
        accuracy: Mean test accuracy.
        accuracy_sd: Its standard deviation over the seeds; NaN for one seed.
        synaptic_operations: Mean number per test sample.
        synaptic_operations_sd: Its standard deviation.
        sparsity: Mean share of time steps without a spike.
        learning_rate: Of Adam.
        seconds: Mean duration of a run.
    """

    neuron: str
    seeds: int
    parameters: int
    accuracy: float
    accuracy_sd: float
    synaptic_operations: float
    synaptic_operations_sd: float
    sparsity: float
    learning_rate: float
    seconds: float


def run_folder(name: str, seed: int) -> str:
    """Return what the folder of a run in a comparison is called.

    Examples:
        >>> run_folder("SiLIF", 0), run_folder("C-SiLIF without log, b", 1)
        ('SiLIF-seed0', 'C-SiLIF-without-log-b-seed1')
    """
    plain = re.sub(r"[^\w.+-]+", "-", name).strip("-")
    return f"{plain}-seed{seed}"


def compare(
    configs: Sequence[TrainConfig],
    folder: Path,
    *,
    names: Sequence[str] | None = None,
    jobs: int = 1,
    skip_diverged: bool = False,
    on_result: Callable[[_Result], None] | None = None,
) -> list[_Result]:
    """Train every configuration and collect the results; what the folder holds already is not trained again.

    The processes know the networks and functions of data that are registered here; they must be found in modules by
    their names.

    Args:
        configs: The runs, told apart by name and seed.
        folder: Where each run gets a folder of its own, and ``results.jsonl`` a line for each.
        names: What each run's contender is called in its result, as ``neuron``; by default `TrainConfig.label`: the
            neuron, and of other networks than the default one their name.
        jobs: How many runs at a time, each in a process with one thread.
        skip_diverged: Leave runs whose loss is not finite out of the results, instead of raising.
        on_result: Called with the result of each run when it has ended, while others go on.

    Raises:
        ValueError: If two configurations have the same name and seed, or one is not valid.
        RunError: If a folder holds a run with other settings. The other runs are stopped; their finished epochs are
            kept.
        Diverged: If the loss of a run is not finite, after the other runs.
        ChildProcessError: If the system has ended a process, such as for want of memory.
        RuntimeError: If a script calls this outside of ``if __name__ == "__main__":``, so that its processes, which
            import it, would call it again.
    """
    called = [config.label for config in configs] if names is None else list(names)
    places = [run_folder(name, config.seed) for name, config in zip(called, configs, strict=True)]
    if repeated := sorted({place for place in places if places.count(place) > 1}):
        raise ValueError(f"configs: {repeated[0]} stands there twice; name and seed must tell runs apart")
    tqdm = require("tqdm", extra="train", purpose="The progress bar").tqdm
    total = sum(config.epochs for config in configs)
    context = multiprocessing.get_context("spawn")
    epochs: Queue[tuple[str, float]] = context.Queue()
    has_started = context.Event()
    others = set(multiprocessing.active_children())
    needed = {config.architecture: NETWORKS[config.architecture] for config in configs}
    functions = {config.data for config in configs if is_function(config.data) and config.data in SOURCES}
    with (
        ProcessPoolExecutor(
            min(jobs, len(configs)),
            mp_context=context,
            initializer=_start_worker,
            initargs=(epochs, has_started, needed, functions),
        ) as pool,
        tqdm(total=total, desc="compare", unit="epoch", disable=None) as bar,
    ):
        try:
            told: set[int] = set()
            pending = [
                pool.submit(_run, config, name, folder / place)
                for config, name, place in zip(configs, called, places, strict=True)
            ]
            done, steps = 0, 20
            while not all(job.done() for job in pending):
                with contextlib.suppress(queue.Empty):
                    neuron, accuracy = epochs.get(timeout=0.2)
                    bar.update()
                    done += 1
                    if done * steps // total > (done - 1) * steps // total:
                        logger.info("compare  epoch %d/%d  %s: validation %.3f", done, total, neuron, accuracy)
                    bar.set_postfix_str(f"{neuron}: validation {accuracy:.3f}")
                _raise_error(pending)
                _tell(pending, told, on_result)
            _tell(pending, told, on_result)
            kept = [job for job in pending if not (skip_diverged and isinstance(job.exception(), Diverged))]
            results = [job.result() for job in kept]
        except BaseException as error:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()  # leaving the pool would wait for its runs to end
            if isinstance(error, BrokenProcessPool) and not has_started.is_set():
                raise RuntimeError(
                    "compare: its processes ended before they had begun. They import the script that calls it: "
                    'write the call under if __name__ == "__main__":'
                ) from error
            if isinstance(error, BrokenProcessPool):
                problem = "the system has ended a process, perhaps for want of memory"
                raise ChildProcessError(f"{folder}: {problem}; finished epochs are kept: run it again") from error
            raise
    write_file(folder / "results.jsonl", b"".join((json.dumps(result) + "\n").encode() for result in results))
    return results


def _raise_error(jobs: Sequence[Future[_Result]]) -> None:
    """Raise the first error, unless it is of a run that the others need not mind."""
    for job in jobs:
        if job.done() and not isinstance(job.exception(), Diverged):
            job.result()


def _tell(jobs: Sequence[Future[_Result]], told: set[int], on_result: Callable[[_Result], None] | None) -> None:
    """Hand on the results of runs that have ended since the last time."""
    for place, job in enumerate(jobs):
        if on_result is not None and place not in told and job.done() and job.exception() is None:
            told.add(place)
            on_result(job.result())


_epochs: Queue[tuple[str, float]]


def _start_worker(
    epochs: Queue[tuple[str, float]], has_started: Event, needed: dict[str, Network], functions: set[str]
) -> None:
    """Make a process ready to train; the queue takes neuron and validation accuracy of every epoch."""
    global _epochs
    _epochs = epochs
    has_started.set()
    atexit.register(gc.freeze)  # else the interpreter looks for garbage at its end, in all of PyTorch: up to a second
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers Ctrl-C, and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    NETWORKS.update(needed)  # here are only those that modules register when they are imported
    for name in functions:
        register_function(name)


def _end_with_parent() -> None:
    """End this process when the parent is killed, instead of training on unseen and keeping its folder locked."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def _run(config: TrainConfig, name: str, folder: Path) -> _Result:
    def tell(entry: dict[str, float]) -> None:
        _epochs.put((name, entry["valid_accuracy"]))

    return {**train(config, folder, resume=True, on_epoch=tell), "neuron": name}


def summarize(results: Sequence[_Result]) -> list[Summary]:
    """Average results over seeds, one summary for each neuron, in the order of first appearance."""
    neurons = list(dict.fromkeys(result["neuron"] for result in results))
    return [_summary(neuron, [result for result in results if result["neuron"] == neuron]) for neuron in neurons]


def _summary(neuron: str, results: Sequence[_Result]) -> Summary:
    def mean(key: str) -> float:
        return statistics.fmean(result[key] for result in results)

    def deviation(key: str) -> float:
        return statistics.stdev([result[key] for result in results]) if len(results) > 1 else float("nan")

    return Summary(
        neuron=neuron,
        seeds=len(results),
        parameters=results[0]["parameters"],
        accuracy=mean("test_accuracy"),
        accuracy_sd=deviation("test_accuracy"),
        synaptic_operations=mean("test_synaptic_operations"),
        synaptic_operations_sd=deviation("test_synaptic_operations"),
        sparsity=mean("test_sparsity"),
        learning_rate=results[0]["learning_rate"],
        seconds=mean("seconds"),
    )


def summary_table(summaries: Sequence[Summary]) -> str:
    """Lay summaries out as a Markdown table.

    Examples:
        >>> print(summary_table([Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0)]))
        | neuron | test accuracy | synaptic operations | sparsity | parameters | learning rate | seeds | seconds |
        |--------|---------------|---------------------|----------|------------|---------------|-------|---------|
        | SiLIF  | 90.0 ± 0.5 %  | 170k ± 2k           | 96.0 %   | 38,716     | 0.03          | 3     | 20      |
    """
    head = (
        "neuron",
        "test accuracy",
        "synaptic operations",
        "sparsity",
        "parameters",
        "learning rate",
        "seeds",
        "seconds",
    )
    return tables.table([head, *map(cells, summaries)], markdown=True)


def cells(summary: Summary) -> tuple[str, ...]:
    """Return a summary's row of a table, with standard deviations where there are several seeds.

    Examples:
        >>> cells(Summary("SiLIF", 3, 38716, 0.9, 0.005, 170e3, 2e3, 0.96, 0.03, 20.0))[:3]
        ('SiLIF', '90.0 ± 0.5 %', '170k ± 2k')
    """
    several = summary.seeds > 1
    spread = f" ± {100 * summary.accuracy_sd:.1f}" if several else ""
    spread_operations = f" ± {summary.synaptic_operations_sd / 1e3:.0f}k" if several else ""
    return (
        summary.neuron,
        f"{100 * summary.accuracy:.1f}{spread} %",
        f"{summary.synaptic_operations / 1e3:.0f}k{spread_operations}",
        f"{100 * summary.sparsity:.1f} %",
        f"{summary.parameters:,}",
        f"{summary.learning_rate:g}",
        str(summary.seeds),
        f"{summary.seconds:.0f}",
    )
