"""The data sheet of the shipped digits, in the Croissant format, says what the files hold, and is valid."""

import hashlib
import json
from importlib import resources

import pytest

from silif_plugins.datasets import spoken_digit_recordings
from silif_plugins.datasets.speech import CLASSES

FOLDER = resources.files("silif_plugins.datasets") / "data"
SHEET = json.loads((FOLDER / "croissant.json").read_text(encoding="utf-8"))


def test_files_are_those_that_it_names():
    assert len(SHEET["distribution"]) == 3
    for entry in SHEET["distribution"]:
        content = (FOLDER / entry["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert entry["contentSize"] == f"{len(content)} B"


def test_numbers_are_those_of_the_recordings():
    words, splits = (each["data"] for each in SHEET["recordSet"])
    assert [each["words/word"] for each in words] == list(CLASSES)
    total = 0
    for each in splits:
        recordings = spoken_digit_recordings(each["splits/name"])
        assert (len(recordings), len(set(recordings.speakers))) == (each["splits/utterances"], each["splits/voices"])
        assert recordings.num_channels == 140
        total += len(recordings)
    assert f"{total} utterances" in SHEET["description"]


def test_it_is_valid_and_its_records_can_be_read():
    croissant = pytest.importorskip("mlcroissant")
    dataset = croissant.Dataset(jsonld=str(FOLDER / "croissant.json"))  # raises for what is not valid
    assert not dataset.metadata.issues.errors
    assert not dataset.metadata.issues.warnings
    assert [each["words/word"] for each in dataset.records("words")] == list(CLASSES)
    assert sum(each["splits/utterances"] for each in dataset.records("splits")) == 2880
