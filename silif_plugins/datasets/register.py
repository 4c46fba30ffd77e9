"""The register of data sets: each one's own file adds it here, and nothing else lists them.

A new data set is one file, with one line that imports it::

    def read(root: Path, split: str, *, bands: int = 40) -> FrameDataset: ...

    register_source(DataSource("words", "Words of my own", load=read, files=("words.csv",), where="..."))

From then on ``load("words", "train", root=folder)``, `silif train --data FOLDER`, the lists of names and the error
messages know it.
"""

from __future__ import annotations

from .source import DataSource

SOURCES: dict[str, DataSource] = {}
"""All data sets by their names, in the order in which they were registered."""


def register_source(source: DataSource) -> DataSource:
    """Add a data set.

    Raises:
        ValueError: If the name is taken.
    """
    if source.name in SOURCES:
        raise ValueError(
            f"name: got {source.name!r}, but there is a data set of this name: {SOURCES[source.name].title}"
        )
    SOURCES[source.name] = source
    return source


def source_names() -> list[str]:
    """Return the names of all data sets: those that need no folder first, layouts for own data last.

    Examples:
        >>> source_names()[:2]
        ['listops', 'sequential-digits']
    """
    return sorted(SOURCES, key=lambda name: (not SOURCES[name].shipped, SOURCES[name].own, name))


def sources_in_words() -> str:
    """Say in a line what a data set can be, for help and error messages.

    Examples:
        >>> sources_in_words().partition(" or a folder")[0]
        'listops, sequential-digits, spoken-digits,'
    """
    shipped = [name for name in source_names() if SOURCES[name].shipped]
    *others, last = (name for name in source_names() if not SOURCES[name].shipped)
    return f"{', '.join(shipped)}, or a folder that holds {', '.join(others)} or {last}"
