"""The SiLIF paper's Figure 4 on spoken digits: accuracy against operations, of state space systems and of SiLIF.

    python -m benchmarks.keywords --data spoken-digits
    python -m benchmarks.keywords --data free-spoken-digit-dataset

S4D and SpikingSSM at three scales and Mamba, with the sizes of the paper's Table 9; SiLIF with two layers of 128 and
256, and with a learnable delay for each synapse. All have the same data, 15 epochs in batches of 64, and the best of
three learning rates by validation accuracy, or of four where an end is the best, with a seed that is not used again;
then three seeds. It can be stopped at any time. Learning rates and rows that stand in the results stay, so that parts
can be trained on several machines: the fast ones on a GPU (--device cuda).

It prints and writes, to benchmarks/results/keywords_DATA.md, .json and .png, accuracy, operations as the paper counts
them and in full, and what the paper says of half the compute, as found. In full are encoder, state spaces, gated
layers, readout, and each update of a neuron. On spoken-digits all takes two hours of one core, of which Mamba takes
three quarters of an hour.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from silif_plugins import plots, tables
from silif_plugins.datasets import resolve
from silif_plugins.files import write_file
from silif_plugins.metrics import OperationCount
from silif_plugins.training import (
    SCALES,
    Summary,
    TrainConfig,
    evaluate,
    load_network,
    load_split,
    summarize,
    summary_table,
)
from silif_plugins.training.side_by_side import next_rate

from .side_by_side import train_each

RESULTS = Path(__file__).parent / "results"
TUNING_SEED = 1000
SYSTEM_RATES, NEURON_RATES = (0.003, 0.01, 0.03), (0.01, 0.03, 0.1)
DELAYS = {"connection": "delayed", "connection_options": {"max_delay": 25, "round_in_eval": True}}
NEURONS: dict[str, dict[str, Any]] = {
    "SiLIF 128": {"hidden_sizes": (128, 128)},
    "SiLIF 256": {"hidden_sizes": (256, 256)},
    "SiLIF 128 + delays": {"hidden_sizes": (128, 128), **DELAYS},
}


CONTENDERS: dict[str, dict[str, Any]] = {
    **NEURONS,
    **{
        f"{kind}-{scale}": {"architecture": f"{kind}-{scale}", "weight_decay": 0.01}
        for scale in SCALES
        for kind in ("s4d", "spiking-ssm", *(("mamba",) if scale == "3x64" else ()))
    },
}

Result = dict[str, Any]
Run = tuple[str, float, int]
"""Contender, learning rate and seed."""


class Bench:
    """All runs on one data set, and what came of them so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        source, _ = resolve(arguments.data)
        self.name = source.name
        self.file = arguments.results / f"keywords_{self.name.replace('-', '_')}.json"
        found = json.loads(self.file.read_text()) if self.file.exists() else {}
        tried = found.get("tuning", {}).items()
        self.tuning = {name: {float(rate): valid for rate, valid in rates.items()} for name, rates in tried}
        self.results: list[Result] = found.get("results", [])
        self.full: dict[str, float] = found.get("full_operations", {})

    def train(self, wanted: list[Run]) -> None:
        """Train what is missing, and note each result as soon as it is there."""
        given = self.arguments
        settings = {"data": str(given.data), "epochs": given.epochs, "device": given.device}
        there = {_run_of(each) for each in self.results}
        missing = [
            (name, rate, seed)
            for name, rate, seed in wanted
            if (rate not in self.tuning[name] if seed == TUNING_SEED else (name, rate, seed) not in there)
        ]

        def note(run: Run, result: Result) -> None:
            name, rate, seed = run
            if seed == TUNING_SEED:
                self.tuning[name][rate] = result["valid_accuracy"]
            else:
                self.results.append({**result, "neuron": name})
                if name not in self.full:
                    self.full[name] = full_operations(Path(result["folder"]))
            self.write()

        runs = {
            (name, rate, seed): (
                f"{name} {given.epochs} epochs rate {rate:g}",
                TrainConfig(**CONTENDERS[name], **settings, learning_rate=rate, seed=seed),
            )
            for name, rate, seed in missing
        }
        train_each(runs, given.out / self.name, jobs=given.jobs, note=note)

    def tune(self, names: list[str]) -> None:
        """Try the learning rates of contenders, and further ones where an end of them is the best."""
        for name in names:
            self.tuning.setdefault(name, {})
        self.train(
            [
                (name, rate, TUNING_SEED)
                for name in names
                for rate in self.arguments.rates or (NEURON_RATES if name in NEURONS else SYSTEM_RATES)
            ]
        )
        for _ in range(self.arguments.beyond):
            further = ((name, next_rate(self.tuning[name])) for name in names)
            self.train([(name, rate, TUNING_SEED) for name, rate in further if rate is not None])

    def finish(self, names: list[str]) -> None:
        """Train the seeds of contenders, each at its best learning rate."""
        best = {name: max(rates, key=rates.__getitem__) for name, rates in self.tuning.items() if rates}
        self.results = [each for each in self.results if each["learning_rate"] == best[each["neuron"]]]
        self.train([(name, best[name], seed) for name in names for seed in range(self.arguments.seeds)])

    def write(self) -> None:
        """Keep what was found so far."""
        order = list(CONTENDERS)
        self.results.sort(key=lambda each: (order.index(each["neuron"]), each["seed"]))
        kept = [{key: item for key, item in each.items() if key not in ("folder", "data")} for each in self.results]
        tuning = {
            name: {f"{rate:g}": valid for rate, valid in sorted(rates.items())} for name, rates in self.tuning.items()
        }
        content = {"data": self.name, "tuning": tuning, "results": kept, "full_operations": self.full}
        write_file(self.file, (json.dumps(content, indent=1) + "\n").encode())


