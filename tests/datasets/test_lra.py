"""The Long Range Arena's tasks from files in their published layout."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, LRAListOps, LRARetrieval, LRAText, Pathfinder, load
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


REVIEWS = {"neg": ["bad", "It was\nso\tboring <br />"], "pos": ["good", "Très bien!", "ok"]}


@pytest.fixture
def reviews(tmp_path):
    for split in ("train", "test"):
        for name, texts in REVIEWS.items():
            (tmp_path / "aclImdb" / split / name).mkdir(parents=True)
            for number, text in enumerate(texts):
                path = tmp_path / "aclImdb" / split / name / f"{number}_{number + 3}.txt"
                path.write_bytes(f"{split} {text}".encode())
    (tmp_path / "aclImdb" / "train" / "unsup").mkdir()
    (tmp_path / "aclImdb" / "train" / "unsup" / "0_0.txt").write_text("no label")
    return tmp_path


def test_reviews_are_read_byte_by_byte(reviews):
    test = load(reviews, "test")
    assert (len(test), test.num_channels, test.classes) == (5, 255, ("neg", "pos"))
    expected = [f"test {text}".encode() for texts in REVIEWS.values() for text in texts]
    numbers = test.as_numbers()
    assert [bytes(numbers[row][0].flatten().int().tolist()) for row in range(5)] == expected
    assert test.labels.tolist() == [0, 0, 1, 1, 1]
    assert LRAText(reviews, "train", steps=9).lengths.tolist() == [9, 9, 9, 9, 8]


@pytest.mark.parametrize(("content", "problem"), [(b"", "is empty"), (b"a\0b", "holds a byte 0")])
def test_damaged_reviews_are_named(reviews, content, problem):
    (reviews / "aclImdb" / "test" / "pos" / "2_5.txt").write_bytes(content)
    with pytest.raises(DataError, match=rf"2_5\.txt: text: {problem}"):
        LRAText(reviews, "test")


def test_missing_reviews(reviews):
    for file in (reviews / "aclImdb" / "train" / "neg").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no train/neg/\*\.txt"):
        LRAText(reviews, "train")
    with pytest.raises(ValueError, match="split: got 'valid'"):
        LRAText(reviews, "valid")
    with pytest.raises(ValueError, match="steps: got 0"):
        LRAText(reviews, "test", steps=0)


PAIRS = '1\tP1\tP2\tOne "text\tand another\n0.0\tP3\tP1\tshort\t\n'


@pytest.fixture
def papers(tmp_path):
    (tmp_path / "tsv_data").mkdir()
    for split in ("train", "eval", "test"):
        (tmp_path / "tsv_data" / f"new_aan_pairs.{split}.tsv").write_text(f"{PAIRS}1.0\ta\tb\t{split}\tx\r\n")
    return tmp_path


def test_pairs_of_papers_lie_side_by_side(papers):
    valid = load(papers, "valid")
    assert (len(valid), valid.num_channels, valid.labels.tolist()) == (3, 510, [1, 0, 1])
    numbers = valid.as_numbers()
    texts = [[bytes(column.int().tolist()).rstrip(b"\0") for column in numbers[row][0].unbind(1)] for row in range(3)]
    assert texts == [[b'One "text', b"and another"], [b"short", b""], [b"eval", b"x"]]
    assert valid.lengths.tolist() == [11, 5, 4]
    assert LRARetrieval(papers, "test", steps=5).lengths.tolist() == [5, 5, 4]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1\tP1\tP2\tone", "line 4: has 4 columns, but 5"),
        ("1\ta\tb\tone\ttwo\tthree", "line 4: has 6 columns"),
        ("yes\ta\tb\tone\ttwo", "line 4, label: got 'yes'"),
        ("2\ta\tb\tone\ttwo", "line 4, label: got '2'"),
        ("1\ta\tb\tone\tt\0o", "line 4, second text: holds a byte 0"),
        ("1\ta\tb\t\t", "pair 4 has two empty texts"),
    ],
)
def test_damaged_pairs_are_named(papers, line, problem):
    with open(papers / "tsv_data" / "new_aan_pairs.test.tsv", "a", newline="") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=problem) as raised:
        LRARetrieval(papers, "test")
    assert "new_aan_pairs.test.tsv" in str(raised.value)


def test_missing_pairs(papers):
    (papers / "tsv_data" / "new_aan_pairs.eval.tsv").write_text("\n")
    with pytest.raises(DataError, match="holds no pair"):
        LRARetrieval(papers, "valid")
    (papers / "tsv_data" / "new_aan_pairs.eval.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no new_aan_pairs\.eval\.tsv"):
        LRARetrieval(papers, "valid")
    with pytest.raises(ValueError, match="split: got 'eval'"):
        LRARetrieval(papers, "eval")
