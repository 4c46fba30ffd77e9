"""S4D, SpikingSSM and C-SiLIF on short ListOps, beside the guess of the most frequent value.

    python -m benchmarks.listops

Lists of 16 to 99 tokens, 4000 for training, 500 choose the epoch, 1000 test it; ``silif train --data listops`` has the
same. One seed, learning rates that were not searched. A run takes about two minutes of one core; what is there already
is gone on with.

It prints and writes, to benchmarks/results/listops.md and .json, accuracy, operations and minutes, which are those of
one thread on whatever machine, with whatever else it does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from silif_plugins import tables
from silif_plugins.files import write_file
from silif_plugins.training import Splits, TrainConfig, train

RESULTS = Path(__file__).parent / "results"
SMALL = {"layers": 2, "width": 64, "state_size": 16, "dropout": 0.0, "weight_decay": 0.01}
CONTENDERS: dict[str, dict[str, Any]] = {
    "s4d": {"architecture": "s4d", "learning_rate": 0.01, **SMALL},
    "spiking-ssm": {"architecture": "spiking-ssm", "learning_rate": 0.01, **SMALL},
    "C-SiLIF": {"neuron": "C-SiLIF", "learning_rate": 0.01, "dropout": 0.0},
}

Result = dict[str, Any]


def baseline(splits: Splits) -> tuple[str, float]:
    """The most frequent value of the lists for training, and its share of those for the test."""
    value = int(torch.bincount(splits.train.labels).argmax())
    return splits.train.classes[value], float((splits.test.labels == value).double().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("runs/listops"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = Splits.load(TrainConfig(data="listops"))
    results: list[Result] = []
    for name, settings in CONTENDERS.items():
        config = TrainConfig(data="listops", epochs=arguments.epochs, batch_size=50, **settings)
        results.append(train(config, arguments.out / f"{name}-{arguments.epochs}", resume=True, data=splits))
        report(results, *baseline(splits))


def report(results: list[Result], value: str, share: float) -> None:
    head = ("network", "test accuracy", "operations", "firing", "parameters", "learning rate", "minutes")
    rows = [
        (
            each["neuron"],
            f"{100 * each['test_accuracy']:.1f} %",
            f"{each['test_synaptic_operations'] / 1e3:,.0f}k",
            f"{100 * (1 - each['test_sparsity']):.1f} %",
            f"{each['parameters']:,}",
            f"{each['learning_rate']:g}",
            f"{each['seconds'] / 60:.0f}",
        )
        for each in results
    ]
    lines = [
        "# Short ListOps",
        "",
        f"Made by `python -m benchmarks.listops`: lists of 16 to 99 tokens, 4,000 of them for training, 1,000 for the "
        f"test; {results[0]['epochs']} epochs, the best of them by 500 other lists; one seed, learning rates not "
        "searched. S4D and SpikingSSM: 2 layers of 64 channels with 16 states; C-SiLIF: 2 of 128 neurons. Operations "
        "as the SiLIF paper counts them. Minutes are of a machine with other work to do; alone a run takes about two.",
        "",
        f"Who always says {value}, the most frequent value, is right at {100 * share:.1f} % of the test.",
        "",
        tables.table([head, *rows], markdown=True),
    ]
    write_file(RESULTS / "listops.md", ("\n".join(lines) + "\n").encode())
    kept = [{key: item for key, item in each.items() if key != "folder"} for each in results]
    content = {"baseline": {"value": value, "accuracy": share}, "results": kept}
    write_file(RESULTS / "listops.json", (json.dumps(content, indent=1) + "\n").encode())
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
