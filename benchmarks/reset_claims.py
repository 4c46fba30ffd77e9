"""What a general reset is said to be good for: with and without, stable and unstable A, 1 and 3 bits, 1 and 2 outputs.

    python -m benchmarks.reset_claims
    python -m benchmarks.reset_claims --data spoken-digits --epochs 2 --seeds 1 --rates 0.03 --hidden-sizes 16

Sixteen neurons of two complex states each, on spoken digits and on sequential digits, in the network of `silif train`:
the best of some learning rates for each by validation accuracy, with a seed that is not used again, and three seeds of
each at that rate, tested at their best epoch by validation. "Unstable" is an A that nothing keeps stable, from a start
at which all of it is outside of the unit circle, |A| from 1.001 to 1.05. A run whose loss is not finite counts as
diverged, which the table shows. All of them run on fused kernels: of the time of an epoch neurons are a part only.

Runs that are there already, whole or in part, are gone on with. Every finished run is a line of
benchmarks/results/reset_claims.jsonl, and all of them are laid out in reset_claims.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from silif_plugins import tables
from silif_plugins.files import write_file
from silif_plugins.training import Diverged, Splits, TrainConfig, load_network, train, unstable

DATA = ("spoken-digits", "sequential-digits")
RATES = (0.01, 0.03, 0.1)
TUNING_SEED = 1000
RESULTS = Path(__file__).parent / "results"

Result = dict[str, Any]


def contenders() -> dict[str, dict[str, Any]]:
    """Options of the neuron by name: reset, A, bits and outputs.

    Examples:
        >>> len(contenders()), list(contenders())[0]
        (16, 'reset, stable, 1 bit, 1 output')
    """
    found = {}
    for action, stable, bits, outputs in itertools.product(("subtract", "none"), (True, False), (1, 3), (1, 2)):
        words = "reset" if action == "subtract" else "no reset", "stable" if stable else "unstable"
        name = ", ".join((*words, f"{bits} bit{'s' * (bits > 1)}", f"{outputs} output{'s' * (outputs > 1)}"))
        found[name] = {
            "states": 2,
            "outputs": outputs,
            "spikes": "binary" if bits == 1 else f"{bits}-bit",
            "action": action,
            **({} if stable else {"stable": False, "decay": -0.1}),
        }
    return found


def run(config: TrainConfig, folder: Path, splits: Splits) -> Result:
    """Train, or read what is there, and say what came of it; accuracies are None of a run that diverged."""
    try:
        found = train(config, folder, resume=True, data=splits)
    except Diverged:
        return {"diverged": True}
    net, _, facts = load_network(folder / "best.safetensors")
    torch.manual_seed(config.seed)  # as the run began
    before = unstable(config.network(facts["num_inputs"], facts["num_classes"]))
    kept = {name: found[name] for name in ("valid_accuracy", "test_accuracy", "parameters", "seconds")}
    more = {name: found[name] for name in ("test_sparsity", "test_synaptic_operations")}
    return {"diverged": False, **kept, **more, "unstable_before": before, "unstable_after": unstable(net)}


def searched(
    settings: dict[str, Any], place: Path, splits: Splits, rates: Sequence[float], seeds: int
) -> Iterator[Result]:
    """Try the rates with a seed of their own, and then the best one with as many seeds as asked for."""
    blind = dataclasses.replace(splits, test=splits.valid)  # the test set stays out of the tuning

    def one(part: str, rate: float, seed: int, data: Splits) -> Result:
        config = TrainConfig(**settings, learning_rate=rate, seed=seed)
        found = run(config, place / part / f"lr{rate:g}-seed{seed}", data)
        return {"part": part, "learning_rate": rate, "seed": seed, **found}

    accuracies = {}
    for rate in rates:
        yield (found := one("tuning", rate, TUNING_SEED, blind))
        accuracies[rate] = -1.0 if found["diverged"] else found["valid_accuracy"]
    for seed in range(seeds):
        yield one("test", max(rates, key=accuracies.__getitem__), seed, splits)


def table(results: Sequence[Result], data: str) -> str:
    """Lay out one data set: means and standard deviations over the seeds."""
    rows = [("neuron", "test accuracy", "rate", "diverged", "sparsity", "operations", "unstable", "seeds", "seconds")]
    for name in contenders():
        mine = [each for each in results if (each["data"], each["neuron"]) == (data, name) and each["part"] == "test"]
        if not mine:
            continue
        done = [each for each in mine if not each["diverged"]]

        def mean(key: str, done: list[Result] = done) -> float:
            return statistics.fmean(each[key] for each in done) if done else float("nan")

        accuracies = [100 * each["test_accuracy"] for each in done]
        spread = f" ± {statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
        rows.append(
            (
                name,
                f"{100 * mean('test_accuracy'):.1f}{spread} %",
                f"{mine[0]['learning_rate']:g}",
                str(len(mine) - len(done)),
                f"{100 * mean('test_sparsity'):.1f} %",
                f"{mean('test_synaptic_operations') / 1e3:,.0f}k",
                f"{100 * mean('unstable_before'):.0f} → {100 * mean('unstable_after'):.0f} %",
                str(len(mine)),
                f"{mean('seconds'):.0f}",
            )
        )
    return tables.table(rows, markdown=True)


def report(results: Sequence[Result], file: Path, told: str) -> None:
    """Write the lines and the tables."""
    write_file(file, b"".join((json.dumps(each) + "\n").encode() for each in results))
    parts = ["# The claims about resets, tried", "Made by `python -m benchmarks.reset_claims`: " + told]
    for data in dict.fromkeys(each["data"] for each in results):
        rates = [("neuron", "validation accuracy by learning rate")]
        for name in contenders():
            tried = [each for each in results if (each["data"], each["neuron"], each["part"]) == (data, name, "tuning")]
            shown = ("-" if each["diverged"] else f"{100 * each['valid_accuracy']:.1f} %" for each in tried)
            pairs = zip(tried, shown, strict=True)
            rows = ", ".join(f"{each['learning_rate']:g}: {accuracy}" for each, accuracy in pairs)
            rates += [(name, rows)] if rows else []
        parts += [f"## {data}", table(results, data), tables.table(rates, markdown=True)]
    write_file(file.with_suffix(".md"), ("\n\n".join(parts) + "\n").encode())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=DATA)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--hidden-sizes", type=int, nargs="+", default=[64, 64])
    parser.add_argument("--pool", type=int, help="input channels that are summed; the data's own by default")
    parser.add_argument("--steps", type=int, help="time steps; the data's own by default")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--out", type=Path, default=Path("runs/reset_claims"))
    parser.add_argument("--results", type=Path, default=RESULTS / "reset_claims.jsonl")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: list[Result] = []
    sizes = " x ".join(map(str, given.hidden_sizes))
    told = f"{given.epochs} epochs, {sizes} neurons, learning rates {', '.join(f'{rate:g}' for rate in given.rates)}."
    for data in given.data:
        shared = {"data": data, "epochs": given.epochs, "hidden_sizes": tuple(given.hidden_sizes)}
        shared |= {"pool": given.pool, "steps": given.steps, "neuron": "General-Reset"}
        splits = Splits.load(TrainConfig(**shared))
        for name, options in contenders().items():
            if given.only not in name:
                continue
            settings = {**shared, "neuron_options": options}
            place = given.out / data / name.replace(", ", "-").replace(" ", "")
            for found in searched(settings, place, splits, given.rates, given.seeds):
                results.append({"data": data, "neuron": name, **found})
                report(results, given.results, told)
                print(json.dumps(results[-1]), flush=True)
    print(given.results.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
