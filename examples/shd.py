"""Train on the Spiking Heidelberg Digits, with a part of the training speakers held out for validation.

Looks for shd_train.h5 and shd_test.h5 in a folder, or downloads them there through tonic (--download). Without them it
trains on the spoken digits that come with the package, and says so: synthetic speech in the same format.
"""

import argparse
from pathlib import Path

import torch

from silif_plugins.datasets import SOURCES, download
from silif_plugins.training import TrainConfig, train


def main() -> None:
    """Choose the data, train, print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/shd"), help="folder with the files of SHD")
    parser.add_argument("--download", action="store_true", help="download them first (about 130 MB)")
    parser.add_argument("--neuron", default="C-SiLIF")
    parser.add_argument("--hidden", type=int, default=128, help="neurons of each of the two layers")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/shd-example"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    if arguments.download:
        download("shd", arguments.data)
    here = SOURCES["shd"].is_in(arguments.data)
    if not here:
        print(f"no SHD in {arguments.data}: training on synthetic spoken digits instead")
    config = TrainConfig(
        neuron=arguments.neuron,
        hidden_sizes=(arguments.hidden, arguments.hidden),
        epochs=arguments.epochs,
        data=str(arguments.data) if here else "spoken-digits",
        steps=250,  # of 4 ms
        max_time=1.0,
        learning_rate=0.01,
    )
    result = train(config, arguments.out)
    print(f"test accuracy {result['test_accuracy']:.3f}, {result['test_synaptic_operations']:,.0f} synaptic operations")


if __name__ == "__main__":
    main()
