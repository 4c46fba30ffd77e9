"""Augmentations: what they change and what not, as tonic's transforms and on plain arrays."""

import numpy as np
import pytest

from silif_plugins.datasets.augmentation import ChannelJitter, DropEvents, TimeJitter, augment

DTYPE = np.dtype([("t", int), ("x", int), ("p", int)])
NUMBER = 20_000


@pytest.fixture
def events():
    random = np.random.default_rng(0)
    events = np.empty(NUMBER, DTYPE)
    events["t"] = np.sort(random.integers(100_000, 900_000, NUMBER))
    events["x"] = random.integers(100, 600, NUMBER)
    events["p"] = np.arange(NUMBER)  # to tell them apart
    return events


def seeded(seed=1):
    return np.random.default_rng(seed)


def test_channel_jitter(events):
    before = events.copy()
    changed = ChannelJitter(20, 700, generator=seeded())(events)
    assert np.array_equal(events, before)
    assert len(changed) == NUMBER  # five standard deviations from the border
    assert np.array_equal(changed["t"], events["t"])
    assert np.array_equal(changed["p"], events["p"])
    moved = changed["x"] - events["x"]
    assert moved.mean() == pytest.approx(0, abs=0.6)
    assert moved.std() == pytest.approx(20, rel=0.03)


def test_channels_that_leave_the_range_are_dropped(events):
    changed = ChannelJitter(400, 700, generator=seeded())(events)
    assert 0.5 * NUMBER < len(changed) < 0.9 * NUMBER
    assert changed["x"].min() >= 0
    assert changed["x"].max() < 700
    assert np.array_equal(changed["t"], events["t"][changed["p"]])


def test_time_jitter(events):
    changed = TimeJitter(0.005, generator=seeded())(events)
    assert np.array_equal(changed["x"], events["x"])
    assert (changed["t"] - events["t"]).std() == pytest.approx(5000, rel=0.03)
    early = events.copy()
    early["t"] = 0
    assert len(TimeJitter(0.005, generator=seeded())(early)) == pytest.approx(NUMBER / 2, rel=0.05)


def test_drop(events):
    changed = DropEvents(0.3, generator=seeded())(events)
    assert len(changed) == pytest.approx(0.7 * NUMBER, rel=0.03)
    assert np.array_equal(changed, events[changed["p"]])


@pytest.mark.parametrize(
    "make", [lambda g: ChannelJitter(5, 700, generator=g), lambda g: TimeJitter(0.01, generator=g)]
)
def test_the_generator_decides(make, events):
    assert np.array_equal(make(seeded())(events), make(seeded())(events))
    assert not np.array_equal(make(seeded(1))(events), make(seeded(2))(events))


def test_none_of_nothing():
    nothing = np.empty(0, DTYPE)
    for augmentation in (ChannelJitter(5, 700), TimeJitter(0.01), DropEvents(0.5)):
        assert len(augmentation(nothing)) == 0


def test_one_after_the_other_on_plain_arrays(events):
    times, units = (events["t"] * 1e-6).astype(np.float16), events["x"].astype(np.uint16)
    steps = [DropEvents(0.5), ChannelJitter(3, 700), TimeJitter(0.001)]
    new_times, new_units = augment(times, units, steps, seeded())
    assert len(new_times) == len(new_units) == pytest.approx(NUMBER / 2, rel=0.05)
    assert np.issubdtype(new_units.dtype, np.integer)


def test_in_tonics_pipeline(events):
    transforms = pytest.importorskip("tonic.transforms")
    pipeline = transforms.Compose(
        [ChannelJitter(5, 700), DropEvents(0.1), transforms.ToFrame(sensor_size=(700, 1, 1), n_time_bins=10)]
    )
    events["p"] = 0
    assert pipeline(events).shape == (10, 1, 700)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChannelJitter(-1, 700), "sd, channels: got -1 and 700"),
        (lambda: ChannelJitter(1, 0), "channels"),
        (lambda: TimeJitter(float("nan")), "sd: got nan"),
        (lambda: DropEvents(1.0), "share: got 1.0"),
        (lambda: DropEvents(0.5)(np.zeros(3)), "events: got the fields None"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
