"""Handwritten digits, read pixel by pixel as spikes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..optional import require
from .frames import FrameDataset
from .register import register_source
from .source import DataSource

_LINES = 8
_STEPS_PER_PIXEL = 2
_SEED = 20250604
_SPLITS = {"train": slice(0, 1000), "valid": slice(1000, 1397), "test": slice(1397, 1797)}


class SequentialDigits(FrameDataset):
    """The handwritten digits that scikit-learn brings along, read pixel by pixel: real data, small, without download.

    1797 images of 8x8 pixels with grey values 0 to 16 (the test part of the UCI set "Optical Recognition of
    Handwritten Digits", CC BY 4.0) are read row by row. Each of the 64 pixels lasts two time steps and drives
    eight lines: line ``i`` spikes in the first step if the pixel is above ``2 i``, in the second if it is above
    ``2 i + 1``. So a pixel of grey value ``g`` makes exactly ``g`` spikes and nothing of the image is lost; the
    class can only be told by remembering pixels over many steps.

    The split is fixed: 1000 train, 397 valid, 400 test. Images of one writer can be in several of them, as the
    set does not say who wrote what.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        ValueError: If the split is unknown.
        ModuleNotFoundError: If scikit-learn is not installed.

    Examples:
        >>> dataset = SequentialDigits("test")
        >>> dataset
        SequentialDigits(400 samples, 128 steps, 8 channels, 10 classes)
        >>> frames, label = dataset[0]
        >>> frames.shape
        torch.Size([128, 8])
    """

    def __init__(self, split: str) -> None:
        if split not in _SPLITS:
            raise ValueError(f"split: got {split!r}, but SequentialDigits has {', '.join(_SPLITS)}")
        require("sklearn", extra="data", purpose="SequentialDigits")
        from sklearn.datasets import load_digits

        digits = load_digits()
        # The raw output of a bit generator is the one stream that NumPy promises never to change.
        order = np.argsort(np.random.PCG64(_SEED).random_raw(len(digits.target)), kind="stable")[_SPLITS[split]]
        images = digits.images[order].astype(np.int64)
        super().__init__(spikes_of_images(images), digits.target[order], classes=[str(digit) for digit in range(10)])


def spikes_of_images(images: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """Turn grey images into spikes, two steps a pixel, eight lines.

    Args:
        images: Grey values 0 to 16, [images, rows, columns].

    Returns:
        Zeros and ones, [images, rows * columns * 2, 8]. A pixel's spikes sum to its grey value.
    """
    pixels = images.reshape(len(images), -1, 1, 1)
    thresholds = np.arange(_LINES) * _STEPS_PER_PIXEL + np.arange(_STEPS_PER_PIXEL)[:, None]
    spikes = (pixels > thresholds).astype(np.uint8)
    return spikes.reshape(len(images), -1, _LINES)


register_source(
    DataSource(
        "sequential-digits",
        "Handwritten digits read pixel by pixel",
        load=SequentialDigits,
        licence="CC BY 4.0",
        origin="Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository; its test part as scikit-learn brings it",
        fixed={"steps": 64 * _STEPS_PER_PIXEL, "pool": 1},
    )
)
