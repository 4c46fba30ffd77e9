"""Downloads, for the data sets that say how."""

from __future__ import annotations

from pathlib import Path

from ..hints import did_you_mean
from .register import SOURCES, source_names
from .source import Root


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
    return [name for name in source_names() if SOURCES[name].download]
