import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from silif_plugins.datasets import DataError, DropEvents, FrameDataset, Recordings, bin_events, binning

CHANNELS = 12
EVENTS = st.lists(st.tuples(st.floats(0, 3), st.integers(0, CHANNELS - 1)), max_size=60)
GRIDS = st.fixed_dictionaries(
    {
        "steps": st.integers(2, 40),
        "max_time": st.floats(0.01, 2.5),
        "published": st.booleans(),
        "channels": st.just(CHANNELS),
    }
)


def split(events):
    return np.array([t for t, _ in events]), np.array([u for _, u in events], dtype=np.int64)


@given(EVENTS, GRIDS)
def test_every_event_in_time_is_counted_once(events, grid):
    times, units = split(events)
    counts = bin_events(times, units, **grid)
    assert counts.shape == (grid["steps"], CHANNELS)
    in_time = times < grid["max_time"]
    np.testing.assert_array_equal(counts.sum(0), np.bincount(units[in_time], minlength=CHANNELS))


@given(EVENTS, GRIDS, st.randoms())
def test_order_of_events_does_not_matter(events, grid, random):
    shuffled = random.sample(events, len(events))
    np.testing.assert_array_equal(bin_events(*split(events), **grid), bin_events(*split(shuffled), **grid))


@given(EVENTS, GRIDS, st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_pooling_sums_neighbours(events, grid, pool):
    counts = bin_events(*split(events), **grid)
    pooled = bin_events(*split(events), **grid, pool=pool)
    np.testing.assert_array_equal(pooled, counts.reshape(grid["steps"], -1, pool).sum(2))


@given(EVENTS, st.integers(1, 40), st.floats(0.01, 2.5))
def test_step_is_the_floor(events, steps, max_time):
    times, units = split(events)
    counts = bin_events(times, units, steps=steps, max_time=max_time, channels=CHANNELS)
    step = np.floor(times.astype(np.longdouble) * steps / max_time)
    # Right at an edge, rounding in the formula may decide otherwise: leave those out.
    clear = abs(times * steps / max_time - np.rint(times * steps / max_time)) > 1e-9
    if clear.all():
        in_time = step < steps
        np.testing.assert_array_equal(counts.sum(1), np.bincount(step[in_time].astype(int), minlength=steps))


def test_events_on_an_edge_open_the_next_step():
    times = np.arange(100) / 100  # 0.29 / 0.01 is less than 29 in floating point
    counts = bin_events(times, np.zeros(100, int), steps=100, max_time=1.0, channels=1)
    assert counts[:, 0].tolist() == [1] * 100


@pytest.mark.parametrize(("steps", "max_time"), [(300, 1.2), (250, 1.0), (100, 1.0), (100, 1.4)])
def test_published_binning_equals_the_official_loader(oracle, steps, max_time):
    numbers = oracle("binning")
    for sample in range(4):
        counts = bin_events(
            numbers[f"times{sample}"],
            numbers[f"units{sample}"],
            steps=steps,
            max_time=max_time,
            channels=700,
            pool=5,
            published=True,
        )
        np.testing.assert_array_equal(counts, numbers[f"x_{steps}_{max_time}"][sample])


def test_published_binning_by_hand():
    times = [0.0, 0.49, 0.5, 0.99, 1.0, 7.0]
    counts = bin_events(times, [0] * 6, steps=3, max_time=1.0, channels=1, published=True)
    assert counts[:, 0].tolist() == [0, 2, 2]  # step 0 is always empty, late events are dropped


@pytest.mark.parametrize(("events", "dtype"), [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_counts_do_not_wrap(events, dtype):
    counts = bin_events(np.full(events, 0.5), np.zeros(events, int), steps=2, max_time=1.0, channels=1)
    assert counts.dtype == dtype
    assert counts.tolist() == [[0], [events]]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"steps": 0}, "steps: got 0"),
        ({"steps": 1, "published": True}, "steps: got 1"),
        ({"max_time": 0.0}, "max_time: got 0"),
        ({"max_time": float("nan")}, "max_time: got nan"),
        ({"max_time": float("inf")}, "max_time: got inf"),
        ({"pool": 3}, "pool: got 3"),
        ({"pool": 0}, "pool: got 0"),
        ({"channels": 1}, "units: .* channel 1"),
        ({"times": [0.1]}, "units: .* 2 units, but 1 times"),
        ({"times": [0.1, -0.1]}, "times: .* -0.1"),
    ],
)
def test_bad_arguments_are_named(change, names):
    arguments = {"times": [0.1, 0.2], "units": [0, 1], "steps": 4, "max_time": 1.0, "channels": 2} | change
    with pytest.raises(ValueError, match=names):
        bin_events(**arguments)


