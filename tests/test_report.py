"""The page about a run holds what the run has, in one file that fetches nothing."""

import re

import pytest
import torch

from silif_plugins.datasets import FrameDataset
from silif_plugins.report import decisions, write_up
from silif_plugins.sparch import SpArchNet
from silif_plugins.training import TrainConfig, train

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(data="sequential-digits", hidden_sizes=(8,), epochs=2)
    return train(config, folder), folder


def headings(page):
    return re.findall("<h2>(.*?)</h2>", page)


def test_a_run_has_all_sections_and_its_own_figures(run):
    result, folder = run
    page = write_up(folder)
    assert headings(page) == [
        "Result",
        "Learning",
        "What it confuses",
        "How it fires",
        "What it costs",
        "Its neurons",
        "Settings",
    ]
    assert f"{100 * result['test_accuracy']:.1f} %" in page
    assert page.count("<svg") == 7  # curves, confusion, raster; histograms and eigenvalues of hidden layer and readout
    addresses = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', page)) | set(re.findall(r"url\(([^#)][^)]*)\)", page))
    assert all(address.startswith("data:") for address in addresses)


def test_what_a_run_lost_is_left_out(run, tmp_path):
    _, folder = run
    (tmp_path / "best.safetensors").write_bytes((folder / "best.safetensors").read_bytes())
    page = write_up(tmp_path)
    assert "Learning" not in headings(page)
    assert "training took" not in page


def test_decisions_count_every_sample_once():
    torch.manual_seed(0)
    frames = (torch.rand(30, 20, 6) < 0.3).byte().numpy()
    dataset = FrameDataset(frames, [i % 3 for i in range(30)], classes=["a", "b", "c"])
    net = SpArchNet(6, (8,), 3).eval()
    counts = decisions(net, dataset)
    assert counts.sum(1).tolist() == [10, 10, 10]
    found = net(torch.as_tensor(frames)).scores.argmax(1)
    assert counts.diagonal().sum() == int((found == dataset.labels).sum())
