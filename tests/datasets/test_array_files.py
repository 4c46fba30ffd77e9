"""Files of arrays: what is whole is read as NumPy reads it, what is damaged or dangerous is refused with its name."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from silif_plugins.datasets import DataError
from silif_plugins.datasets.array_files import read_arrays

KINDS = hnp.boolean_dtypes() | hnp.integer_dtypes() | hnp.floating_dtypes() | hnp.unicode_string_dtypes()


class Bomb:
    """Tells when it is unpickled."""

    def __reduce__(self):
        return (print, ("unpickled",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=hnp.arrays(KINDS, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0)))
def test_arrays_are_read_as_numpy_reads_them(array, tmp_path):
    ordered = np.asfortranarray(array)
    np.save(tmp_path / "one.npy", array)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "two.npz", one=array, two=ordered)
        read = read_arrays(tmp_path / "two.npz")
        for found in (read_arrays(tmp_path / "one.npy")[""], read["one"], read["two"]):
            np.testing.assert_array_equal(found, array)
            assert found.dtype == array.dtype
            assert found.flags.writeable


def test_nothing_is_unpickled(tmp_path, capsys):
    objects = np.array([Bomb(), None], object)
    np.save(tmp_path / "one.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "two.npz", frames=objects)
    (tmp_path / "three.npy").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "four.npz").write_bytes(pickle.dumps(Bomb()))
    for name, says in (
        ("one.npy", r"one.npy: array: holds Python objects; they would have to be unpickled"),
        ("two.npz", r"two.npz: frames: holds Python objects"),
        ("three.npy", r"three.npy: array: damaged, or not an .npy file"),
        ("four.npz", r"four.npz: npz: damaged, or not an .npz file"),
    ):
        with pytest.raises(DataError, match=says):
            read_arrays(tmp_path / name)
    assert "unpickled" not in capsys.readouterr().out


def test_headers_that_ask_for_terabytes_are_refused(tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)})
    (tmp_path / "huge.npy").write_bytes(file.getvalue() + b"\0" * 80)
    with pytest.raises(DataError, match=r"huge.npy: array: would take \d+ GiB of memory"):
        read_arrays(tmp_path / "huge.npy")
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("frames.npy", file.getvalue())
    with pytest.raises(DataError, match=r"huge.npz: frames: would take"):
        read_arrays(tmp_path / "huge.npz")


@pytest.mark.parametrize("cut", [0, 5, 40, 200])
def test_files_that_are_cut_off_are_told(cut, tmp_path):
    np.save(tmp_path / "one.npy", np.arange(30))
    np.savez(tmp_path / "two.npz", frames=np.arange(30))
    for name in ("one.npy", "two.npz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DataError, match=f"{name}: .*damaged"):
            read_arrays(path)


@pytest.mark.parametrize("name", ["one.npy", "two.npz"])
def test_damaged_files_are_told(name, fuzz, tmp_path):
    file = io.BytesIO()
    np.save(file, np.arange(20.0)) if name.endswith("npy") else np.savez_compressed(file, a=np.arange(20.0), b=3)
    assert fuzz(name, file.getvalue(), read_arrays, DataError, seeds=range(400)) > 0.2
