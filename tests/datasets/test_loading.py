import subprocess
import sys

import numpy as np
import pytest
import torch

from silif_plugins.datasets import SequentialDigits, SpokenDigits, load, spoken_digit_recordings, write_recordings


def test_by_name():
    spoken = load("spoken-digits", "valid", steps=50, max_time=0.5, pool=2, allow_empty=True)
    assert isinstance(spoken, SpokenDigits)
    assert (spoken.steps, spoken.num_channels) == (50, 70)
    assert load("spoken-digits", "valid").steps == 100


def test_sequential_digits_by_name():
    pytest.importorskip("sklearn")
    assert isinstance(load("sequential-digits", "test", steps=128), SequentialDigits)
    with pytest.raises(ValueError, match=r"steps: got 100, but for sequential-digits it must be None or 128"):
        load("sequential-digits", "test", steps=100)
    with pytest.raises(ValueError, match=r"max_time: got 1.0"):
        load("sequential-digits", "test", max_time=1.0)
    with pytest.raises(ValueError, match=r"root: got folder, but sequential-digits is in no folder"):
        load("sequential-digits", "test", root="folder")
    with pytest.raises(ValueError, match=r"allow_emtpy: got False, .*; did you mean allow_empty\?"):
        load("spoken-digits", "test", allow_emtpy=False)


def test_from_a_folder(tmp_path, recordings):
    pytest.importorskip("h5py")
    write_recordings(tmp_path / "words_train.h5", recordings)
    write_recordings(tmp_path / "words_test.h5", recordings)
    dataset = load(tmp_path, "train", steps=4, max_time=1.0, pool=2)
    assert dataset.frames.shape == (3, 4, 4)
    assert torch.equal(dataset.frames, load(str(tmp_path), "test", steps=4, max_time=1.0, pool=2).frames)
    with pytest.raises(FileNotFoundError, match=r"no file \*_valid.h5; it has words_test.h5, words_train.h5"):
        load(tmp_path, "valid")
    write_recordings(tmp_path / "digits_train.h5", recordings)
    with pytest.raises(ValueError, match=r"several files .*'train': digits_train.h5, words_train.h5"):
        load(tmp_path, "train")


def test_from_where_tonic_puts_it(tmp_path, recordings):
    pytest.importorskip("h5py")
    (tmp_path / "SHD").mkdir()
    write_recordings(tmp_path / "SHD" / "shd_train.h5", recordings)
    (tmp_path / "SHD" / "._shd_train.h5").write_bytes(b"left by macOS")
    assert len(load(tmp_path, "train", pool=2)) == 3
    (tmp_path / "shd_test.h5.zip").touch()
    with pytest.raises(FileNotFoundError, match=r"there is no file .*shd_test.h5; unpack .*shd_test.h5.zip first"):
        load(tmp_path, "test")
    (tmp_path / "SSC").mkdir()
    write_recordings(tmp_path / "SSC" / "ssc_train.h5", recordings)
    with pytest.raises(ValueError, match=r"holds several data sets: shd, ssc"):
        load(tmp_path, "train")


def test_by_name_and_folder(tmp_path):
    pytest.importorskip("h5py")
    speech = spoken_digit_recordings("valid")
    write_recordings(tmp_path / "spoken_digits_valid.h5", speech, time_dtype=np.float64)
    own, shipped = load("spoken-digits", "valid", root=tmp_path), SpokenDigits("valid")
    assert torch.equal(own.frames, shipped.frames)
    assert torch.equal(load(tmp_path, "valid").frames, shipped.frames)  # as events under any name
    with pytest.raises(ValueError, match=r"got 'sdh', which is neither .*; did you mean shd\?"):
        load("sdh", "valid", root=tmp_path)


def test_unknown_names_are_told_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match=r"got 'imagenet', which is neither 'sequential-digits', 'spoken-digits', 'free-spoken-digits'"
    ):
        load("imagenet", "train")
    with pytest.raises(ValueError, match=r"split: got 'dev'"):
        load(tmp_path, "dev")
    with pytest.raises(
        FileNotFoundError, match=r"holds no data set, but nothing at all. Data sets: free-spoken-digits has "
    ):
        load(tmp_path, "train")


def test_importing_the_data_sets_imports_nothing_optional():
    optional = "{'h5py', 'sklearn', 'tqdm', 'espeakng_loader', 'tonic', 'scipy', 'matplotlib'}"
    code = (
        "import sys, torch; before = set(sys.modules); import silif_plugins.datasets; "
        f"print((set(sys.modules) - before) & {optional})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("module", "call", "extra"),
    [
        ("h5py", "read_recordings('x.h5')", "data"),
        ("sklearn", "SequentialDigits('test')", "data"),
        ("espeakng_loader", "speech.synthesise('one', 'en')", "speech"),
        ("tqdm", "speech.speak('train', 1)", "speech"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(module, call, extra):
    code = (
        f"import sys; sys.modules[{module!r}] = None; "
        f"from silif_plugins.datasets import *; from silif_plugins.datasets import speech; {call}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr
    assert f'pip install "silif_plugins[{extra}]"' in done.stderr
