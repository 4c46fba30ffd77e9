"""snnTorch's tutorial 6 on scikit-learn's digits, where Leaky, SiLIF and C-SiLIF differ in one line.

A convolutional network in ``nn.Sequential``, whose neurons keep their states (``init_hidden=True``), sees an image of
8 x 8 pixels for 20 steps; the loss is snnTorch's cross entropy of spike rates. The network and its training are the
same for every neuron: only the entry of NEURONS changes.

What it shows: neurons after a convolution, where a channel's parameters serve all of its positions: their size is
(C, 1, 1); and ``reset``.

    python examples/snntorch_cnn.py --neuron csilif
"""

import argparse
import time
from collections.abc import Sequence

import snntorch as snn
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from snntorch import functional as SF
from snntorch import surrogate
from torch import Tensor, nn

from silif_plugins.snntorch import CSiLIF, SiLIF, reset

OPTIONS = {"init_hidden": True, "spike_grad": surrogate.atan()}
NEURONS = {
    "leaky": lambda size, output=False: snn.Leaky(beta=0.9, output=output, **OPTIONS),
    "silif": lambda size, output=False: SiLIF(size, beta=0.9, output=output, **OPTIONS),
    "csilif": lambda size, output=False: CSiLIF(size, beta=0.9, output=output, **OPTIONS),
}


def network(neuron: str) -> nn.Sequential:
    """Images [B, 1, 8, 8] to spikes and membranes [B, 10] of one step."""
    lif = NEURONS[neuron]
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        lif((12, 1, 1)),
        nn.MaxPool2d(2),
        nn.Conv2d(12, 32, 3, padding=1),
        lif((32, 1, 1)),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 10),
        lif(10, output=True),
    )


def forward_pass(net: nn.Module, steps: int, data: Tensor) -> tuple[Tensor, Tensor]:
    """Return spikes and membranes of all steps, each [T, B, 10], as the tutorial does."""
    reset(net)
    spk_rec = []
    mem_rec = []
    for _ in range(steps):
        spk_out, mem_out = net(data)
        spk_rec.append(spk_out)
        mem_rec.append(mem_out)
    return torch.stack(spk_rec), torch.stack(mem_rec)


def main(argv: Sequence[str] | None = None) -> float:
    """Train, print a line an epoch, and return the accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", choices=NEURONS, default="silif", help="which neuron to use (default: silif)")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training images (default: 10)")
    parser.add_argument("--steps", type=int, default=20, help="time steps an image is shown (default: 20)")
    parser.add_argument("--samples", type=int, default=None, help="use the first training images only (default: all)")
    parser.add_argument("--learning-rate", type=float, default=1e-2, help="Adam's (default: 0.01)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, parameters and batches (default: 0)")
    args = parser.parse_args(argv)

    torch.manual_seed(args.seed)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
    split = train_test_split(images, torch.tensor(labels), test_size=0.2, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = split
    train_images, train_labels = train_images[: args.samples], train_labels[: args.samples]

    net = network(args.neuron)
    loss_fn = SF.ce_rate_loss()
    optimizer = torch.optim.Adam(net.parameters(), lr=args.learning_rate)
    accuracy = 0.0
    for epoch in range(1, args.epochs + 1):
        start, total = time.perf_counter(), 0.0
        for batch in torch.randperm(len(train_images)).split(64):
            spk_rec, _ = forward_pass(net, args.steps, train_images[batch])
            loss = loss_fn(spk_rec, train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            spk_rec, _ = forward_pass(net, args.steps, test_images)
        accuracy = float(SF.accuracy_rate(spk_rec, test_labels))
        print(
            f"{args.neuron} epoch {epoch}: loss {total / len(train_images):.3f}, test accuracy {accuracy:.3f}, "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
    return accuracy


if __name__ == "__main__":
    main()
