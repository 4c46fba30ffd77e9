"""Sequential and permuted MNIST from idx files."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, load, mnist
from silif_plugins.datasets.mnist import SequentialMNIST


def idx(array):
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 4)
    random = np.random.default_rng(0)
    for part, number in (("train", 12), ("t10k", 5)):
        images = random.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        labels = (np.arange(number) % 10).astype(np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


def test_pixel_by_pixel(root):
    train, valid, test = (SequentialMNIST(root, split) for split in ("train", "valid", "test"))
    assert [part.frames.shape for part in (train, valid, test)] == [(8, 784, 1), (4, 784, 1), (5, 784, 1)]
    assert valid.labels.tolist() == [8, 9, 0, 1]
    content = (root / "t10k-images-idx3-ubyte").read_bytes()
    assert test.frames[0, 28].item() == pytest.approx(content[16 + 28] / 255)
    assert test.lengths is None


def test_permuted_is_one_fixed_order(root):
    plain, permuted = SequentialMNIST(root, "test"), SequentialMNIST(root, "test", permute=True)
    other = SequentialMNIST(root, "train", permute=True)
    assert not torch.equal(plain.frames, permuted.frames)
    assert torch.equal(plain.frames.sort(1).values, permuted.frames.sort(1).values)
    place = [int((plain.frames[:, :, 0] == permuted.frames[:, step]).all(0).nonzero()[0]) for step in range(20)]
    assert torch.equal(SequentialMNIST(root, "train").frames[:, place], other.frames[:, :20])
    assert torch.equal(load(root, "test", permute=True).frames, permuted.frames)
    assert torch.equal(load(root, "test", steps=784).frames, plain.frames)


def test_damaged_files_are_named(root):
    images, labels = root / "t10k-images-idx3-ubyte", root / "t10k-labels-idx1-ubyte.gz"
    whole = images.read_bytes()

    def raises(path, content, match):
        path.write_bytes(content)
        with pytest.raises(DataError, match=match) as raised:
            SequentialMNIST(root, "test")
        assert path.name in str(raised.value)

    raises(images, whole[:-1], "holds 3919 bytes, but the header says 3920")
    raises(images, whole + b"x", "holds more bytes, but the header says 3920")
    raises(images, whole[:4] + bytes(12), "header: says 0 bytes")
    raises(images, whole[:4] + b"\xff" * 12 + whole[16:], "header: says 79228162458924105385300197375 bytes, but 1 to")
    turned = idx(np.zeros((5, 14, 56), np.uint8))
    images.write_bytes(turned)
    with pytest.raises(DataError, match="images: are of 14 x 56 pixels, but MNIST's are of 28 x 28"):
        SequentialMNIST(root, "test")
    raises(images, whole[:10], "does not begin with 2051")
    raises(images, b"\0" + whole[:10] * 2, "does not begin with 2051")
    images.write_bytes(whole)
    packed = labels.read_bytes()
    raises(labels, packed[:-5], "cannot be read or unpacked")
    raises(labels, b"no gzip", "cannot be read or unpacked")
    raises(labels, gzip.compress(whole), "does not begin with 2049")
    labels.write_bytes(gzip.compress(idx(np.full(5, 11, np.uint8))))
    with pytest.raises(DataError, match="labels: sample 0 has 11"):
        SequentialMNIST(root, "test")
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=r"has neither t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz"):
        SequentialMNIST(root, "test")


def test_no_more_is_unpacked_than_the_header_says(root):
    """A gzip file is up to a thousand times as large unpacked."""
    images = root / "t10k-images-idx3-ubyte"
    whole = images.read_bytes()
    images.unlink()
    packed = gzip.compress(whole) + gzip.compress(bytes(1 << 24)) * 4
    images.with_name(f"{images.name}.gz").write_bytes(packed)
    tracemalloc.start()
    with pytest.raises(DataError, match="holds more bytes, but the header says 3920"):
        SequentialMNIST(root, "test")
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_damaged_files_are_read_or_told(fuzz):
    images = np.random.default_rng(0).integers(0, 9, (6, 28, 28), dtype=np.uint8)
    for name in ("t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"):
        content = gzip.compress(idx(images)) if name.endswith(".gz") else idx(images)
        assert fuzz(name, content, lambda path: mnist.read_idx(path, 2051), DataError, seeds=range(400)) > 0.4


def test_wrong_arguments(root, monkeypatch):
    with pytest.raises(ValueError, match="split: got 'dev'"):
        SequentialMNIST(root, "dev")
    with pytest.raises(ValueError, match="pool: got 5, but for mnist it must be None or 1"):
        load(root, "test", pool=5)
    with pytest.raises(ValueError, match="permute: got True, but for spoken-digits it must be False"):
        load("spoken-digits", "test", permute=True)
    monkeypatch.setattr(mnist, "VALIDATION", 12)
    with pytest.raises(DataError, match="has 12 images, but 12 of them are for validation"):
        SequentialMNIST(root, "train")
