"""Data sets of spikes and features: shipped ones, published ones from folders, one's own, and the path to batches."""

from .augmentation import ChannelJitter, DropEvents, TimeJitter
from .batching import Batch, batches
from .binning import bin_events
from .errors import DataError
from .events import Recording, Recordings
from .filterbank import log_mel
from .frames import FrameDataset
from .hdf5 import read_recordings, write_recordings
from .loading import download, load
from .mnist import SequentialMNIST
from .own_events import OwnEvents
from .register import SOURCES, DataSource, register_source
from .sequential_digits import SequentialDigits
from .shd import SHD
from .speakers import hold_out_speakers
from .speech_commands import SpeechCommands
from .spoken_digits import SpokenDigits, spoken_digit_recordings
from .ssc import SSC

__all__ = [
    "SHD",
    "SOURCES",
    "SSC",
    "Batch",
    "ChannelJitter",
    "DataError",
    "DataSource",
    "DropEvents",
    "FrameDataset",
    "OwnEvents",
    "Recording",
    "Recordings",
    "SequentialDigits",
    "SequentialMNIST",
    "SpeechCommands",
    "SpokenDigits",
    "TimeJitter",
    "batches",
    "bin_events",
    "download",
    "hold_out_speakers",
    "load",
    "log_mel",
    "read_recordings",
    "register_source",
    "spoken_digit_recordings",
    "write_recordings",
]
