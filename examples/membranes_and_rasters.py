"""Train the speech network briefly and draw what it does with one utterance.

Writes four figures: the spikes of all layers, membrane and adaptation of the busiest neuron, the eigenvalues of the
first layer, and its parameters before and after training.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from silif_plugins import State, plots, scan
from silif_plugins.datasets import SpokenDigits
from silif_plugins.training import TrainConfig, load_network, train

STEP = 0.010  # seconds


def main() -> None:
    """Train, run one utterance, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neuron", default="SiLIF", help="SiLIF, C-SiLIF, cAdLIF, ...")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--utterance", type=int, default=7, help="which one of the test set")
    parser.add_argument("--out", type=Path, default=Path("figures"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    config = TrainConfig(neuron=arguments.neuron, epochs=arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder))
        net, _, facts = load_network(folder)
    torch.manual_seed(config.seed)
    untrained = config.network(facts["num_inputs"], facts["num_classes"])

    digits = SpokenDigits("test")
    frames, label = digits[arguments.utterance]
    layer = net.hidden[0]
    with torch.no_grad():
        _, _, states = scan(layer.neuron.state_space(), layer.current(frames[:, None]), return_states=True)
        second = net.hidden[1].spikes(states.spk)[:, 0]
    states = State(*(field[:, 0] for field in states))  # the only sample
    busiest = int(states.spk.sum(dim=0).argmax())

    spaces = {"before": untrained.hidden[0].neuron.state_space(), "after": layer.neuron.state_space()}
    figures = {
        "raster": plots.raster({"input": frames, "hidden 1": states.spk, "hidden 2": second}, dt=STEP),
        "traces": plots.traces(layer.neuron.state_space(), states, neuron=busiest, dt=STEP),
        "eigenvalues": plots.eigenvalue_plane(spaces),
        "parameters": plots.parameter_histograms(untrained.hidden[0].neuron, layer.neuron),
    }
    print(f"the digit {digits.classes[label]!r}, neuron {busiest}")
    for name, figure in figures.items():
        plots.save(figure, arguments.out / f"{name}.png")
        print(arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