def test_data_set_equals_its_recordings_one_by_one(recordings, monkeypatch):
    monkeypatch.setattr(binning, "_CELLS_AT_ONCE", 80)  # so that three recordings make more than one portion
    dataset = FrameDataset.from_recordings(recordings, steps=10, max_time=1.0, pool=2)
    assert (len(dataset), dataset.steps, dataset.num_channels, dataset.num_classes) == (3, 10, 4, 2)
    assert dataset.frames.dtype == torch.uint8
    assert dataset.speakers.tolist() == [0, 1, 1]
    for (counts, label), recording in zip(dataset, recordings, strict=False):
        expected = bin_events(recording.times, recording.units, steps=10, max_time=1.0, channels=8, pool=2)
        assert counts.dtype == torch.float32
        assert isinstance(label, int)
        np.testing.assert_array_equal(counts.numpy(), expected)
        assert label == recording.label


def test_one_loud_recording_widens_the_whole_set(monkeypatch):
    monkeypatch.setattr(binning, "_CELLS_AT_ONCE", 1)
    loud = Recordings([[0.1], [0.1] * 300, [0.1]], [[0], [0] * 300, [0]], [0, 0, 0], classes="a", num_channels=1)
    dataset = FrameDataset.from_recordings(loud, steps=1, max_time=1.0)
    assert dataset.frames.dtype == torch.int32
    assert dataset.frames.flatten().tolist() == [1, 300, 1]


def test_empty_recordings_are_refused_unless_allowed():
    quiet = Recordings([[0.1], [], [5.0]], [[0], [], [0]], [0, 0, 0], classes="a", num_channels=1)
    with pytest.raises(DataError, match=r"recording 1, and 1 more has no event before max_time = 1.0 s.*allow_empty"):
        FrameDataset.from_recordings(quiet, steps=3, max_time=1.0)
    dataset = FrameDataset.from_recordings(quiet, steps=3, max_time=1.0, allow_empty=True)
    assert dataset.frames.sum((1, 2)).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"frames": np.zeros((2, 3), np.uint8)}, "frames"),
        ({"frames": np.zeros((2, 3, 4), complex)}, "frames"),
        ({"frames": np.zeros((2, 3, 4), object)}, "frames"),
        ({"frames": np.full((2, 3, 4), "x")}, "frames"),
        ({"frames": np.zeros((2, 0, 4), np.uint8)}, "frames"),
        ({"frames": np.zeros((2, 3, 0), np.uint8)}, "frames"),
        ({"frames": np.full((2, 3, 4), 2**31)}, "frames"),
        ({"frames": np.full((2, 3, 4), 2**64 - 1, np.uint64)}, "frames"),
        ({"frames": np.full((2, 3, 4), 1e39)}, "frames"),  # infinite in float32
        ({"labels": [0]}, "labels"),
        ({"labels": [0, 2]}, "labels"),
        ({"labels": [0.5, 0.5]}, "labels"),
        ({"speakers": [0, -1]}, "speakers"),
    ],
)
def test_bad_frames_are_named(change, field):
    good = {"frames": np.zeros((2, 3, 4), np.uint8), "labels": [0, 1], "classes": "ab"}
    with pytest.raises(DataError) as raised:
        FrameDataset(**(good | change))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.bool, torch.uint8),
        (torch.uint8, torch.uint8),
        (torch.int8, torch.int32),
        (torch.int64, torch.int32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float64, torch.float32),
    ],
)
def test_every_type_of_numbers_is_kept(given, kept):
    values = torch.randint(0, 2, (3, 4, 2)).to(given)
    arrays = [] if given == torch.bfloat16 else [values.numpy()]
    for frames in (values.requires_grad_(given.is_floating_point), *arrays):
        dataset = FrameDataset(frames, torch.tensor([0, 1, 0], dtype=torch.uint8), classes="ab")
        assert dataset.frames.dtype == kept
        assert torch.equal(dataset[1][0], values[1].detach().float())


