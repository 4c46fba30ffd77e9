"""Folders of arrays: every layout gives the frames that were written, and files that do not fit are named."""

import shutil

import numpy as np
import pytest
import torch

from silif_plugins.datasets import SOURCES, DataError, FolderDataset, FrameDataset, load
from silif_plugins.training import Splits, TrainConfig


def frames(seed, steps=12):
    return np.random.default_rng(seed).integers(0, 3, (steps, 4))


def write(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, arrays["frames"])
    else:
        np.savez(path, **arrays)


@pytest.fixture
def words(tmp_path):
    """Two words, in folders of their own within those of the splits."""
    for number, split in enumerate(("train", "test")):
        for label, word in enumerate(("no", "ja ß")):
            for index in range(3):
                end = "npz" if index else "npy"
                write(tmp_path / split / word / f"{index}.{end}", frames=frames(100 * number + 10 * label + index))
    return tmp_path


def test_a_folder_a_split_and_one_a_word(words):
    (words / "test" / "no" / "._0.npy").write_bytes(b"junk of macOS")
    (words / "test" / ".hidden").mkdir()
    (words / "test" / ".hidden" / "0.npy").touch()
    (words / "test" / "empty").mkdir()
    (words / "readme.txt").touch()
    dataset = FolderDataset(words, "test")
    assert dataset.classes == ("ja ß", "no")  # a folder without files is no class
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    expected = [frames(100 + 10 * label + index) for label in (1, 0) for index in range(3)]
    np.testing.assert_array_equal(dataset.frames, expected)
    assert repr(load(words, "test")) == repr(dataset).replace("FolderDataset", "FrameDataset")
    parts = Splits.load(TrainConfig(data=str(words)))
    assert (len(parts.train), len(parts.valid)) == (4, 2)
    assert parts.selected_on == "held-out every 10th sample of each class of the training set"
    with pytest.raises(ValueError, match=r"split: got 'valid', but .* has train, test"):
        FolderDataset(words, "valid")
    with pytest.raises(ValueError, match="split: got 'tset'"):
        FolderDataset(words, "tset")
    for index in range(2):
        write(words / "valid" / "no" / f"{index}.NPZ.npz", frames=frames(index), speaker=7)
    assert FolderDataset(words, "valid").speakers.tolist() == [7, 7]
    assert Splits.load(TrainConfig(data=str(words))).selected_on == "validation set"


def test_a_folder_a_word_is_split_by_names(tmp_path):
    for index in range(60):
        for word in ("no", "yes"):
            write(tmp_path / word / f"{index}.npy", frames=np.full((5 + index % 3, 2), index, np.float32))
    one = {split: FolderDataset(tmp_path, split) for split in ("train", "valid", "test")}
    assert sum(map(len, one.values())) == 120
    assert all(len(part) > 5 for part in one.values())
    for index in range(60, 120):
        write(tmp_path / "no" / f"{index}.npy", frames=np.full((5, 2), index, np.float32))
    shutil.move(tmp_path, moved := tmp_path.with_name("elsewhere"))
    for split, part in one.items():
        now = FolderDataset(moved, split)
        old = (part.labels, [int(each[0, 0]) for each in part.frames])
        new = [(int(label), int(each[0, 0])) for label, each in zip(now.labels, now.frames, strict=True)]
        assert [pair for pair in new if pair[1] < 60] == list(zip(old[0].tolist(), old[1], strict=True))


def test_a_file_a_split(tmp_path):
    labels = np.array(["no", "yes", "no"])
    for split, seed in (("train", 0), ("test", 1)):
        write(
            tmp_path / f"{split}.npz",
            frames=np.stack([frames(seed + index) for index in range(3)]).astype(bool),
            labels=labels,
            lengths=[12, 3, 4],
            speakers=[0, 0, 5],
        )
    dataset = FolderDataset(tmp_path, "test")
    np.testing.assert_array_equal(dataset.frames, [frames(1 + index).astype(bool) for index in range(3)])
    assert (dataset.classes, dataset.labels.tolist()) == (("no", "yes"), [0, 1, 0])
    assert (dataset.lengths.tolist(), dataset.speakers.tolist()) == ([12, 3, 4], [0, 0, 5])
    assert Splits.load(TrainConfig(data=str(tmp_path))).selected_on == "held-out speakers 5 of the training set"


