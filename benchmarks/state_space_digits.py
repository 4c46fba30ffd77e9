"""S4D, SpikingSSM and Mamba beside SiLIF and C-SiLIF on sequential digits, each at its own best learning rate.

    python -m benchmarks.state_space_digits

Fifteen epochs in batches of 64, the data that `silif train` takes, the best of the learning rates 0.003, 0.01 and
0.03 by validation accuracy with a seed that is not used again, and three seeds of each, tested at their best epoch by
validation. The neurons' rows are the same seeds of benchmarks/results/sequential_digits_128_steps.json: same data,
epochs and batches, and a search that went on beyond its ends. Runs that are there already, whole or in part, are gone
on with.

It prints and writes, to benchmarks/results/state_space_digits.md and .json, accuracy, synaptic operations as the SiLIF
paper counts them and in full, sparsity, parameters and seconds. Seconds are those of one thread on whatever machine,
with whatever else it does.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from silif_plugins import plots, tables
from silif_plugins.training import Splits, TrainConfig, evaluate, load_network, summarize, summary_table, train

GRID = (0.003, 0.01, 0.03)
TUNING_SEED = 1000
SMALL = {"weight_decay": 0.01, "layers": 2, "width": 64, "state_size": 16}
CONTENDERS: dict[str, dict[str, Any]] = {
    "s4d": {"architecture": "s4d", **SMALL},
    "spiking-ssm": {"architecture": "spiking-ssm", **SMALL},
    "mamba": {"architecture": "mamba", **SMALL, "width": 32, "state_size": 8},
}
NEURONS = ("SiLIF", "C-SiLIF")
RESULTS = Path(__file__).parent / "results"


def config(name: str, **settings: Any) -> TrainConfig:
    return TrainConfig(**CONTENDERS[name], data="sequential-digits", epochs=15, **settings)


def tune(name: str, splits: Splits, folder: Path) -> dict[float, float]:
    """Validation accuracy by learning rate."""

    def accuracy(rate: float) -> float:
        chosen = config(name, learning_rate=rate, seed=TUNING_SEED)
        return float(train(chosen, folder / f"{name}-lr{rate:g}", resume=True, data=splits)["valid_accuracy"])

    return {rate: accuracy(rate) for rate in GRID}


def full_operations(folder: Path, splits: Splits) -> float | None:
    """Operations of a trained network with all that happens within its blocks; None for one that does not count it."""
    net, _, _ = load_network(folder)
    if not hasattr(net, "counting"):
        return None
    net.counting = "full"
    return evaluate(net, splits.test).synaptic_operations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/state_space_digits"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = Splits.load(config("s4d"))
    blind = dataclasses.replace(splits, test=splits.valid)  # the test set stays out of the tuning
    before = json.loads((RESULTS / "sequential_digits_128_steps.json").read_text())
    results = [each for each in before["results"] if each["neuron"] in NEURONS and each["seed"] < arguments.seeds]
    grids = {neuron: {float(rate): found for rate, found in before["tuning"][neuron].items()} for neuron in NEURONS}
    full: dict[str, float | None] = {}
    for name in CONTENDERS:
        grids[name] = tune(name, blind, arguments.out / "tuning")
        rate = max(grids[name], key=grids[name].__getitem__)
        for seed in range(arguments.seeds):
            place = arguments.out / "runs" / f"{name}-lr{rate:g}-seed{seed}"
            chosen = config(name, learning_rate=rate, seed=seed)
            results.append(train(chosen, place, resume=True, data=splits))
        full[name] = full_operations(place, splits)
        report(grids, results, full)


def report(grids: dict[str, dict[float, float]], results: list[dict[str, Any]], full: dict[str, float | None]) -> None:
    summaries = summarize(results)
    tuned = [
        (name, ", ".join(f"{rate:g}: {found:.3f}" for rate, found in grid.items())) for name, grid in grids.items()
    ]
    counted = [(name, f"{count / 1e3:,.0f}k") for name, count in full.items() if count is not None]
    lines = [
        "# State space systems and neurons on sequential digits, T = 128",
        "",
        "Made by `python -m benchmarks.state_space_digits`; chance is 10 %. S4D and SpikingSSM: 2 layers of 64",
        "channels with 16 states; Mamba: 2 of 32 with 8; SiLIF and C-SiLIF: 2 of 128 neurons.",
        "Seconds of the systems were taken on a machine that others were busy on, those of the neurons were not.",
        "",
        summary_table(summaries),
        "",
        "Learning rates, by validation accuracy with a seed that is not among those above:",
        "",
        tables.table([("network", "validation accuracy by learning rate"), *tuned], markdown=True),
        "",
        "Operations in full (encoder, systems, gated layers, readout), of the last seed:",
        "",
        tables.table([("network", "operations"), *counted], markdown=True),
    ]
    (RESULTS / "state_space_digits.md").write_text("\n".join(lines) + "\n")
    kept = [{key: value for key, value in result.items() if key != "folder"} for result in results]
    content = {"tuning": grids, "results": kept, "full_operations": full}
    (RESULTS / "state_space_digits.json").write_text(json.dumps(content, indent=1) + "\n")
    plots.save(plots.accuracy_against_operations(summaries), RESULTS / "state_space_digits.png")
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
