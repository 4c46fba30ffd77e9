"""The surrogate dynamic network: its size, its blindness to what comes, its accuracy, and its file."""

import json

import pytest
import torch

from silif_plugins.ssm import SDN, spike_accuracy, train_sdn


def test_it_sees_the_past_alone_as_far_as_it_reaches():
    torch.manual_seed(0)
    net, current = SDN().eval(), torch.randn(30, 1, 1)
    before = net(current)
    for t in (5, 20):
        changed = current.clone()
        changed[t] += 1
        differs = (net(changed) != before).flatten().nonzero().flatten().tolist()
        assert differs == list(range(t + 1, t + 9))


def test_folded_it_is_the_same():
    """In evaluation batch norms are part of the weights."""
    torch.manual_seed(0)
    net, current = SDN().double(), torch.randn(40, 3, 2, dtype=torch.float64)
    net(current)  # moves the running statistics
    net.eval()
    rows = net._rows(current.permute(1, 2, 0).reshape(-1, 1, 40))
    torch.testing.assert_close(net(current), rows.view(3, 2, 40).permute(2, 0, 1))
    assert sum(each.numel() for each in net.parameters()) == 193


def test_the_shipped_one_is_more_accurate_than_what_needs_no_network():
    found = spike_accuracy(SDN.load())
    assert found.network > 0.999
    assert found.no_memory == pytest.approx(0.984, abs=1e-3)
    assert found.no_reset == pytest.approx(0.992, abs=2e-3)
    assert found.recall > 0.99


@pytest.mark.slow
def test_a_short_training_is_on_its_way():
    net = train_sdn(steps=150)
    found = spike_accuracy(net, sequences=50)
    assert found.network > found.no_memory
    again = train_sdn(steps=3)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), train_sdn(steps=3).parameters(), strict=True))


def test_its_file(tmp_path):
    net = SDN(0.3, width=4, reach=5).eval()
    net.save(tmp_path / "sdn.json", note="own")
    loaded, current = SDN.load(tmp_path / "sdn.json"), torch.randn(20, 2, 1)
    assert (loaded.tau, loaded.width, loaded.reach) == (0.3, 4, 5)
    assert torch.equal(loaded(current), net(current))
    assert json.loads((tmp_path / "sdn.json").read_text())["note"] == "own"
    sizes = '"tau": 0.1, "width": 8, "reach": 8'
    for content in ("{", "[]", '{"tau": 0.1}', f'{{{sizes}, "weights": {{"a": [[1], "torch.os"]}}}}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ValueError, match=r"bad\.json: is no surrogate dynamic network"):
            SDN.load(tmp_path / "bad.json")
