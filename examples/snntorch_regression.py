"""Regression with backpropagation through time in snnTorch, where Leaky, SiLIF and C-SiLIF differ in one line.

A constant input is to be turned into a damped oscillation of proportional size: the network has to make its time
course itself. Two hidden layers of spiking neurons are read out by the membrane of a leaky neuron that does not
spike, which is the same for all; the error is backpropagated through all time steps. Only the entry of NEURONS
changes.

What it shows: what a second state is good for. SiLIF's adaptation and C-SiLIF's rotation carry a rhythm, which a
leaky membrane has to build from spikes: its error stays several times as large.

    python examples/snntorch_regression.py --neuron csilif
"""

import argparse
import math
import time
from collections.abc import Sequence

import snntorch as snn
import torch
from torch import Tensor, nn

from silif_plugins.snntorch import CSiLIF, SiLIF

NEURONS = {
    "leaky": lambda size: snn.Leaky(beta=0.95),
    "silif": lambda size: SiLIF(size),
    "csilif": lambda size: CSiLIF(size),
}


class Net(nn.Module):
    """One number in, one number out, at every step."""

    def __init__(self, neuron: str, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(1, hidden)
        self.lif1 = NEURONS[neuron](hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.lif2 = NEURONS[neuron](hidden)
        self.fc3 = nn.Linear(hidden, 1)
        self.readout = snn.Leaky(beta=0.8, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        """Return the readout's membrane [T, B, 1] for inputs [T, B, 1]."""
        mem1 = self.lif1.init_leaky()
        mem2 = self.lif2.init_leaky()
        mem3 = self.readout.init_leaky()
        mem_rec = []
        for now in x.unbind():
            spk1, mem1 = self.lif1(self.fc1(now), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            _, mem3 = self.readout(self.fc3(spk2), mem3)
            mem_rec.append(mem3)
        return torch.stack(mem_rec)


def curves(steps: int, batch: int) -> tuple[Tensor, Tensor]:
    """Return constant inputs and the damped oscillations they stand for, each [T, B, 1]."""
    size = torch.linspace(0.5, 1.5, batch)
    t = torch.linspace(0, 1, steps)
    course = torch.exp(-2 * t) * torch.cos(2 * math.pi * 3 * t)
    return size.expand(steps, batch).unsqueeze(-1), torch.outer(course, size).unsqueeze(-1)


def main(argv: Sequence[str] | None = None) -> float:
    """Train, print the error now and then, and return the last one as a share of the targets' variance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", choices=NEURONS, default="silif", help="which neuron to use (default: silif)")
    parser.add_argument("--iterations", type=int, default=200, help="updates of the weights (default: 200)")
    parser.add_argument("--steps", type=int, default=100, help="time steps of the curve (default: 100)")
    parser.add_argument("--hidden", type=int, default=64, help="neurons of a hidden layer (default: 64)")
    parser.add_argument("--learning-rate", type=float, default=5e-3, help="Adam's (default: 0.005)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and parameters (default: 0)")
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    inputs, targets = curves(args.steps, batch=16)
    net = Net(args.neuron, args.hidden)
    optimizer = torch.optim.Adam(net.parameters(), lr=args.learning_rate)
    start, error = time.perf_counter(), math.inf
    for iteration in range(1, args.iterations + 1):
        loss = nn.functional.mse_loss(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        error = loss.item() / targets.var().item()
        if iteration % 20 == 0 or iteration == args.iterations:
            print(
                f"{args.neuron} iteration {iteration}: mean square error {error:.3f} of the variance, "
                f"{time.perf_counter() - start:.1f} s",
                flush=True,
            )
    return error


if __name__ == "__main__":
    main()
