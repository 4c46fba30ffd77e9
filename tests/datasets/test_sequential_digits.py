import numpy as np
import pytest
import torch

from silif_plugins.datasets import SequentialDigits
from silif_plugins.datasets.sequential_digits import spikes_of_images

pytest.importorskip("sklearn")
SPLITS = {"train": 1000, "valid": 397, "test": 400}


def grey_values(dataset):
    """The images, read back from their spikes."""
    return dataset.frames.view(len(dataset), 64, 2, 8).sum((2, 3))


def test_the_spikes_are_the_images():
    from sklearn.datasets import load_digits

    digits = load_digits()
    ours = [SequentialDigits(split) for split in SPLITS]
    rows = np.concatenate([np.column_stack([grey_values(d).numpy(), d.labels.numpy()]) for d in ours])
    theirs = np.column_stack([digits.data, digits.target])
    # Every image in exactly one split, with its own label.
    assert sorted(map(tuple, rows.astype(int))) == sorted(map(tuple, theirs.astype(int)))


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_fixed_and_hold_all_digits(split):
    dataset = SequentialDigits(split)
    assert dataset.frames.shape == (SPLITS[split], 128, 8)
    assert dataset.frames.max() == 1
    assert dataset.labels.bincount(minlength=10).min() > 0.07 * len(dataset)
    assert torch.equal(dataset.frames, SequentialDigits(split).frames)


def test_the_split_is_the_same_on_every_computer():
    assert SequentialDigits("test").labels[:12].tolist() == [6, 1, 5, 6, 2, 7, 6, 3, 6, 4, 2, 6]


def test_spikes_by_hand():
    spikes = spikes_of_images(np.array([[[0, 3], [16, 1]]]))
    first_steps, second_steps = spikes[0, 0::2], spikes[0, 1::2]
    assert first_steps.sum(1).tolist() == [0, 2, 8, 1]
    assert second_steps.sum(1).tolist() == [0, 1, 8, 0]
    assert spikes[0, 2].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]


def test_unknown_split():
    with pytest.raises(ValueError, match="split: got 'all', but SequentialDigits has train, valid, test"):
        SequentialDigits("all")
