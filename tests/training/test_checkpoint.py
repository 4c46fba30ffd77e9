"""Checkpoints: what is saved is loaded, and damaged files are named."""

import json
import tempfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from silif_plugins.neurons import NEURONS
from silif_plugins.sparch import CheckpointError
from silif_plugins.training import TrainConfig, checkpoint, load_network


def write(path, config=None, **facts):
    config = config or TrainConfig(hidden_sizes=(6,))
    net = config.network(5, 3)
    tensors = {f"model.{name}": value for name, value in net.state_dict().items()}
    checkpoint.save(path, tensors, {"config": json.loads(config.to_json()), "num_inputs": 5, "num_classes": 3, **facts})
    return net.eval()


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("options", [{}, {"recurrent": True, "bidirectional": True, "normalization": "layernorm"}])
def test_load_is_save(neuron, options, tmp_path):
    config = TrainConfig(neuron=neuron, hidden_sizes=(6, 4), **options)
    net = write(tmp_path / "net.safetensors", config)
    twin, config_read, _ = load_network(tmp_path / "net.safetensors")
    assert config_read == config
    inputs = torch.rand(2, 12, 5) * 5
    with torch.no_grad():
        assert torch.equal(net(inputs).scores, twin(inputs).scores)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    write(path)
    whole = path.read_bytes()

    def message(content, match):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=match) as caught:
            load_network(path)
        assert str(path) in str(caught.value)

    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        message(whole[:length], "damaged or not a safetensors file")
    message(b"x" * 500, "damaged or not a safetensors file")
    message(safetensors.torch.save({"a": torch.zeros(1)}), "no silif_plugins entry")
    message(safetensors.torch.save({}, {"silif_plugins": '{"format": 99}'}), "format: got 99")
    tensors, facts = _parts(whole, path)
    gone = {name: value for name, value in tensors.items() if name != "model.readout.neuron.decay_u"}
    message(_file(gone, facts), "readout.neuron.decay_u: missing")
    message(_file({**tensors, "model.extra": torch.zeros(1)}, facts), "extra: not in the network")
    message(_file({**tensors, "model.readout.neuron.decay_u": torch.zeros(9)}, facts), r"decay_u: got shape \(9,\)")
    message(_file({**tensors, "model.readout.neuron.decay_u": torch.zeros(3).int()}, facts), "decay_u: got torch.int32")
    config = facts["config"]
    for change, says in (
        ({"config": {"neuronn": "SiLIF"}}, "neuronn: unknown setting"),
        ({"config": 5}, "config: got 5; it must be settings"),
        ({"config": {**config, "epochs": "x"}}, "epochs: got 'x'; it must be an integer"),
        ({"config": {**config, "hidden_sizes": [10**9]}}, r"hidden.0.*: got shape \(6,\); it must be \(1000000000,\)"),
        ({"num_inputs": -1}, "num_inputs: got -1; it must be a positive integer"),
        ({"num_inputs": 10**15}, r"got shape \(6, 5\); it must be \(6, 1000000000000000\)"),
        ({"num_classes": True}, "num_classes: got True"),
        ({"num_classes": None}, "num_classes: got None"),
    ):
        message(_file(tensors, {**facts, **change}), says)
    with pytest.raises(FileNotFoundError, match="absent"):
        load_network(tmp_path / "absent.safetensors")


def _parts(content, path):
    path.write_bytes(content)
    return checkpoint.load(path)


def _file(tensors, facts):
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(f"{folder}/net.safetensors", tensors, facts)
        return Path(folder, "net.safetensors").read_bytes()


def test_every_flipped_bit_is_noticed(tmp_path):
    """In the weights, in what is said of them, or in the header that places them."""
    path = tmp_path / "net.safetensors"
    write(path, TrainConfig(hidden_sizes=(2,), normalization="none"))
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in (*range(0, header, 3), *range(header, len(whole))):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"net.safetensors"):
            load_network(path)


def test_damaged_files_are_told(fuzz, tmp_path):
    write(tmp_path / "whole", TrainConfig(hidden_sizes=(6,)))
    assert (
        fuzz("net.safetensors", (tmp_path / "whole").read_bytes(), load_network, CheckpointError, seeds=range(600))
        > 0.9
    )
