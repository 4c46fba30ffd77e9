"""snnTorch's tutorial 5 on scikit-learn's digits, where Leaky, SiLIF and C-SiLIF differ in one line.

A fully connected network sees an image of 8 x 8 pixels for 25 steps; the loss is taken on the membranes of the last
layer at every step, and the class with the largest mean membrane wins. The network, its explicit states and its loop
are written for ``snn.Leaky``: only the entry of NEURONS changes.

What it shows: code for ``snn.Leaky`` runs as it is, ``torch.stack(mem_rec)`` included, and with ``beta=`` kept SiLIF
starts as the very neuron that it replaces.

    python examples/snntorch_mlp.py --neuron silif
"""

import argparse
import time
from collections.abc import Sequence

import snntorch as snn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from silif_plugins.snntorch import CSiLIF, SiLIF

NEURONS = {
    "leaky": lambda size: snn.Leaky(beta=0.95),
    "silif": lambda size: SiLIF(size, beta=0.95),
    "csilif": lambda size: CSiLIF(size, beta=0.95),
}


class Net(nn.Module):
    """The network of the tutorial."""

    def __init__(self, neuron: str, hidden: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.fc1 = nn.Linear(64, hidden)
        self.lif1 = NEURONS[neuron](hidden)
        self.fc2 = nn.Linear(hidden, 10)
        self.lif2 = NEURONS[neuron](10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return spikes and membranes of the last layer, each [T, B, 10], for images [B, 64]."""
        mem1 = self.lif1.init_leaky()
        mem2 = self.lif2.init_leaky()
        spk2_rec = []
        mem2_rec = []
        for _ in range(self.steps):
            cur1 = self.fc1(x)
            spk1, mem1 = self.lif1(cur1, mem1)
            cur2 = self.fc2(spk1)
            spk2, mem2 = self.lif2(cur2, mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec, dim=0), torch.stack(mem2_rec, dim=0)


def main(argv: Sequence[str] | None = None) -> float:
    """Train, print a line an epoch, and return the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", choices=NEURONS, default="silif", help="which neuron to use (default: silif)")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the training images (default: 15)")
    parser.add_argument("--steps", type=int, default=25, help="time steps an image is shown (default: 25)")
    parser.add_argument("--hidden", type=int, default=128, help="neurons of the hidden layer (default: 128)")
    parser.add_argument("--learning-rate", type=float, default=5e-3, help="Adam's (default: 0.005)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, parameters and batches (default: 0)")
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32) / 16
    split = train_test_split(images, torch.tensor(labels), test_size=0.2, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = split

    net = Net(args.neuron, args.hidden, args.steps)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=args.learning_rate)
    accuracy = 0.0
    for epoch in range(1, args.epochs + 1):
        start, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(train_images)).split(128):
            spk_rec, mem_rec = net(train_images[batch])
            loss = sum(loss_fn(mem_rec[step], train_labels[batch]) for step in range(args.steps)) / args.steps
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            spk_rec, mem_rec = net(test_images)
        accuracy = (mem_rec.mean(dim=0).argmax(dim=1) == test_labels).float().mean().item()
        print(
            f"{args.neuron} epoch {epoch}: loss {total / len(train_images):.3f}, test accuracy {accuracy:.3f}, "
            f"{spk_rec.mean():.3f} spikes per neuron and step, {time.perf_counter() - start:.1f} s",
            flush=True,
        )
    return accuracy


if __name__ == "__main__":
    main()
