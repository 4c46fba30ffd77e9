"""SHD and SSC from files in their layout, downloads, caching, and held-out speakers."""

import functools
import hashlib
import http.server
import logging
import threading
import zipfile

import numpy as np
import pytest
import torch

from silif_plugins.datasets import (
    SHD,
    SOURCES,
    SSC,
    DataError,
    FrameDataset,
    Recordings,
    bin_events,
    cache,
    download,
    load,
    write_recordings,
)
from silif_plugins.datasets.resolving import held_by
from silif_plugins.datasets.speakers import hold_out_speakers

pytest.importorskip("h5py")


def make(number, seed=0, events=200, channels=700):
    random = np.random.default_rng(seed)
    sizes = random.integers(events // 2, events, number)
    return Recordings(
        [np.sort(random.uniform(0, 1.3, size)).astype(np.float16) for size in sizes],
        [random.integers(0, channels, size).astype(np.uint16) for size in sizes],
        np.arange(number) % 20,
        classes=[str(name) for name in range(20)],
        num_channels=channels,
        speakers=np.arange(number) % 5,
    )


@pytest.fixture
def root(tmp_path):
    for name in ("shd_train", "shd_test", "ssc_train", "ssc_valid", "ssc_test"):
        write_recordings(tmp_path / f"{name}.h5", make(12))
    return tmp_path


def test_the_papers_frames(root):
    shd, ssc = SHD(root, "test", published=True), SSC(root, "valid", published=True)
    assert repr(shd) == "SHD(12 samples, 250 steps, 140 channels, 20 classes)"
    assert repr(ssc) == "SSC(12 samples, 300 steps, 140 channels, 20 classes)"
    first = make(12)[0]
    expected = bin_events(first.times, first.units, steps=250, max_time=1.0, channels=700, pool=5, published=True)
    np.testing.assert_array_equal(shd.frames[0], expected)
    assert not shd.frames[:, 0].any()  # the published loader never fills the first step
    ours = SHD(root, "test")
    assert ours.frames[:, 0].any()
    assert ours.frames.sum() == shd.frames.sum()  # the same events are too late for both


@pytest.mark.parametrize("published", [False, True])
def test_by_class_name_or_folder_the_frames_are_the_same(root, tmp_path, published):
    for name, reader in (("shd", SHD), ("ssc", SSC)):
        folder = tmp_path / name
        folder.mkdir()
        for file in root.glob(f"{name}_*.h5"):
            file.rename(folder / file.name)
        for options in ({}, {"steps": 30, "max_time": 0.7, "pool": 10, "allow_empty": None}):
            kept = {key: value for key, value in options.items() if value is not None}
            expected = reader(folder, "test", published=published, **kept)
            recordings = reader.recordings(folder, "test")
            binned = {**SOURCES[name].defaults, **kept, "published": published}
            for other in (
                load(folder, "test", published=published, **options),
                load(name, "test", root=folder, published=published, **options),
                FrameDataset.from_recordings(recordings, **binned),
            ):
                assert torch.equal(other.frames, expected.frames)
                assert torch.equal(other.labels, expected.labels)
                assert torch.equal(other.speakers, expected.speakers)
                assert other.classes == expected.classes


def test_a_users_own_file_for_validation(root):
    assert SHD.splits(root) == ("train", "test")
    write_recordings(root / "shd_valid.h5", make(4))
    assert SHD.splits(root) == ("train", "valid", "test")
    assert len(SHD(root, "valid")) == 4


def test_late_events_are_told(tmp_path, caplog, monkeypatch):
    times = [[0.1, 0.999, 1.0, 1.25], [0.5, 0.6, 0.7, 1.1]]
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "TICK", 0)
    monkeypatch.setenv("SILIF_CACHE", str(tmp_path / "cache"))
    write_recordings(
        tmp_path / "shd_test.h5", Recordings(times, [[0, 1, 2, 3]] * 2, [0, 0], classes="a", num_channels=700)
    )
    for published in (False, True, True):  # the last from the cache
        with caplog.at_level(logging.INFO):
            SHD(tmp_path, "test", published=published)
        assert caplog.messages.pop().endswith("shd_test.h5: 37.5 % of the events are at or after 1 s, and dropped")


