import errno
import os
import subprocess
import sys
import textwrap
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets import DataError, Recordings, hdf5_process, read_recordings, write_recordings

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path, recordings):
    path = tmp_path / "some_train.h5"
    write_recordings(path, recordings)
    return path


def change(path, field, value, **options):
    with h5py.File(path, "a") as file:
        if field in file:
            del file[field]
        if value is not None:
            file.create_dataset(field, data=value, **options)


def assert_same(a: Recordings, b: Recordings):
    for name in ("flat_times", "flat_units", "starts", "labels", "speakers"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (a.classes, a.num_channels) == (b.classes, b.num_channels)


@settings(max_examples=40)
@given(data=st.data())
def test_what_is_written_is_read(any_recordings, tmp_path_factory, data):
    recordings = data.draw(any_recordings)
    path = tmp_path_factory.mktemp("round trip") / "some.h5"
    write_recordings(path, recordings)
    with mock.patch.object(hdf5_process, "read", hdf5_process.read_here):  # forty processes would take long
        assert_same(read_recordings(path), recordings)


def test_times_can_be_written_finer_than_shds(tmp_path):
    recordings = Recordings([[0.123456789]], [[0]], [0], classes="a", num_channels=1)
    write_recordings(tmp_path / "fine.h5", recordings, time_dtype=np.float64)
    assert read_recordings(tmp_path / "fine.h5")[0].times == 0.123456789


def test_times_beyond_float16_are_refused(tmp_path):
    recordings = Recordings([[1e6]], [[0]], [0], classes="a", num_channels=1)
    with pytest.raises(DataError, match=r"times: got 1000000.0 s, but float16 holds at most"):
        write_recordings(tmp_path / "long.h5", recordings)
    assert not list(tmp_path.iterdir())


def test_numbers_beyond_shds_types_are_kept(tmp_path):
    """Such as speakers that are numbered by a registry."""
    many = Recordings(
        [[0.5], [0.25]], [[0], [70_000]], [0, 1], classes="ab", num_channels=70_001, speakers=[3, 1 << 40]
    )
    write_recordings(tmp_path / "some.h5", many)
    assert_same(read_recordings(tmp_path / "some.h5"), many)


def test_layout_is_shds(path):
    with h5py.File(path) as file:
        assert h5py.check_vlen_dtype(file["spikes/times"].dtype) == np.float16
        assert h5py.check_vlen_dtype(file["spikes/units"].dtype) == np.uint16
        assert file["labels"].dtype == np.uint16
        assert file["extra/speaker"][:].tolist() == [0, 1, 1]
        assert file["extra/keys"][:].tolist() == [b"no", b"yes"]


def test_tonic_reads_it(path, tmp_path):
    tonic = pytest.importorskip("tonic")
    (tmp_path / "SHD").mkdir()
    path.rename(tmp_path / "SHD" / "shd_train.h5")
    (tmp_path / "SHD" / "shd_train.h5.zip").touch()  # tonic looks for the download, and does not open it
    dataset = tonic.datasets.SHD(str(tmp_path), train=True)
    events, label = dataset[0]
    assert (len(dataset), label) == (3, 1)
    assert events["x"].tolist() == [0, 7, 3]
    assert events["t"].tolist() == [250_000, 500_000, 750_000]


def test_same_recordings_make_the_same_bytes(path, tmp_path, recordings):
    write_recordings(tmp_path / "again.h5", recordings)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_files_that_do_not_say_their_channels_have_as_many_as_shd(path):
    with h5py.File(path, "a") as file:
        del file.attrs["num_channels"]
    assert read_recordings(path).num_channels == 700
    assert read_recordings(path, num_channels=9).num_channels == 9
    with pytest.raises(DataError, match=r"spikes/units: .* channel 7, but channels are 0 to 6"):
        read_recordings(path, num_channels=7)


def test_files_without_speakers_as_sscs(path):
    change(path, "extra/speaker", None)
    assert read_recordings(path).speakers.tolist() == [0, 0, 0]


@pytest.mark.parametrize("field", ["spikes/times", "spikes/units", "labels", "extra/keys"])
def test_a_missing_field_is_named(path, field):
    change(path, field, None)
    with pytest.raises(DataError, match=rf"some_train.h5: {field}: missing; the file has") as raised:
        read_recordings(path)
    assert (raised.value.field, raised.value.path) == (field, path)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("labels", [0, 1, 2], "labels: recording 2 has label 2"),
        ("labels", [0, 1], r"labels: got shape \(2,\), but times has 3"),
        ("labels", [0.5, 1, 1], "labels: got type float64"),
        ("labels", [[0, 1, 1]], "labels: has 2 dimensions"),
        ("labels", 1, "labels: has 0 dimensions"),
        ("extra/speaker", [-1, 0, 0], "extra/speaker: recording 0 has speaker -1"),
        ("spikes/times", np.zeros((3, 2)), "spikes/times: has 2 dimensions"),
        ("spikes/times", np.zeros(3), "spikes/times: holds float64, but it must hold lists of numbers"),
        ("spikes/times", [b"a", b"b", b"c"], "spikes/times: holds object, but it must hold lists of numbers"),
        ("labels", [b"a", b"b", b"c"], "labels: got type object"),
        ("extra/keys", [b"\xff\xfe", b"yes"], "extra/keys: .* not UTF-8"),
    ],
)
def test_a_bad_field_is_named(path, field, value, says):
    change(path, field, value)
    with pytest.raises(DataError, match=says) as raised:
        read_recordings(path)
    assert raised.value.path == path


