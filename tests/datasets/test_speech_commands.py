"""Google Speech Commands: the published layout, variable lengths, and damaged folders."""

import wave

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, cache, load
from silif_plugins.datasets.audio_folder import LISTS, clips_in, listed
from silif_plugins.datasets.filterbank import log_mel
from silif_plugins.datasets.speech_commands import SpeechCommands
from silif_plugins.datasets.wav import read_sound


def write_clip(path, samples, rate=16_000, channels=1, width=2):
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype({1: np.uint8, 2: "<i2"}[width]).tobytes())


def clips(root, split):
    """Files of a split."""
    found = clips_in(root)
    parts = {name: listed(root / file, found) for name, file in LISTS.items()}
    parts["train"] = {*range(len(found))} - parts["valid"] - parts["test"]
    return [found[place].file for place in sorted(parts[split])]


@pytest.fixture
def root(tmp_path):
    """Three words, 4 clips each, of different lengths; the first is for validation, the second for test."""
    folder = tmp_path / "speech_commands"
    folder.mkdir()
    random = np.random.default_rng(0)
    lengths = {"aa_nohash_0": 16_000, "bb_nohash_0": 13_375, "cc_nohash_1": 300, "dd_nohash_0": 20_000}
    for word in ("yes", "no", "tree"):
        for name, length in lengths.items():
            write_clip(folder / word / f"{name}.wav", random.integers(-9000, 9000, length))
    (folder / "_background_noise_").mkdir()
    write_clip(folder / "_background_noise_" / "pink.wav", random.integers(-9000, 9000, 50_000))
    (folder / "README.md").write_text("about")
    for file, name in (("validation_list.txt", "aa_nohash_0"), ("testing_list.txt", "bb_nohash_0")):
        (folder / file).write_text("".join(f"{word}/{name}.wav\n" for word in ("no", "tree", "yes")))
    return folder


def test_splits_classes_and_lengths(root):
    parts = {split: SpeechCommands(root, split) for split in ("train", "valid", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 6, "valid": 3, "test": 3}
    assert parts["train"].classes == ("no", "tree", "yes")
    assert parts["test"].labels.tolist() == [0, 1, 2]
    assert parts["train"].labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert parts["valid"].lengths.tolist() == [98] * 3
    assert parts["test"].lengths.tolist() == [82] * 3
    assert parts["train"].lengths.tolist() == [1, 98] * 3  # 300 samples are less than a frame; 20,000 are cut
    assert parts["train"].num_channels == 40
    assert isinstance(load(root, "test"), SpeechCommands)


def test_features_are_those_of_the_single_clip(root):
    dataset = SpeechCommands(root, "test")
    for (frames, _), file in zip(dataset, clips(root, "test"), strict=False):
        waveform = torch.from_numpy(read_sound(file)[0])
        torch.testing.assert_close(frames, log_mel(waveform))
        assert not dataset.frames[0, 82:].any()


def test_samples_are_read_as_torchaudio_does(root):
    write_clip(root / "yes" / "aa_nohash_0.wav", np.array([0, 16384, -32768, 32767]))
    assert read_sound(root / "yes" / "aa_nohash_0.wav")[0].tolist() == [0, 0.5, -1, 32767 / 32768]


def test_cached(root, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(cache, "TICK", 0)
    monkeypatch.setenv("SILIF_CACHE", str(tmp_path / "cache"))
    first = SpeechCommands(root, "train")
    monkeypatch.setattr("silif_plugins.datasets.clips.read_sound", None)  # not needed again
    again = SpeechCommands(root, "train")
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.lengths, again.lengths)


def spoil(root, what):
    clip = root / "no" / "bb_nohash_0.wav"
    if what == "cut":
        clip.write_bytes(clip.read_bytes()[:5000])
    elif what == "text":
        clip.write_text("not a wav file")
    elif what == "nothing":
        clip.write_bytes(b"")
    elif what == "no samples":
        write_clip(clip, np.zeros(0))
    elif what == "promised":
        clip.write_bytes(clip.read_bytes()[:40] + b"\0\0\1\0" + bytes(300))


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("cut", "cut off or empty"),
        ("text", "not a wav file"),
        ("nothing", "is empty"),
        ("no samples", "cut off or empty"),
        ("promised", "cut off or empty"),
    ],
)
def test_damaged_clips_are_named(root, what, says):
    spoil(root, what)
    with pytest.raises(DataError, match=says) as raised:
        SpeechCommands(root, "test")
    assert "bb_nohash_0.wav" in str(raised.value)
    assert len(SpeechCommands(root, "valid")) == 3  # the others do not mind


