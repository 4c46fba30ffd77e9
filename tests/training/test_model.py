"""Any network that is registered trains, resumes, is evaluated and compared as the default one."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from silif_plugins.cli import help_of, main
from silif_plugins.neurons import Neuron
from silif_plugins.sparch import CheckpointError
from silif_plugins.training import (
    NETWORKS,
    Diverged,
    Output,
    TrainConfig,
    checkpoint,
    compare,
    evaluate,
    load_network,
    recalibrate,
    register_network,
    summarize,
    summary_table,
    train,
)


class Counts(nn.Module):
    """A network without neurons: counts of thresholded channels, and a linear readout.

    Args:
        num_inputs: Channels.
        num_classes: Classes.
        levels: Thresholds of each channel.
        scale: Of the scores.
        shared: Whether the levels are the same for all channels.
    """

    def __init__(self, num_inputs: int, num_classes: int, levels: list[float] = (0.5, 1.5), *, scale: float = 1.0,
                 shared: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.scale = scale
        self.levels = nn.Parameter(torch.tensor(levels).repeat(1 if shared else num_inputs, 1))
        self.norm = nn.BatchNorm1d(num_inputs)
        self.readout = nn.Linear(num_inputs * len(levels), num_classes)

    def forward(self, inputs, lengths=None):
        valid = torch.ones(inputs.shape[:2], dtype=torch.bool)
        if lengths is not None:
            valid = torch.arange(inputs.shape[1]) < lengths.unsqueeze(1)
        steps = valid.sum(1).view(-1, 1, 1)
        spikes = torch.sigmoid(9 * (inputs.unsqueeze(-1) - self.levels)) * valid[..., None, None]
        rates = self.norm(spikes.sum(1).flatten(1).unflatten(1, (inputs.shape[2], -1))).div(steps).flatten(1)
        operations = (spikes > 0.5).sum() / len(inputs) * self.readout.out_features
        return self.scale * self.readout(rates), spikes.round().mean(dim=(0, 1)).flatten(), operations


@pytest.fixture
def counts():
    before = dict(NETWORKS)
    register_network("counts", Counts, defaults={"scale": 50.0})
    yield TrainConfig(
        architecture="counts", data="rates", levels=[0.5, 1.5, 2.5], epochs=3, learning_rate=0.01, batch_size=20
    )
    NETWORKS.clear()
    NETWORKS.update(before)


def test_it_trains_and_resumes_bit_equally(counts, splits, tmp_path, weights):
    result = train(counts, tmp_path / "whole", data=splits)
    assert (result["architecture"], result["neuron"], result["parameters"]) == (
        "counts",
        "counts",
        24 + 16 + 24 * 4 + 4,
    )
    train(dataclasses.replace(counts, epochs=2, schedule="constant"), tmp_path / "parts", data=splits)
    train(dataclasses.replace(counts, schedule="constant"), tmp_path / "parts", data=splits, resume=True, extend=True)
    train(dataclasses.replace(counts, schedule="constant"), tmp_path / "constant", data=splits)
    parts, whole = (weights(tmp_path / name / "last.safetensors") for name in ("parts", "constant"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    net, config, _ = load_network(tmp_path / "whole")
    assert config == counts
    assert config.options == {"levels": (0.5, 1.5, 2.5), "scale": 50.0, "shared": False}
    assert evaluate(net, splits.test).accuracy == result["test_accuracy"]
    assert evaluate(net, splits.test, batch_size=7).synaptic_operations == pytest.approx(
        result["test_synaptic_operations"]
    )
    assert 0 < result["test_sparsity"] < 1


def test_trained_weights_are_taken_on(counts, splits, tmp_path):
    train(counts, tmp_path, data=splits)
    net = counts.network(8, 6)
    fresh = net.readout.weight.clone()
    checkpoint.start_from(net, tmp_path, counts)
    assert torch.equal(net.levels, load_network(tmp_path)[0].levels)
    assert torch.equal(net.readout.weight, fresh)
    with pytest.raises(ValueError, match=r"init: .* is a network of counts; you gave one of SiLIF"):
        checkpoint.start_from(net, tmp_path, TrainConfig())


def test_a_checkpoint_of_an_unknown_network_names_the_known(counts, splits, tmp_path):
    train(counts, tmp_path, data=splits)
    del NETWORKS["counts"]
    with pytest.raises(CheckpointError, match=r"safetensors: architecture: got 'counts'; it must be one of sparch"):
        load_network(tmp_path)


@pytest.mark.slow
def test_it_is_compared_with_the_default_one(counts, tmp_path):
    settings = {"data": "sequential-digits", "epochs": 1}
    configs = [TrainConfig(architecture="counts", **settings), TrainConfig(hidden_sizes=(8,), **settings)]
    results = compare(configs, tmp_path)
    assert [each.neuron for each in summarize(results)] == ["counts", "SiLIF"]
    assert "| counts " in summary_table(summarize(results))
    assert (tmp_path / "counts-seed0" / "result.json").exists()


def test_the_command_line_knows_it(counts, tmp_path, capsys):
    data = ["--data", "sequential-digits", "--epochs", "1"]
    arguments = [
        "train",
        "--architecture",
        "counts",
        "--levels",
        "0.5,1",
        "--shared",
        *data,
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["architecture"] == "counts"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["levels"] == [0.5, 1.0]
    assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == result["test_accuracy"]
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), "--epochs", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == 2
    assert main(["train", "--init", str(tmp_path / "run"), "--epochs", "1", "--out", str(tmp_path / "tuned")]) == 0
    recipe = tmp_path / "own.yaml"
    recipe.write_text("architecture: counts\nlevels: [1]\ndata: sequential-digits\nepochs: 1\n")
    assert main(["train", str(recipe), "--scale", "3", "--out", str(tmp_path / "recipe")]) == 0
    config = json.loads((tmp_path / "recipe" / "config.json").read_text())
    assert (config["levels"], config["scale"]) == ([1], 3.0)
    capsys.readouterr()
    for wrong, says in {
        ("--hidden-sizes", "8"): "hidden_sizes: unknown setting",
        ("--levels", "high"): r"levels: got ('high',); it must be a list of numbers",
        (
            "--architecture",
            "count",
        ): "architecture: got 'count'; it must be one of sparch, s5-rf, s4d, spiking-ssm, "
        "spiking-linoss, mamba, counts; did you mean",
    }.items():
        assert main(["train", "--architecture", "counts", *wrong, *data]) == 2
        assert says in capsys.readouterr().err
    shown = " ".join(help_of("train", ["--architecture", "counts"]).split())
    assert "--levels N,N Thresholds of each channel. Default: 0.5,1.5." in shown
    assert "--scale X Of the scores. Default: 50.0." in shown
    assert "--hidden-sizes" not in shown
    assert "--levels" not in help_of("train")


def test_options_are_named_once():
    """A new argument of the network is a setting, an option and part of checkpoints without another word."""
    known = TrainConfig().options
    for name in ("neuron", "hidden_sizes", "bias", "events", "backend", "connection"):
        assert name in known
        assert f"--{name.replace('_', '-')}" in help_of("train")
    with pytest.raises(ValueError, match="backend: got 'fast'; it must be one of auto, reference"):
        TrainConfig(backend="fast")


def toy(num_inputs: int, num_classes: int, width: int = 8) -> nn.Module:
    return nn.Linear(num_inputs, num_classes)


def test_what_cannot_be_registered(counts):
    def unnamed(num_inputs: int, num_classes: int, width: int) -> nn.Module: ...

    def of_things(num_inputs: int, num_classes: int, thing: torch.dtype = torch.float32) -> nn.Module: ...

    def clashing(num_inputs: int, num_classes: int, levels: int = 3) -> nn.Module: ...

    def taken(num_inputs: int, num_classes: int, epochs: int = 3) -> nn.Module: ...

    for factory, says in (
        (unnamed, "width: has no default"),
        (of_things, "thing: is annotated as .*; no file can hold that"),
        (clashing, "levels: is .* give it another name"),
    ):
        with pytest.raises(ValueError, match=says):
            register_network("own", factory)
        assert "own" not in NETWORKS
    register_network("own", taken)
    with pytest.raises(ValueError, match="architecture: own has an option epochs, which is a setting"):
        TrainConfig(architecture="own")
    with pytest.raises(ValueError, match="defaults: got depth; toy has width"):
        register_network("own", toy, defaults={"depth": 3})


def test_neurons_and_surrogates_are_told_by_their_annotation(counts):
    def own(num_inputs: int, num_classes: int, neuron: str | type[Neuron] = "LIF") -> nn.Module: ...

    register_network("own", own)
    assert TrainConfig(architecture="own", neuron="csilif").label == "own-C-SiLIF"
    with pytest.raises(ValueError, match=r"neuron: got 'SiLF'.*did you mean SiLIF"):
        TrainConfig(architecture="own", neuron="SiLF")


def test_what_a_network_must_return(splits):
    class Scores(nn.Linear):
        def forward(self, inputs, lengths=None):
            return super().forward(inputs.mean(1))

    with pytest.raises(TypeError, match="network: its forward gave Tensor; it must give scores, firing_rates, syn"):
        evaluate(Scores(8, 4), splits.test)

    class Nan(Scores):
        def forward(self, inputs, lengths=None):
            return Output(super().forward(inputs) * float("nan"), torch.zeros(1), 0.0)

    assert evaluate(Nan(8, 4), splits.test).sparsity == 1


def test_a_network_that_needs_its_numbers(counts, splits, tmp_path):
    """It cannot be made on the meta device, where sizes are looked at before memory is taken."""

    def measured(num_inputs: int, num_classes: int, levels: list[float] = (0.5,)) -> nn.Module:
        assert float(torch.ones(1).sum()) == 1
        return Counts(num_inputs, num_classes, levels)

    register_network("measured", measured)
    config = dataclasses.replace(counts, architecture="measured", options={}, epochs=1)
    assert config.outline(8, 4) is None
    assert load_network(train(config, tmp_path, data=splits)["folder"]).config == config


def test_statistics_of_batch_norm_are_recalibrated(counts, splits):
    net = counts.network(8, 4)
    recalibrate(net, splits.train, samples=200, batch_size=200)
    assert not torch.equal(net.norm.running_mean, torch.zeros(8))


def test_divergence_is_told(counts, splits, tmp_path):
    with pytest.raises(Diverged, match=r"the loss is (nan|inf) in epoch 1"):
        train(dataclasses.replace(counts, learning_rate=1e30), tmp_path, data=splits)


@pytest.mark.parametrize("decoupled", [False, True])
def test_networks_may_want_adamw_and_modules_rates_of_their_own(counts, splits, tmp_path, decoupled):
    """Where no gradient is, weight decay is all: Adam then takes whole steps, AdamW shrinks by a share."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.still = nn.Parameter(torch.ones(1))

        def optimizer_groups(self):
            return [{"params": [self.still], "lr": 0.5}]

    class Weighing(Counts):
        decoupled_weight_decay = decoupled

        def __init__(self, num_inputs: int, num_classes: int, levels: list[float] = (0.5,)) -> None:
            super().__init__(num_inputs, num_classes, levels)
            self.idle, self.own = nn.Parameter(torch.ones(1)), Own()

        def forward(self, inputs, lengths=None):
            scores, *rest = super().forward(inputs, lengths)
            return (scores + 0 * self.idle + 0 * self.own.still, *rest)

    register_network("weighing", Weighing)
    config = TrainConfig(architecture="weighing", epochs=1, learning_rate=0.01, weight_decay=0.1, schedule="constant")
    train(config, tmp_path, data=splits)
    net, steps = load_network(tmp_path)[0], -(-len(splits.train) // config.batch_size)
    assert net.idle.item() == pytest.approx(0.999**steps if decoupled else 1 - 0.01 * steps, rel=1e-3)
    assert net.own.still.item() == 1
