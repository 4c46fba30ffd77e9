"""Runs: exact repeats, exact resumption after a kill, and folders that are kept apart."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import time

import pytest
import torch

from silif_plugins.sparch import CheckpointError
from silif_plugins.training import Diverged, RunError, TrainConfig, checkpoint, load_network, train
from silif_plugins.training import run as run_module


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_learns_and_leaves_what_it_promises(config, splits, tmp_path):
    config = dataclasses.replace(config, epochs=12)
    result = train(config, tmp_path, data=splits)
    assert result["test_accuracy"] > 0.5  # four classes
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert lines[0]["learning_rate"] == 0.02
    assert lines[-1]["learning_rate"] < 0.001  # cosine
    assert max(line["valid_accuracy"] for line in lines) == result["valid_accuracy"]
    assert lines[result["best_epoch"] - 1]["valid_accuracy"] == result["valid_accuracy"]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 3
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "plateau", "constant"])
def test_the_same_seed_gives_the_same_weights(schedule, config, splits, tmp_path, weights):
    config = dataclasses.replace(config, schedule=schedule, patience=1)
    for name in ("one", "two"):
        train(config, tmp_path / name, data=splits)
    train(dataclasses.replace(config, seed=4), tmp_path / "other", data=splits)
    one, two, other = (weights(tmp_path / name / "last.safetensors") for name in ("one", "two", "other"))
    assert equal(one, two)
    assert not equal(one, other)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "plateau", "constant"])
@pytest.mark.parametrize("when", [1, 3])
def test_resumed_is_bit_equal(schedule, when, config, splits, tmp_path, weights, monkeypatch):
    config = dataclasses.replace(config, schedule=schedule, patience=1, initial_state="uniform")
    train(config, tmp_path / "whole", data=splits)

    class Killed(Exception):
        pass

    original, passes = run_module._Run._pass, []

    def dies(self, epoch):
        passes.append(epoch)
        if len(passes) > when:
            torch.rand(7)  # whatever else used the generator meanwhile
            raise Killed
        return original(self, epoch)

    monkeypatch.setattr(run_module._Run, "_pass", dies)
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", data=splits)
    monkeypatch.undo()
    train(config, tmp_path / "killed", data=splits, resume=True)

    for name in ("last.safetensors", "best.safetensors"):
        assert equal(weights(tmp_path / "whole" / name), weights(tmp_path / "killed" / name))
    without_time = [json.loads((tmp_path / run / "result.json").read_text()) for run in ("whole", "killed")]
    for result in without_time:
        del result["seconds"], result["folder"]
    assert without_time[0] == without_time[1]
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == (tmp_path / "killed" / "metrics.jsonl").read_text()


def _train_in_child(config, folder, splits):
    torch.set_num_threads(1)
    train(config, folder, data=splits)


@pytest.mark.slow
def test_killed_by_the_system_and_resumed(config, splits, tmp_path, weights):
    """SIGKILL at any moment: the run goes on from the last epoch to the same weights."""
    config = dataclasses.replace(config, epochs=30)
    train(config, tmp_path / "whole", data=splits)
    folder = tmp_path / "killed"
    child = multiprocessing.get_context("spawn").Process(target=_train_in_child, args=(config, folder, splits))
    child.start()
    deadline = time.monotonic() + 120
    while not (folder / "metrics.jsonl").exists():
        assert child.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert load_network(folder / "last.safetensors")[2]["progress"]["epoch"] < 30
    with pytest.raises(RunError, match="holds a run already"):
        train(config, folder, data=splits)
    train(config, folder, data=splits, resume=True)
    for name in ("last.safetensors", "best.safetensors"):
        assert equal(weights(tmp_path / "whole" / name), weights(folder / name))


def test_a_folder_holds_one_run(config, splits, tmp_path):
    train(config, tmp_path, data=splits)
    with pytest.raises(RunError, match="holds a run already"):
        train(config, tmp_path, data=splits)
    with pytest.raises(RunError, match=r"learning_rate: the run has 0\.02, you gave 0\.5"):
        train(dataclasses.replace(config, learning_rate=0.5), tmp_path, data=splits, resume=True)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "plateau", "constant"])
def test_more_epochs_go_on_as_in_a_run_of_that_length(schedule, config, splits, tmp_path):
    config = dataclasses.replace(config, schedule=schedule, patience=50)
    longer = dataclasses.replace(config, epochs=7)
    train(longer, tmp_path / "long", data=splits)
    train(config, tmp_path / "short", data=splits)
    with pytest.raises(RunError, match="epochs: the run has 4, you gave 7"):
        train(longer, tmp_path / "short", data=splits, resume=True)
    assert train(longer, tmp_path / "short", data=splits, resume=True, extend=True)["epochs"] == 7
    rates = [
        [json.loads(line)["learning_rate"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("long", "short")
    ]
    assert len(rates[1]) == 7
    assert rates[1][4:] == pytest.approx(rates[0][4:], rel=1e-9)
    assert json.loads((tmp_path / "short" / "config.json").read_text())["epochs"] == 7
    with pytest.raises(RunError, match="epochs: the run has 7, you gave 4"):
        train(config, tmp_path / "short", data=splits, resume=True, extend=True)


def test_weights_to_start_from(config, splits, tmp_path, weights):
    train(config, tmp_path / "first", data=splits)
    tiny = dataclasses.replace(config, init=str(tmp_path / "first"), epochs=1, learning_rate=1e-12, recalibrate=0)
    train(tiny, tmp_path / "second", data=splits)
    first, second = (weights(tmp_path / name / "best.safetensors") for name in ("first", "second"))
    for name, value in first.items():
        if "running" not in name and "tracked" not in name:
            assert value.allclose(second[name], atol=1e-9), name
    shutil.rmtree(tmp_path / "first")  # not needed any more
    train(tiny, tmp_path / "second", data=splits, resume=True)


def test_a_readout_of_other_classes_starts_anew(config, splits, tmp_path):
    train(config, tmp_path, data=splits)
    net = config.network(splits.train.num_channels, splits.train.num_classes + 3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    checkpoint.start_from(net, tmp_path, config)
    trained = load_network(tmp_path)[0].state_dict()
    for name, value in net.state_dict().items():
        assert value.equal(before[name] if name.startswith("readout.") else trained[name])
    other = dataclasses.replace(config, hidden_sizes=(5,)).network(splits.train.num_channels, 3)
    with pytest.raises(ValueError, match=r"init: .* does not fit: hidden\.0\."):
        checkpoint.start_from(other, tmp_path, config)


def test_a_run_without_a_finished_epoch_leaves_nothing(config, splits, tmp_path, monkeypatch):
    def interrupt(self, epoch):
        if epoch == when:
            raise KeyboardInterrupt
        return original(self, epoch)

    original = run_module._Run._pass
    monkeypatch.setattr(run_module._Run, "_pass", interrupt)
    for when in (0, 1):
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "parent" / "run", data=splits)
        assert (tmp_path / "parent").exists() == (when == 1)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").touch()
    when = 0
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "there" / "run", data=splits)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_half_a_file_that_a_kill_has_left_goes_away_and_nothing_of_the_users(config, splits, tmp_path):
    theirs = [
        ".notes.tmp",
        ".last.safetensors.tmp",
        ".mine.safetensors.123.tmp",
        ".last.safetensors.1a.tmp",
        ".x.1.tmp",
    ]
    for name in (*theirs, ".last.safetensors.123.tmp"):
        (tmp_path / name).write_bytes(b"half")
    train(dataclasses.replace(config, epochs=1), tmp_path, data=splits)
    assert sorted(path.name for path in tmp_path.glob(".*.tmp")) == sorted(theirs)


def test_a_checkpoint_from_before_a_setting_existed_resumes(config, splits, tmp_path):
    train(dataclasses.replace(config, epochs=1), tmp_path, data=splits)
    tensors, facts = checkpoint.load(tmp_path / "last.safetensors")
    del facts["config"]["gradient_clip"]
    checkpoint.save(tmp_path / "last.safetensors", tensors, {**facts, "config": {**facts["config"], "epochs": 4}})
    assert train(config, tmp_path, data=splits, resume=True)["epochs"] == 4


def test_goes_on_on_another_device(config, splits, tmp_path):
    """A GPU of a machine that somebody had for an hour, and a laptop afterwards."""
    first = train(config, str(tmp_path), data=splits)  # as people write it
    again = train(dataclasses.replace(config, device="cpu:0"), tmp_path, data=splits, resume=True)
    assert again["test_accuracy"] == first["test_accuracy"]
    with pytest.raises(RunError, match="learning_rate"):
        train(dataclasses.replace(config, learning_rate=0.5), tmp_path, data=splits, resume=True)


def test_two_runs_cannot_write_one_folder(config, splits, tmp_path):
    def second(entry):
        with pytest.raises(RunError, match="another run is writing here"):
            train(config, tmp_path, data=splits, resume=True)
        refused.append(entry["epoch"])

    refused = []
    train(config, tmp_path, data=splits, on_epoch=second)
    assert refused == [1, 2, 3, 4]


def test_an_exploding_run_stops_and_says_so(config, splits, tmp_path, monkeypatch):
    def explode(self, inputs, lengths=None):
        output = original(self, inputs, lengths)
        return output._replace(scores=output.scores * float("inf"))

    from silif_plugins.sparch import SpArchNet

    original = SpArchNet.forward
    monkeypatch.setattr(SpArchNet, "forward", explode)
    with pytest.raises(RunError, match=r"the loss is .* in epoch 1"):
        train(config, tmp_path, data=splits)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(("call", "says"), [(1, "validation loss is nan in epoch 1"), (5, "test loss is nan in the")])
def test_divergence_in_validation_or_test_is_divergence(call, says, config, splits, tmp_path, monkeypatch):
    """Training can end well on weights that overflow where batch norm uses its running statistics."""
    calls = []

    def overflow(*arguments, **options):
        calls.append(arguments)
        figures = original(*arguments, **options)
        return dataclasses.replace(figures, loss=float("nan")) if len(calls) == call else figures

    original = run_module.evaluate
    monkeypatch.setattr(run_module, "evaluate", overflow)
    with pytest.raises(Diverged, match=says):
        train(config, tmp_path, data=splits)
    assert not (tmp_path / "result.json").exists()
    assert (tmp_path / "last.safetensors").exists() == (call == 5)


def test_resuming_from_another_file_says_so(config, splits, tmp_path):
    train(dataclasses.replace(config, epochs=1), tmp_path, data=splits)
    last = tmp_path / "last.safetensors"
    whole = last.read_bytes()
    last.write_bytes((tmp_path / "best.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"last.safetensors: optimizer: missing; it is not the last checkpoint"):
        train(dataclasses.replace(config, epochs=1), tmp_path, data=splits, resume=True)
    last.write_bytes(whole[:-40] + bytes(40))
    with pytest.raises(CheckpointError, match=r"last.safetensors: .*: damaged, its checksum is not that"):
        train(dataclasses.replace(config, epochs=1), tmp_path, data=splits, resume=True)
    (tmp_path / "last.safetensors").unlink()


def test_a_full_disk_keeps_the_last_epoch(config, splits, tmp_path, weights, monkeypatch):
    """Writing fails in epoch 3: epoch 2 stays whole, no part of a file is left, and the run resumes."""
    train(config, tmp_path / "whole", data=splits)
    folder = tmp_path / "full"
    written = []
    original = os.fsync

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 6:
            raise OSError(28, "No space left on device")
        original(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        train(config, folder, data=splits)
    monkeypatch.undo()
    assert not list(folder.glob(".*.tmp"))
    reached = load_network(folder / "last.safetensors")[2]["progress"]["epoch"]
    assert reached in (1, 2)
    train(config, folder, data=splits, resume=True)
    assert equal(weights(tmp_path / "whole" / "last.safetensors"), weights(folder / "last.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron": "GRU"}, "neuron: got 'GRU'"),
        ({"surrogate": "box"}, "surrogate: got 'box'"),
        ({"hidden_sizes": ()}, "hidden_sizes"),
        ({"hidden_sizes": (0,)}, "hidden_sizes"),
        ({"dropout": 1.0}, "dropout: got 1.0"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"batch_size": -1}, "batch_size: got -1"),
        ({"learning_rate": float("nan")}, "learning_rate: got nan"),
        ({"factor": 1.5}, "factor: got 1.5"),
        ({"seed": -1}, "seed: got -1"),
        ({"schedule": "step"}, "schedule: got 'step'; it must be one of cosine, one-cycle, plateau, constant"),
        ({"recalibrate": -1}, "recalibrate"),
        ({"gradient_clip": 0.0}, "gradient_clip: got 0.0"),
        ({"precision": "float16"}, "precision: got 'float16'; it must be one of float32, bfloat16"),
        ({"selection": "test"}, "selection: got 'test'"),
        ({"augment": {"noise": 1.0}}, "augment: got noise"),
        ({"augment": {"drop": 1.0}}, "augment.drop: got 1.0"),
        ({"learning_rat": 0.1}, "learning_rat: unknown setting"),
        ({3: 0.1}, "3: unknown setting"),
        ({"epochs": "many"}, "epochs: got 'many'; it must be an integer"),
        ({"epochs": 2.5}, "epochs: got 2.5; it must be an integer"),
        ({"epochs": True}, "epochs: got True; it must be an integer"),
        ({"learning_rate": None}, "learning_rate: got None; it must be a number"),
        ({"max_time": [1]}, r"max_time: got \[1\]; it must be a number, or none"),
        ({"hidden_sizes": 5}, "hidden_sizes: got 5; it must be a list of integers"),
        ({"hidden_sizes": "64"}, "hidden_sizes: got '64'; it must be a list of integers"),
        ({"neuron": 7}, "neuron: got 7; it must be text"),
        ({"published": "no"}, "published: got 'no'; it must be true or false"),
        ({"augment": {"drop": "much"}}, "augment: got .*; it must be values by their names"),
        ({"neuron_options": ["dt"]}, "neuron_options: got .*; it must be values by their names"),
        (["epochs"], r"config: got \['epochs'\]; it must be settings by their names"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig.from_mapping(change)


@pytest.mark.parametrize("sizes", [(10**13,), (10**8, 10**8), (10**10, 10**10), (10**30,)])
def test_networks_that_cannot_fit_into_memory_are_refused(sizes):
    problem = "(would take [0-9]+ GiB of memory, but|are more than can be counted|Overflow)"
    with pytest.raises(ValueError, match=rf"network: .*{problem}.*; it is sparch with .*'hidden_sizes': \({sizes[0]},"):
        TrainConfig(hidden_sizes=sizes).network(140, 20)


def test_weights_are_counted_without_memory_or_random_numbers():
    config = TrainConfig(hidden_sizes=(10, 7), recurrent=True, bidirectional=True)
    before = torch.get_rng_state()
    outline = config.outline(5, 3).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    net = config.network(5, 3).state_dict()
    assert {name: value.shape for name, value in outline.items()} == {name: value.shape for name, value in net.items()}
    assert all(value.is_meta for value in outline.values())


def test_a_batch_larger_than_memory_is_the_whole_set(config, splits, tmp_path):
    train(dataclasses.replace(config, batch_size=10**15, epochs=1), tmp_path, data=splits)


def test_neuron_options_reach_the_neuron():
    net = TrainConfig(neuron="C-SiLIF", neuron_options={"dt": [0.1, 0.1], "half_reset": False}).network(5, 3)
    assert net.hidden[0].neuron.log_dt.exp().allclose(torch.tensor(0.1))
    with pytest.raises(ValueError, match=r"network: sparch refuses its options: LIF.* 'omega'; it is sparch with"):
        TrainConfig(neuron="LIF", neuron_options={"omega": 3.0}).network(5, 3)


def test_a_silent_network_is_told_of(config, splits, tmp_path, caplog):
    silent = dataclasses.replace(config, epochs=1, normalization="none", neuron_options={"threshold": 50.0})
    train(silent, tmp_path / "silent", data=splits)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("SiLIF seed 3  hidden.0: no neuron fires")
    assert "normalization" in line
    caplog.clear()
    train(dataclasses.replace(config, epochs=2), tmp_path / "healthy", data=splits)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
