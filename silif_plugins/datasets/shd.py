"""The Spiking Heidelberg Digits (SHD), from local files or by download."""

from __future__ import annotations

from functools import partial

from .fetching import fetch
from .heidelberg import Heidelberg
from .register import register_source
from .source import DataSource, Root


class SHD(Heidelberg):
    """Spiking Heidelberg Digits: spoken digits, German and English, 20 classes, 12 speakers, 700 channels.

    There is no file for validation, and two of the test file's speakers are in no other. The published numbers are
    of the epoch that is best on the test set; `silif_plugins.datasets.speakers.hold_out_speakers` makes a validation
    set from the training file.

    Args:
        root: Folder with ``shd_train.h5`` and ``shd_test.h5``, or with tonic's folder ``SHD`` that holds them.
        split: ``"train"`` or ``"test"``; ``"valid"`` if you have put a file ``shd_valid.h5`` of your own there.
        steps: Number of time steps; 250 are the paper's 4 ms.
        max_time: Length of the frames in seconds; later events are dropped.
        pool: Number of neighbouring channels that are summed into one; 5 gives the paper's 140.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument is out of its range.
        DataError: If the file is damaged. It is a ValueError that names file and field.

    Examples:
        >>> SHD("data/shd", "test")                          # doctest: +SKIP
        SHD(2264 samples, 250 steps, 140 channels, 20 classes)
    """

    prefix = "shd"
    inside = "SHD"
    published_splits = ("train", "test")

    def __init__(
        self,
        root: Root,
        split: str,
        *,
        steps: int = 250,
        max_time: float = 1.0,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        super().__init__(
            root, split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )


register_source(
    DataSource(
        "shd",
        "Spiking Heidelberg Digits",
        load=SHD,
        recordings=SHD.recordings,
        files=("shd_train.h5", "shd_test.h5"),
        optional=("shd_valid.h5",),
        where="run 'silif download shd FOLDER', or unpack shd_train.h5.zip and shd_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (0.4 GB packed)",
        inside=SHD.inside,
        splits=SHD.splits,
        licence="CC BY 4.0",
        origin="Cramer, Stradmann, Schemmel and Zenke (2022), doi 10.1109/TNNLS.2020.3044364; recordings of twelve "
        "people",
        download=partial(fetch, "SHD", ("train", "test")),
    )
)
