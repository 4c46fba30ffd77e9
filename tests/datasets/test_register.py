"""The register: a data set in a few lines is known everywhere, and options are checked for all in one place."""

import json
from unittest import mock

import numpy as np
import pytest
import torch

from silif_plugins import cli
from silif_plugins.datasets import (
    SOURCES,
    DataSource,
    FrameDataset,
    Recordings,
    download,
    load,
    register_source,
    source_names,
    sources_in_words,
)
from silif_plugins.training import Splits, TrainConfig, train


def clicks(split, *, root=None, gain=1):
    """Frames from a folder with a file ``clicks.txt``, the labels of all splits."""
    labels = np.loadtxt(root / "clicks.txt", dtype=int)
    return FrameDataset(np.full((len(labels), 10, 3), gain, np.uint8), labels, classes="ab", speakers=labels)


def beeps(split):
    """Events that tell the class, without a file."""
    seed = ("train", "valid", "test").index(split)
    random, labels = np.random.default_rng(seed), np.arange(40) % 2
    units = [random.integers(0, 4, 30) + 4 * label for label in labels]
    return Recordings([random.uniform(0, 1, 30) for _ in labels], units, labels, classes="ab", num_channels=8)


@pytest.fixture
def toys():
    """Two data sets that are there for one test."""
    with mock.patch.dict(SOURCES):
        register_source(DataSource("beeps", "Beeps", recordings=beeps))
        register_source(DataSource("clicks", "Clicks", load=clicks, files=("clicks.txt",), where="write clicks.txt"))
        yield


def test_a_data_set_in_a_few_lines_is_loaded(toys):
    dataset = load("beeps", "valid", steps=20, pool=2)
    assert (len(dataset), dataset.steps, dataset.num_channels) == (40, 20, 4)
    expected = FrameDataset.from_recordings(beeps("valid"), steps=20, max_time=1.0, pool=2)
    assert torch.equal(dataset.frames, expected.frames)
    assert load("beeps", "train").steps == 100


def test_it_is_trained_on(toys, tmp_path):
    config = TrainConfig(data="beeps", steps=20, hidden_sizes=(8,), epochs=4, batch_size=10)
    assert torch.equal(Splits.load(config).test.frames, load("beeps", "test", steps=20).frames)
    assert train(config, tmp_path / "run")["test_accuracy"] > 0.9
    changed = TrainConfig(**{**config.__dict__, "augment": {"drop": 0.2}})
    assert Splits.load(changed).train.augmenter is not None


def test_a_folder_is_recognised_and_its_options_are_settings(toys, tmp_path):
    np.savetxt(tmp_path / "clicks.txt", [0, 1, 1], fmt="%d")
    for dataset in (load(tmp_path, "train", gain=3), load("clicks", "train", root=tmp_path, gain=3)):
        assert dataset.labels.tolist() == [0, 1, 1]
        assert dataset.frames.unique().tolist() == [3]
    config = TrainConfig(data=str(tmp_path), data_options={"gain": 5})
    assert Splits.load(config).test.frames.unique().tolist() == [5]
    with pytest.raises(ValueError, match=r"gian: got 3, but for clicks it must be None; did you mean gain\?"):
        load(tmp_path, "train", gian=3)
    with pytest.raises(ValueError, match="steps: got 50, but for clicks it must be None; its options are gain"):
        load(tmp_path, "train", steps=50)
    with pytest.raises(ValueError, match="clicks has no events, only their frames"):
        SOURCES["clicks"].events("train", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"clicks, Clicks: this data set .* To get it: write clicks.txt"):
        load("clicks", "train")


def test_the_command_line_names_it(toys, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "--help"]) == 0
    assert "beeps, listops, sequential-digits, spoken-digits, or a folder that holds cifar10, clicks" in " ".join(
        capsys.readouterr().out.split()
    )
    assert cli.main(["train", "--data", "bepps"]) == 2
    assert "neither 'beeps', 'listops', 'sequential-digits'" in (error := capsys.readouterr().err)
    assert "did you mean beeps?" in error
    quick = ["--epochs", "1", "--hidden-sizes", "8", "--steps", "20", "--json"]
    assert cli.main(["train", "--data", "beeps", *quick]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "beeps"
    assert cli.main(["reproduce", "--help"]) == 0
    assert "--data.clicks FOLDER" in capsys.readouterr().out


def test_it_can_be_downloaded_if_it_says_how(toys, tmp_path, capsys):
    def fetch(folder):
        folder.mkdir()
        (folder / "taps.txt").touch()
        return [folder / "taps.txt"]

    register_source(DataSource("taps", "Taps", load=clicks, files=("taps.txt",), download=fetch))
    assert download("taps", tmp_path / "data") == [tmp_path / "data" / "taps.txt"]
    assert cli.main(["download", "taps", str(tmp_path / "other"), "--no-json"]) == 0
    assert f"silif train --data {tmp_path / 'other'}" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"got 'clicks'; it must be shd or ssc or taps; to get clicks: write"):
        download("clicks", tmp_path)
    with pytest.raises(ValueError, match=r"got 'tap'; it must be shd or ssc or taps; did you mean taps\?"):
        download("tap", tmp_path)


def test_wrong_sources_are_refused():
    with pytest.raises(ValueError, match="name: got 'shd', but there is a data set of this name: Spiking Heidelberg"):
        register_source(DataSource("shd", "Another", load=clicks))
    with pytest.raises(ValueError, match="load, recordings: got neither for silence"):
        DataSource("silence", "Silence")
    with pytest.raises(ValueError, match="load: got the options gain for both; those of events must be allow"):
        DataSource("both", "Both", load=clicks, recordings=beeps)


def test_names_say_first_what_needs_no_folder():
    shipped, folders = ["listops", "sequential-digits", "spoken-digits"], ["cifar10", "free-spoken-digits", "gsc"]
    other = ["lra-listops", "lra-retrieval", "lra-text", "mnist", "pathfinder", "shd", "ssc", "wikitext-103"]
    other += ["arrays", "audio", "events"]
    assert source_names() == [*shipped, *folders, *other]
    assert all(name in sources_in_words() for name in source_names())


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_complete(name):
    source = SOURCES[name]
    assert source.shipped or source.where
    assert source.title
    assert bool(source.licence) == bool(source.origin) == (not source.own)
    for option in ("stepz", "bandz", "pol"):
        with pytest.raises(ValueError, match=f"{option}: got 3, but for {name} it must be None"):
            source.options({option: 3})
