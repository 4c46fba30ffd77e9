"""Compare the neurons on recordings of people, the Free Spoken Digit Dataset, tested on speakers that were not heard.

    git clone https://github.com/Jakobovski/free-spoken-digit-dataset
    python -m benchmarks.free_spoken_digits --data free-spoken-digit-dataset

Network 140-128-128-10, 100 steps of 10 ms, 15 epochs, batches of 64, and everything else as in ``silif train``.

- The learning rate of each neuron: from 0.01, 0.03 and 0.1, and on beyond an end of this grid that is the best, by the
  accuracy on the validation speaker (yweweler), with a seed that is not used again and without the test set.
- Six neurons, five seeds, on the speakers lucas and theo.
- Three front ends for SiLIF, three seeds, each at its own learning rate, which is chosen in the same way.
- The best three neurons, three seeds, on each of the six speakers in turn. Learning rates are those of the first part.

First comes a round of all with fewer seeds, whose results say which three are the best. Runs that are there are gone on
with; it can be stopped at any time. It prints and writes, to benchmarks/results, means
and standard deviations, synaptic operations, sparsity, and tests of differences with Holm's correction: Welch's over
the seeds; over speakers a paired t-test of the speakers' means, which says how sure an order is for other people.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from scipy.stats import ttest_rel

from silif_plugins import tables
from silif_plugins.datasets.free_spoken_digits import recordings_in
from silif_plugins.files import write_file
from silif_plugins.training import (
    Splits,
    TrainConfig,
    differences,
    differences_table,
    holm,
    summarize,
    summary_table,
    train,
)

from .spoken_digits_4ms import NEURONS, RESULTS, RF_TIMESTEP, TUNING_SEED, climb

FRONT_ENDS = ("cochlea", "log-mel", "delta")
BEST = 3

Result = dict[str, Any]


class Bench:
    """Runs on one folder of recordings, each with a folder of its own, all their results in one file."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out = str(data), out
        self.results: list[Result] = []
        self.splits: dict[str, Splits] = {}

    def run(self, part: str, neuron: str, rate: float, seed: int, *, blind: bool = False, **options: object) -> Result:
        """Train, or take what is there; a blind run is tested on the validation speakers."""
        config = TrainConfig(
            neuron=neuron,
            neuron_options={"dt": RF_TIMESTEP} if neuron == "RF" else {},
            data=self.data,
            data_options=options,
            learning_rate=rate,
            seed=seed,
        )
        chosen = "-".join(map(str, options.values())) or "plain"
        folder = self.out / part / chosen / f"{neuron}-lr{rate:g}-seed{seed}"
        if (folder / "result.json").exists():
            found = json.loads((folder / "result.json").read_text())
        else:
            splits = self.load(config, options)
            data = dataclasses.replace(splits, test=splits.valid) if blind else splits
            found = train(config, folder, resume=True, data=data)
        left = ("folder", "data", "architecture", *(key for key in found if blind and key.startswith("test_")))
        result = {"part": part, **options, **{key: value for key, value in found.items() if key not in left}}
        same = ("part", "neuron", "seed", "learning_rate", *options)
        if any(all(each.get(key) == result[key] for key in same) for each in self.results):
            return result
        self.results.append(result)
        write_file(self.out / "results.jsonl", b"".join((json.dumps(each) + "\n").encode() for each in self.results))
        accuracy = result["valid_accuracy"] if blind else result["test_accuracy"]
        print(part, chosen, neuron, f"lr {rate:g}, seed {seed}: {accuracy:.3f}", flush=True)
        return result

    def load(self, config: TrainConfig, options: dict[str, object]) -> Splits:
        """Load the recordings, or take those that are loaded."""
        key = json.dumps(options, sort_keys=True)
        if key not in self.splits:
            self.splits[key] = Splits.load(config)
        return self.splits[key]

    def best_rate(self, neuron: str, **options: object) -> float:
        """The learning rate with the best accuracy on the validation speakers."""
        tried = climb(
            lambda rate: self.run("tuning", neuron, rate, TUNING_SEED, blind=True, **options)["valid_accuracy"]
        )
        return max(tried, key=tried.__getitem__)

    def part(self, name: str) -> list[Result]:
        """Results of a part, so far."""
        return [each for each in self.results if each["part"] == name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/free-spoken-digits"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fold-seeds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(arguments.data, arguments.out)

    rates = {neuron: bench.best_rate(neuron) for neuron in NEURONS}
    people = sorted({speaker for _, _, speaker, _ in recordings_in(arguments.data)})
    best: list[str] = []
    for seeds, fold_seeds in ((range(3), range(1)), (range(3, arguments.seeds), range(1, arguments.fold_seeds))):
        for seed in seeds:
            for neuron in NEURONS:
                bench.run("speakers", neuron, rates[neuron], seed)
        best = best or _best(bench)
        report(bench)
        for name in FRONT_ENDS[1:]:
            rate = bench.best_rate("SiLIF", front_end=name)
            for seed in range(arguments.fold_seeds):
                bench.run("front-ends", "SiLIF", rate, seed, front_end=name)
        report(bench)
        for seed in fold_seeds:
            for speaker in people:
                for neuron in best:
                    bench.run("leave-one-out", neuron, rates[neuron], seed, leave_out=speaker)
            report(bench)
    print((RESULTS / "free_spoken_digits.md").read_text())


def _best(bench: Bench) -> list[str]:
    summaries = sorted(summarize(bench.part("speakers")), key=lambda each: each.accuracy)
    return [each.neuron for each in summaries[-BEST:]]


def report(bench: Bench) -> None:
    """Write what is there so far."""
    speakers = bench.part("speakers")
    summaries = summarize(speakers)
    order = " < ".join(f"{each.neuron} {each.accuracy:.3f}" for each in sorted(summaries, key=lambda s: s.accuracy))
    lines = [
        "# Six neurons on recordings of people",
        "",
        "Made by `python -m benchmarks.free_spoken_digits --data free-spoken-digit-dataset` from the Free Spoken Digit "
        "Dataset (Jakobovski and others; CC BY-SA 4.0). Chance is 10 %.",
        "",
        "## Two unheard speakers",
        "",
        "Trained on george, jackson and nicolas, epoch and learning rate chosen on yweweler, tested on lucas and theo; "
        "the model cochlea as front end. Seconds are of a machine that had other work to do.",
        "",
        summary_table(summaries),
        "",
        f"Order of the means: {order}.",
        "",
        differences_table(differences(speakers, "SiLIF")),
        "",
        "Accuracy on the validation speaker by learning rate, with a seed that is not among those above:",
        "",
        tables.table(_tuning(bench), markdown=True),
        *_front_ends(bench),
        *_folds(bench),
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "free_spoken_digits.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "free_spoken_digits.jsonl").write_text("".join(json.dumps(each) + "\n" for each in bench.results))


def _tuning(bench: Bench) -> list[tuple[str, ...]]:
    rows: dict[str, dict[float, float]] = {}
    for each in bench.part("tuning"):
        name = " with ".join(filter(None, (each["neuron"], each.get("front_end"))))
        rows.setdefault(name, {})[each["learning_rate"]] = each["valid_accuracy"]
    shown = [
        (name, ", ".join(f"{rate:g}: {accuracy:.3f}" for rate, accuracy in sorted(found.items())))
        for name, found in rows.items()
    ]
    return [("neuron", "validation accuracy by learning rate"), *shown]


def _front_ends(bench: Bench) -> list[str]:
    if not bench.part("front-ends"):
        return []
    rows = []
    for name in FRONT_ENDS:
        part = bench.part("front-ends")
        found = [each for each in part if each["front_end"] == name]
        if name == "cochlea":
            seeds = {each["seed"] for each in part}
            found = [each for each in bench.part("speakers") if each["neuron"] == "SiLIF" and each["seed"] in seeds]
        if found:
            rows.append((name, found))
    shown = [
        (
            name,
            _spread([100 * each["test_accuracy"] for each in found], " %"),
            f"{statistics.fmean(each['test_synaptic_operations'] for each in found) / 1e3:.0f}k",
            f"{100 * statistics.fmean(each['test_sparsity'] for each in found):.1f} %",
            f"{found[0]['learning_rate']:g}",
            str(len(found)),
        )
        for name, found in rows
    ]
    tested = differences([{**each, "neuron": name} for name, found in rows for each in found], "cochlea")
    head = ("front end", "test accuracy", "synaptic operations", "sparsity", "learning rate", "seeds")
    return [
        "",
        "## Front ends",
        "",
        "SiLIF, the same speakers. Operations count non-zero inputs; of log-mel, which is dense, every input is one.",
        "",
        tables.table([head, *shown], markdown=True),
        "",
        differences_table(tested),
    ]


def _folds(bench: Bench) -> list[str]:
    part = bench.part("leave-one-out")
    if not part:
        return []
    people = sorted({each["leave_out"] for each in part})
    neurons = list(dict.fromkeys(each["neuron"] for each in part))

    def found(neuron: str, speaker: str) -> list[float]:
        return [
            100 * each["test_accuracy"] for each in part if (each["neuron"], each["leave_out"]) == (neuron, speaker)
        ]

    people = [speaker for speaker in people if all(found(neuron, speaker) for neuron in neurons)]
    if len(people) < 2:
        return []
    means = {neuron: [statistics.fmean(found(neuron, speaker)) for speaker in people] for neuron in neurons}
    rows = [
        (neuron, *(_spread(found(neuron, speaker)) for speaker in people), _spread(means[neuron])) for neuron in neurons
    ]
    costs = [
        (
            neuron,
            f"{statistics.fmean(each['test_synaptic_operations'] for each in chosen) / 1e3:.0f}k",
            f"{100 * statistics.fmean(each['test_sparsity'] for each in chosen):.1f} %",
            str(len({each["seed"] for each in chosen})),
        )
        for neuron in neurons
        if (chosen := [each for each in part if each["neuron"] == neuron])
    ]
    tests = {pair: float(ttest_rel(means[pair[1]], means[pair[0]]).pvalue) for pair in combinations(neurons, 2)}
    corrected = holm(tests)
    pairs = [
        (
            f"{one}, {two}",
            f"{statistics.fmean(means[two]) - statistics.fmean(means[one]):+.1f} points",
            f"{p:.2g}",
            f"{corrected[one, two]:.2g}",
        )
        for (one, two), p in tests.items()
    ]
    return [
        "",
        "## Leave one speaker out",
        "",
        "The best three by the first three seeds of the first table. Each column is the accuracy in percent on that "
        "speaker, mean ± standard deviation over the seeds where there are several; the last is mean ± standard "
        f"deviation over the {len(people)} speakers. The next speaker by name validates, the other four train. "
        "Learning rates are those above: yweweler, lucas and theo had a part in their choice or in that of the three "
        "neurons.",
        "",
        tables.table([("neuron", *people, "all"), *rows], markdown=True),
        "",
        tables.table([("neuron", "synaptic operations", "sparsity", "seeds"), *costs], markdown=True),
        "",
        tables.table(
            [("pair", "difference of means", "paired t-test", "with Holm's correction"), *pairs], markdown=True
        ),
    ]


def _spread(values: list[float], unit: str = "") -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}{unit}"


if __name__ == "__main__":
    main()
