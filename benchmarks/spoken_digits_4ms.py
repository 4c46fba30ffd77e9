"""Compare the neurons on spoken digits at 4 ms, or on sequential digits, each at its own best learning rate.

    python benchmarks/spoken_digits_4ms.py
    python benchmarks/spoken_digits_4ms.py --data sequential-digits

Network 140-128-128-20 (8-128-128-10), 15 epochs, batches of 64, and everything else as in ``silif train``. First the
learning rate of each neuron is chosen by validation accuracy, with a seed that is not used again and without loading
the test set: from 0.01, 0.03 and 0.1, and on beyond an end of the grid for as long as that end is the best. It is
written down before the second part starts: five seeds of each neuron, tested at their best epoch by validation. Runs
that are there already, whole or in part, are gone on with; it can be stopped at any time.

It prints and writes, to benchmarks/results, means and standard deviations over the seeds, synaptic operations,
sparsity, and Welch's t-test of each pair of neurons next to each other in accuracy and of each with SiLIF, with
Holm's correction. The test shows how sure the order is for other initial weights; not for other speakers, which are
always the same 12.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import torch

from silif_plugins import plots, tables
from silif_plugins.datasets.spoken_digits import SHA256
from silif_plugins.training import (
    Splits,
    TrainConfig,
    compare,
    differences,
    differences_table,
    summarize,
    summary_table,
    train,
)

NEURONS = ("LIF", "AdLIF", "cAdLIF", "RF", "SiLIF", "C-SiLIF")
GRID = (0.01, 0.03, 0.1)
LADDER = (0.0003, 0.001, 0.003, *GRID, 0.3, 1.0, 3.0)
TUNING_SEED = 1000
RESULTS = Path(__file__).parent / "results"
RF_TIMESTEP = 0.05  # with its default of 4 ms RF never fires when it starts at rest
CHANCE = {"spoken-digits": 1 / 20, "sequential-digits": 1 / 10}


def config(neuron: str, data: str, **settings: object) -> TrainConfig:
    options = {"dt": RF_TIMESTEP} if neuron == "RF" else {}
    steps = {"spoken-digits": 250}.get(data)
    base = TrainConfig(neuron=neuron, neuron_options=options, data=data, steps=steps, epochs=15)
    return dataclasses.replace(base, **settings)  # type: ignore[arg-type]


def tune(neuron: str, data: str, splits: Splits, folder: Path) -> dict[float, float]:
    """Validation accuracy by learning rate, on a grid whose ends are not the best."""

    def accuracy(rate: float) -> float:
        place = folder / f"{neuron}-lr{rate:g}"
        chosen = config(neuron, data, learning_rate=rate, seed=TUNING_SEED)
        return float(train(chosen, place, resume=True, data=splits)["valid_accuracy"])

    return climb(accuracy)


def climb(accuracy: Callable[[float], float]) -> dict[float, float]:
    """Accuracy by learning rate, on a grid whose ends are not the best."""
    found = {rate: accuracy(rate) for rate in GRID}
    while (best := max(found, key=found.__getitem__)) in (min(found), max(found)):
        place = LADDER.index(best) + (1 if best == max(found) else -1)
        if not 0 <= place < len(LADDER):
            break
        found[LADDER[place]] = accuracy(LADDER[place])
    return dict(sorted(found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=list(CHANCE), default="spoken-digits")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = arguments.out / arguments.data

    splits = Splits.load(config("LIF", arguments.data))
    blind = dataclasses.replace(splits, test=splits.valid)  # the test set stays out of the tuning
    chosen = folder / "learning_rates.json"
    if not chosen.exists():
        tuned = {}
        for neuron in NEURONS:
            tuned[neuron] = tune(neuron, arguments.data, blind, folder / "tuning")
            print(neuron, tuned[neuron], flush=True)
        chosen.parent.mkdir(parents=True, exist_ok=True)
        chosen.write_text(json.dumps(tuned, indent=1))
    grids = {neuron: {float(r): a for r, a in grid.items()} for neuron, grid in json.loads(chosen.read_text()).items()}
    rates = {neuron: max(grid, key=grid.__getitem__) for neuron, grid in grids.items()}

    configs = [
        config(neuron, arguments.data, learning_rate=rates[neuron], seed=seed)
        for neuron in NEURONS
        for seed in range(arguments.seeds)
    ]
    results = compare(configs, folder / "runs", jobs=arguments.jobs)
    report(arguments.data, grids, rates, results)


def report(
    data: str, grids: dict[str, dict[float, float]], rates: dict[str, float], results: list[dict[str, object]]
) -> None:
    summaries = summarize(results)
    order = " < ".join(f"{each.neuron} {each.accuracy:.3f}" for each in sorted(summaries, key=lambda s: s.accuracy))
    steps = 250 if data == "spoken-digits" else 128
    tuned = [
        (neuron, ", ".join(f"{rate:g}: {accuracy:.3f}" for rate, accuracy in grid.items()), f"{rates[neuron]:g}")
        for neuron, grid in grids.items()
    ]
    lines = [
        f"# Six neurons on {data}, T = {steps}",
        "",
        f"Made by `python benchmarks/spoken_digits_4ms.py --data {data}`; chance is {CHANCE[data]:.0%}."
        + (f" Training data: SHA-256 {SHA256['train'][:12]}...." if data == "spoken-digits" else ""),
        "",
        summary_table(summaries),
        "",
        f"Order of the means: {order}.",
        "",
        differences_table(differences(results, "SiLIF")),
        "",
        "Learning rates, chosen by validation accuracy with a seed that is not among those above:",
        "",
        tables.table([("neuron", "validation accuracy by learning rate", "chosen"), *tuned], markdown=True),
    ]
    RESULTS.mkdir(exist_ok=True)
    stem = f"{data.replace('-', '_')}_{'4ms' if data == 'spoken-digits' else '128_steps'}"
    (RESULTS / f"{stem}.md").write_text("\n".join(lines) + "\n")
    for result in results:
        result.pop("folder", None)
    (RESULTS / f"{stem}.json").write_text(json.dumps({"tuning": grids, "results": results}, indent=1) + "\n")
    plots.save(plots.accuracy_against_operations(summaries), RESULTS / f"{stem}.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