def test_bad_folders_are_named(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"validation_list.txt: missing; unpack the whole archive"):
        SpeechCommands(tmp_path / "nowhere", "train")
    with pytest.raises(ValueError, match="split: got 'dev'"):
        SpeechCommands(root, "dev")
    with pytest.raises(ValueError, match=r"max_time: got 0.01"):
        load(root, "test", max_time=0.01)
    for long in (1e12, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=rf"max_time: got {long}"):
            load(root, "test", max_time=long)
    with pytest.raises(ValueError, match="steps: got 100, but for gsc it must be None"):
        load(root, "test", steps=100)
    lists = root / "testing_list.txt"
    lists.write_text("maybe/aa_nohash_0.wav\n")
    with pytest.raises(DataError, match=r"testing_list.txt: list: got 'maybe/aa_nohash_0.wav'"):
        SpeechCommands(root, "train")
    lists.write_text("no/zz_nohash_0.wav\n")
    with pytest.raises(FileNotFoundError, match=r"zz_nohash_0.wav: missing, but testing_list.txt names it"):
        SpeechCommands(root, "test")
    lists.write_text("")
    with pytest.raises(DataError, match="is empty"):
        SpeechCommands(root, "test")
    lists.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="not text"):
        SpeechCommands(root, "test")
    lists.unlink()
    with pytest.raises(FileNotFoundError, match=r"testing_list.txt: missing; unpack the whole archive"):
        SpeechCommands(root, "test")


def test_what_other_systems_leave_in_the_folder_changes_nothing(root):
    """Hidden copies, endings in capitals, byte order marks and backslashes, folders of notes: same clips and labels."""
    expected = {split: (clips(root, split), SpeechCommands(root, split).labels) for split in ("train", "valid", "test")}
    (root / "no" / "._cc_nohash_1.wav").write_bytes(b"\0\5\x16\7" + bytes(90))
    (root / "figures").mkdir()
    (root / "figures" / "waveform.png").touch()
    (root / "tree" / "cc_nohash_1.wav").rename(root / "tree" / "cc_nohash_1.WAV")
    lists = root / "testing_list.txt"
    lists.write_bytes(b"\xef\xbb\xbf" + lists.read_bytes().replace(b"/", b"\\").replace(b"\n", b"\r\n"))
    lists = root / "validation_list.txt"
    lists.write_text("".join(f"./{line}\n\n" for line in lists.read_text().split()))
    for split, (files, labels) in expected.items():
        part = SpeechCommands(root, split)
        assert [str(file).lower() for file in clips(root, split)] == [str(file).lower() for file in files]
        assert part.classes == ("no", "tree", "yes")
        assert torch.equal(part.labels, labels)


def test_a_listed_clip_is_not_trained_on_whatever_its_case(root):
    (root / "no" / "bb_nohash_0.wav").rename(root / "no" / "bb_nohash_0.Wav")
    assert "bb_nohash_0.wav" not in {file.name.lower() for file in clips(root, "train")}
    assert "bb_nohash_0.Wav" in {file.name for file in clips(root, "test")}


def test_where_torchaudio_puts_it(root, tmp_path):
    given = tmp_path / "given"
    (given / "SpeechCommands").mkdir(parents=True)
    root.rename(given / "SpeechCommands" / "speech_commands_v0.02")
    assert len(load(given, "train")) == 6


def test_nothing_left_for_training(root):
    for word in ("yes", "no", "tree"):
        for name in ("cc_nohash_1", "dd_nohash_0"):
            (root / word / f"{name}.wav").unlink()
    with pytest.raises(DataError, match="train: no clip is left"):
        SpeechCommands(root, "train")
