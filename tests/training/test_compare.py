"""Comparisons: every run trained once, summaries right, wrong use refused."""

import math

import pytest

from silif_plugins.training import TrainConfig, compare, summarize
from silif_plugins.training.compare import table


def result(neuron, seed, accuracy):
    return {
        "neuron": neuron,
        "seed": seed,
        "parameters": 10,
        "test_accuracy": accuracy,
        "test_synaptic_operations": 1000.0 * seed,
        "test_sparsity": 0.9,
        "learning_rate": 0.1,
        "seconds": 2.0,
    }


def test_summaries():
    one, two = summarize([result("A", 1, 0.5), result("B", 1, 0.7), result("A", 2, 0.7)])
    assert (one.neuron, one.seeds, two.neuron, two.seeds) == ("A", 2, "B", 1)
    assert one.accuracy == pytest.approx(0.6)
    assert one.accuracy_sd == pytest.approx(math.sqrt(0.02))
    assert one.synaptic_operations == 1500
    assert math.isnan(two.accuracy_sd)
    assert "60.0 ± 14.1 %" in table([one, two])
    assert "70.0 %" in table([one, two])


def test_runs_must_differ(tmp_path):
    with pytest.raises(ValueError, match="LIF-seed0 stands there twice"):
        compare([TrainConfig(neuron="LIF"), TrainConfig(neuron="LIF")], tmp_path)


@pytest.mark.slow
def test_runs_of_two_processes(tmp_path):
    configs = [
        TrainConfig(neuron=neuron, seed=seed, data="sequential-digits", hidden_sizes=(16,), epochs=1)
        for neuron in ("LIF", "C-SiLIF")
        for seed in (0, 1)
    ]
    results = compare(configs, tmp_path, jobs=2)
    assert [(each["neuron"], each["seed"]) for each in results] == [(each.neuron, each.seed) for each in configs]
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 4
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    again = compare(configs, tmp_path, jobs=1)  # nothing is trained twice
    assert again == results
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    with pytest.raises(ValueError, match="the run has"):
        compare([TrainConfig(neuron="LIF", data="sequential-digits", epochs=2)], tmp_path)
