import json
import lzma
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets import DataError, Recordings
from silif_plugins.datasets.packed import pack, unpack


def on_the_grid(recordings):
    """What should come back: events in the middle of their milliseconds, sorted."""
    for recording in recordings:
        milliseconds = np.floor(recording.times.astype(float) * 1000)
        order = np.lexsort((recording.units, milliseconds))
        yield (milliseconds[order] + 0.5) / 1000, recording.units[order]


@settings(max_examples=40)
@given(data=st.data())
def test_packing_keeps_everything_but_parts_of_milliseconds(any_recordings, data):
    drawn = data.draw(any_recordings)
    recordings = Recordings(
        [recording.times % 2 for recording in drawn],
        [recording.units % 256 for recording in drawn],
        drawn.labels,
        classes=drawn.classes,
        num_channels=min(drawn.num_channels, 256),
        speakers=drawn.speakers,
    )
    back = unpack(pack(recordings), "somewhere")
    assert (back.classes, back.num_channels, len(back)) == (
        recordings.classes,
        recordings.num_channels,
        len(recordings),
    )
    np.testing.assert_array_equal(back.labels, recordings.labels)
    np.testing.assert_array_equal(back.speakers, recordings.speakers)
    for got, (times, units) in zip(back, on_the_grid(recordings), strict=True):
        np.testing.assert_array_equal(got.times, times)
        np.testing.assert_array_equal(got.units, units)


def test_packing_twice_changes_nothing(recordings):
    packed = pack(recordings)
    assert pack(unpack(packed, "somewhere")) == packed


def test_the_middle_of_a_millisecond_survives_float16():
    times = (np.arange(2000) + 0.5) / 1000
    np.testing.assert_array_equal(np.floor(times.astype(np.float16).astype(float) * 1000), np.arange(2000))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.99])
def test_truncated_content_is_told(recordings, part):
    content = pack(recordings)
    with pytest.raises(DataError, match=r"some.xz: (header: not a file of packed recordings|content: damaged)"):
        unpack(content[: int(part * len(content))], "some.xz")


def test_other_content_is_told(recordings):
    with pytest.raises(DataError, match=r"other.xz: header"):
        unpack(lzma.compress(b'{"format": "other"}\n'), "other.xz")
    with pytest.raises(DataError, match=r"other.xz: header"):
        unpack(lzma.compress(b"[]\n"), "other.xz")
    short = lzma.compress(lzma.decompress(pack(recordings))[:-3])
    with pytest.raises(DataError, match=r"short.xz: units: the file ends after 3 of 6 bytes"):
        unpack(short, "short.xz")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"recordings": -1}, "recordings: got -1; it must be an integer from 0"),
        ({"recordings": True}, "recordings: got True"),
        ({"events": "many"}, "events: got 'many'"),
        ({"events": 10**12}, "events: got 1000000000000"),
        ({"events": 5}, r"counts: sum to 6, but the header says 5 events"),
        ({"milliseconds": 3}, r"lengths: sum to 1378, but the header says 3 milliseconds"),
        ({"num_channels": None}, "num_channels: got None"),
        ({"num_channels": 7}, "units: .* channel 7, but channels are 0 to 6"),
        ({"classes": 3}, "classes: got 3"),
        ({"classes": ["no"]}, "labels: recording 0 has label 1"),
    ],
)
def test_a_header_that_is_not_right_is_told(recordings, change, says):
    header, _, rest = lzma.decompress(pack(recordings)).partition(b"\n")
    content = lzma.compress(json.dumps({**json.loads(header), **change}).encode() + b"\n" + rest)
    with pytest.raises(DataError, match=rf"some.xz: {says}"):
        unpack(content, "some.xz")


def test_no_more_is_unpacked_than_the_header_says(recordings):
    content = lzma.compress(lzma.decompress(pack(recordings)) + bytes(1 << 26), preset=0)
    zeros = lzma.compress(bytes(1 << 26), preset=0)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"some.xz: file: goes on"):
        unpack(content, "some.xz")
    with pytest.raises(DataError, match=r"some.xz: header"):
        unpack(zeros, "some.xz")
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_damaged_files_are_read_or_told(fuzz, recordings):
    packed = pack(recordings)

    def read(path):
        unpack(path.read_bytes(), path)

    def read_inner(path):
        unpack(lzma.compress(path.read_bytes(), preset=0), path)

    assert fuzz("some.xz", packed, read, DataError, seeds=range(400)) > 0.9
    assert fuzz("some.xz", lzma.decompress(packed), read_inner, DataError, seeds=range(1000)) > 0.3


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match=r"units: got 300"):
        pack(Recordings([[0.1]], [[300]], [0], classes="a", num_channels=700))
    with pytest.raises(DataError, match=r"times: got 70001"):
        pack(Recordings([[70.0]], [[0]], [0], classes="a", num_channels=1))
