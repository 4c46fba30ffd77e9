r"""Neurons without and with learnable delays on spoken digits, each at its own best settings.

    python -m benchmarks.delays --data spoken-digits
    python -m benchmarks.delays --data free-spoken-digit-dataset
    silif generate digits --utterances 10000 --seed 1
    python -m benchmarks.delays --data digits --name ten-thousand-digits --neurons SiLIF --epochs 8 --seeds 2 \
        --kinds none synaptic axonal pruned --rates 0.01 0.03 --max-delays 6 25 --narrowings 0.25

Network 140-128-128 with a readout that has delays, too, steps of 10 ms, 15 epochs, batches of 64. Recurrent delays are
those of axons that lead back into the layer; recurrent weights without delays stand beside them. By validation
accuracy, with a seed that is not used again, are chosen one after another: the learning rate, the longest delay, and
the share of the training in which the Gaussian narrows. Then the seeds are tested at their best epoch by validation.
Delays are whole steps in every evaluation. "pruned" keeps 20 % of the delays of the chosen axonal network; as not all
are gone before the last third of the training, its last epoch is the one that is tested. It can be stopped at any time;
what stands in the results stays, so that parts can be trained on several machines.

It writes to benchmarks/results/delays_DATA.json and .md: accuracy, operations (those of synaptic delays count twice,
as in the paper), parameters, the buffers that the delays need on a chip, and each choice.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

from silif_plugins import tables
from silif_plugins.datasets import resolve
from silif_plugins.files import write_file
from silif_plugins.synapses import delay_memory
from silif_plugins.training import (
    TrainConfig,
    differences,
    differences_table,
    evaluate,
    load_network,
    load_split,
)

from .side_by_side import train_each

RATES, MAX_DELAYS, NARROWINGS = (0.01, 0.03, 0.1, 0.3), (6, 12, 25), (0.25, 0.5)
DELAYED = ("synaptic", "axonal", "recurrent delays")
KINDS = ("none", "synaptic", "axonal", "pruned", "recurrent", "recurrent delays")
TUNING_SEED = 1000
RESULTS = Path(__file__).parent / "results"

Choice = dict[str, float]
Result = dict[str, Any]
Run = tuple[str, str, Choice, int]
"""Neuron, kind of delays, choice and seed."""


def options_of(kind: str, choice: Choice) -> dict[str, Any]:
    """Return the settings of the network that make a kind of delays."""
    delays: dict[str, Any] = {key: value for key, value in choice.items() if key != "learning_rate"}
    delays["round_in_eval"] = True
    if kind == "recurrent delays":
        return {"recurrent": True, "recurrent_connection": "axonal", "recurrent_options": delays}
    if kind == "pruned":
        delays["kept"] = 0.2
    connection = {"synaptic": "delayed", "axonal": "axonal", "pruned": "axonal"}.get(kind)
    return {"connection": connection, "connection_options": delays} if connection else {"recurrent": kind != "none"}


class Bench:
    """All runs on one data set, and what came of them so far."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.name = arguments.name or resolve(arguments.data)[0].name
        self.file = arguments.results / f"delays_{self.name.replace('-', '_')}.json"
        self.results: list[Result] = json.loads(self.file.read_text()) if self.file.exists() else []

    def train(self, wanted: list[Run]) -> None:
        """Train what is missing, and note each result as soon as it is there."""
        given = self.arguments
        runs = {
            (neuron, kind, tuple(choice.items()), seed): (
                f"{neuron} {kind} {words(choice)}",
                TrainConfig(
                    neuron=neuron,
                    data=str(given.data),
                    epochs=given.epochs,
                    learning_rate=choice["learning_rate"],
                    seed=seed,
                    **options_of(kind, choice),
                ),
            )
            for neuron, kind, choice, seed in wanted
            if self.found(neuron, kind, choice, seed) is None
        }

        def note(run: tuple[str, str, tuple[tuple[str, float], ...], int], result: Result) -> None:
            neuron, kind, choice, seed = run
            kept = {key: item for key, item in result.items() if key not in ("folder", "data", "seconds")}
            kept |= at_the_end(Path(result["folder"]), whole=kind == "pruned")
            if seed == TUNING_SEED:
                kept = {key: item for key, item in kept.items() if not key.startswith("test_")}
            self.results.append({**kept, "neuron": neuron, "delays": kind, "choice": dict(choice)})
            self.write()

        train_each(runs, given.out / self.name, jobs=given.jobs, note=note)

    def found(self, neuron: str, kind: str, choice: Choice, seed: int) -> Result | None:
        """Return the result of a run, if there is one."""
        same = {"neuron": neuron, "delays": kind, "choice": choice, "seed": seed}
        return next((each for each in self.results if all(each[key] == value for key, value in same.items())), None)

    def best(self, tried: dict[tuple[str, str], list[Choice]]) -> dict[tuple[str, str], Choice]:
        """Try the choices of each contender, and return the best by validation accuracy."""
        self.train([(*who, choice, TUNING_SEED) for who, choices in tried.items() for choice in choices])

        def accuracy(who: tuple[str, str], choice: Choice) -> float:
            result = self.found(*who, choice, TUNING_SEED)
            assert result is not None
            return float(result["valid_accuracy"])

        return {who: max(choices, key=lambda choice: accuracy(who, choice)) for who, choices in tried.items()}

    def choices(self, neurons: list[str], kinds: list[str]) -> dict[tuple[str, str], Choice]:
        """Choose learning rate, longest delay and narrowing of each contender, one after the other."""
        searched = [(neuron, kind) for neuron in neurons for kind in kinds if kind != "pruned"]
        given = self.arguments
        first = {"max_delay": given.max_delays[0], "narrowing": given.narrowings[0]}
        found = self.best(
            {
                who: [{"learning_rate": rate, **(first if who[1] in DELAYED else {})} for rate in given.rates]
                for who in searched
            }
        )
        for name, values in (("max_delay", given.max_delays), ("narrowing", given.narrowings)):
            delayed = {who: choice for who, choice in found.items() if who[1] in DELAYED}
            found |= self.best({who: [{**choice, name: value} for value in values] for who, choice in delayed.items()})
        return found | {(neuron, "pruned"): found[neuron, "axonal"] for neuron in neurons if "pruned" in kinds}

    def write(self) -> None:
        """Keep what was found so far."""
        write_file(self.file, (json.dumps(self.results, indent=1) + "\n").encode())


