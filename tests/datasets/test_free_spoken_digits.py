"""The Free Spoken Digit Dataset: its published layout, and who is heard in which split."""

import json
import wave

import numpy as np
import pytest

from silif_plugins import cli
from silif_plugins.datasets import DataError, FreeSpokenDigits, LogMel, load
from silif_plugins.training import train

PEOPLE = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
HEAR = LogMel(rate=8000, bands=10, max_time=0.1, fill=True)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """A clone in small: two digits, six speakers, 12 recordings each, and what else is in it."""
    root = tmp_path_factory.mktemp("free-spoken-digit-dataset")
    (root / "recordings").mkdir()
    random = np.random.default_rng(0)
    for digit in (3, 7):
        for speaker in PEOPLE:
            for index in range(12):
                time = np.arange(random.integers(600, 900)) / 8000
                samples = 9000 * np.sin(2 * np.pi * (300 + 100 * digit + 20 * random.random()) * time)
                with wave.open(str(root / "recordings" / f"{digit}_{speaker}_{index}.wav"), "wb") as file:
                    file.setparams((1, 2, 8000, 0, "NONE", ""))
                    file.writeframes(samples.astype("<i2").tobytes())
    (root / "recordings" / "._3_theo_1.wav").write_bytes(b"\0\5\x16\7")
    (root / "recordings" / "3_theo_1 copy.wav").write_bytes(b"")
    (root / "README.md").write_text("about")
    return root


def heard(root, **options):
    return {split: FreeSpokenDigits(root, split, front_end=HEAR, **options) for split in ("train", "valid", "test")}


def speakers(parts):
    return {split: [PEOPLE[each] for each in part.speakers.unique()] for split, part in parts.items()}


def test_speakers_are_apart(digits):
    parts = heard(digits)
    assert speakers(parts) == {
        "train": ["george", "jackson", "nicolas"],
        "valid": ["yweweler"],
        "test": ["lucas", "theo"],
    }
    assert {split: len(part) for split, part in parts.items()} == {"train": 72, "valid": 24, "test": 48}
    assert parts["train"].classes[3] == "three"
    assert parts["test"].labels.tolist() == [3] * 24 + [7] * 24
    assert parts["test"].front_end == HEAR


def test_each_speaker_is_left_out_and_validates_once(digits):
    folds = [speakers(heard(digits, leave_out=who)) for who in PEOPLE]
    assert [fold["test"] for fold in folds] == [[who] for who in PEOPLE]
    assert sorted(fold["valid"][0] for fold in folds) == list(PEOPLE)
    assert all(sorted(who for part in fold.values() for who in part) == list(PEOPLE) for fold in folds)


@pytest.mark.parametrize("given", ["theo, yweweler", ["theo", "yweweler"], ("yweweler", "Theo"), "[theo,yweweler]"])
def test_several_are_left_out(digits, given):
    assert speakers(heard(digits, leave_out=given))["test"] == ["theo", "yweweler"]
    assert speakers(heard(digits, leave_out=given))["valid"] == ["george"]


def test_the_published_split_is_by_indices(digits):
    parts = heard(digits, split_by="published")
    assert {split: len(part) for split, part in parts.items()} == {"train": 24, "valid": 60, "test": 60}
    assert all(len(part.speakers.unique()) == 6 for part in parts.values())


def test_the_folder_of_recordings_itself_is_given(digits):
    assert len(load(digits / "recordings", "test", front_end="log-mel", bands=10)) == 48
    default = load(digits, "valid")
    assert (type(default), default.num_channels, default.steps) == (FreeSpokenDigits, 140, 100)
    assert (default.front_end.name, default.front_end.rate) == ("cochlea", 8000)