def _run_of(result: Result) -> Run:
    return result["neuron"], result["learning_rate"], result["seed"]


def full_operations(folder: Path) -> float:
    """Every multiplication, and every addition of a weight or a reset by a spike, of a sample of the test set."""
    net, config, _ = load_network(folder)
    dataset = load_split(config, "test")
    if hasattr(net, "counting"):
        net.counting = "full"
        return evaluate(net, dataset).synaptic_operations
    with OperationCount(net) as count:
        evaluate(net, dataset)
    return (count.total.macs + count.total.acs) / len(dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="spoken-digits, or a folder of recordings")
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--rates", nargs="+", type=float, help="in the place of the three")
    parser.add_argument("--beyond", type=int, default=1, help="further rates where an end of them is the best")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("runs/keywords"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    bench.tune(arguments.contenders)
    bench.finish(arguments.contenders)
    report(bench)


def report(bench: Bench) -> None:
    summaries = summarize(bench.results)
    tuned = [
        (name, ", ".join(f"{rate:g}: {100 * found:.1f} %" for rate, found in grid.items()))
        for name, grid in bench.tuning.items()
    ]
    counted = [
        (each.neuron, f"{each.synaptic_operations / 1e3:,.0f}k", f"{bench.full[each.neuron] / 1e3:,.0f}k")
        for each in summaries
    ]
    lines = [
        f"# Accuracy against operations on {bench.name}",
        "",
        f"Made by `python -m benchmarks.keywords`: {bench.arguments.epochs} epochs in batches of 64. Systems are named "
        "with layers and channels, which have 32 states, or 64 in the largest; SiLIF with the neurons of each of two "
        "layers. Seconds are of a machine that had other work to do.",
        "",
        summary_table(summaries),
        "",
        "Learning rates, by validation accuracy with a seed that is not among those above:",
        "",
        tables.table([("contender", "validation accuracy by learning rate"), *tuned], markdown=True),
        "",
        "Operations of a sample, as the paper counts them and in full (of the first seed):",
        "",
        tables.table([("contender", "as in the paper", "in full"), *counted], markdown=True),
        "",
        *half_the_compute(summaries, bench.full),
    ]
    write_file(bench.file.with_suffix(".md"), ("\n".join(lines) + "\n").encode())
    bench.write()
    plots.save(figure(bench.results), bench.file.with_suffix(".png"))
    print("\n".join(lines), flush=True)


def figure(results: list[Result]) -> Figure:
    """Draw the accuracies; sizes of one system are joined."""
    summaries = summarize(results)
    families = [dataclasses.replace(each, neuron=re.sub(r"-\dx\d+$| \d+", "", each.neuron)) for each in summaries]
    return plots.accuracy_against_operations(families, join=True)


def half_the_compute(summaries: list[Summary], full: dict[str, float]) -> list[str]:
    """For each SiLIF the cheapest system that is at least as accurate, or else the most accurate; counted both ways."""
    lines = ["The SiLIF paper says: the accuracy of state space systems at half the compute. Here:", ""]
    systems = [each for each in summaries if each.neuron not in NEURONS]
    for one in (each for each in summaries if each.neuron in NEURONS and systems):
        as_good = [each for each in systems if each.accuracy >= one.accuracy]
        best = max(systems, key=lambda each: each.accuracy)
        said = []
        for words, cost in (
            ("as the paper counts", {each.neuron: each.synaptic_operations for each in summaries}),
            ("in full", full),
        ):
            other = min(as_good or [best], key=lambda each: cost[each.neuron])
            said.append(f"{cost[one.neuron] / cost[other.neuron]:.2f} of {other.neuron}'s {words}")
        first = "" if as_good else f"no system is as accurate, the best has {100 * best.accuracy:.1f} %; "
        lines.append(f"- {one.neuron} ({100 * one.accuracy:.1f} %): {first}operations are {', and '.join(said)}.")
    return lines


if __name__ == "__main__":
    main()
