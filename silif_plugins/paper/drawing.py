"""The paper's figures, drawn from trained networks and from files of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import plots
from ..dynamics import State, StateSpace
from ..neurons import AdLIF, Neuron, SiLIF
from ..scan import scan
from ..sparch import SpArchNet, load_official
from ..training import Summary, TrainConfig, load_network, load_split, summarize
from .ablation import ABLATIONS
from .eigenvalues import SHOWN, published_eigenvalues

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Drawn(NamedTuple):
    """A figure, and what it shows.

    Attributes:
        figure: Of matplotlib.
        says: One line.
    """

    figure: Figure
    says: str


def figures_of_network(source: Path, *, data: str | None = None) -> dict[str, Drawn]:
    """Draw the figures of one network: eigenvalues, regimes, parameters, and what it does with a test sample.

    Args:
        source: A run's folder, its checkpoint, or a published checkpoint (``.pt`` or ``.pth``), which has no settings:
            its parameters before training and its data are not known.
        data: Where the data are; by default where they were in training.

    Raises:
        FileNotFoundError: If there is no checkpoint, or data are missing.
        ValueError: If the network has none of the paper's spiking layers.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.sparch import save_official
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_official(SpArchNet(5, (8,), 2), f"{folder}/net.pt")
        ...     sorted(figures_of_network(Path(folder, "net.pt")))
        ['figure2', 'figure5']
    """
    config: TrainConfig | None = None
    facts: Mapping[str, Any] = {}
    net: nn.Module
    if source.suffix in (".pt", ".pth"):
        net = load_official(source)
    else:
        net, config, facts = load_network(source)
    layers = _layers(net)
    if not layers:
        raise ValueError(f"{source}: has no spiking layer that the paper's figures show; it must be of SpArchNet")
    found = of_neurons(layers)
    if config is not None:
        torch.manual_seed(config.seed)  # the network as it was before training
        before = _layers(config.network(int(facts["num_inputs"]), int(facts["num_classes"])))
        for name, neuron in layers.items():
            figure = plots.parameter_histograms(before[name], neuron)
            found[f"parameters-{name.replace(' ', '')}"] = Drawn(figure, f"parameters of {name} before and after")
        if isinstance(net, SpArchNet):
            if data is not None:
                config = TrainConfig.from_mapping({**config.settings(), "data": data})
            found |= _activity(net, config)
    return found


def of_neurons(layers: Mapping[str, Neuron]) -> dict[str, Drawn]:
    """Draw Figures 2 and 5 of some populations: eigenvalues by both matrices, and regimes of adaptive neurons.

    Examples:
        >>> from silif_plugins import CSiLIF, SiLIF
        >>> sorted(of_neurons({"SiLIF": SiLIF(20), "C-SiLIF": CSiLIF(20)}))
        ['figure2', 'figure5']
        >>> list(of_neurons({"C-SiLIF": CSiLIF(20)}))
        ['figure2']
    """
    spaces = {name: neuron.state_space() for name, neuron in layers.items() if neuron.has_state_space()}
    planes: dict[str, StateSpace | Tensor] = {}
    for name, space in spaces.items():
        planes[f"{name}, simulated"] = space
        if isinstance(layers[name], SHOWN):
            planes[f"{name}, published"] = published_eigenvalues(layers[name])
    adaptive = {name: space for name, space in spaces.items() if isinstance(layers[name], SiLIF | AdLIF)}
    found = {}
    if planes:
        says = "eigenvalues by the matrix that is simulated, and by the published one"
        found["figure2"] = Drawn(plots.eigenvalue_plane(planes), says)
    if adaptive:
        found["figure5"] = Drawn(plots.regimes(adaptive), "which neurons resonate and which integrate")
    return found


def _layers(net: nn.Module) -> dict[str, Neuron]:
    """Return the neurons of the hidden layers, by what the layers are called."""
    hidden: Any = net.hidden if isinstance(net, SpArchNet) else ()
    return {f"layer {number}": layer.neuron for number, layer in enumerate(hidden, start=1)}


@torch.no_grad()
def _activity(net: SpArchNet, config: TrainConfig) -> dict[str, Drawn]:
    """Draw the spikes of a test sample, and the membrane of the neuron of the first layer that fires most."""
    test = load_split(config, "test")
    frames, label = test[0]
    activity = frames[:, None].to(torch.get_default_dtype())
    layers, busy = {"input": frames}, None
    for number, layer in enumerate(net.hidden, start=1):
        spikes = layer.spikes(activity)  # type: ignore[operator]
        if number == 1:
            busy = (layer, layer.current(activity))  # type: ignore[operator]
        layers[f"hidden {number}"], activity = spikes[:, 0], spikes
    word = test.classes[label] if test.classes else str(label)
    found = {"raster": Drawn(plots.raster(layers), f"spikes of a test sample of class {word}")}
    assert busy is not None
    layer, current = busy
    dynamics = layer.neuron.dynamics()  # type: ignore[union-attr, operator]
    if isinstance(dynamics, StateSpace) and layer.recurrent is None and not layer.bidirectional:
        _, _, states = scan(dynamics, current, return_states=True)
        sample = State(*(each[:, 0] for each in states))
        neuron = int(sample.spk.sum(0).argmax())
        figure = plots.traces(dynamics, sample, neuron=neuron)
        found["traces"] = Drawn(figure, f"membrane of neuron {neuron} of the first layer")
    return found


def figures_of_results(files: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Drawn]:
    """Draw the figures of results: accuracy against operations, sparsity, and features of an ablation.

    Args:
        files: The results of each file; of several, those of one name are networks of several sizes.

    Raises:
        ValueError: If there are no results.

    Examples:
        >>> run = {"parameters": 7, "test_accuracy": 0.5, "test_synaptic_operations": 1.0, "test_sparsity": 0.9}
        >>> run |= {"learning_rate": 0.1, "seconds": 1.0}
        >>> sorted(figures_of_results([[{"neuron": "LIF", **run}, {"neuron": "C-SiLIF", **run}]]))
        ['figure3', 'sparsity']
    """
    groups = [chosen_runs(file) for file in files if file]
    if not groups:
        raise ValueError("results: got none; run silif compare, zoo or ablate first")
    summaries = [summarize(group) for group in groups]
    first = summaries[0]
    variants = {each.name: each for name in ("c-silif", "silif") for each in ABLATIONS[name]}
    found = {}
    if any(each.neuron in variants and each.neuron not in ("RF", "C-SiLIF", "SiLIF", "cAdLIF") for each in first):
        for name, says in {"figure6": "features added one by one", "c-silif": "C-SiLIF", "silif": "SiLIF"}.items():
            known = {each.neuron: each for each in first}
            own = [each for each in ABLATIONS[name] if each.name in known]
            if len(own) > 1:
                published = {each.name: each.published[0] for each in own if each.published is not None}
                figure = plots.accuracies([known[each.name] for each in own], published=published)
                text = f"{says}, and the paper's accuracy on SHD" if published else says
                found[name if name == "figure6" else f"ablation-{name}"] = Drawn(figure, text)
    else:
        by_accuracy = sorted(first, key=lambda each: -each.accuracy)
        figure = plots.accuracy_against_operations(by_accuracy, pareto=True)
        found["figure3"] = Drawn(figure, "accuracy against operations, with the Pareto front")
        figure = plots.accuracies(by_accuracy, quantity="sparsity")
        found["sparsity"] = Drawn(figure, "share of bins without a spike (Table 7)")
        if len(summaries) > 1:
            every: list[Summary] = [each for part in summaries for each in part]
            figure = plots.accuracy_against_operations(every, pareto=True, join=True)
            found["figure4"] = Drawn(figure, "how accuracy and operations scale with size")
    return found


def chosen_runs(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Leave the runs of a search for learning rates out: of each contender those at its best one by validation stay.

    Examples:
        >>> runs = [("LIF", 0, 0.1, 0.5), ("LIF", 0, 0.3, 0.7), ("LIF", 1, 0.3, 0.6)]
        >>> names = ("neuron", "seed", "learning_rate", "valid_accuracy")
        >>> [each["seed"] for each in chosen_runs([dict(zip(names, run)) for run in runs])]
        [0, 1]
    """
    best: dict[str, tuple[float, float]] = {}
    for each in results:
        if each.get("seed", 0) == 0 and "valid_accuracy" in each:
            found = (each["valid_accuracy"], each["learning_rate"])
            best[each["neuron"]] = max(best.get(each["neuron"], found), found)
    return [
        dict(each) for each in results if each["neuron"] not in best or each["learning_rate"] == best[each["neuron"]][1]
    ]
