"""ListOps: every list evaluates to its label, by a parser of its own; splits share nothing."""

import statistics

import pytest
import torch

from silif_plugins.datasets import ListOps, load
from silif_plugins.datasets.listops import TOKENS


def read(tokens):
    """Evaluate a list from its words."""
    word = tokens.pop(0)
    if not word.startswith("["):
        return int(word)
    values = []
    while tokens[0] != "]":
        values.append(read(tokens))
    tokens.pop(0)
    assert 2 <= len(values) <= 10
    cut = int(statistics.median(values))
    by_name = {"[MIN": min(values), "[MAX": max(values), "[MED": cut, "[SM": sum(values) % 10}
    return by_name[word]


def words(dataset, index):
    return [TOKENS[token] for token in dataset[index][0].argmax(1)]


def test_labels_are_values():
    dataset = ListOps("test")
    for index in range(len(dataset)):
        tokens = words(dataset, index)
        assert 15 < len(tokens) < 100
        assert read(tokens) == dataset[index][1]
        assert not tokens
    assert torch.equal(dataset.frames.sum((1, 2)), dataset.lengths)


def test_splits_share_no_list():
    parts = [ListOps(split) for split in ("train", "valid", "test")]
    splits = [{" ".join(words(part, index)) for index in range(len(part))} for part in parts]
    assert [len(part) for part in splits] == [4000, 500, 1000]
    assert len(set.union(*splits)) == 5500


def test_lengths_and_depth_are_options():
    flat = load("listops", "test", most=30, depth=1, arguments=20)
    assert all(sum(word.startswith("[") for word in words(flat, index)) == 1 for index in range(50))
    assert len(load("listops", "train", samples=7)) == 7
    longer = load("listops", "train", samples=7)
    assert torch.equal(longer.frames, load("listops", "train", samples=20).frames[:7])


@pytest.mark.slow
def test_the_arenas_lengths():
    dataset = ListOps("train", least=500, most=2000, samples=5)
    assert dataset.steps == 1999
    assert 500 < dataset.lengths.min() <= dataset.lengths.max() < 2000
    assert [read(words(dataset, index)) for index in range(5)] == dataset.labels.tolist()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"split": "all"}, "split: got 'all', but ListOps has train, valid, test"),
        ({"most": 16}, "most: got 16; it must be 6 or more, and 2 more than least, 15"),
        ({"depth": 0}, "depth: got 0; it must be at least 1"),
        ({"arguments": 1}, "arguments: got 1; it must be at least 2"),
        ({"samples": 0}, "samples: got 0"),
        ({"least": 500, "most": 510, "depth": 1}, "lists of such lengths hardly ever occur"),
    ],
)
def test_what_cannot_be_made(options, says):
    with pytest.raises(ValueError, match=says):
        ListOps(**{"split": "train", **options})