def at_the_end(folder: Path, *, whole: bool) -> Result:
    """Return the buffers of a run's best epoch, or of the last, when pruning is over, with the test of that."""
    net, config, _ = load_network(folder / "last.safetensors" if whole else folder)
    buffers = {"buffer_entries": sum(each.entries for each in delay_memory(net).values())}
    if not whole:
        return buffers
    test = evaluate(net, load_split(config, "test"))
    return {
        **buffers,
        "best_epoch": config.epochs,
        "test_accuracy": test.accuracy,
        "test_synaptic_operations": test.synaptic_operations,
    }


def words(choice: Choice) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in choice.items())


def report(bench: Bench) -> None:
    """Write the seeds of every contender that stands in the results."""
    head = ["neuron", "delays", "test accuracy, %", "seeds", "SOPs, thousands", "parameters", "buffers", "chosen"]
    tested = [run for run in bench.results if run["seed"] != TUNING_SEED]
    rows, named = [head], []
    neurons = sorted({run["neuron"] for run in tested}, reverse=True)
    for neuron, kind in itertools.product(neurons, KINDS):
        runs = [run for run in tested if (run["neuron"], run["delays"]) == (neuron, kind)]
        if not runs:
            continue
        found = [100 * run["test_accuracy"] for run in runs]
        named += [{**run, "neuron": neuron if kind == "none" else f"{neuron}, {kind}"} for run in runs]
        sd = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
        rows.append(
            [
                neuron,
                kind,
                f"{statistics.mean(found):.1f}{sd}",
                str(len(found)),
                f"{statistics.mean(run['test_synaptic_operations'] for run in runs) / 1000:.0f}",
                f"{runs[0]['parameters']:,}",
                f"{statistics.mean(run['buffer_entries'] for run in runs):,.0f}",
                words(runs[0]["choice"]),
            ]
        )
    lines = [f"# Learnable delays on {bench.name}", "", "Made by `python -m benchmarks.delays`.", ""]
    lines += [tables.table(rows, markdown=True), ""]
    for neuron in neurons if bench.arguments.seeds > 2 else []:
        own = [run for run in named if run["neuron"].split(",")[0] == neuron]
        lines += [differences_table(differences(own, neuron), markdown=True), ""]
    write_file(bench.file.with_suffix(".md"), ("\n".join(lines)).encode())
    print("\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="spoken-digits", help="spoken-digits, or a folder of recordings or events")
    parser.add_argument("--name", help="what the results are called; by default the data set")
    parser.add_argument("--neurons", nargs="+", default=["SiLIF", "LIF"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES))
    parser.add_argument("--max-delays", nargs="+", type=int, default=list(MAX_DELAYS))
    parser.add_argument("--narrowings", nargs="+", type=float, default=list(NARROWINGS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/delays"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    choices = bench.choices(arguments.neurons, arguments.kinds)
    bench.train([(*who, choice, seed) for who, choice in choices.items() for seed in range(arguments.seeds)])
    report(bench)


if __name__ == "__main__":
    main()
