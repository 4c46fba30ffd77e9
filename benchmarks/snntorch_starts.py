"""Where SiLIF and C-SiLIF start in snnTorch: what the start costs and gives in nets without batch norm.

    python -m benchmarks.snntorch_starts
    python -m benchmarks.snntorch_starts --tasks spoken --starts snn.Leaky SiLIF --seeds 0 1 2

Two tasks. *Spoken* digits: 140-128-128-20, 100 steps of 10 ms, two layers of the neuron and a readout that does
not fire, cross entropy of its mean membrane, 8 epochs. Still *digits*, in the way of snnTorch's tutorial 5: 64-1000-10,
25 steps of the same image, hidden and output layer are the neuron, cross entropy of the output membranes summed over
steps, 4 epochs; there a net can lower its loss and stop firing, so the accuracy is taken from spikes. *normed* is the
spoken task with a batch norm before each hidden layer.

Each run is a start, a seed and a rate of Adam. Runs that are in the file of results already are kept. The table gives
means and standard deviations over the seeds at the rate with the best mean accuracy on validation data: other speakers
than those of the test, other images.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import snntorch as snn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from silif_plugins import tables
from silif_plugins.datasets import SpokenDigits
from silif_plugins.files import write_file
from silif_plugins.snntorch import CSiLIF, SiLIF

Make = Callable[[int], nn.Module]
Run = dict[str, Any]

RESULTS = Path(__file__).parent / "results" / "snntorch_starts.json"


class Stepped(nn.Module):
    """A neuron of snnTorch over a sequence, [T, B, N]: spikes and membranes."""

    def __init__(self, lif: nn.Module) -> None:
        super().__init__()
        self.lif: Any = lif

    def forward(self, currents: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spikes and membranes of all steps."""
        mem = self.lif.reset_mem()
        spikes, membranes = [], []
        for current in currents:
            spk, mem = self.lif(current, mem)
            spikes.append(spk)
            membranes.append(mem)
        return torch.stack(spikes), torch.stack(membranes)


def leaky(size: int, beta: float) -> nn.Module:
    return Stepped(snn.Leaky(beta=beta))


def ours(kind: type[SiLIF] | type[CSiLIF], *, gain: float | None = None, **start: Any) -> Make:
    """A neuron of ours with a start, or with a gain of the current: one for all neurons of a layer, or snn.Leaky's."""

    def make(size: int) -> nn.Module:
        lif = kind(size, sequence=True, output=True, **start)
        if gain is not None:
            unit = 1 / lif.neuron.state_space().b1.detach()
            lif.input_scale = unit if gain == UNIT else torch.full_like(unit, gain)
        return lif

    return make


UNIT = 0.0
"""The gain of snn.Leaky, 1 / (1 - α), neuron by neuron."""

PAPER: dict[str, Any] = {"a": (0.0, 1.0), "b": (0.0, 2.0), "tau_u": (0.004, 0.1), "scale_input": False}
WEAK: dict[str, Any] = {"a": (0.0, 0.3), "b": (0.0, 0.5), "tau_u": (0.004, 0.1)}
THROUGH: dict[str, Any] = {"detach_reset": False}
S4D: dict[str, Any] = {"dt": (0.01, 0.5), "b": (0.0, 1.0)}
SLOWER: dict[str, Any] = {"dt": (0.01, 0.25), "b": 0.5}

