"""Data sets of spikes: shipped ones, files in the layout of SHD, and the one path from events to frames."""

from .errors import DataError
from .events import Recording, Recordings
from .frames import FrameDataset, bin_events
from .hdf5 import read_recordings, write_recordings
from .loading import NAMES, load
from .sequential_digits import SequentialDigits
from .spoken_digits import SpokenDigits, spoken_digit_recordings

__all__ = [
    "NAMES",
    "DataError",
    "FrameDataset",
    "Recording",
    "Recordings",
    "SequentialDigits",
    "SpokenDigits",
    "bin_events",
    "load",
    "read_recordings",
    "spoken_digit_recordings",
    "write_recordings",
]
