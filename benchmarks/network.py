"""A training step of the paper's network, 140-512-512-20 with batch norm and dropout, dense and event-driven."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from silif_plugins.neurons import LI, SiLIF
from silif_plugins.scan import scan, scan_with_gate
from silif_plugins.synapses import SpikeLinear

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
        self.rates: list[float] = []
        self.openness: list[float] = []

    def forward(self, x: Tensor) -> Tensor:
        """Return scores [B, C] from inputs [T, B, 140]."""
        gate, self.rates, self.openness = None, [], []
        for linear, norm, neuron in zip(self.linears, self.norms, self.neurons, strict=True):
            current = norm(linear(x, gate).flatten(0, 1)).view(*x.shape[:2], -1)
            if isinstance(neuron, LI):
                _, _, states = scan(neuron.state_space(), current, return_states=True)
                return states.mem.softmax(-1).sum(0)
            x, _, gate = scan_with_gate(neuron.state_space(), current)
            if self.watched:
                self.rates.append(x.mean().item())
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


def words(batch: int) -> tuple[Tensor, Tensor]:
    """Spike counts [T, B, 140] of 20 classes with a time course of their own, 2 % of the bins active; labels."""
    labels = torch.randint(20, (batch,))
    phase = torch.linspace(0, 6.28, STEPS)[:, None, None] + labels[:, None] + 0.05 * torch.arange(SIZES[0])
    return torch.poisson(0.04 * torch.sin(phase * (1 + labels[:, None] % 3)).clamp(min=0)), labels


def watch(network: Network, x: Tensor) -> None:
    """Take down how often the hidden neurons fire, and how many gates are open."""
    network.watched = True
    with torch.no_grad():
        network(x)
    network.watched = False


def calibrate(network: Network, x: Tensor, rate: float, openness: float) -> None:
    """Scale and shift the batch norms until the hidden neurons fire, and their gates open, at given rates."""
    for index, norm in enumerate(network.norms[:-1]):
        narrow, wide = 0.3, 30.0  # the wider the potentials spread, the fewer are near the threshold
        for _ in range(8):
            norm.weight.data.fill_((narrow * wide) ** 0.5)
            low, high = -100.0, 100.0
            for _ in range(14):
                norm.bias.data.fill_((low + high) / 2)
                watch(network, x)
                low, high = ((low + high) / 2, high) if network.rates[index] < rate else (low, (low + high) / 2)
            too_open = network.openness[index] > openness
            narrow, wide = ((narrow * wide) ** 0.5, wide) if too_open else (narrow, (narrow * wide) ** 0.5)


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
    x, labels = words(batch)
    print(f"\n## {'-'.join(map(str, SIZES))}, T = {STEPS}, B = {batch}, training step, {threads} thread(s)\n")
    print(f"input: {x.ne(0).float().mean():.3f} of the bins are not zero\n")
    print("| hidden rate | open gates | events | dense layers, fused neurons | official, unbind | official |")
    print("|---|---|---|---|---|---|")
    # Open gates as counted on networks trained to these rates.
    for rate, openness in ((0.012, 0.06), (0.07, 0.14), (0.17, 0.18)):
        networks: dict[str, Any] = {"events": Network("auto"), "dense": Dense("never")}
        calibrate(networks["events"], x, rate, openness)
        networks["dense"].load_state_dict(networks["events"].state_dict())
        if official_code():
            networks |= {"unbind": official(unbind=True), "official": official(unbind=False)}
            for name in ("unbind", "official"):
                for layer, norm in zip(networks[name].snn, networks["events"].norms, strict=True):
                    layer.norm.load_state_dict(norm.state_dict())
        for network in networks.values():  # as measured: weights stand still, so that the rate does
            network.train()
        steps = {
            name: training_step(network, x, labels, batch_first=name in ("unbind", "official"))
            for name, network in networks.items()
        }
        states = {name: {k: v.clone() for k, v in n.state_dict().items()} for name, n in networks.items()}
        times = interleaved(steps, rounds=5)
        for name, network in networks.items():
            network.load_state_dict(states[name])
        watch(networks["events"], x)
        base = times["events"]
        cells = [
            f"{1e3 * base:.0f} ms",
            *(f"{times[n] / base:.1f}" for n in ("dense", "unbind", "official") if n in times),
        ]
        rates, gates = networks["events"].rates, networks["events"].openness
        print(f"| {sum(rates) / 2:.3f} | {sum(gates) / 2:.3f} | {' | '.join(cells)} |", flush=True)


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
    print(f"\n## Loss over {steps} training steps, float64\n\n| step | events | dense |\n|---|---|---|")
    for step in range(steps):
        x, labels = words(batch)
        losses = []
        for network, optimiser in zip(networks, optimisers, strict=True):
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(x), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        if step % 20 == 0 or step == steps - 1:
            print(f"| {step} | {losses[0]:.5f} | {losses[1]:.5f} |", flush=True)
    torch.set_default_dtype(torch.float32)