@pytest.mark.parametrize(("factor", "unit"), [(1e6, "microseconds"), (1e3, "milliseconds")])
def test_times_that_are_not_seconds_are_refused(factor, unit, tmp_path):
    """Read as seconds all of them are late: nothing would be left to train on."""
    recordings = make(4)
    for path, kept in ((tmp_path / "shd_train.h5", False), (tmp_path / "shd_test.h5", True)):
        times = [(0.01 + each.times.astype(float)) * factor for each in recordings]
        scaled = Recordings(
            times, [each.units for each in recordings], recordings.labels, classes=recordings.classes, num_channels=700
        )
        write_recordings(path, scaled, time_dtype=np.float64)
        with pytest.raises(DataError, match=rf"{path.name}: times: no event is before max_time = 1.0 s: they are at"):
            SHD(tmp_path, path.stem[4:], allow_empty=kept)


def test_many_late_events_are_warned_of(tmp_path, caplog):
    write_recordings(
        tmp_path / "shd_test.h5", Recordings([[0.1, 1.2, 1.3]], [[0, 1, 2]], [0], classes="a", num_channels=700)
    )
    SHD(tmp_path, "test")
    assert caplog.messages == [f"{tmp_path / 'shd_test.h5'}: 66.7 % of the events are at or after 1 s, and dropped"]


def test_splits_and_files_are_named(root):
    with pytest.raises(ValueError, match="split: got 'valid', but SHD has train, test"):
        SHD(root, "valid")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*shd_train.h5"):
        SHD(root / "no", "train")
    (root / "shd_test.h5").write_bytes(b"no")
    with pytest.raises(DataError, match=r"shd_test.h5: file: cannot be read as HDF5"):
        SHD(root, "test")


def test_where_tonic_puts_the_files(root):
    (root / "SHD").mkdir()
    (root / "shd_train.h5").rename(root / "SHD" / "shd_train.h5")
    assert len(SHD(root, "train")) == 12
    assert len(SHD(root / "SHD", "train")) == 12
    with pytest.raises(ValueError, match=r"holds several data sets: shd, ssc; .* load\("):
        held_by(root)
    (root / "shd_test.h5").rename(root / "SHD" / "shd_test.h5")
    SOURCES["shd"].check_folder(root)


def test_the_users_home(root, monkeypatch):
    monkeypatch.setenv("HOME", str(root.parent))
    assert len(SHD(f"~/{root.name}", "train")) == 12
    SOURCES["ssc"].check_folder(f"~/{root.name}")


@pytest.mark.parametrize("ending", ["gz", "zip"])
def test_packed_files_are_to_be_unpacked(root, ending):
    (root / "shd_test.h5").rename(root / f"shd_test.h5.{ending}")
    with pytest.raises(FileNotFoundError, match=rf"no file .*shd_test.h5; unpack .*shd_test.h5.{ending} first"):
        SHD(root, "test")
    with pytest.raises(FileNotFoundError, match=rf"has no shd_test.h5; unpack .*shd_test.h5.{ending} first"):
        SOURCES["shd"].check_folder(root)


def test_empty_recordings_are_kept_if_wanted(tmp_path):
    write_recordings(
        tmp_path / "shd_test.h5", Recordings([[0.5], [1.4]], [[0], [0]], [0, 0], classes="a", num_channels=700)
    )
    assert len(SHD(tmp_path, "test")) == 2
    with pytest.raises(DataError, match="recording 1 has no event before max_time"):
        SHD(tmp_path, "test", allow_empty=False)