def test_tensors_and_loaders_work():
    dataset = FrameDataset(torch.ones(6, 5, 4, dtype=torch.uint8), torch.arange(6) % 2, classes="ab")
    counts, labels = next(iter(torch.utils.data.DataLoader(dataset, batch_size=3)))
    assert counts.shape == (3, 5, 4)
    assert labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("sizes", [{"steps": 10**13}, {"steps": 10, "channels": 10**13}])
def test_frames_that_cannot_fit_are_refused(sizes):
    sizes = {"steps": 10, "channels": 3, **sizes}
    with pytest.raises(ValueError, match=r"frames: 1 of \d+ steps and \d+ channels would take \d+ GiB of memory"):
        bin_events([0.1], [0], max_time=1.0, **sizes)


def parts(lengths=None, kind=np.uint8):
    values = np.arange(6 * 5 * 4).reshape(6, 5, 4).astype(kind)
    return FrameDataset(values, np.arange(6) % 2, classes="ab", lengths=lengths, speakers=np.arange(6))


@pytest.mark.parametrize("lengths", [None, [1, 2, 3, 4, 5, 5]])
def test_a_part_has_all_that_belongs_to_its_samples(lengths):
    whole = parts(lengths, np.float32)
    mask = torch.tensor([False, True, False, False, True, True])
    for part, rows in (
        (whole.subset([4, 1]), [4, 1]),
        (whole.subset(np.array([2])), [2]),
        (whole.subset(range(2, 5)), [2, 3, 4]),
        (whole.subset(mask), [1, 4, 5]),
        (whole.subset([]), []),
        (whole.take(2), [0, 1]),
        (whole.take(0), []),
        (whole.subset([5, 3]).subset([1]), [3]),
    ):
        assert len(part) == len(rows)
        assert part.classes == whole.classes
        for name in ("frames", "labels", "speakers") + (("lengths",) if lengths else ()):
            assert torch.equal(getattr(part, name), getattr(whole, name)[rows])
        assert (part.lengths is None) == (lengths is None)
    assert whole.take(3).frames.data_ptr() == whole.frames.data_ptr()


@pytest.mark.parametrize("indices", [[6], [-1], [0.5], [[0]], [True, False]])
def test_wrong_indices_are_named(indices):
    with pytest.raises(ValueError, match="indices: got "):
        parts().subset(indices)
    with pytest.raises(ValueError, match="number: got 7; it must be 0 to 6"):
        parts().take(7)


def test_samples_come_without_their_padding():
    dataset = parts([1, 2, 3, 4, 5, 5], np.float32)
    assert [len(frames) for frames, _ in (dataset[index] for index in range(6))] == [1, 2, 3, 4, 5, 5]
    assert len(parts()[0][0]) == 5


@pytest.mark.parametrize("lengths", [[0, 1, 1, 1, 1, 1], [6, 1, 1, 1, 1, 1], [1, 1], [1.0] * 6])
def test_wrong_lengths_are_named(lengths):
    with pytest.raises(DataError) as raised:
        parts(lengths)
    assert raised.value.field == "lengths"


def test_features_must_be_finite():
    values = np.ones((3, 2, 1), np.float32)
    values[2, 0] = np.nan
    with pytest.raises(DataError, match="frames: sample 2 has a value that is not finite"):
        FrameDataset(values, [0, 0, 0], classes="a")


def test_augmented_frames_are_those_of_the_chosen_samples():
    """Whatever part is taken, its events are its own."""
    recordings = Recordings(
        [[0.1] * (number + 1) for number in range(5)],
        [[number] * (number + 1) for number in range(5)],
        [0] * 5,
        classes="a",
        num_channels=5,
    )
    plain = FrameDataset.from_recordings(recordings, steps=4, max_time=1.0)
    changing = plain.augmented(recordings, [DropEvents(0.0)], max_time=1.0)
    assert plain.augmenter is None
    part = changing.subset([4, 2, 0]).take(2)
    assert torch.equal(part.augmenter(torch.tensor([1, 0]), np.random.default_rng(0)), part.frames[[1, 0]])
    halved = plain.augmented(recordings, [DropEvents(0.5)], max_time=1.0)
    assert halved.augmenter(torch.arange(5), np.random.default_rng(0)).sum() < plain.frames.sum()
    with pytest.raises(DataError, match="which are not the frames of Recordings"):
        plain.take(3).augmented(recordings, [], max_time=1.0)
    with pytest.raises(DataError, match="which are not the frames of Recordings"):
        plain.augmented(recordings, [], max_time=1.0, pool=5)
