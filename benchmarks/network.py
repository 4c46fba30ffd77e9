"""A training step of the paper's network, 140-512-512-20 with batch norm and dropout, dense and event-driven.

The networks are trained on the spoken digits before, with a penalty that leads their hidden layers to a given rate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from silif_plugins.datasets import SpokenDigits
from silif_plugins.neurons import LI, SiLIF
from silif_plugins.scan import scan, scan_layer
from silif_plugins.synapses import SpikeLinear, normalised

from .measure import interleaved
from .rivals import Unbound, official_code

SIZES = (140, 512, 512, 20)
STEPS, DROPOUT = 250, 0.25


class Network(nn.Module):
    """Two layers of SiLIF and leaky integrators; ``events`` as for SpikeLinear."""

    def __init__(self, events: str) -> None:
        super().__init__()
        drops = (0.0, DROPOUT, DROPOUT)
        self.linears = nn.ModuleList(
            SpikeLinear(a, b, bias=False, dropout=drop, events=events)
            for (a, b), drop in zip(pairwise(SIZES), drops, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size, momentum=0.05) for size in SIZES[1:])
        self.neurons = nn.ModuleList([*(SiLIF(size) for size in SIZES[1:-1]), LI(SIZES[-1])])
        self.watched = False
        self.rates: list[Tensor] = []
        self.openness: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return scores [B, C] from inputs [T, B, 140]."""
        gate, bits, self.rates, self.openness = None, None, [], []
        for linear, norm, neuron in zip(self.linears, self.norms, self.neurons, strict=True):
            current, affine, _ = normalised(linear, norm, x, gate, bits=bits)
            last = isinstance(neuron, LI)
            fired = scan_layer(
                neuron.state_space(), current, affine=affine, return_states=last, as_bits=not self.watched
            )
            if last:
                scores: Tensor = fired.states.mem.softmax(-1).sum(0)
                return scores
            x, gate, bits = fired.spikes, fired.gate, fired.bits
            if self.watched:
                self.rates.append(x.mean())
                self.openness.append(gate.float().mean().item())
        raise AssertionError


class Dense(Network):
    """The same with PyTorch's own linear layers and dropout, on our neurons."""

    def forward(self, x: Tensor) -> Tensor:
        """Return scores [B, C] from inputs [T, B, 140]."""
        for linear, norm, neuron in zip(self.linears, self.norms, self.neurons, strict=True):
            current = norm(functional.linear(x, linear.weight).flatten(0, 1)).view(*x.shape[:2], -1)
            if isinstance(neuron, LI):
                _, _, states = scan(neuron.state_space(), current, return_states=True)
                return states.mem.softmax(-1).sum(0)
            x = functional.dropout(scan(neuron.state_space(), current)[0], DROPOUT)
        raise AssertionError


def official(*, unbind: bool) -> Callable[[Tensor], Tensor]:
    """The published network, time first here."""
    code = official_code()
    network = code.SNN(
        input_shape=(32, None, SIZES[0]),
        layer_sizes=list(SIZES[1:]),
        neuron_type="SiLIF",
        dropout=DROPOUT,
        normalization="batchnorm",
        use_readout_layer=True,
    )
    if unbind:
        for layer in network.snn:
            name = "_rf_cell" if hasattr(layer, "_rf_cell") else "_readout_cell"
            setattr(layer, name, partial(_unbound, getattr(layer, name)))
    return network


def _unbound(cell: Callable[[Unbound], Tensor], x: Tensor) -> Tensor:
    """Run one of its cells on an input whose steps are taken apart at once."""
    return cell(Unbound(x))


