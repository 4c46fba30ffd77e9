"""Users' own data in memory: tensors, data sets of PyTorch and tonic, in the place of a data set by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import DataError
from .events import Recordings
from .frames import FrameDataset
from .gathering import gather, settle
from .source import SPLITS, DataSource, Root
from .speakers import of_each_class

OWN = "own-data"
"""What data are called that nobody has given a name."""

TEST_SHARE = 0.2
"""Part of a data set in one piece that is kept for the test."""


def own_source(data: Any, name: str = OWN, *, classes: Sequence[str] | None = None) -> DataSource:
    """Make a data set of what one has in memory.

    Each split, or the whole, may be

    - frames and labels ``(x, y)``: tensors or arrays [samples, steps, channels] and [samples]; or a list of frames
      [steps, channels] each, of different lengths,
    - a data set of PyTorch, or any sequence, whose items are such frames and a label,
    - a data set of tonic, with events (then steps, max_time and pool are settings as for all events) or frames,
    - `Recordings` or a `FrameDataset`.

    Frames are booleans, integers or floats; labels are integers from 0, or names. Everything is read once, into memory.

    Args:
        data: A mapping of ``"train"``, ``"test"`` and perhaps ``"valid"``; or the whole in one piece, of which every
            fifth sample of each class is then the test set. Without ``"valid"``, training holds out a tenth.
        name: What it is called in results and checkpoints.
        classes: Names of the classes; by default those that the data say themselves, or else the labels.

    Raises:
        DataError: If there is no such split, a shape, type or label is not what it must be, a value is not finite, or
            there are no samples. It is a ValueError that names split, field and sample.

    Examples:
        >>> import torch
        >>> x, y = torch.rand(40, 30, 5), torch.arange(40) % 2
        >>> source = own_source({"train": (x, y), "test": (x[:10], y[:10])}, "noise", classes=["no", "yes"])
        >>> source.frames("train")
        FrameDataset(40 samples, 30 steps, 5 channels, 2 classes)
        >>> own_source((x, y)).frames("test")
        FrameDataset(8 samples, 30 steps, 5 channels, 2 classes)
    """
    if isinstance(data, DataSource):
        return data
    if isinstance(data, Mapping):
        for split in data:
            if split not in SPLITS:
                raise DataError("data", f"got the split {split!r}, but there are {', '.join(SPLITS)}")
        if "train" not in data or "test" not in data:
            raise DataError("data", f"got the splits {', '.join(data) or 'none'}, but train and test must be there")
        parts = settle({split: gather(data[split], split) for split in SPLITS if split in data}, classes)
    else:
        whole = settle({"data": gather(data, "data")}, classes)["data"]
        test = of_each_class(whole.labels if isinstance(whole, Recordings) else whole.labels.numpy(), TEST_SHARE)
        parts = {"train": whole.subset(~test), "test": whole.subset(test)}

    def splits(root: Root | None) -> tuple[str, ...]:
        return tuple(parts)

    first = parts["train"]
    if isinstance(first, Recordings):

        def recordings(split: str) -> Recordings:
            part = parts[split]
            assert isinstance(part, Recordings)
            return part

        return DataSource(name, name, recordings=recordings, splits=splits)

    def load(split: str) -> FrameDataset:
        part = parts[split]
        assert isinstance(part, FrameDataset)
        return part

    return DataSource(name, name, load=load, splits=splits, fixed={"steps": first.steps, "pool": 1})


@dataclass(frozen=True)
class MadeSource(DataSource):
    """A data set whose ``load`` makes all splits at once, and returns what `own_source` takes.

    Its options are those of ``load``, and of what that makes, such as the steps of events.
    """

    def settled(self, root: Root | None, options: Mapping[str, Any]) -> tuple[DataSource, Root | None, dict[str, Any]]:
        """Make it; return what was made, no folder, and the options that are left for that."""
        assert self.load is not None
        own = {name: value for name, value in options.items() if name in self.defaults}
        made = self.load(**self._place(root), **own)
        try:
            source = own_source(made, self.name)
        except DataError as error:
            raise DataError(f"{self.name}: {error.field}", error.problem, error.path) from error
        return source, None, {name: value for name, value in options.items() if name not in own}

    def frames(self, split: str, root: Root | None = None, **options: Any) -> FrameDataset:
        """Make it, and take a split of that.

        Raises:
            ValueError: If there is no such split.
        """
        source, _, left = self.settled(root, options)
        if split not in (there := source.splits(None)):
            raise ValueError(f"split: got {split!r}, but {self.name} has {', '.join(there)}")
        return source.frames(split, **left)
