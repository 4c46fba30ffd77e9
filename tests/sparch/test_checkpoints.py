"""Official checkpoints: round trips, and files that are not what they should be."""

import pickle

import pytest
import torch

from silif_plugins.neurons import NEURONS, AdLIF
from silif_plugins.sparch import (
    CheckpointError,
    SpArchNet,
    from_official,
    load_official,
    save_official,
    to_official,
)


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"recurrent": True},
        {"normalization": "layernorm", "bias": True},
        {"normalization": "none"},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_round_trip(neuron, options, tmp_path):
    net = SpArchNet(6, (8, 7), 3, neuron=neuron, **options).eval()
    save_official(net, tmp_path / "net.pt")
    twin = load_official(tmp_path / "net.pt", neuron=NEURONS[neuron] if neuron == "AdLIF" else None)
    assert type(twin.hidden[0].neuron) is NEURONS[neuron]
    ours, theirs = net.state_dict(), twin.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    inputs = torch.rand(2, 15, 6) * 6
    with torch.no_grad():
        assert torch.equal(net(inputs).scores, twin(inputs).scores)
    assert not list(tmp_path.glob(".*"))


def test_published_checkpoints_are_written_as_they_were_read(oracle_dir):
    for path in sorted((oracle_dir / "checkpoints").glob("*.pt")):
        official = torch.load(path, weights_only=True)
        written = to_official(load_official(path))
        assert written.keys() == official.keys()
        assert all(torch.equal(written[key], official[key]) for key in official)


def test_adlif_can_be_told_from_cadlif():
    official = to_official(SpArchNet(3, (4,), 2, neuron=AdLIF))
    assert type(from_official(official, neuron="AdLIF").hidden[0].neuron) is AdLIF


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "net.pt"
    save_official(SpArchNet(6, (8,), 3), path)
    whole = path.read_bytes()
    official = torch.load(path, weights_only=True)

    def message(content, match):
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(CheckpointError, match=match) as caught:
            load_official(path)
        assert str(path) in str(caught.value)

    message(whole[: len(whole) // 2], "not a readable checkpoint")
    message(b"", "not a readable checkpoint")
    message(b"hello", "not a readable checkpoint")
    message(pickle.dumps(print), "not a readable checkpoint")
    message([1, 2], "must hold a dict")
    message({}, r"snn.0.W.weight: missing")
    message({k: v for k, v in official.items() if k != "snn.0.norm.weight"}, r"snn.0.norm.bias: unexpected")
    message({k: v for k, v in official.items() if k != "snn.1.alpha"}, "snn.1.alpha: missing")
    message({k: v for k, v in official.items() if k != "snn.0.beta"}, "snn.0.a: unexpected in a network of LIF")
    message(official | {"snn.1.alpha": torch.zeros(9)}, r"snn.1.alpha: got shape \(9,\)")
    message(official | {"snn.0.W.weight": torch.zeros(9)}, r"snn.0.W.weight: got shape")
    with pytest.raises(FileNotFoundError):
        load_official(tmp_path / "absent.pt")


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"snn.0.W.weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError):
        load_official(tmp_path / "evil.pt")
    assert not (tmp_path / "pwned").exists()
