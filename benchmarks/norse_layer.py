"""Time of one layer in Norse, forward and backward: Norse's LIF and LSNN against SiLIF and C-SiLIF.

Norse's layers index their input at every step, and the backward pass of that fills a tensor of the whole sequence each
time: wherever a layer is not the first, its time grows with the square of the number of steps. So each of Norse's
neurons is measured as it ships, and as its cell run over ``input.unbind()``, which is the fair rival.

    python -m benchmarks.norse_layer
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import norse.torch as snn
import torch
from torch import Tensor, nn

from silif_plugins.norse import CSiLIF, CSiLIFParameters, SiLIF, SiLIFCell, SiLIFParameters

from .measure import interleaved


class Unbound(nn.Module):
    """A cell over a sequence, without indexing the sequence."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        """Return the spikes of the sequence and the last state."""
        outputs, state = [], None
        for now in x.unbind():
            z, state = self.cell(now, state)
            outputs.append(z)
        return torch.stack(outputs), state


def contenders(neurons: int) -> dict[str, nn.Module]:
    """Return the layers by name; the first is what the others are compared with."""
    return {
        "SiLIF": SiLIF(SiLIFParameters.sample(neurons)),
        "C-SiLIF": CSiLIF(CSiLIFParameters.sample(neurons)),
        "SiLIFCell, unbind": Unbound(SiLIFCell(SiLIFParameters.sample(neurons))),
        "Norse LIF": snn.LIF(),
        "Norse LIF, unbind": Unbound(snn.LIFCell()),
        "Norse LSNN": snn.LSNN(),
        "Norse LSNN, unbind": Unbound(snn.LSNNCell()),
    }


def training_step(layer: nn.Module, x: Tensor, weight: Tensor) -> Callable[[], None]:
    """Return one measurement: forward, and backward to the parameters and, if it asks for it, the input."""

    def step() -> None:
        for tensor in (x, *layer.parameters()):
            tensor.grad = None
        z, _ = layer(x)
        (z * weight).sum().backward()

    return step


def medians(shape: tuple[int, int, int], rounds: int, *, input_gradient: bool) -> dict[str, float]:
    """Return the median seconds of every contender."""
    x = (3 * torch.rand(shape)).requires_grad_(input_gradient)
    weight = torch.randn(shape)
    steps = {name: training_step(layer, x, weight) for name, layer in contenders(shape[-1]).items()}
    return interleaved(steps, rounds=rounds, seconds=60.0)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Print the table; return the medians of a hidden layer in seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(250, 32, 512), metavar=("T", "B", "N"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    shape = tuple(args.shape)
    hidden, first = (medians(shape, args.rounds, input_gradient=gradient) for gradient in (True, False))
    print(f"[T, B, N] = {list(shape)}, float32, forward + backward, {args.threads} thread(s); first: first layer,")
    print("whose input needs no gradient\n")
    print("| layer | ms | times SiLIF | first, ms | times SiLIF |\n|---|---|---|---|---|")
    for name in hidden:
        cells = (f"{1e3 * times[name]:.1f} | {times[name] / times['SiLIF']:.2f}" for times in (hidden, first))
        print(f"| {name} | {' | '.join(cells)} |")
    return hidden


if __name__ == "__main__":
    main()
