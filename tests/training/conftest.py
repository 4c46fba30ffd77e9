"""A data set that trains in a second: digits of SHD's layout are tested elsewhere."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import FrameDataset
from silif_plugins.training import Splits, TrainConfig


def rates(samples: int, seed: int) -> FrameDataset:
    """Poisson spikes whose modulation frequency is the class; the mean rate is the same for all."""
    generator = np.random.default_rng(seed)
    labels = np.arange(samples) % 4
    time = np.arange(40)[None, :, None]
    phase = generator.uniform(0, 2 * np.pi, (samples, 1, 1))
    period = np.array([4.0, 7.0, 12.0, 20.0])[labels][:, None, None]
    rate = 0.4 * (1 + np.sin(2 * np.pi * time / period + phase))
    frames = generator.poisson(np.broadcast_to(rate, (samples, 40, 8))).astype(np.uint8)
    return FrameDataset(frames, labels, classes=("4", "7", "12", "20"))


@pytest.fixture(scope="session")
def splits() -> Splits:
    return Splits(rates(200, 1), rates(80, 2), rates(80, 3))


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(hidden_sizes=(24,), epochs=4, batch_size=20, learning_rate=0.02, recalibrate=100, seed=3)


@pytest.fixture
def weights():
    """Read the model's tensors of a checkpoint."""
    from silif_plugins.training import checkpoint

    def read(path) -> dict[str, torch.Tensor]:
        tensors, _ = checkpoint.load(path)
        return tensors

    return read
