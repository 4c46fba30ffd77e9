"""The one exception of everything that is wrong with data, not with the code that reads it."""

from __future__ import annotations

import os


class DataError(ValueError):
    """Data that cannot be used: which file, which field, and what is wrong with it.

    Args:
        field: Name of the field or argument, such as ``"spikes/units"``.
        problem: What was got and what is allowed.
        path: The file it came from, or None for data that were passed in memory.

    Examples:
        >>> print(DataError("labels", "got 20, but there are 20 classes", "shd_train.h5"))
        shd_train.h5: labels: got 20, but there are 20 classes
    """

    def __init__(self, field: str, problem: str, path: str | os.PathLike[str] | None = None) -> None:
        # The three arguments go to ValueError unchanged: this is what lets a worker process pickle the error.
        super().__init__(field, problem, path)
        self.field = field
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        where = "" if self.path is None else f"{os.fspath(self.path)}: "
        return f"{where}{self.field}: {self.problem}"
