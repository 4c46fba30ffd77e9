import itertools
import signal
import subprocess
import sys
import time
from importlib import resources

import numpy as np
import pytest

from silif_plugins.datasets import SpokenDigits, read_recordings, spoken_digit_recordings
from silif_plugins.datasets.speech import Cochlea, Utterance, generate, plan, remake_shipped, speak

pytest.importorskip("espeakng_loader", reason="espeakng-loader (extra speech) is not installed")
pytest.importorskip("h5py")
pytest.importorskip("tqdm")


def test_an_utterance_alone_equals_the_same_in_a_batch():
    batch = speak("test", 24)
    for number in (23, 0, 11):
        times, units = plan("test", number).events(Cochlea())
        assert times.tobytes() == batch[number].times.tobytes()
        assert units.tobytes() == batch[number].units.tobytes()


def test_another_seed_says_something_else():
    assert not np.array_equal(speak("valid", 2, seed=1).flat_units, speak("valid", 2).flat_units)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_the_shipped_recordings_begin_as_they_are_made_now(split):
    shipped, made = spoken_digit_recordings(split), speak(split, 12)
    for old, new in zip(shipped, made, strict=False):
        np.testing.assert_array_equal(old.times, new.times)
        np.testing.assert_array_equal(old.units, new.units)
        assert (old.label, old.speaker) == (new.label, new.speaker)


@pytest.mark.slow
def test_the_shipped_files_are_remade_byte_for_byte(tmp_path):
    for path in remake_shipped(tmp_path, progress=False):
        shipped = resources.files("silif_plugins.datasets") / "data" / path.name
        assert path.read_bytes() == shipped.read_bytes()


def test_generated_files_give_the_shipped_frames(tmp_path):
    """float16 seconds in a file, whole milliseconds in the package: the same frames at any resolution."""
    generate(tmp_path, utterances={"valid": 20}, progress=False)
    for steps in (100, 250, 1000):
        generated = SpokenDigits("valid", steps=steps, root=tmp_path)
        assert (generated.frames == SpokenDigits("valid", steps=steps).frames[:20]).all()


def test_seven_hundred_channels(tmp_path):
    paths = generate(tmp_path, utterances=6, channels=700, progress=False)
    assert [path.name for path in paths] == [f"spoken_digits_{split}.h5" for split in ("train", "valid", "test")]
    assert [len(read_recordings(path)) for path in paths] == [6, 2, 4]
    recordings = read_recordings(paths[0])
    assert recordings.num_channels == 700
    assert recordings.flat_units.max() > 500
    assert SpokenDigits("train", root=tmp_path, pool=5).num_channels == 140


def test_tonic_reads_generated_files(tmp_path):
    tonic = pytest.importorskip("tonic")
    (path,) = generate(tmp_path, utterances={"train": 3}, channels=700, progress=False)
    (tmp_path / "SHD").mkdir()
    path.rename(tmp_path / "SHD" / "shd_train.h5")
    (tmp_path / "SHD" / "shd_train.h5.zip").touch()  # tonic looks for the download, and does not open it
    dataset = tonic.datasets.SHD(str(tmp_path), train=True)
    events, label = dataset[2]
    assert (len(dataset), dataset.classes[label]) == (3, b"two")
    units = read_recordings(tmp_path / "SHD" / "shd_train.h5")[2].units
    assert events["x"].tolist() == units.tolist()
    assert tonic.transforms.ToFrame((700, 1, 1), n_time_bins=20)(events).shape == (20, 1, 700)


def test_progress_is_shown_on_stderr(tmp_path, capsys):
    generate(tmp_path, utterances={"train": 2})
    out, err = capsys.readouterr()
    assert out == ""
    assert "spoken digits, train: 100%" in err


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="utterances: got the split 'dev'"):
        generate(tmp_path, utterances={"dev": 1})
    with pytest.raises(ValueError, match="utterances: got -1 for 'train'"):
        generate(tmp_path, utterances={"train": -1})
    with pytest.raises(ValueError, match="channels: got 0"):
        generate(tmp_path, utterances=3, channels=0, progress=False)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_between_utterances_leaves_nothing(tmp_path, monkeypatch):
    made = itertools.count()
    events = Utterance.events

    def interrupted(self, cochlea):
        if next(made) == 2:
            raise KeyboardInterrupt
        return events(self, cochlea)

    monkeypatch.setattr(Utterance, "events", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, utterances={"train": 4}, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_anywhere_leaves_nothing(tmp_path):
    """A real signal, which mostly arrives inside the synthesiser's C code or the callback from it."""
    # Shells start what runs in the background with the signal ignored, and Python leaves it so.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    work = f"from silif_plugins.datasets.speech import generate; generate({str(tmp_path)!r}, utterances=100000)"
    code = f"{listen}; {work}"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while "utterances/s" not in process.stderr.read(100):  # so that it is in the midst of it
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err
    assert "ignored" not in err
    assert process.returncode != 0
    assert not list(tmp_path.iterdir())
