"""Downloads of SHD and SSC by tonic, checked."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ..optional import require
from .errors import DataError


def fetch(name: str, splits: Sequence[str], folder: Path) -> list[Path]:
    """Download a data set of tonic's that consists of zipped HDF5 files; tonic checks their MD5.

    What is there already, whole, is not fetched again; a download that was cut off is repeated.

    Args:
        name: Tonic's class, ``"SHD"`` or ``"SSC"``.
        splits: Its parts.
        folder: Where the .h5 files go; created if need be.

    Returns:
        The .h5 files.

    Raises:
        DataError: If what was downloaded is not what was published.
        OSError: If the network or the disk fails.
        ModuleNotFoundError: If tonic is not installed.
    """
    tonic = require("tonic", extra="data", purpose="Downloading SHD and SSC")
    utilities = require("tonic.download_utils", extra="data", purpose="Downloading SHD and SSC")
    published = getattr(tonic.datasets, name)
    files = []
    for split in splits:
        archive = getattr(published, f"{split}_zip")
        digest = getattr(published, f"{split}_md5")
        # Not the constructor of tonic's data set: it takes a cut-off archive beside any other .h5 file as good.
        with contextlib.redirect_stdout(sys.stderr):
            try:
                utilities.download_and_extract_archive(
                    published.base_url + archive, str(folder), filename=archive, md5=digest
                )
            except RuntimeError as error:
                raise DataError("md5", f"not the published file ({error}); try again", folder / archive) from error
            except OSError as error:
                raise OSError(f"{published.base_url}{archive} cannot be put into {folder}: {error}") from error
        files.append(folder / archive.removesuffix(".zip"))
    return files
