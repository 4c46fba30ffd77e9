"""Small recordings for the tests of the data sets, and hypothesis strategies that make them."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from silif_plugins.datasets import Recordings


@pytest.fixture
def recordings() -> Recordings:
    """Three recordings of eight channels, two classes and two speakers; times that float16 holds exactly."""
    return Recordings(
        times=[[0.25, 0.5, 0.75], [0.125], [0.5, 0.0]],
        units=[[0, 7, 3], [2], [1, 1]],
        labels=[1, 0, 1],
        classes=["no", "yes"],
        num_channels=8,
        speakers=[0, 1, 1],
    )


@pytest.fixture(scope="session")
def any_recordings() -> st.SearchStrategy[Recordings]:
    """Draw from it with ``data.draw``: any valid recordings, none and ones without events among them."""
    return _recordings()


@st.composite
def _recordings(draw: st.DrawFn) -> Recordings:
    num_channels = draw(st.integers(1, 700))
    classes = draw(st.lists(st.text("abcß ", min_size=1, max_size=5), min_size=1, max_size=4))
    sizes = draw(st.lists(st.integers(0, 20), max_size=5))
    number = len(sizes)
    times = st.floats(0, 1e4, width=16)
    return Recordings(
        [draw(hnp.arrays(np.float16, size, elements=times)) for size in sizes],
        [draw(hnp.arrays(np.uint16, size, elements=st.integers(0, num_channels - 1))) for size in sizes],
        draw(hnp.arrays(np.int64, number, elements=st.integers(0, len(classes) - 1))),
        classes=classes,
        num_channels=num_channels,
        speakers=draw(hnp.arrays(np.int64, number, elements=st.integers(0, 50))),
    )
