"""Data sets of tokens: one-hot and as numbers, in batches and alone."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, TokenDataset, batches

TOKENS = np.array([[[1, 3], [2, 0], [0, 0]], [[4, 4], [1, 2], [3, 1]]], np.uint8)


@pytest.fixture
def dataset():
    return TokenDataset(TOKENS, [0, 1], vocabulary=4, classes=["no", "yes"], lengths=[2, 3])


def test_batches_come_one_hot_or_as_numbers(dataset):
    batch = next(iter(batches(dataset, 2)))
    assert batch.frames.shape == (2, 3, dataset.num_channels) == (2, 3, 8)
    for row, step, column in np.ndindex(TOKENS.shape):
        token = TOKENS[row, step, column]
        expected = [float(each == token) for each in range(1, 5)]
        assert batch.frames[row, step, 4 * column : 4 * column + 4].tolist() == expected
        assert dataset[row][0].tolist() == batch.frames[row, : dataset.lengths[row]].tolist()
    numbers = dataset.as_numbers()
    assert numbers.num_channels == 8
    assert next(iter(batches(numbers, 2))).frames.tolist() == TOKENS.tolist()
    assert numbers[0][0].tolist() == TOKENS[0, :2].tolist()
    assert next(iter(batches(numbers.subset([0]), 2))).frames.shape == (1, 2, 2)


@pytest.mark.parametrize("tokens", [TOKENS + 1, TOKENS.astype(np.int32) - 1, TOKENS.astype(np.float32)])
def test_other_numbers_are_refused(tokens):
    with pytest.raises(DataError, match="tokens: got"):
        TokenDataset(tokens, [0, 1], vocabulary=4, classes=["no", "yes"])


def test_the_type_is_kept(dataset):
    assert dataset.frames.dtype == torch.uint8
    assert dataset[0][0].dtype == torch.float32
