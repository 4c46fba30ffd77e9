"""Official checkpoints: round trips, and files that are not what they should be."""

import pickle
import zipfile

import pytest
import torch
from torch.nn.utils import prune

from silif_plugins.neurons import NEURONS, AdLIF
from silif_plugins.sparch import (
    CheckpointError,
    SpArchNet,
    from_official,
    load_official,
    save_official,
    to_official,
)


@pytest.mark.parametrize("neuron", [name for name, model in NEURONS.items() if model.published_names])
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
    message({**official, 1: torch.ones(1)}, "1: got int; names must be text")
    message({**official, "snn.0.W.weight": "x"}, "snn.0.W.weight: got str; it must be a tensor")
    message({**official, "snn.0.W.weight": torch.zeros(0, 6)}, r"snn.0.W.weight: got shape \(0, 6\)")
    message({**official, "snn.0.b": official["snn.0.b"].to(torch.complex64)}, "snn.0.b: got torch.complex64")
    message({**official, "snn.0.b": torch.ones(8).int()}, "snn.0.b: got torch.int32; it must be torch.float32")
    message({**official, "snn.0.b": torch.ones(8).to_sparse()}, "snn.0.b: got torch.float32, torch.sparse_coo")
    wide = torch.zeros(1, 1).expand(8, 10**12)
    message({**official, "snn.0.W.weight": wide}, r"snn.0.W.weight: got shape \(8, 1000000000000\), which is larger")
    for length in (200, len(whole) - 40, len(whole) - 1):
        message(whole[:length], "not a readable checkpoint")
    with pytest.raises(FileNotFoundError):
        load_official(tmp_path / "absent.pt")


def test_every_flipped_bit_of_a_weight_is_noticed(tmp_path):
    """The archive has checksums, which torch.load does not look at."""
    path = tmp_path / "net.pt"
    net = SpArchNet(3, (4,), 2)
    save_official(net, path)
    whole = path.read_bytes()
    first = whole.index(net.hidden[0].current.weights.weight.detach().numpy().tobytes())
    for place in range(first, first + 48):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"net.pt: .*data/\d+: the checksum is not that"):
            load_official(path)


def test_an_archive_that_is_larger_unpacked_is_refused(tmp_path):
    save_official(SpArchNet(3, (4,), 2), tmp_path / "net.pt")
    with zipfile.ZipFile(tmp_path / "net.pt") as plain, zipfile.ZipFile(tmp_path / "bomb.pt", "w", 8) as packed:
        for record in plain.infolist():
            packed.writestr(record.filename, plain.read(record))
        packed.writestr("net/data/99", bytes(1 << 22))
    with pytest.raises(CheckpointError, match=r"bomb.pt: .*records are larger than the file"):
        load_official(tmp_path / "bomb.pt")


def test_damaged_files_are_read_or_told(fuzz, tmp_path):
    save_official(SpArchNet(3, (4,), 2), tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    assert fuzz("net.pt", content, load_official, CheckpointError, seeds=range(400)) > 0.5


def test_a_compiled_network_is_written_whole(tmp_path):
    net = SpArchNet(6, (8, 7), 3).eval()
    expected = to_official(net)
    compiled = torch.compile(net)
    net.hidden[0].current = torch.compile(net.hidden[0].current)
    written = to_official(compiled)
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], expected[key]) for key in expected)


def test_what_the_official_code_has_no_name_for_is_not_left_out():
    net = SpArchNet(6, (8,), 3)
    prune.l1_unstructured(net.hidden[0].current.weights, "weight", 0.5)
    with pytest.raises(ValueError, match=r"hidden.0.current.weights.weight_mask: .* no such tensor; undo pruning"):
        to_official(net)
    prune.remove(net.hidden[0].current.weights, "weight")
    assert (to_official(net)["snn.0.W.weight"] == 0).float().mean() == 0.5
    net.extra = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"extra.bias: the official code has no such tensor"):
        to_official(net)
    with pytest.raises(ValueError, match="net: got Linear; it must be a SpArchNet"):
        to_official(net.extra)


def test_a_checkpoint_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"snn.0.W.weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError):
        load_official(tmp_path / "evil.pt")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_from_wrapped_networks(prefix):
    official = to_official(SpArchNet(10, (6,), 3))
    net = from_official({prefix + key: value for key, value in official.items()})
    assert all(torch.equal(value, official[key]) for key, value in to_official(net).items())
    key = next(iter(official))
    with pytest.raises(CheckpointError, match="there twice"):
        from_official(official | {prefix + key: official[key]})
