"""Norse's own examples with their neurons swapped for ours: where LIF learns, SiLIF and C-SiLIF must.

Models and notebook code are Norse's, untouched: the speech commands model, the cartpole policies, the network of the
MNIST task, and, from a checkout that NORSE_SOURCE names, the notebook that trains (docs/pages/parameters.ipynb). Data
are small stand-ins of the same shape, so that losses tell whether a network learns, and no more. For each example and
neuron: the loss of the first and of the last three steps, the accuracy on the training batch, the gradient that
reaches the input at the start, and the firing rate at the end.

    python -m benchmarks.norse_examples [--seeds 3] [--only speech cartpole]
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import os
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from silif_plugins.norse import CSiLIF, SiLIF, replace
from silif_plugins.tables import table

NEURONS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "as it is": lambda net, x: None,
    "SiLIF": lambda net, x: constructed(net, x, SiLIF),
    "C-SiLIF": lambda net, x: constructed(net, x, CSiLIF),
    "SiLIF by replace": lambda net, x: replace(net, SiLIF, sample=x),
    "C-SiLIF by replace": lambda net, x: replace(net, CSiLIF, sample=x),
}
"""How the neurons of a network are changed: by their constructors, with all defaults, or by ``replace``."""


class Example(NamedTuple):
    """A network of Norse that gives logarithms of probabilities or probabilities, and stand-ins for its data."""

    make: Callable[[], nn.Module]
    data: Callable[[torch.Generator], tuple[Tensor, Tensor]]
    learning_rate: float
    steps: int


class Outcome(NamedTuple):
    """What became of a network in training."""

    first: float
    last: float
    accuracy: float
    input_gradient: float
    rate: float


def constructed(net: nn.Module, x: Tensor, new: Any) -> None:
    """Put neurons made by the constructor, with all defaults, in the place of Norse's."""
    for name, old, like in replace(net, new, sample=x):
        parent, _, child = name.rpartition(".")
        made = type(like)
        if hasattr(old, "recurrent_weights"):
            hidden, inputs = old.input_weights.shape
            neuron = made(inputs, hidden, dt=old.dt)
        else:
            neuron = made(tuple(like.p.a.shape if new is SiLIF else like.p.omega.shape), dt=old.dt)
        setattr(net.get_submodule(parent), child, neuron)


def train(example: Example, neuron: str, seed: int, steps: int | None = None) -> Outcome:
    """Train an example on its one batch."""
    torch.manual_seed(seed)
    x, target = example.data(torch.Generator().manual_seed(seed))
    net = example.make()
    NEURONS[neuron](net, x)
    rates: list[float] = []
    for module in net.modules():
        if hasattr(module, "dt") and hasattr(module, "p") and hasattr(module.p, "v_th"):
            module.register_forward_hook(lambda module, inputs, output: rates.append(output[0].detach().mean().item()))
    optimiser = torch.optim.Adam(net.parameters(), lr=example.learning_rate)
    losses, gradient = [], 0.0
    for step in range(steps or example.steps):
        rates.clear()
        given = x.clone().requires_grad_(step == 0)
        loss = nn.functional.nll_loss(logarithms(net(given)), target)
        optimiser.zero_grad()
        loss.backward()
        if given.grad is not None:
            gradient = given.grad.abs().max().item()
        optimiser.step()
        losses.append(loss.item())
    rate = sum(rates) / max(1, len(rates))
    net.eval()
    with torch.no_grad():
        accuracy = (net(x).argmax(1) == target).double().mean().item()
    return Outcome(sum(losses[:3]) / 3, sum(losses[-3:]) / 3, accuracy, gradient, rate)


def logarithms(output: Tensor) -> Tensor:
    """Return logarithms of probabilities; the policies give probabilities."""
    return (output + 1e-9).log() if bool((output.detach() >= 0).all()) else output