STARTS: dict[str, Make] = {
    "snn.Leaky(beta=0.9)": partial(leaky, beta=0.9),
    "snn.Leaky(beta=0.95)": partial(leaky, beta=0.95),
    "SiLIF.paper, atan": ours(SiLIF, spike_grad="atan", **PAPER, **THROUGH),
    "SiLIF(beta=0.9)": ours(SiLIF, beta=0.9),
    "SiLIF(beta=0.95)": ours(SiLIF, beta=0.95),
    "SiLIF": ours(SiLIF),
    "SiLIF, through the reset": ours(SiLIF, **THROUGH),
    "SiLIF, unit gain": ours(SiLIF, gain=UNIT, **WEAK),
    "SiLIF, unit gain, through the reset": ours(SiLIF, gain=UNIT, **WEAK, **THROUGH),
    "SiLIF, unit gain, tau_u 8 to 100 ms": ours(SiLIF, gain=UNIT, **{**WEAK, "tau_u": (0.008, 0.1)}),
    "SiLIF, unit gain, tau_u 20 to 100 ms": ours(SiLIF, gain=UNIT, **{**WEAK, "tau_u": (0.02, 0.1)}),
    "SiLIF, gain 7": ours(SiLIF, gain=7.0, **WEAK),
    "SiLIF, gain 7, through the reset": ours(SiLIF, gain=7.0, **WEAK, **THROUGH),
    "SiLIF, gain 10": ours(SiLIF, gain=10.0, **WEAK),
    "SiLIF, gain 10, through the reset": ours(SiLIF, gain=10.0, **WEAK, **THROUGH),
    "C-SiLIF, S4D-Lin": ours(CSiLIF, **S4D),
    "C-SiLIF, S4D-Lin, through the reset": ours(CSiLIF, **S4D, **THROUGH),
    "C-SiLIF, S4D-Lin, b 1/2": ours(CSiLIF, **{**S4D, "b": 0.5}),
    "C-SiLIF, b 1/2, dt to 0.25": ours(CSiLIF, **SLOWER),
    "C-SiLIF, b 1/2, dt to 0.25, through the reset": ours(CSiLIF, **SLOWER, **THROUGH),
    "C-SiLIF(beta=0.9), omega to 10": ours(CSiLIF, beta=0.9, omega=(0.0, 10.0)),
    "C-SiLIF(beta=0.9), omega to 30": ours(CSiLIF, beta=0.9, omega=(0.0, 30.0)),
    "C-SiLIF(beta=0.9), omega to 100": ours(CSiLIF, beta=0.9, omega=(0.0, 100.0)),
}


class Net(nn.Module):
    """Layers of one neuron, with a readout or without."""

    def __init__(self, sizes: Sequence[int], make: Make, *, normed: bool = False, readout: int | None = None) -> None:
        super().__init__()
        widths = (*sizes, *([readout] if readout else []))
        self.linear = nn.ModuleList(nn.Linear(fan_in, size) for fan_in, size in pairwise(widths))
        self.norm = nn.ModuleList(nn.BatchNorm1d(size) for size in sizes[1:]) if normed else None
        self.neurons = nn.ModuleList(make(size) for size in sizes[1:])
        if readout:
            # snn.Leaky(beta=0.95, reset_mechanism="none"), digit for digit, in one call.
            integrator = partial(SiLIF, beta=0.95, learn=False, reset_mechanism="none", sequence=True, output=True)
            self.neurons.append(integrator(readout))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return the spikes and membranes of all layers."""
        layers: list[tuple[Tensor, Tensor]] = []
        for place, (linear, lif) in enumerate(zip(self.linear, self.neurons, strict=True)):
            current = linear(x)
            if self.norm is not None and place < len(self.norm):
                current = self.norm[place](current.flatten(0, 1)).unflatten(0, current.shape[:2])
            layers.append(lif(current))
            x = layers[-1][0]
        return layers


class Data(NamedTuple):
    """Inputs [samples, T, C] and labels of the three splits."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


class Task(NamedTuple):
    """A net, its data, its loss, and what is read from its output."""

    data: Callable[[int], Data]
    net: Callable[[Make], Net]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: str
    epochs: int
    batch: int
    rates: tuple[float, ...]


@cache
def spoken(seed: int) -> Data:
    del seed  # the speakers of each split are fixed
    splits = (SpokenDigits(split, steps=100, max_time=1.0) for split in ("train", "valid", "test"))
    return Data(*((torch.as_tensor(split.frames), torch.as_tensor(split.labels)) for split in splits))


@cache
def digits(seed: int) -> Data:
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images, dtype=torch.float32)[:, None] / 16, torch.tensor(labels)
    split = partial(train_test_split, random_state=seed)
    train_x, x, train_y, y = split(images, labels, test_size=600, stratify=labels)
    valid_x, test_x, valid_y, test_y = split(x, y, test_size=400, stratify=y)
    return Data((train_x, train_y), (valid_x, valid_y), (test_x, test_y))