class Batches:
    """Batches of spoken digits without end: counts [T, B, 140] and labels [B]."""

    def __init__(self, batch: int) -> None:
        self.data, self.batch = SpokenDigits("train", steps=STEPS), batch

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Return the next batch."""
        samples = [self.data[index] for index in torch.randint(len(self.data), (self.batch,)).tolist()]
        return torch.stack([frames for frames, _ in samples], 1), torch.tensor([label for _, label in samples])


def train_to(rate: float, batches: Batches, *, least: int = 200, most: int = 2000) -> tuple[Network, str]:
    """Train a network until both hidden layers fire at a rate, within 5 % of it; return what it has learnt, too."""
    network = Network("auto")
    network.watched = True
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    rates, hits, loss = torch.zeros(2), 0.0, 0.0
    with tqdm(total=most, desc=f"training to {rate:.1%}", leave=False) as bar:
        for step in range(most):
            x, labels = batches()
            optimiser.zero_grad()
            scores = network(x)
            error = functional.cross_entropy(scores, labels)
            (error + sum((activity / rate - 1) ** 2 for activity in network.rates)).backward()
            optimiser.step()
            rates = rates.lerp(torch.tensor([activity.item() for activity in network.rates]), 1 / min(step + 1, 20))
            hits += (scores.argmax(1).eq(labels).float().mean().item() - hits) / min(step + 1, 20)
            loss += (error.item() - loss) / min(step + 1, 20)
            bar.update()
            bar.set_postfix(rates=[round(value, 4) for value in rates.tolist()], accuracy=round(hits, 2))
            if step >= least and (rates / rate - 1).abs().max() < 0.05:
                network.watched = False
                return network, f"{step + 1} steps, loss {loss:.2f}, accuracy {hits:.2f} in training"
    raise RuntimeError(f"rate: {rate} was not reached in {most} steps; the hidden layers fire at {rates.tolist()}")


def training_step(network: Any, x: Tensor, labels: Tensor, *, batch_first: bool = False) -> Callable[[], Tensor]:
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    x = x.transpose(0, 1).contiguous() if batch_first else x

    def run() -> Tensor:
        optimiser.zero_grad()
        scores = network(x)
        loss = functional.cross_entropy(scores[0] if batch_first else scores, labels)
        loss.backward()
        optimiser.step()
        return loss.detach()

    return run


def table(threads: int, *, batch: int = 32) -> None:
    """Print the time of a training step at several hidden rates."""
    torch.set_num_threads(threads)
    batches = Batches(batch)
    x, labels = batches()
    print(f"\n## {'-'.join(map(str, SIZES))}, T = {STEPS}, B = {batch}, training step, {threads} thread(s)\n")
    print(f"spoken digits; {x.ne(0).float().mean():.3f} of the inputs are not zero\n")
    print("| hidden rate | open gates | trained | events | dense layers, fused neurons | official, unbind | official |")
    print("|---|---|---|---|---|---|---|")
    for rate in (0.012, 0.07, 0.17):
        events, trained = train_to(rate, batches)
        networks: dict[str, Any] = {"events": events, "dense": Dense("never")}
        networks["dense"].load_state_dict(events.state_dict())
        if official_code():
            networks |= {"unbind": official(unbind=True), "official": official(unbind=False)}
            for name in ("unbind", "official"):
                for layer, linear, norm in zip(networks[name].snn, events.linears, events.norms, strict=True):
                    layer.W.load_state_dict({"weight": linear.weight})
                    layer.norm.load_state_dict(norm.state_dict())
        states = {name: {k: v.clone() for k, v in n.state_dict().items()} for name, n in networks.items()}
        times = interleaved(
            {
                name: training_step(network, x, labels, batch_first=name in ("unbind", "official"))
                for name, network in networks.items()
            },
            rounds=5,
        )
        for name, network in networks.items():  # a few steps on one batch move the rates: those before count
            network.load_state_dict(states[name])
        events.watched = True
        with torch.no_grad():
            events(x)
        base = times["events"]
        cells = [
            f"{1e3 * base:.0f} ms",
            *(f"{times[n] / base:.1f}" for n in ("dense", "unbind", "official") if n in times),
        ]
        rates, gates = [f"{value:.3f}" for value in events.rates], [f"{value:.2f}" for value in events.openness]
        print(f"| {', '.join(rates)} | {', '.join(gates)} | {trained} | {' | '.join(cells)} |", flush=True)


def loss_curves(steps: int = 200, batch: int = 2) -> None:
    """Train with and without events from the same weights and the same dropout; print both losses.

    In float64: a spike that rounding moves changes all that follows, and in float32 that happens within 20 steps.
    """
    torch.set_default_dtype(torch.float64)
    networks = [Network("always"), Network("never")]
    networks[1].load_state_dict(networks[0].state_dict())
    generators = [torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)]
    optimisers = [torch.optim.Adam(network.parameters(), lr=1e-3) for network in networks]
    for network, generator in zip(networks, generators, strict=True):
        for linear in network.linears:
            linear.generator = generator
    batches = Batches(batch)
    print(f"\n## Loss over {steps} training steps, float64\n\n| step | events | dense |\n|---|---|---|")
    for step in range(steps):
        x, labels = batches()
        x, losses = x.double(), []
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(x), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        if step % 20 == 0 or step == steps - 1:
            print(f"| {step} | {losses[0]:.5f} | {losses[1]:.5f} |", flush=True)
    torch.set_default_dtype(torch.float32)
