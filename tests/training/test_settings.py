"""Settings that change how a run trains: they do what they say, and the run still resumes exactly."""

import dataclasses
import json
import threading

import numpy as np
import pytest
import torch

from silif_plugins.datasets import FrameDataset, Recordings, hdf5_process, write_recordings
from silif_plugins.datasets.batching import ahead, batches
from silif_plugins.training import Splits, TrainConfig, checkpoint, evaluate, load_split, train
from silif_plugins.training import run as run_module
from silif_plugins.training.data import TEST_SET, VALIDATION_SET


def rates_of(folder):
    return [json.loads(line)["learning_rate"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_one_cycle_rises_then_falls(config, splits, tmp_path):
    train(dataclasses.replace(config, schedule="one-cycle", epochs=8), tmp_path, data=splits)
    rates = rates_of(tmp_path)
    top = rates.index(max(rates))
    assert 0 < top < 5
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == pytest.approx(config.learning_rate, rel=0.1)
    assert rates[-1] < 0.1 * config.learning_rate


def test_gradients_are_clipped(config, splits, tmp_path, weights, monkeypatch):
    norms = []
    original = torch.optim.Adam.step

    def step(self, *arguments, **options):
        grads = [parameter.grad for group in self.param_groups for parameter in group["params"]]
        norms.append(torch.stack([grad.norm() for grad in grads if grad is not None]).norm().item())
        return original(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    train(dataclasses.replace(config, epochs=1), tmp_path / "free", data=splits)
    free, norms[:] = list(norms), []
    clip = sorted(free)[len(free) // 2]
    train(dataclasses.replace(config, epochs=1, gradient_clip=clip), tmp_path / "clipped", data=splits)
    assert max(free) > clip
    assert max(norms) <= clip * 1.001


def test_bfloat16_trains_and_keeps_float32(config, splits, tmp_path, weights, monkeypatch):
    config = dataclasses.replace(config, precision="bfloat16", epochs=12)
    dtypes = set()

    def watch(module, _, output):
        dtypes.add(output.dtype)

    original = TrainConfig.network

    def network(self, *sizes):
        net = original(self, *sizes)
        net.readout.current.weights.register_forward_hook(watch)
        return net

    monkeypatch.setattr(TrainConfig, "network", network)
    result = train(config, tmp_path, data=splits)
    assert dtypes == {torch.bfloat16, torch.float32}  # training, and evaluation
    assert result["test_accuracy"] > 0.5
    assert all(value.dtype in (torch.float32, torch.int64) for value in weights(tmp_path / "last.safetensors").values())


@pytest.mark.parametrize("settings", [{"gradient_clip": 0.1}, {"precision": "bfloat16"}])
def test_resumed_is_bit_equal(settings, config, splits, tmp_path, weights, monkeypatch):
    config = dataclasses.replace(config, **settings)
    train(config, tmp_path / "whole", data=splits)

    def dies(self, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        return original(self, epoch)

    original = run_module._Run._pass
    monkeypatch.setattr(run_module._Run, "_pass", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", data=splits)
    monkeypatch.undo()
    train(config, tmp_path / "killed", data=splits, resume=True)
    whole, resumed = (weights(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_time_spent_waiting_for_data_is_recorded(tmp_path):
    """How little it is depends on what else the machine does, and is no matter for a test."""
    train(TrainConfig(epochs=1, steps=50), tmp_path)
    _, facts = checkpoint.load(tmp_path / "last.safetensors")
    assert 0 < facts["progress"]["waiting"] < facts["progress"]["seconds"]


def recordings(number, speakers, seed=0):
    """Events whose channels tell the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(number) % 2
    return Recordings(
        [np.sort(random.uniform(0, 1, 60)) for _ in range(number)],
        [random.integers(0, 6, 60) + 6 * label for label in labels],
        labels,
        classes=["low", "high"],
        num_channels=12,
        speakers=np.asarray(speakers)[np.arange(number) % len(speakers)],
    )


@pytest.fixture
def words(tmp_path):
    """SHD's layout under another name: no file for validation, and speakers of their own in the test file."""
    write_recordings(tmp_path / "words_train.h5", recordings(60, [0, 1, 2]))
    write_recordings(tmp_path / "words_test.h5", recordings(20, [3, 4], seed=1))
    return tmp_path


def small(folder, **settings):
    return TrainConfig(
        data=str(folder), steps=20, hidden_sizes=(12,), epochs=2, batch_size=10, recalibrate=50, **settings
    )


def test_speakers_are_held_out_by_default(words):
    parts = Splits.load(small(words))
    assert parts.selected_on == "held-out speakers 2 of the training set"
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (40, 20, 20)
    assert set(parts.train.speakers.tolist()) == {0, 1}
    assert set(parts.valid.speakers.tolist()) == {2}
    for split in ("train", "valid", "test"):
        assert torch.equal(load_split(small(words), split).frames, getattr(parts, split).frames)


def test_the_papers_selection_is_on_the_test_set_and_says_so(words, tmp_path):
    config = small(words, selection="published")
    parts = Splits.load(config)
    assert len(parts.train) == 60
    assert torch.equal(parts.valid.frames, parts.test.frames)
    result = train(config, tmp_path / "run")
    assert result["selected_on"] == TEST_SET == "test set, as published"
    assert result["valid_accuracy"] == result["test_accuracy"]
    assert train(small(words), tmp_path / "other")["selected_on"].startswith("held-out speakers")


def test_recordings_without_events_are_refused_or_kept(words):
    late = Recordings([[0.5], [0.95]], [[0], [1]], [0, 1], classes=["low", "high"], num_channels=12)
    write_recordings(words / "words_test.h5", late)
    with pytest.raises(ValueError, match="recording 1 has no event before max_time"):
        Splits.load(small(words, max_time=0.9))
    for setting in ("allow_empty", "published"):
        assert len(Splits.load(small(words, max_time=0.9, **{setting: True})).test) == 2


def test_a_validation_file_is_used_where_there_is_one(words):
    write_recordings(words / "words_valid.h5", recordings(10, [5]))
    for selection in ("held-out", "published"):
        parts = Splits.load(small(words, selection=selection))
        assert (parts.selected_on, len(parts.train), len(parts.valid)) == (VALIDATION_SET, 60, 10)


@pytest.mark.parametrize("augment", [{"drop": 0.5}, {"channel_jitter": 1.0, "time_jitter": 0.01}])
def test_augmented_training_resumes_exactly(augment, words, tmp_path, weights):
    config = small(words, augment=augment, pool=2)
    parts = Splits.load(config)

    def first_frames(augment):
        order = torch.Generator().manual_seed(1)
        return next(iter(batches(parts.train, 10, shuffle=order, augment=augment))).frames

    assert not torch.equal(first_frames(True), first_frames(False))
    assert torch.equal(first_frames(True), first_frames(True))
    one, two = (parts.train.augmenter(torch.arange(10), np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(one, two)
    with pytest.raises(ValueError, match="shuffle: got none"):
        batches(parts.train, 10, augment=True)
    train(config, tmp_path / "whole")

    def first_only(entry):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "killed", on_epoch=first_only)
    train(config, tmp_path / "killed", resume=True)
    whole, resumed = (weights(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_events_are_read_once(words, monkeypatch):
    opened = []
    original = hdf5_process.read
    monkeypatch.setattr(hdf5_process, "read", lambda path: opened.append(path.name) or original(path))
    for augment in ({}, {"drop": 0.5}):
        opened.clear()
        parts = Splits.load(small(words, augment=augment))
        assert sorted(opened) == ["words_test.h5", "words_train.h5"]
        assert (parts.train.augmenter is None) == (not augment)
        if augment:  # the held-out speakers' events are in no changed frame
            assert parts.train.augmenter.rows.tolist() == [row for row in range(60) if row % 3 != 2]


def test_only_events_can_be_augmented():
    with pytest.raises(ValueError, match=r"augment: .* sequential-digits has no events"):
        Splits.load(TrainConfig(data="sequential-digits", augment={"drop": 0.1}))


def features(samples, seed):
    """Sequences of different lengths; the class is in the last steps, so padding must not be read as input."""
    random = np.random.default_rng(seed)
    lengths = random.integers(10, 30, samples)
    labels = np.arange(samples) % 2
    frames = np.zeros((samples, 30, 4), np.float32)
    for frame, length, label in zip(frames, lengths, labels, strict=True):
        frame[:length] = random.normal(0, 1, (length, 4))
        frame[length - 8 : length, label] += 4
    return FrameDataset(frames, labels, classes=("a", "b"), lengths=lengths)


def test_sequences_of_different_lengths(tmp_path):
    splits = Splits(features(200, 1), features(60, 2), features(60, 3))
    result = train(small("none", seed=1), tmp_path, data=splits)
    assert result["test_accuracy"] > 0.9
    batch = next(iter(batches(splits.test, 7)))
    assert batch.frames.shape == (7, int(splits.test.lengths[:7].max()), 4)
    assert torch.equal(batch.lengths, splits.test.lengths[:7])
    assert next(iter(batches(splits.test, 7, pad=False))).lengths is None
    assert next(iter(batches(splits.test, 1))).lengths is None  # nothing is padded
    net = small("none").network(4, 2)
    whole = evaluate(net, splits.test, batch_size=60)
    for batch_size in (1, 7):
        parts = dataclasses.asdict(evaluate(net, splits.test, batch_size=batch_size))
        assert parts == pytest.approx(dataclasses.asdict(whole), rel=1e-4)
    published = evaluate(net, splits.test, pad=False)
    assert published.sparsity != whole.sparsity


def test_batches_made_ahead_are_the_same(splits):
    loader = batches(splits.test, 7)
    for one, two in zip(loader, ahead(loader), strict=True):
        assert torch.equal(one.frames, two.frames)
    others = set(threading.enumerate())  # of the tests before, in the same process
    started = ahead(loader)
    next(started)
    assert set(threading.enumerate()) - others
    started.close()  # given up in the middle, without a thread left behind
    assert not set(threading.enumerate()) - others
    broken = batches(splits.test, 7)
    broken.dataset.dataset = None
    with pytest.raises(AttributeError):
        next(ahead(broken))


def test_processes_share_every_batch(splits):
    whole = list(batches(splits.test, 7))
    shares = [list(batches(splits.test, 7, rank=rank, world=2)) for rank in (0, 1)]
    for index, batch in enumerate(whole):
        one, two = shares[0][index], shares[1][index]
        assert torch.equal(one.labels, batch.labels[::2])
        assert torch.equal(two.frames, batch.frames[1::2])
    with pytest.raises(ValueError, match="batch_size: got 0"):
        batches(splits.test, 0)