@pytest.mark.parametrize(
    ("times", "says"), [([np.nan], "at nan"), ([-1.0], "at -1.0"), ([0.1, 0.2], "3 units, but 2 times")]
)
def test_bad_events_are_named(path, times, says):
    with h5py.File(path, "a") as file:
        whole = np.array(times, np.float16) if len(times) > 1 else np.array([*times, 0.1, 0.1], np.float16)
        file["spikes/times"][0] = whole
    with pytest.raises(DataError, match=rf"spikes/(times|units): .*{says}"):
        read_recordings(path)


@pytest.mark.parametrize("value", [0, -5, 1.5, "many", [1, 2]])
def test_a_bad_number_of_channels_is_named(path, value):
    with h5py.File(path, "a") as file:
        file.attrs["num_channels"] = value
    with pytest.raises(DataError, match=r"num_channels: got"):
        read_recordings(path)


def test_contradicting_numbers_of_channels(path):
    with pytest.raises(DataError, match=r"num_channels: 700 asked for, but the file has 8"):
        read_recordings(path, num_channels=700)


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_truncated_files_are_told(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match=r"some_train.h5: .*(truncated|damaged)"):
        read_recordings(path)


def test_other_files_are_told(tmp_path):
    (tmp_path / "text.h5").write_text("not HDF5 " * 1000)
    with pytest.raises(DataError, match=r"text.h5: file: cannot be read as HDF5"):
        read_recordings(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError, match=r"no.h5"):
        read_recordings(tmp_path / "no.h5")


@pytest.mark.parametrize("signature", [b"GCOL", b"TREE", b"SNOD", b"HEAP"])
def test_damaged_structures_are_told(path, signature):
    """Every block of HDF5 that such a file is made of, overwritten: the lists, the trees, the names."""
    content = path.read_bytes()
    assert signature in content
    path.write_bytes(content.replace(signature, b"XXXX"))
    with pytest.raises(DataError, match=r"some_train.h5: .*(damaged|missing)"):
        read_recordings(path)


def declare(path, field, number, dtype, values=()):
    """Replace a field by one of any size; what is not written takes no room in the file."""
    with h5py.File(path, "a") as file:
        del file[field]
        dataset = file.create_dataset(field, (number,), dtype, chunks=(1 << 10,), maxshape=(None,))
        for index, value in enumerate(values):
            dataset[index] = value


@pytest.mark.parametrize("field", ["labels", "extra/speaker", "extra/keys", "spikes/times", "spikes/units"])
def test_a_small_file_that_declares_much_is_refused(path, field):
    lists = field.startswith("spikes")
    declare(path, field, 1 << 33, h5py.vlen_dtype(np.dtype("f2" if "times" in field else "u2")) if lists else "u1")
    with pytest.raises(DataError, match=rf"{field}: says it has 8589934592 entries, but the file has \d+ bytes"):
        read_recordings(path)


def test_one_list_named_many_times_is_refused(path):
    """Every entry is a length and the place of its list; here all have the same place."""
    declare(path, "spikes/times", 1024, h5py.vlen_dtype(np.dtype("f2")), [np.full(20_000, 0.5), np.full(7, 0.5)])
    with h5py.File(path, "r") as file:
        offset = file["spikes/times"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 1024 * 16] = content[offset : offset + 16] * 1024
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"spikes/times: holds more than the {len(content)} bytes of the file"):
        read_recordings(path)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "virtual"])
def test_a_file_cannot_lead_to_another(path, kind, tmp_path):
    (tmp_path / "other").write_bytes(bytes(48))
    with h5py.File(path, "a") as file:
        del file["labels"]
        if kind == "external link":
            file["labels"] = h5py.ExternalLink(path.name, "/extra/speaker")
        elif kind == "soft link":
            file["labels"] = h5py.SoftLink("/extra/speaker")
        elif kind == "external storage":
            file.create_dataset("labels", (3,), "u2", external=[(str(tmp_path / "other"), 0, 48)])
        else:
            layout = h5py.VirtualLayout((3,), "u2")
            layout[:] = h5py.VirtualSource(".", "extra/speaker", (3,), "u2")
            file.create_virtual_dataset("labels", layout)
    with pytest.raises(DataError, match=r"labels: is (a link to another place|kept in another file)"):
        read_recordings(path)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("while True: pass", r"cannot be read in 1 s, is it damaged\?"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"the HDF5 library ends with code -11"),
        ("bytearray(1 << 40)", r"cannot be read as HDF5, is it truncated or damaged"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="needs limits on processes")
def test_a_library_that_loops_crashes_or_takes_all_memory_is_told(path, does, says, tmp_path, monkeypatch):
    """In place of HDF5 files that do this to one version of the library and not to the next."""
    (tmp_path / "h5py.py").write_text(f"class File:\n    def __init__(self, *_):\n        {does}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(hdf5_process, "SECONDS", 1)
    with pytest.raises(DataError, match=rf"some_train.h5: file: .*{says}"):
        read_recordings(path)


def test_damaged_files_are_read_or_told(fuzz, path):
    content = path.read_bytes()
    fuzz("some.h5", content, read_recordings, DataError, seeds=range(12))


def test_a_full_disk_leaves_the_old_file_alone(path, recordings, monkeypatch):
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left") as raised:
        write_recordings(path, recordings)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_disk_that_fills_while_writing_leaves_nothing(tmp_path):
    """The same with the operating system's own error, in the middle of the bytes."""
    code = f"""
        import resource
        from silif_plugins.datasets import Recordings, write_recordings
        recordings = Recordings([[0.5] * 5000], [[0] * 5000], [0], classes="a", num_channels=1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_recordings({str(tmp_path / "big.h5")!r}, recordings)
        except OSError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "big.h5" in done.stdout
    assert not list(tmp_path.iterdir())
