"""Sequential CIFAR-10 from files in its binary format."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import DataError, SequentialCIFAR10, load, sequential_cifar10


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(sequential_cifar10, "VALIDATION", 4)
    random = np.random.default_rng(0)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        content = random.integers(0, 256, (3, 3073), dtype=np.uint8)
        content[:, 0] = [int(name[-1]) if name[-1].isdigit() else 9, 0, 3]
        content.tofile(tmp_path / "cifar-10-batches-bin" / f"{name}.bin")
    return tmp_path


def test_pixel_by_pixel(root):
    train, valid, test = (SequentialCIFAR10(root, split) for split in ("train", "valid", "test"))
    assert [part.frames.shape for part in (train, valid, test)] == [(11, 1024, 3), (4, 1024, 3), (3, 1024, 3)]
    assert valid.labels.tolist() == [3, 5, 0, 3]
    assert (test.classes[9], test.labels.tolist()) == ("truck", [9, 0, 3])
    content = np.fromfile(root / "cifar-10-batches-bin" / "test_batch.bin", np.uint8).reshape(3, 3073)
    colours = content[1, [1 + 40, 1 + 1024 + 40, 1 + 2048 + 40]] / 255
    torch.testing.assert_close(test.frames[1, 40], torch.tensor(colours, dtype=torch.float32))
    grey = load(root, "test", grey=True)
    torch.testing.assert_close(grey.frames[1, 40], torch.tensor([colours @ [0.299, 0.587, 0.114]], dtype=torch.float32))


def test_damaged_files_are_named(root):
    file = root / "cifar-10-batches-bin" / "test_batch.bin"
    whole = file.read_bytes()
    strange = b"\xff" + whole[1:]
    for content, says in ((whole[:-1], "is of 9218 bytes"), (b"", "is of 0 bytes"), (strange, "has class 255")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"test_batch\.bin: .*{says}"):
            SequentialCIFAR10(root, "test")
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"has no test_batch\.bin"):
        SequentialCIFAR10(root, "test")
    with pytest.raises(ValueError, match="split: got 'all'"):
        SequentialCIFAR10(root, "all")
