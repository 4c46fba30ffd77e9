"""The Long Range Arena's ListOps and Pathfinder from files in their published layout."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, LRAListOps, Pathfinder, load
from silif_plugins.datasets.listops import TOKENS


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "listops-1000").mkdir()
    for split, line in {
        "train": "( ( ( [MAX 2 ) 9 ) ] )\t9",
        "val": "( ( ( [SM 2 ) 9 ) ] )\t1",
        "test": "( ( ( ( [MED 2 ) ( ( ( [MIN 3 ) 4 ) ] ) ) 7 ) ] )\t3",
    }.items():
        (tmp_path / "listops-1000" / f"basic_{split}.tsv").write_text(f"Source\tTarget\n{line}\n{line}\n")
    return tmp_path


def test_published_lists(lists):
    train, test = LRAListOps(lists, "train"), load(lists, "test")
    assert [TOKENS[token] for token in train[0][0].argmax(1)] == ["[MAX", "2", "9", "]"]
    assert [TOKENS[token] for token in test[1][0].argmax(1)] == ["[MED", "2", "[MIN", "3", "4", "]", "7", "]"]
    assert (train.labels.tolist(), test.labels.tolist(), len(LRAListOps(lists, "valid"))) == ([9, 9], [3, 3], 2)


@pytest.mark.parametrize("line", ["[MAX 2 x ]\t9", "[MAX 2 ]\tnine", "[MAX 2 ]\t10", "\t3 4", "( )\t1"])
def test_damaged_lists_are_named(lists, line):
    (lists / "listops-1000" / "basic_test.tsv").write_text(f"Source\tTarget\n{line}\n")
    with pytest.raises(DataError, match=r"basic_test\.tsv: line"):
        LRAListOps(lists, "test")


def test_missing_lists(lists):
    (lists / "listops-1000" / "basic_val.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no basic_val\.tsv"):
        LRAListOps(lists, "valid")
    with pytest.raises(ValueError, match="split: got 'val'"):
        LRAListOps(lists, "val")


@pytest.fixture
def images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "curv_contour_length_14"
    (folder / "metadata").mkdir(parents=True)
    for part in range(2):
        (folder / "imgs" / str(part)).mkdir(parents=True)
        lines = []
        for number in range(10):
            grey = np.full((4, 4), 10 * part + number, np.uint8)
            image.fromarray(grey).save(folder / "imgs" / str(part) / f"sample_{number}.png")
            lines.append(f"imgs/{part} sample_{number}.png 0 {number % 2} 1.0 1 2 3\n")
        (folder / "metadata" / f"{part}.npy").write_text("".join(lines))
    return tmp_path


def test_published_images(images):
    parts = [Pathfinder(images, split) for split in ("train", "valid", "test")]
    assert [tuple(part.frames.shape) for part in parts] == [(16, 16, 1), (2, 16, 1), (2, 16, 1)]
    values = torch.cat([(255 * part.frames[:, 3, 0]).round() for part in parts]).int().tolist()
    labels = torch.cat([part.labels for part in parts]).tolist()
    assert sorted(values) == list(range(20))
    assert values != list(range(20))
    assert labels == [value % 2 for value in values]
    assert torch.equal(load(images / "curv_contour_length_14", "test").frames, parts[2].frames)


def test_damaged_images_are_named(images):
    folder = images / "curv_contour_length_14"
    for number in range(10):
        (folder / "imgs" / "0" / f"sample_{number}.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"sample_\d\.png: image: cannot be read"):
        Pathfinder(images, "train")
    (folder / "imgs" / "1" / "sample_3.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"sample_3\.png: is in the metadata"):
        Pathfinder(images, "train")
    (folder / "metadata" / "0.npy").write_text("../.. secret.png 0 1\n")
    with pytest.raises(DataError, match=r"0\.npy: line 1"):
        Pathfinder(images, "train")
