"""The Spiking Speech Commands (SSC), from local files or by download."""

from __future__ import annotations

from functools import partial

from .fetching import fetch
from .heidelberg import Heidelberg
from .register import register_source
from .source import DataSource, Root


class SSC(Heidelberg):
    """Spiking Speech Commands: Google Speech Commands through a model cochlea, 35 classes, 700 channels.

    Binning the training file takes some 9 GB of memory, once; afterwards its frames (3 GB at 300 steps) are mapped
    from the cache.

    Args:
        root: Folder with ``ssc_train.h5``, ``ssc_valid.h5`` and ``ssc_test.h5``, or with tonic's folder ``SSC`` that
            holds them.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Number of time steps; 300 are the paper's 4 ms.
        max_time: Length of the frames in seconds; later events are dropped.
        pool: Number of neighbouring channels that are summed into one; 5 gives the paper's 140.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument is out of its range.
        DataError: If the file is damaged. It is a ValueError that names file and field.

    Examples:
        >>> SSC("data/ssc", "valid")                         # doctest: +SKIP
        SSC(9981 samples, 300 steps, 140 channels, 35 classes)
    """

    prefix = "ssc"
    inside = "SSC"
    published_splits = ("train", "valid", "test")

    def __init__(
        self,
        root: Root,
        split: str,
        *,
        steps: int = 300,
        max_time: float = 1.2,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        super().__init__(
            root, split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )


register_source(
    DataSource(
        "ssc",
        "Spiking Speech Commands",
        load=SSC,
        recordings=SSC.recordings,
        files=("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5"),
        where="run 'silif download ssc FOLDER', or unpack ssc_train.h5.zip, ssc_valid.h5.zip and ssc_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (2.5 GB packed)",
        inside=SSC.inside,
        splits=SSC.splits,
        licence="CC BY 4.0",
        origin="Cramer, Stradmann, Schemmel and Zenke (2022), doi 10.1109/TNNLS.2020.3044364, from the recordings of "
        "Google Speech Commands",
        download=partial(fetch, "SSC", ("train", "valid", "test")),
    )
)