def test_cached_frames_are_the_same(root, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "TICK", 0)
    monkeypatch.setenv("SILIF_CACHE", str(tmp_path / "cache"))
    made, read = SHD(root, "train"), SHD(root, "train")
    for name in ("frames", "labels", "speakers"):
        assert torch.equal(getattr(made, name), getattr(read, name))
    assert made.classes == read.classes
    other = SHD(root, "train", published=True)
    assert not torch.equal(made.frames, other.frames)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve archives of two small files where tonic looks for SHD's."""
    hsd = pytest.importorskip("tonic.datasets.hsd")
    site = tmp_path / "site"
    site.mkdir()
    for split in ("train", "test"):
        write_recordings(site / f"shd_{split}.h5", make(3))
        with zipfile.ZipFile(site / f"shd_{split}.h5.zip", "w") as archive:
            archive.write(site / f"shd_{split}.h5", f"shd_{split}.h5")
        digest = hashlib.md5((site / f"shd_{split}.h5.zip").read_bytes()).hexdigest()
        monkeypatch.setattr(hsd.SHD, f"{split}_md5", digest)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        monkeypatch.setattr(hsd.HSD, "base_url", f"http://127.0.0.1:{http_server.server_port}/")
        yield site
        http_server.shutdown()


def test_download(server, tmp_path, capsys):
    folder = tmp_path / "data"
    files = download("shd", folder)
    assert [file.name for file in files] == ["shd_train.h5", "shd_test.h5"]
    assert len(SHD(folder, "test")) == 3
    assert capsys.readouterr().out == ""  # results only go to stdout
    SOURCES["shd"].check_folder(folder)
    cut_off = folder / "shd_test.h5.zip"
    cut_off.write_bytes(cut_off.read_bytes()[:100])
    (folder / "shd_test.h5").unlink()
    download("shd", folder)  # the part that was cut off is fetched again
    assert len(SHD(folder, "test")) == 3


def test_a_changed_download_is_refused(server, tmp_path):
    (server / "shd_test.h5.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"shd_test.h5.zip: md5: not the published file"):
        download("shd", tmp_path / "data")
    with pytest.raises(ValueError, match="data set: got 'gsc'"):
        download("gsc", tmp_path)


def test_no_network_names_what_was_to_be_downloaded(server, tmp_path, monkeypatch):
    hsd = pytest.importorskip("tonic.datasets.hsd")
    monkeypatch.setattr(hsd.HSD, "base_url", "http://127.0.0.1:9/")  # nobody answers there
    with pytest.raises(OSError, match=r"http://127.0.0.1:9/shd_train.h5.zip cannot be put into .*data: .*refused"):
        download("shd", tmp_path / "data")


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if not source.shipped])
def test_missing_data_are_told_where_to_get(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"To get it: .* then give --data FOLDER"):
        SOURCES[name].check_folder(None)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        SOURCES[name].check_folder(tmp_path / "no")
    with pytest.raises(FileNotFoundError, match="has no "):
        SOURCES[name].check_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no data set, but nothing at all"):
        held_by(tmp_path)


def frames(speakers):
    labels = np.arange(len(speakers)) % 2
    return FrameDataset(np.ones((len(speakers), 3, 2), np.uint8), labels, classes="ab", speakers=speakers)


def test_held_out_speakers_are_in_no_other_part():
    dataset = frames(np.repeat([0, 1, 2, 7], [40, 30, 25, 5]))
    parts = hold_out_speakers(dataset)
    assert parts.speakers == (2, 7)  # 7 alone would be less than a tenth
    assert len(parts.valid) == 30
    assert len(parts.train) == 70
    assert not set(parts.train.speakers.tolist()) & set(parts.valid.speakers.tolist())
    assert hold_out_speakers(frames([0, 1])).speakers == (1,)
    with pytest.raises(DataError, match="all recordings are of one speaker"):
        hold_out_speakers(frames([3, 3]))