def test_wrong_wishes_are_named(digits, tmp_path):
    for options, says in (
        ({"leave_out": "lukas"}, "leave_out: got 'lukas', but the speakers are george, jackson"),
        ({"leave_out": PEOPLE[1:]}, "two others must be left"),
        ({"split_by": "words"}, "split_by: got 'words'; it must be speakers or published"),
    ):
        with pytest.raises(ValueError, match=says):
            FreeSpokenDigits(digits, "train", **options)
    with pytest.raises(ValueError, match="split: got 'dev'"):
        FreeSpokenDigits(digits, "dev")
    with pytest.raises(FileNotFoundError, match=r"no recordings as 7_jackson_32\.wav in it"):
        FreeSpokenDigits(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="git clone https://github"):
        load("free-spoken-digits", "train")
    (tmp_path / "3_theo_0.wav").write_text("no sound")
    for who in ("ada", "bob"):
        (tmp_path / f"3_{who}_0.wav").write_bytes((digits / "recordings" / "3_theo_0.wav").read_bytes())
    with pytest.raises(DataError, match=r"3_theo_0.wav: wav: damaged"):
        FreeSpokenDigits(tmp_path, "test", leave_out="theo")


def test_its_recipe_is_trained_by_its_name(digits, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--epochs", "1", "--hidden-sizes", "8", "--data", str(digits), "--json"]
    assert cli.main(["train", "free-spoken-digits", "--data-options", "channels=20,leave_out=george", *quick]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["neuron"], result["folder"]) == ("SiLIF", "runs/free-spoken-digits/silif/seed0")
    config = json.loads((tmp_path / result["folder"] / "config.json").read_text())
    assert config["data_options"] == {"channels": 20, "leave_out": "george"}
    assert cli.main(["train", "free-spoken-digits", "--neuron", "SE-adLIF", *quick]) == 2
    assert "recipe: got 'free-spoken-digits', which has none for SE-adLIF" in capsys.readouterr().err
    assert cli.main(["train", "free-spoken-digits"]) == 2
    assert "git clone https://github.com/Jakobovski/free-spoken-digit-dataset" in " ".join(
        capsys.readouterr().err.split()
    )
    assert cli.main(["recipes", "free-spoken-digits", "--no-json"]) == 0
    out = capsys.readouterr().out
    assert "free-spoken-digits/c-silif" in out
    assert "git clone https://github.com/Jakobovski/free-spoken-digit-dataset" in " ".join(out.split())


def test_leaving_out_one_speaker_after_the_other_is_one_command(digits, tmp_path, capsys, monkeypatch):
    def here(configs, folder, *, names, jobs):
        return [
            train(config, folder / f"{name}-seed{config.seed}") for config, name in zip(configs, names, strict=True)
        ]

    monkeypatch.setattr("silif_plugins.cli.compare.compare", here)  # which starts processes
    command = ["compare", "--neurons", "LIF,SiLIF", "--folds", "leave_out=george,theo", "--out", str(tmp_path)]
    quick = ["--data", str(digits), "--epochs", "1", "--hidden-sizes", "8", "--data-options", "channels=20"]
    assert cli.main([*command, *quick, "--jobs", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["leave_out"], each["neuron"]) for each in found] == [
        ("george", "LIF"),
        ("george", "SiLIF"),
        ("theo", "LIF"),
        ("theo", "SiLIF"),
    ]
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[0].split() == ["|", "neuron", "|", "george", "|", "theo", "|", "all", "|"]
    config = json.loads((tmp_path / "leave_out-theo" / "SiLIF-seed0" / "config.json").read_text())
    assert config["data_options"] == {"channels": 20, "leave_out": "theo"}
    assert config["learning_rate"] == 0.01  # the recipe's, of the data set that the folder holds


@pytest.mark.parametrize("folds", ["leave_out", "leave_out=theo", "=george,theo", "leave_out=theo,theo"])
def test_folds_that_are_none_are_refused(folds, digits, capsys):
    assert cli.main(["compare", "--data", str(digits), "--folds", folds]) == 2
    assert "it must be an option of the data with values, such as leave_out=lucas,theo" in capsys.readouterr().err
