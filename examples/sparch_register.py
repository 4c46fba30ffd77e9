"""Our neurons inside the original SpArch: its own network class builds SiLIF layers when asked for them.

Needs a checkout of SpArch (https://github.com/idiap/sparch), or of the SiLIF paper's code, which has a network class
of the same shape. Trains that class on spoken digits for a few steps and prints the loss.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch

from silif_plugins.datasets import SpokenDigits
from silif_plugins.sparch import register

PLACES = ("sparch/models/snns.py", "models/snns.py")


def load_models(checkout: Path) -> ModuleType:
    """Import the module that defines SNN from a checkout."""
    for place in PLACES:
        if (checkout / place).is_file():
            spec = importlib.util.spec_from_file_location("original_snns", checkout / place)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            spec.loader.exec_module(module)
            return module
    sys.exit(f"{checkout}: has none of {', '.join(PLACES)}; it must be a checkout of SpArch or of the paper's code")


def main() -> None:
    """Register our neurons, build the original network with them, train a few steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="folder of SpArch, or of the paper's code")
    parser.add_argument("--neuron", default="SiLIF", choices=["SiLIF", "CSiLIF"])
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    snns = load_models(arguments.checkout)
    register(snns)
    digits = SpokenDigits("train")
    batch_size = 64
    net = snns.SNN((batch_size, None, digits.num_channels), [64, 64, digits.num_classes], arguments.neuron)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for step in range(arguments.steps):
        batch = torch.randint(len(digits), (batch_size,))
        scores, *_ = net(digits.frames[batch].float())
        loss = torch.nn.functional.cross_entropy(scores, digits.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 9:
            print(f"step {step + 1}: loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
