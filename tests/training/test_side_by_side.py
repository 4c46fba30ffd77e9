"""The zoo: every neuron gets its best learning rate, nothing is trained twice, and what diverges is no contender."""

import json

import pytest
import torch

from silif_plugins.cli import main
from silif_plugins.neurons import NEURONS, SiLIF
from silif_plugins.sparch import SpArchNet
from silif_plugins.training import stable, unstable, zoo

QUICK = {"data": "sequential-digits", "hidden_sizes": (8,), "epochs": 1}


def results(validation):
    """Stand in for training: results by (neuron, rate)."""

    def compare(configs, folder, *, names, jobs, skip_diverged, on_result):
        assert skip_diverged
        found = [
            {
                "neuron": name, "seed": config.seed, "learning_rate": config.learning_rate, "parameters": 7,
                "valid_accuracy": validation[name, config.learning_rate], "test_accuracy": 0.1 * config.seed,
                "test_synaptic_operations": 1.0, "test_sparsity": 0.9, "seconds": 1.0, "folder": str(folder / "x"),
            }
            for config, name in zip(configs, names, strict=True) if (name, config.learning_rate) in validation
        ]  # fmt: skip
        for each in found:
            on_result(each)
        return found

    return compare


def test_the_best_rate_is_chosen_on_the_validation_set(monkeypatch, tmp_path):
    module = zoo.__globals__
    monkeypatch.setitem(module, "compare", results({("LIF", 0.1): 0.5, ("LIF", 0.3): 0.6, ("RF", 0.1): 0.4}))
    monkeypatch.setitem(module, "_unstable_of", lambda found, folder: (None, float(len(found))))
    settings = {name: {"neuron": name, **QUICK} for name in ("LIF", "RF", "AdLIF")}
    lif, rf = sorted(zoo(settings, tmp_path, rates=(0.1, 0.3), seeds=3), key=lambda each: each.summary.neuron)
    assert (lif.summary.learning_rate, rf.summary.learning_rate) == (0.3, 0.1)
    assert (lif.summary.seeds, rf.summary.seeds, rf.unstable_after) == (3, 3, 3)
    assert rf.valid_accuracy == {0.1: 0.4, 0.3: None}  # it diverged there, and AdLIF with both
    with pytest.raises(ValueError, match="give rates that differ"):
        zoo(settings, tmp_path, rates=(0.1, 0.1))


def test_unstable_neurons_are_counted_for_every_model():
    torch.manual_seed(0)
    for name in NEURONS:
        share = unstable(SpArchNet(5, (200,), 2, neuron=name))
        assert share == pytest.approx(0.5, abs=0.15) if name == "AdLIF" else share == 0
    far = {"states": 2, "stable": False, "decay": -0.1}
    for transition in ("diagonal", "dense"):
        options = {**far, "transition": transition}
        assert unstable(SpArchNet(5, (20,), 2, neuron="general-reset", neuron_options=options)) == 1
    assert unstable(torch.nn.Linear(3, 3)) is None


@pytest.mark.slow
def test_a_zoo_is_made_once_and_grows(tmp_path, capsys):
    command = ["zoo", "--data", "sequential-digits", "--hidden-sizes", "8", "--epochs", "1", "--rates", "0.03,0.1"]
    command += ["--seeds", "1", "--jobs", "1", "--out", str(tmp_path), "--json"]
    assert main([*command, "--neurons", "LIF"]) == 0
    assert [each["neuron"] for each in json.loads(capsys.readouterr().out)] == ["LIF"]
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("last.safetensors")}
    assert len(stamps) == 2
    assert main([*command, "--neurons", "LIF,FiTS"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["neuron"] for each in found} == {"LIF", "FiTS"}
    assert set(found[0]["valid_accuracy"]) == {"0.03", "0.1"}
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert "| FiTS " in (tmp_path / "table.md").read_text()


def test_what_the_command_refuses(capsys):
    for words, says in (
        (["--seeds", "0"], "seeds"),
        (["--rates", "fast"], "rates: got fast"),
        (["--rates", ","], "rates: got none"),
        (["--neurons", "LIFF"], "did you mean LIF?"),
        (["--neurons", ","], "neurons: got none"),
    ):
        assert main(["zoo", *words]) == 2
        assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", NEURONS)
def test_stability_can_be_told_of_every_neuron(name):
    torch.manual_seed(0)
    found = stable(NEURONS[name](8))
    assert found.shape[0] == 8
    assert found.dtype == torch.bool


def test_stability_of_dynamics_of_ones_own_is_not_guessed():
    class Own(SiLIF):
        def dynamics(self):
            return object()

    assert stable(Own(3)) is None


def test_rates_are_tried_beyond_an_end_that_is_the_best(monkeypatch, tmp_path):
    module = zoo.__globals__
    accuracy = {0.01: 0.5, 0.03: 0.6, 0.1: 0.7, 0.3: 0.8, 1.0: 0.6, 3.0: 0.9}
    monkeypatch.setitem(module, "compare", results({("LIF", rate): each for rate, each in accuracy.items()}))
    settings = {"LIF": {"neuron": "LIF", **QUICK}}
    (found,) = zoo(settings, tmp_path / "two", rates=(0.01, 0.03), beyond=5, seeds=1)
    assert found.summary.learning_rate == 0.3
    assert list(found.valid_accuracy) == [0.01, 0.03, 0.1, 0.3, 1.0]  # and no further: the end is not the best
    (found,) = zoo(settings, tmp_path / "one", rates=(0.01, 0.03), beyond=1, seeds=1)
    assert (found.summary.learning_rate, list(found.valid_accuracy)) == (0.1, [0.01, 0.03, 0.1])


def test_runs_that_stand_in_the_results_are_not_trained_again(monkeypatch, tmp_path):
    module = zoo.__globals__
    calls = []

    def counted(configs, *others, **options):
        calls.extend(options["names"])
        return results({("LIF", 0.1): 0.5, ("RF", 0.1): 0.5})(configs, *others, **options)

    monkeypatch.setitem(module, "compare", counted)
    settings = {name: {"neuron": name, **QUICK} for name in ("LIF", "RF")}
    zoo({"LIF": settings["LIF"]}, tmp_path, rates=(0.1,), seeds=2)
    assert calls == ["LIF", "LIF"]
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    (tmp_path / "results.jsonl").write_text("\n".join(lines[:1]) + "\n")  # interrupted after the first run
    zoo(settings, tmp_path, rates=(0.1,), seeds=2)
    assert sorted(calls[2:]) == ["LIF", "RF", "RF"]
    other = {"LIF": {**settings["LIF"], "epochs": 2}}
    zoo(other, tmp_path, rates=(0.1,), seeds=1)
    assert calls[5:] == ["LIF"]  # the results of other settings are not taken for these
    elsewhere = {"LIF": {**settings["LIF"], "device": "cuda"}}
    zoo(elsewhere, tmp_path, rates=(0.1,), seeds=2)
    assert len(calls) == 6  # where a run was trained does not matter
    for _ in range(2):
        zoo(settings, tmp_path, rates=(0.1, 3.0), seeds=1)
    assert calls[6:] == ["LIF", "RF"]  # nor is a run that diverged, here at 3.0, trained again
