"""Data sets by name or folder, as the command line has them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..hints import did_you_mean
from .frames import FrameDataset
from .register import SOURCES, SPLITS, DataSource, Root, names


def load(name_or_folder: Root, split: str, *, root: Root | None = None, **options: Any) -> FrameDataset:
    """Load a data set by its name, or from a folder that holds one.

    The frames are those of the data set's own class: ``load("shd", "test", root=folder)``, ``load(folder, "test")``
    and ``SHD(folder, "test")`` give the same.

    Args:
        name_or_folder: A name, such as ``"spoken-digits"`` or ``"shd"``, or a folder that holds one of the data sets.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        root: The folder of a data set that is given by its name.
        options: Of the data set; None is its default. Those of events are ``steps``, ``max_time`` (length of the
            frames in seconds), ``pool`` (neighbouring channels that are summed into one), ``published`` (bin exactly
            as the SiLIF paper's loader does) and ``allow_empty`` (keep recordings without an event before
            ``max_time``); MNIST has ``permute``, Speech Commands ``max_time`` and ``bands``.

    Raises:
        ValueError: If the name is unknown, an option is not one of the data set, or a value out of its range.
        FileNotFoundError: If a file is missing, or the data must be downloaded first; the message says where from.
        DataError: If a file is damaged. It is a ValueError.

    Examples:
        >>> load("spoken-digits", "valid", steps=50)
        SpokenDigits(480 samples, 50 steps, 140 channels, 20 classes)
    """
    if split not in SPLITS:
        raise ValueError(f"split: got {split!r}, but it must be train, valid or test")
    source, place = (SOURCES[named(name_or_folder)], root) if root is not None else resolve(name_or_folder)
    return source.frames(split, place, **options)


def named(name: Root) -> str:
    """Return the name of a data set.

    Raises:
        ValueError: If there is none of this name; the message says which there are.
    """
    name = os.fspath(name)
    if name not in SOURCES:
        known = ", ".join(repr(each) for each in names())
        hint = did_you_mean(name, names())
        raise ValueError(f"data set: got {name!r}, which is neither {known} nor a folder{hint}")
    return name


def resolve(name_or_folder: Root) -> tuple[DataSource, Root | None]:
    """Return the data set that a name or a folder means, and its folder; None for those that need none.

    Raises:
        ValueError: If there is neither such a name nor such a folder, or the folder holds several data sets.
        FileNotFoundError: If the data set needs a folder, or the folder holds no data set.
    """
    source = SOURCES.get(os.fspath(name_or_folder))
    if source is not None and source.shipped:
        return source, None
    if Path(name_or_folder).expanduser().is_dir():
        return held_by(name_or_folder), name_or_folder
    source = SOURCES[named(name_or_folder)]
    source.check_folder(None)
    return source, None


def held_by(folder: Root) -> DataSource:
    """Return the data set that a folder holds by the look of it.

    Raises:
        ValueError: If it holds several.
        FileNotFoundError: If it holds none.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "testing_list.txt").touch()
        ...     held_by(folder).name
        'gsc'
    """
    sources = [SOURCES[name] for name in names() if not SOURCES[name].shipped]
    for own in (False, True):
        found = [source for source in sources if source.own == own and source.is_in(folder)]
        if len(found) == 1:
            return found[0]
        if found:
            held = ", ".join(source.name for source in found)
            raise ValueError(
                f"folder {os.fspath(folder)} holds several data sets: {held}; give each a folder of its own, or name "
                f'the one that is meant: load("{found[0].name}", split, root=folder)'
            )
    there = sorted(path.name for path in Path(folder).expanduser().iterdir() if not path.name.startswith("."))
    has = f"{', '.join(there[:5])}{', ...' if len(there) > 5 else ''}" if there else "nothing at all"
    needs = "; ".join(f"{source.name} has {', '.join(source.files)}" for source in sources)
    to_unpack = "".join(dict.fromkeys(source.packed_in(folder) for source in sources))
    raise FileNotFoundError(f"folder {os.fspath(folder)} holds no data set, but {has}{to_unpack}. Data sets: {needs}")


def check(name_or_folder: Root, wanted: str | None = None) -> None:
    """Raise if data are not there, before anything is said or done.

    Args:
        name_or_folder: As of `load`.
        wanted: The name of the data set that a folder must hold, such as a recipe's; any if it is none that needs one.

    Raises:
        ValueError: If there is no such data set.
        FileNotFoundError: If the user must get the data first; the message says how.
    """
    source = SOURCES.get(wanted or "")
    if source is None or source.shipped or os.fspath(name_or_folder) in _shipped():
        resolve(name_or_folder)
    elif os.fspath(name_or_folder) == wanted and not Path(name_or_folder).expanduser().is_dir():
        source.check_folder(None)
    else:
        source.check_folder(name_or_folder)


def _shipped() -> list[str]:
    return [name for name, source in SOURCES.items() if source.shipped]


def download(name: str, folder: Root) -> list[Path]:
    """Download a data set.

    What is there already, whole, is not fetched again; a download that was cut off is repeated.

    Args:
        name: One that can be downloaded: ``"shd"`` (0.4 GB) or ``"ssc"`` (2.5 GB), by tonic, which checks the files'
            MD5.
        folder: Where the files go; created if need be.

    Returns:
        The files.

    Raises:
        ValueError: If the name is unknown, or of a data set that must be fetched by hand.
        DataError: If what was downloaded is not what was published.
        OSError: If the network or the disk fails.
        ModuleNotFoundError: If tonic is not installed.
    """
    able = downloadable()
    if name not in able:
        where = f"; to get {name}: {SOURCES[name].where}" if name in SOURCES and SOURCES[name].where else ""
        raise ValueError(f"data set: got {name!r}; it must be {' or '.join(able)}{where or did_you_mean(name, able)}")
    source = SOURCES[name]
    assert source.download
    return source.download(Path(folder))


def downloadable() -> list[str]:
    """Return the names of the data sets that `download` fetches.

    Examples:
        >>> downloadable()
        ['shd', 'ssc']
    """
    return [name for name in names() if SOURCES[name].download]
