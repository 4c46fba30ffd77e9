"""SiLIF and C-SiLIF on MNIST pixel by pixel, and S4D and SpikingSSM: 784 steps of one input, 60,000 images.

    python -m benchmarks.sequential_mnist --data FOLDER
    python -m benchmarks.sequential_mnist --data FOLDER --systems

FOLDER holds the four files of MNIST as published (`silif recipes` says what they are called). Two hidden layers of 128,
ten epochs, learning rate 0.01 (not searched), three seeds; one seed each on permuted pixels, and with layers of 256.
55,000 images train, 5,000 choose the epoch. A run takes a quarter of an hour to an hour; it can be interrupted at any
time, and goes on where it was when this is run again.

With --systems it trains S4D and SpikingSSM instead, two layers of 64 channels with 16 states, one seed, images in
order; the rows that are there already stay.

It prints and writes, to benchmarks/results/sequential_mnist.md and .json, accuracy, the share of steps with a spike,
synaptic operations and minutes. Minutes are those of one thread on whatever machine, with whatever else it does.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from silif_plugins import tables
from silif_plugins.training import TrainConfig, train

NEURONS = ("SiLIF", "C-SiLIF")
TASKS: dict[str, dict[str, Any]] = {
    "in order": {},
    "permuted": {"permute": True},
    "in order, 2 x 256": {"hidden_sizes": (256, 256)},
}
SMALL = {"layers": 2, "width": 64, "state_size": 16, "weight_decay": 0.01}
SYSTEMS = ("s4d", "spiking-ssm")
RESULTS = Path(__file__).parent / "results"
FILE = "sequential_mnist"
SPIKING_SSM = {"in order": "99.6 %", "permuted": "98.4 %"}
"""Published in Table 2 of its paper (Shen and others)."""

_SYSTEMS_LINES = (
    "S4D and SpikingSSM: two layers of 64 channels with 16 states; of S4D firing is the share of outputs that are",
    "not zero. Both were trained on an H200, which had other work to do.",
)

Result = dict[str, Any]


def runs(seeds: int) -> list[tuple[str, str, int]]:
    """Task, neuron and seed of every run, the ones with several seeds first."""
    first, *others = TASKS
    return [(first, neuron, seed) for seed in range(seeds) for neuron in NEURONS] + [
        (task, neuron, 0) for task in others for neuron in NEURONS
    ]


def settings(name: str) -> dict[str, Any]:
    """What a run is of."""
    return {"architecture": name, **SMALL} if name in SYSTEMS else {"neuron": name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the four files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--systems", action="store_true", help="S4D and SpikingSSM, one seed, instead of the neurons")
    parser.add_argument("--only", nargs="+", choices=[*NEURONS, *SYSTEMS], help="of these, some")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/sequential_mnist"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = before()
    first = next(iter(TASKS))
    for task, name, seed in [(first, name, 0) for name in SYSTEMS] if arguments.systems else runs(arguments.seeds):
        if arguments.only and name not in arguments.only:
            continue
        config = TrainConfig(
            data=arguments.data,
            seed=seed,
            epochs=arguments.epochs,
            learning_rate=0.01,
            device=arguments.device,
            **settings(name),
            **TASKS[task],
        )
        place = arguments.out / f"{task}-{name}-seed{seed}".replace(", ", "-").replace(" ", "-")
        results[task, name, seed] = train(config, place, resume=True)
        report(results)


def before() -> dict[tuple[str, str, int], Result]:
    """Results that stand in the file, by task, name and seed."""
    file = RESULTS / f"{FILE}.json"
    found = json.loads(file.read_text()) if file.exists() else []
    return {(each.pop("pixels"), each["neuron"], each["seed"]): each for each in found}


def report(results: dict[tuple[str, str, int], Result]) -> None:
    grouped: dict[tuple[str, str], list[Result]] = {}
    for (task, _, _), result in results.items():
        grouped.setdefault((task, result["neuron"]), []).append(result)
    rows = [row(task, neuron, found) for (task, neuron), found in grouped.items()]
    head = ("pixels", "neuron", "test accuracy", "firing", "synaptic operations", "parameters", "seeds", "minutes")
    published = ", ".join(f"{share} {task}" for task, share in SPIKING_SSM.items())
    lines = [
        "# Sequential MNIST",
        "",
        "Made by `python -m benchmarks.sequential_mnist --data FOLDER`: 784 steps of one pixel, two layers of 128",
        "neurons, 55,000 training images, ten epochs of which 5,000 other images choose the best; learning rate",
        "0.01, which was not searched. Firing is the share of time steps with a spike; minutes are of a machine",
        "with other work to do.",
        *(_SYSTEMS_LINES if any(name in SYSTEMS for _, name, _ in results) else ()),
        f"Published of SpikingSSM: {published}.",
        "",
        tables.table([head, *rows], markdown=True),
    ]
    (RESULTS / f"{FILE}.md").write_text("\n".join(lines) + "\n")
    kept = [
        {"pixels": task, **{key: value for key, value in result.items() if key not in ("folder", "data")}}
        for (task, _, _), result in results.items()
    ]
    (RESULTS / f"{FILE}.json").write_text(json.dumps(kept, indent=1) + "\n")
    print("\n".join(lines), flush=True)


def row(task: str, neuron: str, results: list[Result]) -> tuple[str, ...]:
    def spread(key: str, unit: float, form: str) -> str:
        values = [result[key] / unit for result in results]
        several = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
        return f"{statistics.fmean(values):{form}}{several}"

    firing = statistics.fmean(1 - result["test_sparsity"] for result in results)
    return (
        task,
        neuron,
        f"{spread('test_accuracy', 0.01, '.1f')} %",
        f"{100 * firing:.1f} %",
        f"{spread('test_synaptic_operations', 1e3, ',.0f')}k",
        f"{results[0]['parameters']:,}",
        str(len(results)),
        f"{statistics.fmean(result['seconds'] for result in results) / 60:.0f}",
    )


if __name__ == "__main__":
    main()
