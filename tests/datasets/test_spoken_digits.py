from importlib import resources

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, SpokenDigits, spoken_digit_recordings, spoken_digits
from silif_plugins.datasets.packed import pack

SIZES = {"train": (1440, 24), "valid": (480, 8), "test": (960, 12)}


@pytest.mark.parametrize("split", SIZES)
def test_shipped_splits_are_balanced(split):
    utterances, speakers = SIZES[split]
    dataset = SpokenDigits(split)
    assert dataset.frames.shape == (utterances, 100, 140)
    assert dataset.num_classes == 20
    assert len(dataset.speakers.unique()) == speakers
    # Every voice says every word equally often.
    pairs = torch.bincount(dataset.speakers * 20 + dataset.labels)
    assert pairs[pairs > 0].tolist() == [utterances // speakers // 20] * (20 * speakers)


def test_no_voice_is_in_two_splits():
    voices = [set(spoken_digit_recordings(split).speakers.tolist()) for split in SIZES]
    assert len(set.union(*voices)) == sum(map(len, voices)) == 44


def test_shipped_files_are_small():
    data = resources.files("silif_plugins.datasets") / "data"
    assert sum(len(file.read_bytes()) for file in data.iterdir()) <= 3_000_000


def test_recordings_are_as_described():
    recordings = spoken_digit_recordings("train")
    assert 600 < len(recordings.flat_times) / len(recordings) < 1000
    assert np.diff(recordings.starts).min() > 0
    assert (recordings.flat_times < 1.0).mean() > 0.999
    assert recordings.classes[:2] + recordings.classes[10:12] == ("zero", "one", "null", "eins")
    halves = recordings.flat_times * 1000 - 0.5
    np.testing.assert_allclose(halves, np.rint(halves), atol=1e-9)


def test_finer_steps_hold_the_same_events():
    coarse = SpokenDigits("valid", steps=100)
    fine = SpokenDigits("valid", steps=500)
    assert torch.equal(fine.frames.view(480, 100, 5, 140).sum(2), coarse.frames.to(torch.int64))


def test_damaged_installation_is_told(monkeypatch):
    monkeypatch.setitem(spoken_digits.SHA256, "valid", "0" * 64)
    with pytest.raises(DataError, match=r"spoken_digits_valid.xz: content: SHA-256 is .* reinstall"):
        SpokenDigits("valid")


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"split: got 'dev', but SpokenDigits has train, valid, test"):
        SpokenDigits("dev")
    with pytest.raises(ValueError, match=r"steps: got 0"):
        SpokenDigits("valid", steps=0)
    with pytest.raises(FileNotFoundError, match=r"spoken_digits_valid.h5"):
        SpokenDigits("valid", root=tmp_path)


def test_too_short_frames_are_refused_unless_allowed():
    with pytest.raises(DataError, match=r"no event before max_time = 0.1 s"):
        SpokenDigits("valid", max_time=0.1)
    assert len(SpokenDigits("valid", max_time=0.1, allow_empty=True)) == 480


def test_the_files_hold_no_more_than_they_need():
    """Packing what was unpacked gives the same bytes: nothing is hidden in the files."""
    content = (resources.files("silif_plugins.datasets") / "data" / "spoken_digits_valid.xz").read_bytes()
    assert len(pack(spoken_digit_recordings("valid"))) == len(content)


@pytest.mark.slow
def test_a_linear_classifier_is_above_chance_and_below_the_ceiling():
    """Counts pooled over time tell the words half: there is something left for the dynamics to do."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    train, test = SpokenDigits("train"), SpokenDigits("test")
    classifier = linear_model.RidgeClassifier(alpha=100.0)
    classifier.fit(train.frames.sum(1).sqrt().numpy(), train.labels.numpy())
    accuracy = classifier.score(test.frames.sum(1).sqrt().numpy(), test.labels.numpy())
    assert 0.4 < accuracy < 0.8
