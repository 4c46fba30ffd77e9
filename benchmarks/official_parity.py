"""The paper's published network and our own, trained alike on spoken digits: do they end at the same accuracy?

    SILIF_OFFICIAL=path/to/SSM-inspired-LIF python benchmarks/official_parity.py --neurons SiLIF C-SiLIF

The published class ``SNN`` is taken from a checkout of https://github.com/Maxtimer97/SSM-inspired-LIF (MIT) and trained
here by the loop that its train.py describes: Adam, cross entropy of the summed outputs, the learning rate lowered when
validation accuracy stalls, the best epoch by validation tested at the end. Ours is ``silif train`` with the published
conventions: random initial states and batch norm's running statistics. Both get the same frames, seeds, epochs, batch
sizes, learning rates and dropout; accuracies are means over samples for both. Random numbers are drawn in another order
by each, so runs agree in distribution, not one by one.

It prints and writes to benchmarks/results: means and standard deviations over the seeds, whether the means are within
one standard deviation (the smaller of the two) of each other, and validation accuracy by epoch, as numbers and a plot.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
import types
from pathlib import Path

import torch
from torch import nn

from silif_plugins import plots
from silif_plugins.datasets.batching import batches
from silif_plugins.datasets.spoken_digits import SHA256
from silif_plugins.tables import table
from silif_plugins.training import Splits, TrainConfig, train

RESULTS = Path(__file__).parent / "results"
OFFICIAL_NAMES = {"SiLIF": "SiLIF", "C-SiLIF": "CSiLIF", "cAdLIF": "CadLIF", "LIF": "LIF"}
RATES = {"SiLIF": 0.03, "C-SiLIF": 0.03, "cAdLIF": 0.03, "LIF": 0.1}


def settings(neuron: str, seed: int, epochs: int) -> TrainConfig:
    return TrainConfig(
        neuron=neuron,
        learning_rate=RATES[neuron],
        epochs=epochs,
        schedule="plateau",
        patience=2,
        initial_state="uniform",
        recalibrate=0,
        seed=seed,
    )


def official_network(config: TrainConfig, inputs: int, classes: int) -> nn.Module:
    checkout = os.environ.get("SILIF_OFFICIAL")
    if not checkout or not Path(checkout, "models", "snns.py").is_file():
        sys.exit("SILIF_OFFICIAL: must be the folder of a checkout of github.com/Maxtimer97/SSM-inspired-LIF")
    try:
        import einops  # noqa: F401
    except ModuleNotFoundError:  # only its S4D uses it
        sys.modules["einops"] = types.ModuleType("einops")
        sys.modules["einops"].rearrange = sys.modules["einops"].repeat = None  # type: ignore[attr-defined]
    if checkout not in sys.path:
        sys.path.insert(0, checkout)
    network: nn.Module = importlib.import_module("models.snns").SNN(
        (config.batch_size, None, inputs),
        [*config.options["hidden_sizes"], classes],
        OFFICIAL_NAMES[config.options["neuron"]],
        dropout=config.options["dropout"],
        extra_features={"dt_min": 0.01, "dt_max": 0.5},
    )
    return network


@torch.no_grad()
def official_accuracy(net: nn.Module, dataset: object, batch_size: int) -> float:
    net.eval()
    right = 0
    for batch in batches(dataset, batch_size):  # type: ignore[arg-type]
        frames, labels, _ = batch.to("cpu")
        right += int((net(frames)[0].argmax(1) == labels).sum())
    return right / len(dataset)  # type: ignore[arg-type]


def train_official(config: TrainConfig, splits: Splits) -> dict[str, object]:
    start = time.process_time()
    torch.manual_seed(config.seed)
    net = official_network(config, splits.train.num_channels, splits.train.num_classes)
    optimizer = torch.optim.Adam(net.parameters(), config.learning_rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=config.factor, patience=config.patience, min_lr=1e-6
    )
    order = torch.Generator().manual_seed(config.seed)
    curve: list[float] = []
    best: dict[str, torch.Tensor] = {}
    for _ in range(config.epochs):
        net.train()
        for batch in batches(splits.train, config.batch_size, shuffle=order):
            frames, labels, _ = batch.to("cpu")
            loss = nn.functional.cross_entropy(net(frames)[0], labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracy = official_accuracy(net, splits.valid, config.batch_size)
        scheduler.step(accuracy)
        if not curve or accuracy > max(curve):
            best = {name: value.clone() for name, value in net.state_dict().items()}
        curve.append(accuracy)
    net.load_state_dict(best)
    test = official_accuracy(net, splits.test, config.batch_size)
    return {"seed": config.seed, "test": test, "valid": curve, "cpu_seconds": round(time.process_time() - start, 1)}


def train_ours(config: TrainConfig, splits: Splits, folder: Path) -> dict[str, object]:
    start = time.process_time()
    test = train(config, folder, data=splits)["test_accuracy"]
    curve = [json.loads(line)["valid_accuracy"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {"seed": config.seed, "test": test, "valid": curve, "cpu_seconds": round(time.process_time() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", nargs="+", choices=list(OFFICIAL_NAMES), default=["SiLIF", "C-SiLIF"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/parity"), help="keeps finished runs, which are not repeated"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    splits = Splits.load(settings("SiLIF", 0, 1))
    results: dict[str, dict[str, list[dict[str, object]]]] = {}
    for neuron in arguments.neurons:
        results[neuron] = {"official": [], "ours": []}
        for seed in range(arguments.seeds):
            config = settings(neuron, seed, arguments.epochs)
            for side in ("official", "ours"):
                done = arguments.out / f"{neuron}-{side}-{arguments.epochs}-seed{seed}.json"
                if not done.exists():
                    folder = done.with_suffix("")
                    one = train_official(config, splits) if side == "official" else train_ours(config, splits, folder)
                    done.parent.mkdir(parents=True, exist_ok=True)
                    done.write_text(json.dumps(one))
                results[neuron][side].append(json.loads(done.read_text()))
                print(neuron, side, {k: v for k, v in results[neuron][side][-1].items() if k != "valid"}, flush=True)
    report(results, arguments.epochs)


def report(results: dict[str, dict[str, list[dict[str, object]]]], epochs: int) -> None:
    lines = [
        f"# The published network and ours on spoken digits, {epochs} epochs, T = 100",
        "",
        "Made by `SILIF_OFFICIAL=... python benchmarks/official_parity.py`; see there for what is compared.",
        "",
    ]
    rows: list[tuple[str, ...]] = [
        ("neuron", "published, test", "ours, test", "difference", "within one sd", "CPU seconds a run")
    ]
    for neuron, sides in results.items():
        tests = {side: [float(run["test"]) for run in runs] for side, runs in sides.items()}  # type: ignore[arg-type]
        mean = {side: statistics.fmean(values) for side, values in tests.items()}
        sd = {side: statistics.stdev(values) if len(values) > 1 else float("nan") for side, values in tests.items()}
        seconds = {side: statistics.fmean(float(run["cpu_seconds"]) for run in runs) for side, runs in sides.items()}  # type: ignore[arg-type]
        within = "yes" if abs(mean["ours"] - mean["official"]) <= min(sd.values()) else "no"
        rows.append(
            (
                neuron,
                f"{100 * mean['official']:.1f} ± {100 * sd['official']:.1f} %",
                f"{100 * mean['ours']:.1f} ± {100 * sd['ours']:.1f} %",
                f"{100 * (mean['ours'] - mean['official']):+.1f} points",
                within,
                f"{seconds['official']:.0f}, {seconds['ours']:.0f}",
            )
        )
    number = len(next(iter(results.values()))["ours"])
    lines += [
        table(rows, markdown=True),
        "",
        f"Mean ± standard deviation over {number} seeds. Validation accuracy by epoch: official_parity.png. "
        f"Training data: SHA-256 {SHA256['train'][:12]}....",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "official_parity.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "official_parity.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, RESULTS / "official_parity.png")
    print("\n".join(lines))


def draw(results: dict[str, dict[str, list[dict[str, object]]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(results), 3.4), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False, sharey=True)[0]
    for axes, (neuron, sides) in zip(panels, results.items(), strict=True):
        for (side, runs), colour, style in zip(sides.items(), plots.COLOURS, ("-", "--"), strict=False):
            curves = torch.tensor([run["valid"] for run in runs])
            epochs = range(1, curves.shape[1] + 1)
            mean, sd = curves.mean(0), curves.std(0)
            axes.plot(epochs, mean, style, color=colour, label={"official": "published"}.get(side, side))
            axes.fill_between(epochs, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
        axes.set(title=neuron, xlabel="epoch")
        axes.legend(frameon=False)
    panels[0].set_ylabel("validation accuracy")
    plots.save(figure, path)


if __name__ == "__main__":
    main()
