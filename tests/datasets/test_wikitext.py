"""WikiText-103 from files in its published layout: words, numbers and pieces."""

import pytest

from silif_plugins.datasets import DataError, WikiText103, batches, load
from silif_plugins.datasets.wikitext import END

TEXTS = {"train": " \n = Title = \n the cat and the dog \n", "valid": "the bird\n", "test": "a dog the"}


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "wikitext-103").mkdir()
    for split, text in TEXTS.items():
        (tmp_path / "wikitext-103" / f"wiki.{split}.tokens").write_text(text)
    return tmp_path


def words_of(dataset):
    """The text that the pieces make, one after the other."""
    found = []
    for row in range(len(dataset)):
        numbers = dataset.as_numbers()[row][0].flatten().int().tolist()
        found += numbers[bool(found) :]  # a piece begins with the last word of the one before
    return [dataset.classes[number - 1] for number in found]


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("split", TEXTS)
def test_the_pieces_are_the_text(texts, steps, split):
    dataset = WikiText103(texts, split, steps=steps)
    known = {*TEXTS["train"].split(), END}
    expected = [word for line in TEXTS[split].splitlines() for word in (*line.split(), END)]
    assert words_of(dataset) == [word if word in known else "<unk>" for word in expected]
    assert len(dataset) == -(-(len(expected) - 1) // steps)


def test_words_are_numbered_by_frequency(texts):
    train = load(texts, "train")
    assert train.classes[:3] == ("<eos>", "=", "the")
    assert set(train.classes) == {*TEXTS["train"].split(), "<eos>", "<unk>"}
    assert train.num_channels == train.num_classes == 8
    first = next(iter(batches(train.as_numbers(), 3))).frames.flatten().tolist()
    assert [train.classes[number - 1] for number in first[:4]] == ["<eos>", "=", "Title", "="]


def test_rare_words_of_raw_files_are_unknown(tmp_path):
    for split, text in {"train": "a b a b a b c c\n", "valid": "a c d\n", "test": "b b\n"}.items():
        (tmp_path / f"wiki.{split}.raw").write_text(text)
    assert WikiText103(tmp_path, "train").classes == ("a", "b", "<unk>", "<eos>")
    assert words_of(WikiText103(tmp_path, "valid")) == ["a", "<unk>", "<unk>", "<eos>"]
    (tmp_path / "wiki.test.raw").rename(tmp_path / "wiki.test.tokens")
    with pytest.raises(FileNotFoundError, match=r"has wiki\.train\.raw, but of test only wiki\.test\.tokens"):
        WikiText103(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "text: holds less than two words"),
        (b"a b\nc\0d\n", "line 2: holds a byte 0"),
        (b"a b\nc\xff\n", "line [12]: cannot be read as text"),
    ],
)
def test_damaged_texts_are_named(texts, content, problem):
    for split in ("train", "valid"):
        (texts / "wikitext-103" / f"wiki.{split}.tokens").write_bytes(content)
        with pytest.raises(DataError, match=rf"wiki\.{split}\.tokens: {problem}"):
            WikiText103(texts, split)
        (texts / "wikitext-103" / f"wiki.{split}.tokens").write_text(TEXTS[split])


def test_missing_texts(texts):
    (texts / "wikitext-103" / "wiki.valid.tokens").unlink()
    with pytest.raises(FileNotFoundError, match=r"has neither wiki\.valid\.tokens nor wiki\.valid\.raw"):
        WikiText103(texts, "valid")
    with pytest.raises(ValueError, match="split: got 'eval'"):
        WikiText103(texts, "eval")
    with pytest.raises(ValueError, match="steps: got 0"):
        WikiText103(texts, "test", steps=0)