def flat(recordings):
    return {
        "times": recordings.flat_times,
        "units": recordings.flat_units,
        "starts": recordings.starts,
        "labels": recordings.labels,
        "classes": np.array(recordings.classes),
        "num_channels": recordings.num_channels,
        "speakers": recordings.speakers,
    }


def test_events_in_a_file_a_split_or_a_sample(tmp_path, recordings):
    expected = FrameDataset.from_recordings(recordings, steps=20, max_time=0.8, pool=2, allow_empty=True)
    for split in ("train", "test"):
        write(tmp_path / "whole" / f"{split}.npz", **flat(recordings))
        for index, each in enumerate(recordings):
            arrays = {"times": each.times, "units": each.units, "num_channels": 8, "speaker": each.speaker}
            write(tmp_path / "single" / split / recordings.classes[each.label] / f"{index}.npz", **arrays)
    order = {"whole": [0, 1, 2], "single": [1, 0, 2]}  # those of one class after the other
    for folder, rows in order.items():
        options = {"steps": 20, "max_time": 0.8, "pool": 2, "allow_empty": True}
        dataset = FolderDataset(tmp_path / folder, "test", **options)
        for name in ("frames", "labels", "speakers"):
            assert torch.equal(getattr(dataset, name), getattr(expected.subset(rows), name))
        assert dataset.classes == ("no", "yes")
        config = TrainConfig(data=str(tmp_path / folder), augment={"drop": 0.5}, **options)
        assert Splits.load(config).train.augmenter is not None
    for file in (tmp_path / "single").rglob("*.npz"):
        arrays = dict(np.load(file))
        del arrays["num_channels"]
        write(file, **arrays)
    assert FolderDataset(tmp_path / "single", "train").num_channels == 8  # channel 7 has an event, in one of the files


