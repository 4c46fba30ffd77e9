"""Which data set a name or a folder means."""

from __future__ import annotations

import os
from pathlib import Path

from ..hints import did_you_mean
from .functions import is_function
from .register import SOURCES, source_names
from .source import DataSource, Root


def named(name: Root) -> str:
    """Return the name of a data set.

    Raises:
        ValueError: If there is none of this name; the message says which there are.
    """
    name = os.fspath(name)
    if name not in SOURCES and is_function(name):
        raise ValueError(
            f"data set: got {name!r}, the name of a function: code runs only if you name it yourself, by --data {name} "
            f'or register_function("{name}")'
        )
    if name not in SOURCES:
        known = ", ".join(repr(each) for each in source_names())
        hint = did_you_mean(name, source_names())
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
    sources = [SOURCES[name] for name in source_names() if not SOURCES[name].shipped]
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


def check_data(name_or_folder: Root, wanted: str | None = None) -> None:
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
