"""Compare neurons without and with learnable delays on spoken digits, each at its own best settings.

    python -m benchmarks.delays

Network 140-64-64-20, steps of 20 ms, 15 epochs, batches of 64. First learning rate, longest delay and the share of the
training in which the Gaussian narrows are chosen by validation accuracy, with a seed that is not used again and
without the test set; then three seeds of each contender are tested at their best epoch by validation. Delays are whole
steps in every evaluation. "Axonal, pruned" keeps 20 % of the delays of the chosen axonal network. Runs that are there
already are not trained again; it can be stopped at any time, and writes what it has after each run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from silif_plugins import tables
from silif_plugins.training import Splits, TrainConfig, train

KINDS = {"none": "linear", "axonal": "axonal", "synaptic": "delayed", "axonal, pruned": "axonal"}
RATES, DELAYED_RATES, MAX_DELAYS, NARROWINGS = (0.01, 0.03, 0.1, 0.3), (0.03, 0.1), (6, 12), (0.25, 0.5)
TUNING_SEED, SEEDS = 1000, (0, 1, 2)
RESULTS = Path(__file__).parent / "results"


def config(neuron: str, kind: str, choice: dict[str, Any], seed: int) -> TrainConfig:
    delays = {"max_delay": choice.get("max_delay"), "narrowing": choice.get("narrowing", 0.25), "round_in_eval": True}
    if kind == "axonal, pruned":
        delays["kept"] = 0.2
    return TrainConfig(
        neuron=neuron,
        data="spoken-digits",
        steps=50,
        hidden_sizes=(64, 64),
        epochs=15,
        learning_rate=choice["learning_rate"],
        connection=KINDS[kind],
        connection_options={} if kind == "none" else delays,
        seed=seed,
    )


def tune(neuron: str, kind: str, splits: Splits, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the best choice by validation, and the accuracies of all."""
    tried: dict[str, float] = {}

    def accuracy(choice: dict[str, Any]) -> float:
        name = ", ".join(f"{key} {value:g}" for key, value in choice.items())
        place = folder / f"{neuron}-{kind}-{name}".replace(", ", "-").replace(" ", "_")
        result = train(config(neuron, kind, choice, TUNING_SEED), place, resume=True, data=splits, on_epoch=silent)
        tried[name] = result["valid_accuracy"]
        return tried[name]

    if kind == "none":
        return max(({"learning_rate": rate} for rate in RATES), key=accuracy), tried
    pairs = itertools.product(DELAYED_RATES, MAX_DELAYS)
    choices = [{"learning_rate": rate, "max_delay": lag, "narrowing": NARROWINGS[0]} for rate, lag in pairs]
    best = max(choices, key=accuracy)
    return max((best, {**best, "narrowing": NARROWINGS[1]}), key=accuracy), tried


def silent(entry: dict[str, float]) -> None:
    """Show no progress."""


def write(found: list[dict[str, Any]]) -> None:
    (RESULTS / "delays.json").write_text(json.dumps(found, indent=1) + "\n")
    rows = []
    for each in found:
        accuracies = [100 * run["test_accuracy"] for run in each["runs"]]
        sd = f" ± {statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
        rows.append(
            [
                each["neuron"],
                each["delays"],
                f"{statistics.mean(accuracies):.1f}{sd}",
                len(accuracies),
                f"{statistics.mean(run['test_synaptic_operations'] for run in each['runs']) / 1000:.0f}",
                f"{each['runs'][0]['parameters']:,}",
                ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in each["choice"].items()),
            ]
        )
    head = ["neuron", "delays", "test accuracy, %", "seeds", "SOPs, thousands", "parameters", "chosen by validation"]
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    (RESULTS / "delays.md").write_text(tables.table(cells, markdown=True) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", nargs="+", default=["SiLIF", "LIF"])
    parser.add_argument("--out", type=Path, default=Path("runs/delays"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits, found = Splits.load(config("LIF", "none", {"learning_rate": 0.1}, 0)), []
    for neuron in arguments.neurons:
        choices: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            if kind == "axonal, pruned":
                choices[kind], tried = choices["axonal"], {}
            else:
                choices[kind], tried = tune(neuron, kind, splits, arguments.out / "tuning")
            entry: dict[str, Any] = {"neuron": neuron, "delays": kind, "choice": choices[kind], "tried": tried}
            entry["runs"] = []
            found.append(entry)
            for seed in SEEDS:
                place = arguments.out / f"{neuron}-{kind}-{seed}".replace(", ", "-")
                run = train(config(neuron, kind, choices[kind], seed), place, resume=True, data=splits, on_epoch=silent)
                entry["runs"].append({key: value for key, value in run.items() if key not in ("folder", "seconds")})
                write(found)
                print(neuron, kind, seed, run["test_accuracy"], flush=True)


if __name__ == "__main__":
    main()