@pytest.mark.parametrize(
    ("file", "arrays", "says"),
    [
        ("train/no/9.npy", {"frames": np.ones(3)}, "9.npy: frames: got float64 of shape (3,), but it must be numb"),
        ("train/no/9.npy", {"frames": np.ones((0, 4))}, "9.npy: frames: got float64 of shape (0, 4)"),
        ("train/no/9.npy", {"frames": np.ones((2, 5))}, "9.npy: frames: got 5 channels, but there must be 4, as in"),
        ("train/no/9.npy", {"frames": np.full((2, 4), "x")}, "9.npy: frames: got <U1"),
        ("test/no/9.npy", {"frames": np.array([[1.0] * 4, [np.nan] * 4])}, "9.npy: frames: step 1 has a value that is"),
        ("train/no/9.npz", {"other": np.ones(3)}, "9.npz: npz: has other, but it must have frames, or times and units"),
        ("train/no/9.npz", {"times": [0.1], "units": [1]}, "frames: holds frames, but"),
        ("train/no/9.npz", {"times": [-0.1], "units": [1]}, "9.npz: times: event 0 of recording 0 is at -0.1 s"),
        ("train/no/9.npz", {"times": [0.1], "units": [1.5]}, "9.npz: units: has type float64"),
        ("train/no/9.npz", {"times": [0.1, 0.2], "units": [1]}, "9.npz: units: has 1 units, but 2 times"),
        ("train/no/9.npz", {"times": [[0.1]], "units": [[1]]}, "9.npz: times: has shape (1, 1)"),
        ("train/no/9.npz", {"times": [0.1], "units": [1], "num_channels": 1}, "9.npz: units: event 0 of recording 0 i"),
        ("train/no/9.npz", {"times": [0.1], "units": [1], "num_channels": -1}, "9.npz: num_channels: got -1"),
        ("train/no/9.npz", {"frames": np.ones((2, 4)), "speaker": 0.5}, "9.npz: speaker: got 0.5, but it must be a"),
        ("train/no/9.npz", {"frames": np.ones((2, 4)), "speaker": [1, 2]}, "9.npz: speaker: got int64 of shape (2,)"),
        ("val/no/9.npy", {"frames": np.ones((2, 4))}, "split: got val, but beside train, valid, test there must be no"),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_named(file, arrays, says, words):
    write(words / file, **arrays)
    with pytest.raises(DataError) as raised:
        load(words, "train")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": None}, "labels: missing; the file has"),
        ({"labels": [0, 1]}, "starts: got int64 of shape (4,), but it must be 3 integers that ascend from 0 to 6"),
        ({"labels": [0, 1, 2]}, "labels: recording 2 has label 2, but labels are 0 to 1"),
        ({"labels": [0.5] * 3}, "labels: got float64"),
        ({"labels": ["no", "maybe", "no"]}, "labels: sample 1 has 'maybe', but classes are no, yes"),
        ({"starts": [0, 4, 3, 6]}, "starts: got int64 of shape (4,), but it must be 4 integers that ascend"),
        ({"starts": [0, 3, 4, 5]}, "starts: got"),
        ({"starts": [0.0, 3, 4, 6]}, "starts: got float64"),
        ({"starts": None}, "starts: missing; it must have frames, or times, units, starts and num_channels"),
        ({"num_channels": 4}, "units: event 1 of recording 0 is in channel 7, but channels are 0 to 3"),
        ({"num_channels": 0}, "num_channels: got 0"),
        ({"times": np.full(6, np.nan)}, "times: event 0 of recording 0 is at nan s"),
        ({"times": np.zeros((6, 1))}, "times: got shape (6, 1), but it must be [events]"),
        ({"units": np.zeros(5, int)}, "units: recording 2 has 1 units, but 2 times"),
        ({"classes": [1.5]}, "classes: got float64"),
        ({"classes": ["no", "other"]}, "test: classes: got no, yes, but train has no, other"),
        ({"speakers": [0, 0, -1]}, "speakers: recording 2 has speaker -1"),
        ({"frames": np.ones((3, 2, 1)), "lengths": [1, 2, 3]}, "lengths: sample 2 has 3, but allowed is 1 to 2"),
        ({"frames": np.ones((2, 2, 1))}, "labels: got shape (3,), but frames has 2 samples"),
    ],
)
def test_splits_that_do_not_fit_are_named(change, says, tmp_path, recordings):
    good = flat(recordings)
    write(tmp_path / "test.npz", **good)
    write(tmp_path / "train.npz", **{name: value for name, value in {**good, **change}.items() if value is not None})
    with pytest.raises(DataError) as raised:
        load(tmp_path, "train")
    assert says in str(raised.value)
    assert "train.npz" in str(raised.value) or "test: classes" in str(raised.value)


def test_folders_without_what_is_needed_say_what_that_is(tmp_path):
    write(tmp_path / "train" / "no" / "0.npy", frames=frames(0))
    with pytest.raises(FileNotFoundError, match=r"must hold train.npz and test.npz, or .* it has only train"):
        load(tmp_path, "train")
    write(tmp_path / "test" / "no" / "0.npy", frames=frames(0))
    with pytest.raises(ValueError, match=r"steps: got 50, but for arrays it must be None or 12"):
        load(tmp_path, "train", steps=50)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no data set"):
        load(tmp_path / "nothing", "train")
    deep = tmp_path / "nothing" / "one" / "two" / "three"
    write(deep / "0.npy", frames=frames(0))
    with pytest.raises(FileNotFoundError, match="holds no data set"):
        load(tmp_path / "nothing", "train")
    assert SOURCES["arrays"].is_in(tmp_path)
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "clip.wav").touch()
    assert not SOURCES["arrays"].is_in(tmp_path)  # they lie beside recordings
