"""Accuracy of quantised networks on spoken digits, after training and with it.

    python -m benchmarks.quantisation
    python -m benchmarks.quantisation --neuron C-SiLIF

Network 140-128-128-20 with the neuron's recipe, three seeds. Each is rounded by `silif_plugins.deploy.quantise`
with 256 training utterances as calibration, and without; and trained on for 15 epochs with rounded weights, time
constants and all. The float network is trained on as long, too: more training alone may change something. The learning
rate of training on is the better of 0.01 and 0.03 by the validation accuracy of the first seed; the test set takes no
part. Runs that are there already are gone on with.

It prints and writes, to benchmarks/results, the test accuracy of each seed, mean and standard deviation, and the points
lost against the float network of the same seed, on average.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from pathlib import Path
from typing import Any

import torch
import yaml

from silif_plugins import tables
from silif_plugins.deploy import quantise
from silif_plugins.paper import recipes
from silif_plugins.training import Splits, TrainConfig, evaluate, load_network, train

SEEDS = (0, 1, 2)
GRID = (0.01, 0.03)
TRAINED: tuple[Any, ...] = (None, 4, 3, "ternary")
CALIBRATION = 256
RESULTS = Path(__file__).parent / "results"


class Experiment:
    """All runs of a neuron."""

    def __init__(self, neuron: str, folder: Path) -> None:
        recipe = yaml.safe_load(recipes.find(f"spoken-digits/{neuron.lower()}").read_text())
        self.recipe, self.folder, self.neuron = recipe, folder, neuron.lower()
        self.splits = Splits.load(TrainConfig(**recipe))
        order = torch.randperm(len(self.splits.train), generator=torch.Generator().manual_seed(0))
        self.calibration = self.splits.train.frames[order[:CALIBRATION]].float()

    def start(self, seed: int) -> Path:
        """Train the float network."""
        place = self.folder / f"{self.neuron}-{seed}"
        train(TrainConfig(**self.recipe, seed=seed), place, resume=True, data=self.splits, on_epoch=_silent)
        return place

    def train_on(self, bits: Any, rate: float, seed: int) -> tuple[Path, float]:
        """Go on with rounded weights, or without; return the folder and the validation accuracy."""
        place = self.folder / f"{'float' if bits is None else f'q{bits}'}-{rate:g}-{seed}"
        rounded = {} if bits is None else {"connection": "quantised", "connection_options": {"bits": bits}}
        settings = {**self.recipe, **rounded, "learning_rate": rate, "init": str(self.start(seed)), "seed": seed}
        result = train(TrainConfig(**settings), place, resume=True, data=self.splits, on_epoch=_silent)
        return place, float(result["valid_accuracy"])

    def accuracy(self, place: Path, bits: Any = None, **options: Any) -> float:
        """Test accuracy in percent, of the float network without bits."""
        net = load_network(place)[0]
        chosen = net if bits is None else quantise(net, bits, **options)
        return 100 * evaluate(chosen, self.splits.test).accuracy

    def rows(self) -> dict[str, list[float]]:
        """Accuracies of the seeds, by what was done."""
        starts = [self.start(seed) for seed in SEEDS]
        found = {"float": [self.accuracy(place) for place in starts]}
        for bits in (8, 4, 3, "ternary"):
            name = "ternary" if bits == "ternary" else f"{bits} bits"
            found[name] = [self.accuracy(place, bits) for place in starts]
            found[f"{name}, calibrated"] = [
                self.accuracy(place, bits, calibration=self.calibration) for place in starts
            ]
        for state in ("int32", "int16"):
            found[f"8 bits, calibrated, states {state}"] = [
                self.accuracy(place, 8, calibration=self.calibration, state=state) for place in starts
            ]
        for bits in TRAINED:
            rates = {rate: self.train_on(bits, rate, SEEDS[0])[1] for rate in GRID}
            rate = max(rates, key=rates.__getitem__)
            places = [self.train_on(bits, rate, seed)[0] for seed in SEEDS]
            name = "float" if bits is None else "ternary" if bits == "ternary" else f"{bits} bits"
            options = {} if bits is None else {"calibration": self.calibration}
            found[f"{name}, trained on (learning rate {rate:g})"] = [
                self.accuracy(place, bits, **options) for place in places
            ]
        return found


def _silent(entry: dict[str, float]) -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", default="SiLIF")
    parser.add_argument("--output", type=Path, help="folder of the runs; runs/quantisation/NEURON by default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("silif_plugins").setLevel(logging.ERROR)
    found = Experiment(arguments.neuron, arguments.output or Path("runs/quantisation") / arguments.neuron).rows()
    start = statistics.mean(found["float"])
    lines = [
        (
            name,
            *(f"{each:.1f}" for each in values),
            f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}",
            f"{start - statistics.mean(values):+.1f}",
        )
        for name, values in found.items()
    ]
    header = ("weights", *(f"seed {seed}" for seed in SEEDS), "test accuracy [%]", "points lost")
    command = f"python -m benchmarks.quantisation --neuron {arguments.neuron}"
    text = f"""# {arguments.neuron} with few bits on spoken digits

Made by `{command}`. A test set of 960 utterances: one in a hundred is the standard error of each number.

{tables.table([header, *lines], markdown=True)}
"""
    stem = f"quantisation_{arguments.neuron.lower().replace('-', '_')}"
    (RESULTS / f"{stem}.md").write_text(text)
    (RESULTS / f"{stem}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
