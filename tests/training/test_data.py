"""Data of one's own in the place of a data set by name: all ways lead to the same training, and leave their name."""

import dataclasses
import json
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from silif_plugins import cli
from silif_plugins.datasets import SOURCES, DataError, Recordings, own_source, register_function
from silif_plugins.training import RunError, Splits, load_network, load_split, train

QUICK = [
    "--hidden-sizes",
    "24",
    "--epochs",
    "4",
    "--batch-size",
    "20",
    "--learning-rate",
    "0.02",
    "--recalibrate",
    "100",
]


def arrays(part):
    return part.frames.numpy(), part.labels.numpy()


@pytest.fixture
def named(splits):
    """The three parts as arrays and labels by name."""
    return {
        split: (frames, np.array(splits.train.classes)[labels])
        for split in ("train", "valid", "test")
        for frames, labels in [arrays(getattr(splits, split))]
    }


@pytest.fixture
def function(named, tmp_path, monkeypatch):
    """A module in the current folder whose function returns the three parts."""
    np.savez(
        tmp_path / "all.npz", **{f"{split}{index}": each[index] for split, each in named.items() for index in (0, 1)}
    )
    (tmp_path / "rates_for_tests.py").write_text(
        "import numpy as np\n\n"
        "def load(gain: int = 1):\n"
        f"    read = np.load({str(tmp_path / 'all.npz')!r})\n"
        "    return {split: (gain * read[split + '0'], read[split + '1']) for split in ('train', 'valid', 'test')}\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    with mock.patch.dict(SOURCES):
        yield "rates_for_tests:load"
    sys.path[:] = before
    sys.modules.pop("rates_for_tests", None)


def test_all_ways_train_the_same_network(config, splits, named, function, tmp_path, weights, monkeypatch):
    names = tuple(sorted(splits.train.classes))
    config = dataclasses.replace(config, data="rates")
    tensors = {split: TensorDataset(*map(torch.from_numpy, arrays(getattr(splits, split)))) for split in named}
    for split, (frames, labels) in named.items():
        for word in names:
            folder = tmp_path / "arrays" / split / word
            folder.mkdir(parents=True)
            for place in np.flatnonzero(labels == word):
                np.save(folder / f"{place:03}.npy", frames[place])
    monkeypatch.syspath_prepend(tmp_path)
    register_function(function)
    folder = str(tmp_path / "arrays")
    ways = {
        "arrays": (config, named),
        "data set": (config, own_source(tensors, "rates", classes=splits.train.classes)),
        "function": (dataclasses.replace(config, data=function), None),
        "folder": (dataclasses.replace(config, data=folder), None),
    }
    results = {way: train(settings, tmp_path / way, data=data) for way, (settings, data) in ways.items()}
    assert [result["data"] for result in results.values()] == ["rates", "rates", function, folder]
    assert results["arrays"]["classes"] == list(names)
    assert results["data set"]["classes"] == list(splits.train.classes)
    one, two = (weights(tmp_path / way / "last.safetensors") for way in ("arrays", "function"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    for way, result in results.items():
        assert result["test_accuracy"] > 0.3  # four classes
        net = load_network(tmp_path / way)
        assert (net.config.data, net.about["name"]) == (result["data"], result["data"])
        assert net.about["samples"] == {"train": 200, "valid": 80, "test": 80}
        assert json.loads((tmp_path / way / "config.json").read_text())["data_set"] == net.about
        assert net.about["front_end"] is result["front_end"] is None


def test_a_run_goes_on_with_the_data_that_it_was_begun_with(config, named, tmp_path):
    config = dataclasses.replace(config, epochs=1)
    assert train(config, tmp_path, data=named)["data"] == "own-data"  # the settings name another one, spoken-digits
    longer = dataclasses.replace(config, epochs=2)
    fewer = {**named, "train": tuple(each[:100] for each in named["train"])}
    with pytest.raises(RunError, match=r"data: the run has samples {'train': 200, .*, you gave {'train': 100"):
        train(longer, tmp_path, data=fewer, resume=True, extend=True)
    with pytest.raises(RunError, match="data: the run has own-data, you gave mine"):
        train(dataclasses.replace(longer, data="mine"), tmp_path, data=named, resume=True, extend=True)
    assert train(longer, tmp_path, data=named, resume=True, extend=True)["epochs"] == 2


def test_without_a_validation_set_a_tenth_is_held_out(config, named):
    parts = Splits.of({split: named[split] for split in ("train", "test")}, config)
    assert parts.selected_on == "held-out every 10th sample of each class of the training set"
    assert (len(parts.train), len(parts.valid)) == (180, 20)
    assert torch.bincount(parts.valid.labels).tolist() == [5, 5, 5, 5]
    whole = Splits.of(named["train"], config)
    assert [len(part) for part in (whole.train, whole.valid, whole.test)] == [144, 16, 40]
    published = Splits.of(
        {split: named[split] for split in ("train", "test")}, dataclasses.replace(config, selection="published")
    )
    assert published.valid is published.test


def test_events_take_the_settings_of_events(config):
    random = np.random.default_rng(0)
    recordings = Recordings(
        [random.uniform(0, 1, 30) for _ in range(40)],
        [random.integers(0, 8, 30) for _ in range(40)],
        np.arange(40) % 2,
        classes="ab",
        num_channels=8,
    )
    parts = Splits.of(recordings, dataclasses.replace(config, steps=25, pool=4, augment={"drop": 0.2}))
    assert (parts.train.steps, parts.train.num_channels) == (25, 2)
    assert parts.train.augmenter is not None
    assert parts.options == {"steps": 25, "max_time": 1.0, "pool": 4, "published": False, "allow_empty": False}


def test_settings_that_do_not_fit_are_named(config, named, splits):
    for change, says in (
        ({"steps": 50}, r"steps: got 50, but for mine it must be None or 40"),
        ({"pool": 2}, "pool: got 2, but for mine it must be None or 1"),
        ({"augment": {"drop": 0.1}}, r"augment: .* mine has no events, only their frames"),
        ({"data_options": {"gain": 2}}, "gain: got 2, but for mine it must be None"),
    ):
        with pytest.raises(ValueError, match=says):
            Splits.of(named, dataclasses.replace(config, data="mine", **change))
    with pytest.raises(FileNotFoundError, match="shd, Spiking Heidelberg Digits: this data set does not come with"):
        Splits.of(SOURCES["shd"], config)
    empty = splits.test.subset([])
    with pytest.raises(ValueError, match="data: valid has no samples"):
        Splits(splits.train, empty, splits.test)
    with pytest.raises(DataError, match="test: labels: sample 0 has 'x', but classes are 4, 7, 12, 20"):
        train(
            config,
            "nowhere",
            data=own_source({**named, "test": (named["test"][0], ["x"] * 80)}, classes=splits.train.classes),
        )


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_function_on_the_command_line(function, capsys, tmp_path):
    code, out, err = run(capsys, "train", "--data", function, "--data-options", "gain=2", *QUICK)
    assert code == 0, err
    result = json.loads(out)
    assert (result["data"], result["classes"]) == (function, ["12", "20", "4", "7"])
    folder = tmp_path / "runs" / "rates_for_tests.load" / "SiLIF-seed0"
    assert folder.is_dir()
    for forget in (False, True):
        if forget:  # as another process
            del SOURCES[function], sys.modules["rates_for_tests"]
            code, out, err = run(capsys, "evaluate", folder)
            assert (code, out) == (2, "")
            assert (
                f"was trained on {function}, what a function returns; name data with 8 channels and the classes" in err
            )
            assert (
                f"12, 20, 4, 7: silif evaluate {folder.relative_to(tmp_path)} --data {function}".split("/")[-1] in err
            )
            assert "rates_for_tests" not in sys.modules  # a file's words are not run
            code, _, err = run(capsys, "train", "--resume", "--out", folder, "--epochs", "5")
            assert code == 2
            assert f"code runs only if you name it yourself, by --data {function}" in err
        code, out, err = run(capsys, "evaluate", folder, *(["--data", function] if forget else []))
        assert code == 0, err
        assert json.loads(out)["accuracy"] == result["test_accuracy"]
    code, out, err = run(capsys, "train", "--resume", "--out", folder, "--epochs", "5", "--data", function)
    assert code == 0, err
    code, _, err = run(capsys, "evaluate", folder, "--data", "spoken-digits")
    assert code == 2
    assert "the network needs 8 and 4" in err
    config = load_network(folder).config
    assert config.data_options == {"gain": 2}
    assert len(load_split(config, "valid")) == 80


@pytest.mark.slow
def test_the_processes_of_a_comparison_know_the_function(function, capsys, tmp_path):
    code, _, err = run(capsys, "compare", "--neurons", "LIF", "--data", function, *QUICK, "--epochs", "1")
    assert code == 0, err
    assert json.loads((tmp_path / "runs/compare/LIF-seed0/result.json").read_text())["data"] == function


def test_data_in_memory_are_asked_for(config, named, capsys, tmp_path):
    train(dataclasses.replace(config, epochs=1, data="mine"), tmp_path / "run", data=named)
    code, _, err = run(capsys, "evaluate", tmp_path / "run")
    assert code == 2
    assert (
        "was trained on mine, data in memory, or in a folder that is not here; name data with 8 channels and the" in err
    )
    assert "--data FOLDER, or MODULE:FUNCTION" in err
    code, _, err = run(capsys, "train", "--data", "no_such_module:load", "--out", tmp_path / "other")
    assert code == 2
    assert "there is no module no_such_module, neither here nor installed" in err
    assert not (tmp_path / "other").exists()


def test_predict_on_the_command_line(config, named, splits, capsys, tmp_path):
    result = train(dataclasses.replace(config, data="mine"), tmp_path / "run", data=named)
    for place in (0, 1):
        np.save(tmp_path / f"{place}.npy", named["test"][0][place])
    code, out, err = run(capsys, "predict", tmp_path / "run", tmp_path / "0.npy", tmp_path / "1.npy")
    assert code == 0, err
    net = load_network(tmp_path / "run")
    for place, said in enumerate(json.loads(out)):
        expected = net.predict(named["test"][0][place])
        assert said["file"] == str(tmp_path / f"{place}.npy")
        assert said["word"] == expected.word
        assert said["confidence"] == pytest.approx(expected.confidence, abs=1e-4)
        assert said["confidences"] == pytest.approx(expected.confidences.tolist(), abs=1e-4)
        assert (said["step"], said["decided"]) == (None, expected.decided)
    code, out, err = run(capsys, "predict", tmp_path / "run", tmp_path / "0.npy", "--no-json")
    head, row = out.splitlines()
    assert head.split() == ["file", "word", "confidence", "decided"]
    assert row.split()[0] == "0.npy"
    code, _, err = run(capsys, "predict", tmp_path / "run", tmp_path / "absent.wav")
    assert code == 2
    assert "there is no file" in err
    assert result["classes"] == ["12", "20", "4", "7"]