def mel_features(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ten words of 40 frames of 80 features, [T, B, 80], each sample with noise of its own."""
    target = torch.randint(10, (64,), generator=generator)
    words = torch.rand(10, 40, 80, generator=generator)[target].transpose(0, 1)
    return words + 0.5 * torch.rand(40, 64, 80, generator=generator), target


def poles(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """States of cart and pole, [B, 4], and the side to which the pole falls."""
    x = 0.1 * torch.randn(128, 4, generator=generator)
    return x, (x[:, 2] + 0.5 * x[:, 3] > 0).long()


def images(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Scikit-learn's digits at 28 x 28 pixels, normalised as the tasks normalise MNIST, [B, 1, 28, 28]."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    chosen = torch.randperm(len(labels), generator=generator)[:64]
    small = torch.tensor(pixels, dtype=torch.float32)[chosen].view(-1, 1, 8, 8) / 16
    return (nn.functional.interpolate(small, (28, 28), mode="bilinear") - 0.1307) / 0.3081, torch.tensor(labels)[chosen]


def notebook_model(path: Path) -> nn.Module:
    """The network of a notebook, made by its own cells: imports, definitions and what is written in capitals."""
    import ast

    space: dict[str, Any] = {"__name__": "notebook", "DEVICE": "cpu"}
    kept = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        for statement in ast.parse("".join(cell["source"])).body:
            made = ast.unparse(statement.targets[0]) if isinstance(statement, ast.Assign) else ""
            skipped = isinstance(statement, ast.Import | ast.ImportFrom) and "torchvision" in ast.unparse(statement)
            whole = made.isupper() or (made == "model" and "Model(" in ast.unparse(statement))
            if (isinstance(statement, kept) and not skipped and "tqdm" not in ast.unparse(statement)) or whole:
                exec(compile(ast.Module([statement], []), str(path), "exec"), space)
    model: nn.Module = space["model"]
    return model


def examples() -> dict[str, Example]:
    """Norse's examples; those whose code is not installed are left out."""
    sys.modules.setdefault("gym", types.ModuleType("gym"))  # the policies do without an environment
    speech = importlib.import_module("norse.task.speech_commands.model")
    cartpole = importlib.import_module("norse.task.cartpole")
    found = {
        "speech commands, LIF": Example(speech.lif_model, mel_features, 1e-3, 40),
        "speech commands, LSNN": Example(speech.lsnn_model, mel_features, 1e-3, 40),
        "cartpole, LIF": Example(cartpole.Policy, poles, 1e-3, 40),
        "cartpole, LSNN": Example(cartpole.LSNNPolicy, poles, 1e-3, 40),
        "mnist": Example(mnist_model, images, 1e-3, 15),
    }
    source = os.environ.get("NORSE_SOURCE")
    if source:
        notebook = Path(source) / "docs" / "pages" / "parameters.ipynb"
        found["parameters.ipynb"] = Example(lambda: notebook_model(notebook), images, 2e-3, 40)
    return found


def mnist_model() -> nn.Module:
    """The network of norse/task/mnist.py, whose module needs TensorBoard and data to be imported."""
    import norse.torch as snn
    from norse.torch.models.conv import ConvNet4

    class LIFConvNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = snn.ConstantCurrentLIFEncoder(seq_length=16)
            self.rsnn = ConvNet4(method="super")

        def forward(self, x: Tensor) -> Tensor:
            spikes = self.encoder(x.flatten(1)).reshape(16, len(x), 1, 28, 28)
            return torch.log_softmax(self.rsnn(spikes).amax(0), dim=1)

    return LIFConvNet()


def main(argv: Sequence[str] | None = None) -> None:
    """Train all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=None, help="examples whose name starts so")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = [("example", "neurons", "loss, first steps", "last steps", "accuracy", "input gradient", "firing rate")]
    for name, example in examples().items():
        if arguments.only and not name.startswith(tuple(arguments.only)):
            continue
        for neuron in NEURONS:
            runs = [train(copy.copy(example), neuron, seed) for seed in range(arguments.seeds)]
            cells = (
                ", ".join(f"{value:{form}}" for value in column)
                for column, form in zip(zip(*runs, strict=True), (".3f", ".3f", ".2f", ".0e", ".3f"), strict=True)
            )
            rows.append((name, neuron, *cells))  # type: ignore[arg-type]
            print("  ".join(rows[-1]), flush=True)
    print()
    print(table(rows))


if __name__ == "__main__":
    main()
