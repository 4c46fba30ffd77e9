"""What makes a data set: where it comes from, and how it is read."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..hints import did_you_mean
from .events import Recordings
from .folders import find_files, packed
from .frames import FrameDataset
from .front_ends import FrontEnd, front_end, front_end_like

SPLITS = ("train", "valid", "test")

Root = str | os.PathLike[str]


def _all_splits(root: Root | None) -> tuple[str, ...]:
    return SPLITS


@dataclass(frozen=True)
class DataSource:
    """Where a data set comes from and how it is read.

    Attributes:
        name: What it is called everywhere.
        title: Its full name.
        load: Reads a split: ``load(split=..., root=..., **options)``, the root a Path and left out if there is no
            folder. Its other arguments are the options, their defaults the data set's. By default ``recordings`` are
            binned. Of sound it has an argument ``front_end``, whose default is one: the options then are a name,
            ``front_end="log-mel"``, and the settings of that front end.
        recordings: Reads the events of a split, ``recordings(split=..., root=...)``, to augment them; None for data
            that are no events. `FrameDataset.from_recordings` makes of them what ``load`` returns.
        files: What its folder must hold, as glob patterns; any of them tells that a folder is of this data set. None
            for data that come with a package.
        optional: What it may hold besides, such as a file for validation that users made.
        where: What to download, and where to put it.
        inside: Where tonic, torchvision or torchaudio put the files within the folder that they are given.
        fixed: Options of other data sets that here have one value, such as ``{"steps": 784}`` for images.
        splits: Says which splits a folder holds; all three by default. Without ``"valid"``, training holds out
            speakers.
        own: Whether it is a layout for users' own data: it is only tried for folders that hold nothing published.
        download: Downloads the files into a folder and returns them; None if the user must.
        hears: Makes the front end with which events of sound were made, of all options; None where ``load`` has an
            argument ``front_end``, and for data that are no sound.

    Raises:
        ValueError: If there is neither ``load`` nor ``recordings``, or both with other options than those of binning.

    Examples:
        >>> def noise(split: str) -> Recordings:
        ...     return Recordings([[0.1, 0.2]], [[0, 1]], [0], classes=["noise"], num_channels=2)
        >>> source = DataSource("noise", "Two spikes", recordings=noise)
        >>> source.frames("train", steps=50)
        FrameDataset(1 samples, 50 steps, 2 channels, 1 classes)
        >>> source.defaults["steps"], source.shipped
        (100, True)
    """

    name: str
    title: str
    load: Callable[..., FrameDataset] | None = None
    recordings: Callable[..., Recordings] | None = None
    files: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    where: str = ""
    inside: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    splits: Callable[[Root | None], tuple[str, ...]] = _all_splits
    own: bool = False
    download: Callable[[Path], list[Path]] | None = None
    hears: Callable[[Mapping[str, Any]], FrontEnd] | None = None

    def __post_init__(self) -> None:
        if self.load is None and self.recordings is None:
            raise ValueError(f"load, recordings: got neither for {self.name}; it must have one of them")
        binning = set(inspect.signature(FrameDataset.from_recordings).parameters) - {"recordings"}
        if self.recordings is not None and set(self.defaults) != binning:
            got, must = (", ".join(sorted(each)) for each in (self.defaults, binning))
            raise ValueError(f"load: got the options {got} for {self.name}; those of events must be {must}")

    @property
    def shipped(self) -> bool:
        """Whether it comes with the package, so that no folder is needed."""
        return not self.files

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The options that it has, with their defaults: the arguments of ``load`` besides split and root."""
        return self._defaults(None)

    def _defaults(self, front_end: str | None) -> dict[str, Any]:
        """The options and their defaults with a front end, which brings its settings."""
        options = {name: default for name, default in self._arguments.items() if name not in ("root", "split")}
        hears = options.pop("front_end", None)
        if hears is None:
            return options
        settings = front_end_like(hears, front_end or hears.name).settings()
        return {**options, "front_end": settings.pop("name"), **settings}

    @cached_property
    def _arguments(self) -> dict[str, Any]:
        return {each.name: each.default for each in inspect.signature(self.load or self._binned).parameters.values()}

    def frames(self, split: str, root: Root | None = None, **options: Any) -> FrameDataset:
        """Read a split.

        Args:
            split: ``"train"``, ``"valid"`` or ``"test"``.
            root: The folder; None for the data that come with the package.
            options: Those of ``defaults``; None is the default.

        Raises:
            ValueError: If an option is not one of this data set, or a value out of its range.
            FileNotFoundError: If a file is missing.
            DataError: If a file is damaged. It is a ValueError.
        """
        chosen = self.options(options)
        if "front_end" in self._arguments:
            hears = self.front_end(options)
            chosen = {name: value for name, value in chosen.items() if name in self._arguments} | {"front_end": hears}
        return (self.load or self._binned)(split=split, **self._place(root), **chosen)

    def front_end(self, options: Mapping[str, Any]) -> FrontEnd:
        """Return what turns a recording of sound into a sample as those of this data set.

        Args:
            options: Those of `frames`, some or all.

        Raises:
            ValueError: If the data are not made of sound, or an option is not valid.

        Examples:
            >>> from silif_plugins.datasets import SOURCES
            >>> SOURCES["gsc"].front_end({"bands": 64}).num_channels
            64
        """
        chosen = self.options(options)
        if "front_end" in self._arguments:
            return front_end(
                chosen["front_end"],
                **{name: value for name, value in chosen.items() if name not in self._arguments},
            )
        if self.hears is None:
            raise ValueError(f"front_end: {self.name} has none: it is not made of recordings of sound")
        return self.hears(chosen)

    def events(self, split: str, root: Root | None = None) -> Recordings:
        """Read the events of a split.

        Raises:
            ValueError: If the data are no events.
            FileNotFoundError: If a file is missing.
            DataError: If a file is damaged. It is a ValueError.
        """
        if self.recordings is None:
            raise ValueError(f"{self.name} has no events, only their frames")
        return self.recordings(split=split, **self._place(root))

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options of ``load``: those that are given, and the defaults of the others.

        Raises:
            ValueError: If one is not an option of this data set, and asks for something.
        """
        chosen = self._defaults(given.get("front_end"))
        known = dict(chosen)
        for name, value in given.items():
            if name in chosen:
                chosen[name] = chosen[name] if value is None else value
                continue
            asks = value is not None and value is not False and value != self.fixed.get(name)
            meant = did_you_mean(name, known)
            if asks or (meant and value is False):
                allowed = "False" if value is True else f"None or {self.fixed[name]}" if name in self.fixed else "None"
                hint = meant or f"; its options are {', '.join(known) or 'none'}"
                raise ValueError(f"{name}: got {value}, but for {self.name} it must be {allowed}{hint}")
        return chosen

    def find(self, root: Root, pattern: str) -> list[Path]:
        """Return the files of a pattern in a folder, or else where other libraries put them."""
        return find_files(root, pattern, inside=self.inside)

    def is_in(self, root: Root) -> bool:
        """Whether a folder is of this data set by the look of it: it holds one of its files."""
        return any(self.find(root, pattern) for pattern in (*self.files, *self.optional))

    def packed_in(self, root: Root) -> str:
        """Say which of the files a folder holds packed, as the end of an error message; or nothing."""
        missing = [pattern for pattern in self.files if not self.find(root, pattern)]
        return "".join(packed(root, pattern, inside=self.inside) for pattern in missing)

    def check_folder(self, folder: Root | None) -> None:
        """Raise unless a folder holds the data set.

        Args:
            folder: The folder; None if the user named none.

        Raises:
            FileNotFoundError: If there is no such folder or a file is missing; the message says what to download and
                where to put it.
        """
        if folder is None and self.shipped:
            return
        if folder is None:
            problem = "this data set does not come with the package"
        elif not Path(folder).expanduser().is_dir():
            problem = f"there is no folder {os.fspath(folder)}"
        elif missing := [pattern for pattern in self.files if not self.find(folder, pattern)]:
            problem = f"folder {os.fspath(folder)} has no {', '.join(missing)}{self.packed_in(folder)}"
        else:
            return
        how = f". To get it: {self.where}; then give --data FOLDER" if self.where else ""
        raise FileNotFoundError(f"{self.name}, {self.title}: {problem}{how}")

    def _place(self, root: Root | None) -> dict[str, Any]:
        if root is not None and "root" not in self._arguments:
            raise ValueError(f"root: got {os.fspath(root)}, but {self.name} is in no folder; it must be None")
        return {} if root is None else {"root": Path(root).expanduser()}

    def _binned(
        self,
        split: str,
        *,
        root: Root | None = None,
        steps: int = 100,
        max_time: float = 1.0,
        pool: int = 1,
        published: bool = False,
        allow_empty: bool = False,
    ) -> FrameDataset:
        return FrameDataset.from_recordings(
            self.events(split, root),
            steps=steps,
            max_time=max_time,
            pool=pool,
            published=published,
            allow_empty=allow_empty,
        )
