"""Accuracy of quantised networks on spoken digits, after training and with it.

    python -m benchmarks.quantisation
    python -m benchmarks.quantisation --neuron C-SiLIF --rates 0.003

Network 140-128-128-20 with the neuron's recipe, three seeds. Each is rounded by `silif_plugins.deploy.quantise`
with 256 training utterances as calibration, and without; and trained on for 15 epochs with rounded weights, time
constants and all. The float network is trained on as long, too: more training alone may change something. For each
number of bits the learning rate of training on is that of the highest validation accuracy, on average over the seeds;
the test set takes no part. Runs that are there already are gone on with.

It prints and writes, to benchmarks/results, the test accuracy of each seed, mean and standard deviation, and the points
lost against the float network of the same seed, on average, with their standard error: utterances are compared one by
one, those of all seeds together.
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
from torch import Tensor

from silif_plugins import tables
from silif_plugins.deploy import quantise
from silif_plugins.paper import recipes
from silif_plugins.training import Splits, TrainConfig, load_network, train

SEEDS = (0, 1, 2)
RATES = (0.003, 0.01)
TRAINED: tuple[Any, ...] = (None, 4, 3, "ternary")
CALIBRATION, BATCH = 256, 240
RESULTS = Path(__file__).parent / "results"


class Experiment:
    """All runs of a neuron."""

    def __init__(self, neuron: str, folder: Path, rates: tuple[float, ...]) -> None:
        recipe = yaml.safe_load(recipes.find(f"spoken-digits/{neuron.lower()}").read_text())
        self.recipe, self.folder, self.neuron, self.rates = recipe, folder, neuron.lower(), rates
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

    @torch.no_grad()
    def right(self, place: Path, bits: Any = None, **options: Any) -> Tensor:
        """Which test utterances are recognised, 1 or 0; by the float network without bits."""
        net = load_network(place)[0]
        chosen = net if bits is None else quantise(net, bits, **options)
        frames, labels = self.splits.test.frames, self.splits.test.labels
        parts = zip(frames.split(BATCH), labels.split(BATCH), strict=True)
        return torch.cat([chosen(part.float()).scores.argmax(1) == label for part, label in parts]).double()

    def rows(self) -> dict[str, list[Tensor]]:
        """What each seed recognises, by what was done."""
        starts = [self.start(seed) for seed in SEEDS]
        found = {"float": [self.right(place) for place in starts]}
        for bits in (8, 4, 3, "ternary"):
            found[_name(bits)] = [self.right(place, bits) for place in starts]
            found[f"{_name(bits)}, calibrated"] = [
                self.right(place, bits, calibration=self.calibration) for place in starts
            ]
        for state in ("int32", "int16"):
            found[f"8 bits, calibrated, states {state}"] = [
                self.right(place, 8, calibration=self.calibration, state=state) for place in starts
            ]
        for bits in TRAINED:
            runs = {rate: [self.train_on(bits, rate, seed) for seed in SEEDS] for rate in self.rates}
            means = {rate: statistics.mean(accuracy for _, accuracy in each) for rate, each in runs.items()}
            rate = max(means, key=means.__getitem__)
            options = {} if bits is None else {"calibration": self.calibration}
            found[f"{_name(bits)}, trained on (learning rate {rate:g})"] = [
                self.right(place, bits, **options) for place, _ in runs[rate]
            ]
        return found


def _name(bits: Any) -> str:
    return "float" if bits is None else "ternary" if bits == "ternary" else f"{bits} bits"


def _silent(entry: dict[str, float]) -> None:
    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", default="SiLIF")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="learning rates of training on")
    parser.add_argument("--output", type=Path, help="folder of the runs; runs/quantisation/NEURON by default")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("silif_plugins").setLevel(logging.ERROR)
    folder = arguments.output or Path("runs/quantisation") / arguments.neuron
    found = Experiment(arguments.neuron, folder, tuple(arguments.rates)).rows()
    start = torch.cat(found["float"])
    lines, facts = [], {}
    for name, values in found.items():
        seeds = [100 * float(each.mean()) for each in values]
        differences = 100 * (start - torch.cat(values))
        lost, error = float(differences.mean()), float(differences.std()) / len(differences) ** 0.5
        facts[name] = {"accuracies": seeds, "lost": lost, "standard_error": error}
        mean, deviation = statistics.mean(seeds), statistics.stdev(seeds)
        change = "" if name == "float" else f"{lost:+.1f} ± {error:.1f}"
        lines.append((name, *(f"{each:.1f}" for each in seeds), f"{mean:.1f} ± {deviation:.1f}", change))
    header = ("weights", *(f"seed {seed}" for seed in SEEDS), "test accuracy [%]", "points lost")
    rates = "" if tuple(arguments.rates) == RATES else f" --rates {' '.join(f'{each:g}' for each in arguments.rates)}"
    command = f"python -m benchmarks.quantisation --neuron {arguments.neuron}{rates}"
    text = f"""# {arguments.neuron} with few bits on spoken digits

Made by `{command}`. A test set of 960 utterances: the standard error of each seed's accuracy is 1 point. That of the
points lost is smaller: the same utterances are compared, of three seeds together.

{tables.table([header, *lines], markdown=True)}
"""
    stem = f"quantisation_{arguments.neuron.lower().replace('-', '_')}"
    (RESULTS / f"{stem}.md").write_text(text)
    (RESULTS / f"{stem}.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    main()
