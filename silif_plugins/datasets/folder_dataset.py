"""A folder of .npy and .npz files: frames or events, one file a sample or one a split."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .array_files import ENDS, read_arrays
from .by_name import split_by_name
from .errors import DataError
from .events import Recordings
from .frames import FrameDataset
from .gathering import Samples, class_names, number, padded, whole_number
from .own_data import MadeSource, own_source
from .register import SOURCES, register_source
from .source import SPLITS, Root


class FolderDataset(FrameDataset):
    """A split of a folder of .npy and .npz files; nothing is unpickled.

    The folder holds one of

    - a folder for each split and in it one for each class: ``train/yes/3.npy``, ``test/no/7.npz``; ``valid`` may lack,
    - a folder for each class: ``yes/3.npy``; a hash of class and name then says which split a file is in, the same
      wherever the folder is and whatever files are added,
    - a file for each split: ``train.npz``, ``test.npz`` and perhaps ``valid.npz``.

    A sample's file holds its frames, [steps, channels] of booleans, integers or floats: an .npy as its only array, an
    .npz as ``frames``. Or an .npz holds its events: ``times`` in seconds and ``units``, the channels, both [events],
    and perhaps ``num_channels``, else the highest channel of the folder tells how many there are. ``speaker`` may be
    there too, a number.

    A split's .npz holds ``labels``, [samples], as integers or names, and ``frames`` [samples, steps, channels], perhaps
    with ``lengths`` [samples] of those that are shorter; or the ``times`` and ``units`` of all events one recording
    after the other, ``starts`` [samples + 1], where each begins, and ``num_channels``. It may hold ``classes``, names
    in the order of the labels, and ``speakers``, [samples].

    Args:
        root: The folder.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        **options: Of events: ``steps``, ``max_time`` and so on, as `FrameDataset.from_recordings` has them.

    Raises:
        FileNotFoundError: If the folder holds none of that.
        DataError: If a file is damaged, or a shape, type or label is not what it must be. It is a ValueError that names
            file and field.
        ValueError: If there is no such split, or an option is not one of these data.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for split in ("train", "test"):
        ...         for word in ("no", "yes"):
        ...             os.makedirs(f"{folder}/{split}/{word}")
        ...             np.save(f"{folder}/{split}/{word}/0.npy", np.ones((20, 3), bool))
        ...     FolderDataset(folder, "test")
        FolderDataset(2 samples, 20 steps, 3 channels, 2 classes)
    """

    def __init__(self, root: Root, split: str, **options: Any) -> None:
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}, but it must be {', '.join(SPLITS)}")
        source = own_source(read_folder(root=Path(root).expanduser()), "arrays")
        if split not in (there := source.splits(None)):
            raise ValueError(f"split: got {split!r}, but folder {os.fspath(root)} has {', '.join(there)}")
        made = source.frames(split, **options)
        super().__init__(made.frames, made.labels, classes=made.classes, lengths=made.lengths, speakers=made.speakers)


def read_folder(*, root: Path) -> dict[str, FrameDataset | Recordings]:
    """Read all splits of a folder.

    Raises:
        FileNotFoundError: If it holds none.
        DataError: If a file is damaged, or not what it must be.
    """
    whole = {split: file for split in SPLITS if (file := root / f"{split}.npz").is_file()}
    files = [] if whole else _sample_files(root)
    splits = list(whole) or [split for split in SPLITS if any(each.split == split for each in files)]
    if "train" not in splits or "test" not in splits:
        there = f"only {', '.join(splits)}" if splits else "none of them"
        raise FileNotFoundError(
            f"folder {root} must hold train.npz and test.npz, or files such as train/CLASS/NAME.npy and "
            f"test/CLASS/NAME.npy, or CLASS/NAME.npy; it has {there}"
        )
    return _of_split_files(whole) if whole else _of_sample_files(files, splits)


@dataclass(frozen=True)
class _File:
    path: Path
    split: str
    label: str


def _sample_files(root: Path) -> list[_File]:
    """Find the samples, those of a split in the order of their names."""
    found = []
    for path in sorted(root.glob("*/*")) + sorted(root.glob("*/*/*")):
        parts = path.relative_to(root).parts
        if path.suffix.lower() not in ENDS or any(part.startswith(".") for part in parts) or not path.is_file():
            continue
        found.append(parts)
    by_split = any(parts[0] in SPLITS and len(parts) == 3 for parts in found)
    files = []
    for parts in found:
        if not by_split and len(parts) == 2:
            files.append(_File(root.joinpath(*parts), split_by_name("/".join(parts)), parts[0]))
        elif by_split and len(parts) == 3:
            if parts[0] not in SPLITS:
                problem = f"got {parts[0]}, but beside {', '.join(SPLITS)} there must be no other folder of samples"
                raise DataError("split", problem, root)
            files.append(_File(root.joinpath(*parts), parts[0], parts[1]))
    return files


def _of_sample_files(files: list[_File], splits: list[str]) -> dict[str, FrameDataset | Recordings]:
    classes = tuple(sorted({each.label for each in files}))
    read = {each: _sample(each.path) for each in files}
    events = {each: "times" in arrays for each, arrays in read.items()}
    if len(set(events.values())) > 1:
        one, other = (next(each.path for each in files if events[each] == kind) for kind in (True, False))
        raise DataError("frames", f"holds frames, but {one} events; all files must be of one kind", other)
    channels = _channels(read) if all(events.values()) else next(iter(read.values()))["frames"].shape[1]
    parts: dict[str, FrameDataset | Recordings] = {}
    for split in splits:
        mine = {each: read[each] for each in files if each.split == split}
        labels = np.array([classes.index(each.label) for each in mine], np.int64)
        speakers = [int(arrays.get("speaker", np.zeros((), int))) for arrays in mine.values()]
        if all(events.values()):
            times, units = ([arrays[name] for arrays in mine.values()] for name in ("times", "units"))
            parts[split] = Recordings(times, units, labels, classes=classes, num_channels=channels, speakers=speakers)
            continue
        for each, arrays in mine.items():
            if arrays["frames"].shape[1] != channels:
                first = next(iter(read))
                got = f"got {arrays['frames'].shape[1]} channels"
                raise DataError("frames", f"{got}, but there must be {channels}, as in {first.path}", each.path)
        parts[split] = padded([arrays["frames"] for arrays in mine.values()], labels, classes, speakers=speakers)
    return parts


def _sample(path: Path) -> dict[str, NDArray[Any]]:
    """Read one sample and check it, so that what is wrong is told with its file."""
    arrays = read_arrays(path)
    if "" in arrays:
        arrays = {"frames": arrays[""]}
    if "frames" in arrays:
        frames = arrays["frames"]
        if frames.ndim != 2 or 0 in frames.shape or frames.dtype.kind not in "biuf":
            allowed = "numbers of shape [steps, channels], at least one of each"
            raise DataError("frames", f"got {frames.dtype} of shape {frames.shape}, but it must be {allowed}", path)
        if not np.isfinite(frames).all():
            step = int(np.flatnonzero(~np.isfinite(frames).all(axis=1))[0])
            raise DataError("frames", f"step {step} has a value that is not finite", path)
    elif {"times", "units"} <= arrays.keys():
        highest = int(arrays["units"].max(initial=0)) if arrays["units"].dtype.kind in "iu" else 0
        channels = int(whole_number(arrays, "num_channels", path) or highest + 1)
        try:
            Recordings([arrays["times"]], [arrays["units"]], [0], classes=["?"], num_channels=channels)
        except DataError as error:
            raise DataError(error.field, error.problem.removeprefix("recording 0 "), path) from error
    else:
        has = ", ".join(arrays) or "nothing"
        raise DataError("npz", f"has {has}, but it must have frames, or times and units", path)
    whole_number(arrays, "speaker", path)
    return arrays


def _channels(read: dict[_File, dict[str, NDArray[Any]]]) -> int:
    """Return how many channels the files of events say that there are, or else the highest tells."""
    said = {int(arrays["num_channels"]): each.path for each, arrays in read.items() if "num_channels" in arrays}
    if len(said) > 1:
        (one, path), (other, _) = list(said.items())[:2]
        raise DataError("num_channels", f"got {one}, but another file has {other}", path)
    highest = {each: int(arrays["units"].max(initial=0)) for each, arrays in read.items()}
    top = max(highest, key=highest.__getitem__)
    channels = next(iter(said), highest[top] + 1)
    if highest[top] >= channels:
        got = f"got channel {highest[top]}"
        raise DataError("units", f"{got}, but there are {channels}, as another file's num_channels says", top.path)
    return channels


def _of_split_files(files: dict[str, Path]) -> dict[str, FrameDataset | Recordings]:
    read = {split: read_arrays(path) for split, path in files.items()}
    said: dict[str, tuple[str, ...]] = {}
    labels: dict[str, list[int] | list[str]] = {}
    for split, arrays in read.items():
        try:
            if "labels" not in arrays:
                raise DataError("labels", f"missing; the file has {', '.join(arrays) or 'nothing'}")
            labels[split] = number(arrays["labels"], "labels")
            if "classes" in arrays:
                said[split] = tuple(map(str, number(arrays["classes"], "classes")))
        except DataError as error:
            raise DataError(error.field, error.problem, files[split]) from error
    classes = class_names(labels, said)
    parts: dict[str, FrameDataset | Recordings] = {}
    for split, arrays in read.items():
        try:
            parts[split] = _split(arrays, labels[split], classes, files[split])
        except DataError as error:
            raise DataError(error.field, error.problem, files[split]) from error
    return parts


def _split(
    arrays: dict[str, NDArray[Any]], labels: list[int] | list[str], classes: tuple[str, ...], path: Path
) -> FrameDataset | Recordings:
    indices = Samples([], labels).indices(classes)
    if "frames" in arrays:
        return FrameDataset(
            arrays["frames"],
            indices,
            classes=classes,
            lengths=arrays.get("lengths"),
            speakers=arrays.get("speakers"),
        )
    if missing := [name for name in ("times", "units", "starts", "num_channels") if name not in arrays]:
        has = ", ".join(arrays)
        raise DataError(
            missing[0], f"missing; it must have frames, or times, units, starts and num_channels, not only {has}"
        )
    for name in ("times", "units"):
        if arrays[name].ndim != 1:
            raise DataError(name, f"got shape {arrays[name].shape}, but it must be [events]")
    starts, events = arrays["starts"], len(arrays["times"])
    whole = starts.dtype.kind in "iu" and starts.shape == (len(labels) + 1,)
    if not (whole and starts[0] == 0 and starts[-1] == events and (np.diff(starts.astype(np.int64)) >= 0).all()):
        allowed = f"{len(labels) + 1} integers that ascend from 0 to {events}, the number of events"
        raise DataError("starts", f"got {starts.dtype} of shape {starts.shape}, but it must be {allowed}")
    channels = whole_number(arrays, "num_channels", path)
    assert channels is not None
    times, units = (np.split(arrays[name], starts[1:-1].astype(np.int64)) for name in ("times", "units"))
    return Recordings(
        times, units, indices, classes=classes, num_channels=channels, speakers=arrays.get("speakers"), path=path
    )


class _Arrays(MadeSource):
    """Tells folders of arrays from others: arrays that lie beside recordings were made of these, and are not meant."""

    def is_in(self, root: Root) -> bool:
        """Whether the folder holds arrays, and no recordings."""
        folder = Path(root).expanduser()
        there = any((folder / f"{split}.npz").is_file() for split in SPLITS) or bool(_sample_files(folder))
        return there and not SOURCES["audio"].is_in(root)


register_source(
    _Arrays(
        "arrays",
        "Frames or events of your own, in .npy and .npz files",
        load=read_folder,
        files=("**/*.np[yz]",),
        where="write train/CLASS/NAME.npy and test/CLASS/NAME.npy, frames [steps, channels], into one folder",
        own=True,
    )
)
