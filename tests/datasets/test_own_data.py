"""Data in memory: tensors, data sets of PyTorch and of tonic give the frames that they hold, or say what is wrong."""

import numpy as np
import numpy.lib.recfunctions
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from silif_plugins.datasets import DataError, FrameDataset, Recordings, bin_events, own_source

X = torch.arange(6 * 4 * 3).reshape(6, 4, 3)
Y = torch.tensor([0, 1, 0, 1, 0, 1])
EVENTS = np.dtype([("t", int), ("x", int), ("y", int), ("p", int)])


class Pairs(Dataset):
    """A data set of PyTorch, as people write them."""

    def __init__(self, x=X, y=Y):
        self.x, self.y = x, y

    def __getitem__(self, index):
        return self.x[index], self.y[index]

    def __len__(self):
        return len(self.y)


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


def splits(part):
    return {"train": part, "test": part}


@pytest.mark.parametrize(
    "part",
    [
        (X, Y),
        (X.numpy(), Y.numpy()),
        (X.numpy(), Y.tolist()),
        (list(X), [np.int64(label) for label in Y]),
        TensorDataset(X, Y),
        Pairs(),
        Pairs(X, Y.tolist()),
        Pairs(X, Y.bool()),
        Stream(),
        Subset(Pairs(), range(6)),
        list(zip(X, Y, strict=True)),
        FrameDataset(X, Y, classes=("0", "1")),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_kind_gives_its_frames(part):
    dataset = own_source(splits(part), "mine").frames("test")
    assert torch.equal(dataset.frames, X.int())
    assert torch.equal(dataset.labels, Y)
    assert dataset.classes == ("0", "1")
    assert dataset.lengths is None


@given(
    frames=st.sampled_from([np.bool_, np.uint8, np.int64, np.float16, np.float32, np.float64]).flatmap(
        lambda kind: hnp.arrays(kind, (6, 4, 3), elements=st.integers(0, 1))
    ),
    labels=st.lists(st.sampled_from(["no", "yes", "ß"]), min_size=6, max_size=6),
)
def test_numbers_of_every_type_and_labels_that_are_names(frames, labels):
    for part in ((frames, labels), (frames, np.array(labels)), list(zip(frames, labels, strict=True))):
        dataset = own_source(splits(part)).frames("train")
        np.testing.assert_array_equal(dataset.frames.float().numpy(), frames.astype(np.float32))
        assert [dataset.classes[label] for label in dataset.labels] == labels
        assert dataset.classes == tuple(sorted(set(labels)))


def test_classes_are_of_all_splits_or_as_given():
    parts = {"train": (X, list("aabbcc")), "valid": (X, list("aaaaaa")), "test": (X, list("cccccc"))}
    source = own_source(parts)
    assert source.splits(None) == ("train", "valid", "test")
    assert source.frames("test").classes == ("a", "b", "c")
    assert source.frames("test").labels.tolist() == [2] * 6
    assert own_source(parts, classes="cab").frames("test").labels.tolist() == [0] * 6
    assert own_source(splits((X, Y)), classes=["no", "yes"]).frames("train").classes == ("no", "yes")
    named = Pairs()
    named.classes = [b"low", "high"]
    assert own_source(splits(named)).frames("train").classes == ("low", "high")
    assert own_source(splits(Subset(named, [1]))).frames("train").classes == ("low", "high")


def test_sequences_of_different_lengths_are_padded():
    frames = [torch.ones(steps, 3) for steps in (2, 5, 1)]
    dataset = own_source(splits((frames, [0, 1, 0]))).frames("train")
    assert dataset.lengths.tolist() == [2, 5, 1]
    assert [len(each) for each, _ in dataset] == [2, 5, 1]
    assert dataset.frames.sum(dim=(1, 2)).tolist() == [6, 15, 3]


def test_a_whole_data_set_is_split_and_stays_so():
    x, y = torch.arange(60).reshape(60, 1, 1), torch.arange(60) % 3
    one, two = own_source((x, y)), own_source((torch.cat([x, x + 60]), torch.cat([y, y])))
    train, test = (one.frames(split).frames.flatten().tolist() for split in ("train", "test"))
    assert sorted(train + test) == list(range(60))
    assert np.bincount(one.frames("test").labels).tolist() == [4, 4, 4]
    assert set(test) < set(two.frames("test").frames.flatten().tolist())  # what comes later moves nothing
    with pytest.raises(DataError, match="labels: got 3 samples of 3 classes, too few to split"):
        own_source((x[:3], y[:3]))


def events(seed):
    random = np.random.default_rng(seed)
    made = np.zeros(30, EVENTS)
    made["t"] = np.sort(random.integers(0, 1_000_000, 30))
    for axis, size in {"x": 4, "y": 3, "p": 2}.items():
        made[axis] = random.integers(0, size, 30)
    return made


def tonic_set(transform=None, fields=("t", "x", "y", "p"), number=6):
    tonic = pytest.importorskip("tonic")

    class Camera(tonic.dataset.Dataset):
        sensor_size = (4, 3, 2) if "y" in fields else (4, 1, 1)
        dtype = EVENTS
        ordering = EVENTS.names
        classes = ("left", "right")

        def __getitem__(self, index):
            made = events(index)
            if "y" not in fields:
                made["p"] = 1  # as in tonic's SHD
            made = np.lib.recfunctions.repack_fields(made[list(fields)])
            return (made if self.transform is None else self.transform(made)), index % 2

        def __len__(self):
            return number

    return Camera("nowhere", transform=transform)


@pytest.mark.parametrize("fields", [("t", "x", "y", "p"), ("t", "x", "p")])
def test_tonics_events_equal_its_own_frames(fields):
    """Binned by us they are what tonic's ToFrame makes: the channels are in its order."""
    transforms = pytest.importorskip("tonic").transforms
    raw = tonic_set(fields=fields)
    steps = 20

    def to_frame(made):
        # slices of equal length from 0 to 1 s, which tonic otherwise lays from the first event to the last
        edges = np.arange(steps) * 1_000_000 // steps
        slices = [made[(made["t"] >= first) & (made["t"] < first + 1_000_000 // steps)] for first in edges]
        size = raw.sensor_size
        empty = np.zeros((1, *size[::-1]) if "y" in fields else (1, size[2], size[0]), np.int16)
        framed = transforms.ToFrame(size, n_event_bins=1)
        return np.concatenate([framed(each.copy()) if len(each) else empty for each in slices])

    ours = own_source(splits(raw)).frames("train", steps=steps, max_time=1.0)
    theirs = own_source(splits(tonic_set(to_frame, fields))).frames("train")
    assert torch.equal(ours.frames.int(), theirs.frames.int())
    assert ours.classes == theirs.classes == ("left", "right")
    assert ours.num_channels == np.prod(raw.sensor_size)


def test_speakers_that_tonic_names_are_kept():
    raw = tonic_set()
    assert own_source(splits(raw)).events("train").speakers.tolist() == [0] * 6
    raw.speaker = np.array([3, 3, 1, 1, 0, 0])
    assert own_source(splits(raw)).events("train").speakers.tolist() == [3, 3, 1, 1, 0, 0]
    raw.speaker = np.array([3, 3])
    assert own_source(splits(raw)).events("train").speakers.tolist() == [0] * 6


def test_events_of_tonic_are_binned_as_all_events_and_can_be_augmented(monkeypatch):
    tonic = pytest.importorskip("tonic")
    raw = tonic_set()
    source = own_source(splits(tonic.MemoryCachedDataset(raw)), "camera")
    dataset = source.frames("train", steps=50, max_time=0.5, pool=2)
    for sample in range(6):
        made = events(sample)
        units = (made["p"] * 3 + made["y"]) * 4 + made["x"]
        expected = bin_events(made["t"] * 1e-6, units, steps=50, max_time=0.5, channels=24, pool=2)
        np.testing.assert_array_equal(dataset.frames[sample], expected)
    assert source.events("train").num_channels == 24


def test_recordings_are_taken_as_they_are(recordings):
    source = own_source(splits(recordings))
    expected = FrameDataset.from_recordings(recordings, steps=10, max_time=1.0)
    assert torch.equal(source.frames("test", steps=10).frames, expected.frames)
    part = recordings.subset([2, 0])
    assert [each.times.tolist() for each in part] == [recordings[2].times.tolist(), recordings[0].times.tolist()]
    assert (part.labels.tolist(), part.speakers.tolist()) == ([1, 1], [1, 0])
    whole = Recordings([[0.5]] * 10, [[1]] * 10, [0, 1] * 5, classes="ab", num_channels=2)
    assert len(own_source(whole).events("test")) == 2


BAD = Pairs(X, [0.5] * 6)
NAN = X.float()
NAN[3, 1] = torch.nan


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (splits((X, [torch.tensor([1, 0])] * 6)), "train: labels: got int64 of shape (6, 2)"),
        (5, "data: got int, but it must be (frames, labels), a data set"),
        ("folder", "data: got str"),
        ([], "data: got no samples"),
        ((X, Y, Y), "data: got a tuple of 3, but it must be (frames, labels)"),
        ({"train": (X, Y)}, "data: got the splits train, but train and test must be there"),
        ({"train": (X, Y), "test": (X, Y), "dev": (X, Y)}, "data: got the split 'dev', but there are train, val"),
        (splits({"x": X, "y": Y}), "train: got dict, but it must be (frames, labels)"),
        (splits(DataLoader(Pairs())), "train: got a DataLoader, which gives batches; give its data set, load"),
        (splits((X[:0], Y[:0])), "train: got no samples"),
        (splits(Pairs(X[:0], Y[:0])), "train: got no samples"),
        (splits(FrameDataset(X[:0], Y[:0], classes="ab")), "train: got FrameDataset(0 samples"),
        (splits((X, Y[:5])), "train: labels: got 5 labels, but there are 6 samples"),
        (splits((X[0], Y[:4])), "shape (4, 3), but it must be [samples, steps, channels]; of sequences of one channel"),
        (splits((X[..., None], Y)), "train: frames: got shape (6, 4, 3, 1), but it must be [samples, steps, channels]"),
        (splits((X[:, :0], Y)), "train: frames: got shape (6, 0, 3), but there must be at least one step"),
        (splits((NAN, Y)), "train: frames: sample 3 has a value that is not finite"),
        (splits(Pairs(NAN)), "train: frames: sample 3 has a value that is not finite"),
        (splits((X.to(torch.complex64), Y)), "train: frames: got complex64"),
        (splits((X, Y - 1)), "train: labels: sample 0 has -1, but allowed is 0 to 0"),
        ({"train": (X, Y), "test": (X, Y + 1)}, "test: labels: sample 1 has 2, but allowed is 0 to 1"),
        (splits((X, Y * 5000)), "train: labels: got 5000 for one of 6 samples; number the classes from 0"),
        (splits((X, Y.float())), "train: labels: got float32 of shape (6,), but it must be an integer or a name"),
        (splits((X, torch.eye(6))), "train: labels: got float32 of shape (6, 6), but it must be an integer or"),
        (splits((X, torch.eye(6).int())), "of one-hot labels, give labels.argmax(1)"),
        (splits((X, [None] * 6)), "train: labels: got object"),
        (splits((X, [[1], [1, 2], [], [], [], []])), "train: labels: got lists of different lengths"),
        (splits(BAD), "train: labels: got float64"),
        (splits(X), "train: sample 0 is a Tensor of 4, but it must be a pair"),
        (splits(Pairs(X[:, 0])), "train: sample 0: is int64 of shape (3,), but it must be numbers"),
        (splits(Pairs(X[..., None])), "shape (4, 3, 1), but it must be numbers of shape [steps, channels], or"),
        (splits(Pairs(["a"] * 6)), "train: sample 0: is <U1"),
        (splits(([X[0], X[1, :, :2]], [0, 1])), "sample 1 has shape (4, 2), but there must be 3 channels, as in"),
        (splits(([X[0], X[1, :0]], [0, 1])), "train: frames: sample 1 has shape (0, 3)"),
        ({"train": (X, list("aaabbb")), "test": (X, Y)}, "labels: got names in one split and numbers in another"),
        (splits(Pairs([events(0)] * 6)), "samples: are events, but the data set has no sensor_size"),
        (splits(([events(0), X[0]], [0, 1])), "samples: sample 0 has events, sample 1 frames"),
        (splits(Pairs([np.zeros(3, [("when", int)])] * 6)), "sample 0: has events with the fields when; they must"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_split_and_field(data, says):
    with pytest.raises(DataError) as raised:
        own_source(data)
    assert says in str(raised.value)


def test_splits_must_be_of_one_kind(recordings):
    frames = FrameDataset.from_recordings(recordings, steps=10, max_time=1.0)
    with pytest.raises(DataError, match="test: got events, but train has frames"):
        own_source({"train": frames, "test": recordings})
    other = Pairs()
    other.classes = ["a", "b"]
    named = Pairs()
    named.classes = ["b", "a"]
    with pytest.raises(DataError, match="test: classes: got b, a, but train has a, b"):
        own_source({"train": other, "test": named})
    with pytest.raises(DataError, match=r"train: labels: sample 0 has 'x', but classes are a, b"):
        own_source(splits((X, ["x"] * 6)), classes="ab")


def test_events_outside_of_the_sensor_are_told():
    raw = tonic_set()
    raw.sensor_size = (4, 3, 1)
    assert own_source(splits(raw)).events("train").num_channels == 12  # one polarity is all of them, as tonic has it
    raw.sensor_size = (4, 2, 2)
    with pytest.raises(DataError, match=r"train: events: sample 0 has an event at y = 2, but allowed is 0 to 1"):
        own_source(splits(raw))


def test_frames_have_their_own_steps():
    source = own_source(splits((X, Y)), "mine")
    assert source.frames("train", steps=4, pool=1, max_time=None).steps == 4
    with pytest.raises(ValueError, match=r"steps: got 50, but for mine it must be None or 4"):
        source.frames("train", steps=50)
