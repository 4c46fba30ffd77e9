import pickle

import numpy as np
import pytest

from silif_plugins.datasets import DataError, Recordings

GOOD = {"times": [[0.1], [0.2, 0.3]], "units": [[1], [2, 0]], "labels": [0, 1], "classes": "ab", "num_channels": 3}


def test_recordings_are_kept_apart():
    first, second = Recordings(**GOOD, speakers=[4, 5])
    assert first.times.tolist() == [0.1]
    assert second.units.tolist() == [2, 0]
    assert (second.label, second.speaker) == (1, 5)


def test_without_speakers_there_is_one():
    assert Recordings(**GOOD).speakers.tolist() == [0, 0]


def test_index_counts_from_the_end_too_and_stops():
    recordings = Recordings(**GOOD)
    assert recordings[-1].label == 1
    with pytest.raises(IndexError):
        recordings[2]


def test_integer_times_and_no_recordings_are_fine():
    assert Recordings([[0, 1]], [[0, 1]], [0], classes="a", num_channels=2).flat_times.dtype == np.float64
    assert len(Recordings([], [], [], classes="a", num_channels=2)) == 0


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"times": [[0.1], [0.2, np.nan]]}, "times", "event 1 of recording 1 is at nan"),
        ({"times": [[-0.1], [0.2, 0.3]]}, "times", "event 0 of recording 0 is at -0.1"),
        ({"times": [[np.inf], [0.2, 0.3]]}, "times", "is at inf"),
        ({"times": [["x"], [0.2, 0.3]]}, "times", "recording 0 has type"),
        ({"times": [[[0.1]], [0.2, 0.3]]}, "times", r"recording 0 has shape \(1, 1\)"),
        ({"units": [[1], [3, 0]]}, "units", "event 0 of recording 1 is in channel 3, but channels are 0 to 2"),
        ({"units": [[1], [2, -1]]}, "units", "in channel -1"),
        ({"units": [[1], [2]]}, "units", "recording 1 has 1 units, but 2 times"),
        ({"units": [[1]]}, "units", "1 recordings, but times has 2"),
        ({"units": [[1.0], [2, 0]]}, "units", "recording 0 has type float64"),
        ({"labels": [0, 2]}, "labels", "recording 1 has label 2, but labels are 0 to 1"),
        ({"labels": [0, -1]}, "labels", "label -1"),
        ({"labels": [0]}, "labels", r"shape \(1,\), but times has 2"),
        ({"labels": [0.0, 1.0]}, "labels", "float64"),
        ({"speakers": [0, -3]}, "speakers", "recording 1 has speaker -3"),
        ({"speakers": [0]}, "speakers", r"shape \(1,\)"),
        ({"num_channels": 0}, "num_channels", "got 0"),
    ],
)
def test_bad_input_is_named(change, field, says):
    with pytest.raises(DataError, match=says) as raised:
        Recordings(**(GOOD | change))
    assert raised.value.field == field
    assert isinstance(raised.value, ValueError)


def test_data_error_survives_a_worker_process():
    error = DataError("labels", "bad", "file.h5")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "file.h5: labels: bad"
    assert (copy.field, copy.problem, copy.path) == ("labels", "bad", "file.h5")
