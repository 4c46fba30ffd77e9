"""Data of the shapes that the notebooks download, and modules that they import for plots: nothing is fetched.

The images are scikit-learn's handwritten digits at 28 x 28; the events lie around a place that tells the class; the
light curves of the exoplanets are noise and a sine. They are the same in every run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas
import tonic
import torch
from matplotlib import pyplot
from matplotlib.animation import Animation
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

try:
    import torchvision
except RuntimeError:  # built for another torch: its operators are missing, which no notebook calls
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    import torchvision

MODULES = (
    *("imblearn", "imblearn.over_sampling", "seaborn", "torchdata", "ipywidgets"),
    *("plotly", "plotly.express", "plotly.graph_objects", "plotly.subplots"),
)
Transform = Callable[[Any], Any]


def install() -> None:
    """Put the stand-ins where the notebooks import the originals, and two files in the working directory."""
    pyplot.switch_backend("Agg")
    Animation.to_html5_video = Animation.to_jshtml = lambda *_, **__: ""
    torchvision.datasets.MNIST = torchvision.datasets.FashionMNIST = Digits
    tonic.datasets.NMNIST = events("NMNIST", side=34, number=400, duration=20_000, classes=10, train=192, test=64)
    tonic.datasets.DVSGesture = events("DVSGesture", 128, 22_000, 1_000_000, classes=11, train=96, test=64)
    tonic.datasets.POKERDVS = events("POKERDVS", 35, 1500, 20_000, classes=4, train=48, test=40)
    sys.modules |= {name: MagicMock() for name in MODULES}
    sys.modules["imblearn.over_sampling"].SMOTE.return_value.fit_resample = lambda x, y: (x, y)
    sys.modules["seaborn"].color_palette.return_value = None
    tonic.prototype = sys.modules["tonic.prototype"] = MagicMock()
    tonic.prototype.datasets.STMNIST = STMNIST
    for name, seed, samples in (("exoTrain.csv", 0, 256), ("exoTest.csv", 1, 256)):
        light_curves(seed, samples).to_csv(name, index=False)
    if not hasattr(pandas.DataFrame, "_append"):  # pandas 2 had it
        pandas.DataFrame._append = lambda frame, row, **_: pandas.concat([frame, pandas.DataFrame([row])])


class Digits(torch.utils.data.Dataset[tuple[Any, int]]):
    """In the place of MNIST and Fashion-MNIST."""

    def __init__(self, root: object = None, train: bool = True, transform: Transform | None = None, **_: object):
        images, labels = load_digits(return_X_y=True)
        part = slice(0, 512) if train else slice(1024, 1408)
        self.labels = labels[part]
        self.images = [
            Image.fromarray(image).resize((28, 28), Image.Resampling.BILINEAR)
            for image in (images[part] / 16 * 255).astype(np.uint8).reshape(-1, 8, 8)
        ]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = self.images[index]
        return self.transform(image) if self.transform else image, int(self.labels[index])


def recording(seed: int, label: int, side: int, number: int, duration: int) -> NDArray[np.void]:
    """Return events around one of twelve places."""
    random = np.random.default_rng(seed)
    found = np.zeros(number, dtype=[("x", "<i8"), ("y", "<i8"), ("t", "<i8"), ("p", "<i8")])
    for axis, place in (("x", label % 4), ("y", label // 4)):
        found[axis] = random.normal(side * (0.2 + 0.15 * place), side / 10, number).clip(0, side - 1)
    found["t"] = np.sort(random.integers(0, duration, number))
    found["p"] = random.integers(0, 2, number)
    return found


def events(name: str, side: int, number: int, duration: int, classes: int, train: int, test: int) -> type:
    """Return a class in the place of one of tonic's data sets."""

    class Events(torch.utils.data.Dataset[tuple[Any, int]]):
        sensor_size = (side, side, 2)

        def __init__(self, save_to: object = None, train: bool = True, transform: Transform | None = None) -> None:
            self.train, self.transform = train, transform

        def __len__(self) -> int:
            return TRAIN if self.train else TEST

        def __getitem__(self, index: int) -> tuple[Any, int]:
            if index >= len(self):
                raise IndexError(index)
            found = recording(index if self.train else TRAIN + index, index % classes, side, number, duration)
            return self.transform(found) if self.transform else found, index % classes

    TRAIN, TEST = train, test
    Events.__name__ = name
    return Events


class STMNIST:
    """In the place of tonic's tactile digits, which are read one after the other."""

    sensor_size = {"x": 10, "y": 10, "p": 2}  # noqa: RUF012

    def __init__(self, **_: object) -> None:
        self.numbers = count()

    def __len__(self) -> int:
        return 6953

    def __iter__(self) -> STMNIST:
        return self

    def __next__(self) -> tuple[NDArray[np.void], int]:
        number = next(self.numbers)
        return recording(number, number % 10, side=10, number=800, duration=200_000), number % 10


def light_curves(seed: int, samples: int) -> pandas.DataFrame:
    """Return a table of labels, 1 or 2, and 3197 values of flux."""
    random = np.random.default_rng(seed)
    labels = random.integers(1, 3, samples)
    flux = 100 * (random.normal(size=(samples, 3197)) + (2 * labels[:, None] - 3) * np.sin(np.arange(3197) / 20))
    table = pandas.DataFrame(flux)
    table.insert(0, "LABEL", labels)
    return table