def of_mean(mem: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(mem.mean(0), labels)


def summed(mem: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(mem.flatten(0, 1), labels.repeat(len(mem))) * len(mem)


SPOKEN = Task(spoken, partial(Net, (140, 128, 128), readout=20), of_mean, "by_mem", 8, 32, (0.01, 0.002))
TASKS = {
    "spoken": SPOKEN,
    "normed": SPOKEN._replace(rates=(0.01,), net=partial(Net, (140, 128, 128), readout=20, normed=True)),
    "digits": Task(digits, partial(Net, (64, 1000, 10)), summed, "by_spk", 4, 64, (5e-4, 1.5e-3)),
}


def inputs(task: Task, x: Tensor) -> Tensor:
    """[B, T, C] to what the first layer takes, [T, B, C]: an image is shown for 25 steps."""
    x = x.float().transpose(0, 1)
    return x if len(x) > 1 else x.expand(25, -1, -1)


def measure(task: Task, net: Net, x: Tensor, y: Tensor) -> Run:
    """Accuracy by membranes and by spikes, loss, and spikes per neuron and step of each layer."""
    net.eval()
    with torch.no_grad():
        parts = [net(inputs(task, part)) for part in x.split(200)]
    spk, mem = (torch.cat([layers[-1][i] for layers in parts], dim=1) for i in (0, 1))
    rates = [torch.cat([layers[place][0] for layers in parts], dim=1).mean().item() for place in range(len(parts[0]))]
    return {
        "by_mem": (mem.mean(0).argmax(1) == y).float().mean().item(),
        "by_spk": (spk.sum(0).argmax(1) == y).float().mean().item(),
        "loss": task.loss(mem, y).item(),
        "rates": [round(rate, 4) for rate in rates],
    }


def train(task: Task, make: Make, rate: float, seed: int) -> Run:
    """Train one net and measure it after its best epoch by validation."""
    torch.manual_seed(seed)
    data = task.data(seed)
    net = task.net(make)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    x, y = data.train
    losses: list[float] = []
    best: Run = {"valid": -1.0}
    for epoch in range(1, task.epochs + 1):
        net.train()
        total = 0.0
        for batch in torch.randperm(len(y)).split(task.batch):
            optimizer.zero_grad()
            loss = task.loss(net(inputs(task, x[batch]))[-1][1], y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(round(total / len(y), 4))
        valid = measure(task, net, *data.valid)[task.score]
        if valid >= best["valid"]:
            best = {"valid": valid, "epoch": epoch, **measure(task, net, *data.test)}
    return {"train_losses": losses, **best}


def key(run: Run) -> tuple[Any, ...]:
    return run["task"], run["start"], run["rate"], run["seed"]


def load(path: Path) -> dict[tuple[Any, ...], Run]:
    runs = json.loads(path.read_text()) if path.exists() else []
    return {key(run): run for run in runs}


def save(path: Path, runs: dict[tuple[Any, ...], Run]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(run) for run in runs.values())
    write_file(path, f"[\n{lines}\n]\n".encode())


def spread(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def table(runs: Sequence[Run], task: str) -> str:
    """One row a start, at its best rate by validation, in Markdown."""
    accuracy = f"accuracy by {'spikes' if task == 'digits' else 'membrane'} [%]"
    head = (task, "seeds", "rate", accuracy, "at each rate", "by the other", "loss", "spikes per neuron and step")
    rows: list[tuple[str, ...]] = [head]
    for start in (name for name in STARTS if any((run["task"], run["start"]) == (task, name) for run in runs)):
        by_rate: dict[float, list[Run]] = {}
        for run in runs:
            if (run["task"], run["start"]) == (task, start):
                by_rate.setdefault(run["rate"], []).append(run)
        score, other = ("by_spk", "by_mem") if task == "digits" else ("by_mem", "by_spk")
        best = max(by_rate, key=lambda rate: statistics.mean(run["valid"] for run in by_rate[rate]))
        chosen = by_rate[best]
        grid = ", ".join(f"{rate:g}: {spread([run[score] for run in by_rate[rate]])}" for rate in sorted(by_rate))
        firing = ", ".join(
            f"{statistics.mean(layer):.3f}" for layer in zip(*(run["rates"] for run in chosen), strict=True)
        )
        loss = statistics.mean(run["train_losses"][-1] for run in chosen)
        by_score, by_other = (spread([run[name] for run in chosen]) for name in (score, other))
        rows.append((f"`{start}`", str(len(chosen)), f"{best:g}", by_score, grid, by_other, f"{loss:.3g}", firing))
    return tables.table(rows, markdown=True)


def main(argv: Sequence[str] | None = None) -> list[Run]:
    """Train what is missing, keep it, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    parser.add_argument("--rates", type=float, nargs="+", help="learning rates (default: those of the task)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of the runs")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    runs = load(args.results)
    for seed, name, start in product(args.seeds, args.tasks, args.starts):
        for rate in args.rates or TASKS[name].rates:
            run: Run = {"task": name, "start": start, "rate": rate, "seed": seed}
            if key(run) not in runs:
                run |= train(TASKS[name], STARTS[start], rate, seed)
                runs[key(run)] = run
                save(args.results, runs)
                print(f"{name} {start} {rate:g} seed {seed}: {run['by_mem']:.3f} {run['by_spk']:.3f}", flush=True)
    for name in args.tasks:
        print(f"\n{table(list(runs.values()), name)}")
    return list(runs.values())


if __name__ == "__main__":
    main()
