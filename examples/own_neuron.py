"""Write a neuron of your own and train the speech network with it, beside SiLIF.

The neuron is a damped oscillator with a trained frequency and quality factor: its parameters and a function from them
to a state space are all it needs. The script checks its stability, trains both networks in the same budget and prints
the result.
"""

import argparse

import torch
from torch import Tensor

from silif_plugins.datasets import SpokenDigits
from silif_plugins.dynamics import StateSpace, is_stable
from silif_plugins.neurons import Neuron, SiLIF
from silif_plugins.sparch import SpArchNet
from silif_plugins.training import evaluate, recalibrate


class Oscillator(Neuron):
    """z[t] = r exp(iφ) (z[t-1] - s[t-1]) + (1-r) I[t], φ = exp(log_frequency), r = exp(-φ / exp(log_quality))."""

    log_frequency: Tensor
    log_quality: Tensor

    def __init__(self, size: int, *, frequency: tuple[float, float] = (0.02, 1.0), quality: float = 5.0) -> None:
        super().__init__(size)
        low, high = torch.tensor(frequency).log()
        self.register_values(
            True,
            log_frequency=low + (high - low) * torch.rand(self.size),
            log_quality=torch.full(self.size, quality).log(),
        )

    def state_space(self) -> StateSpace:
        """Return the oscillator; the clamps keep every value stable and every gradient finite."""
        frequency = self.log_frequency.clamp(-10, 2).exp()
        radius = torch.exp(-frequency / self.log_quality.clamp(-3, 10).exp())
        real, imaginary = radius * frequency.cos(), radius * frequency.sin()
        return StateSpace.of(
            a11=real,
            a12=-imaginary,
            a21=imaginary,
            a22=real,
            b1=1 - radius,
            r1=-real,
            r2=-imaginary,
            threshold=self.threshold,
        )


def train(neuron: type[Neuron], epochs: int, seed: int) -> float:
    """Train a network of two hidden layers and return its test accuracy."""
    torch.manual_seed(seed)
    digits = SpokenDigits("train")
    net = SpArchNet(digits.num_channels, (64, 64), digits.num_classes, neuron=neuron, dropout=0.1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(digits)).split(64):
            scores = net(digits.frames[batch].float()).scores
            loss = torch.nn.functional.cross_entropy(scores, digits.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    recalibrate(net, digits)  # batch norm's running statistics lag behind in a training this short
    return evaluate(net, SpokenDigits("test")).accuracy


def main() -> None:
    """Check the oscillator, train it and SiLIF, print both accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    print("all oscillators stable:", bool(is_stable(Oscillator(1000).state_space()).all()))
    for neuron in (SiLIF, Oscillator):
        print(f"{neuron.__name__:10} test accuracy {train(neuron, arguments.epochs, arguments.seed):.3f}")


if __name__ == "__main__":
    main()
