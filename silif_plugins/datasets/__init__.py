"""Data sets of spikes: shipped ones, files in the layout of SHD, and the one path from events to frames."""

from .augmentation import ChannelJitter, DropEvents, TimeJitter
from .augmented import AugmentedFrames
from .batching import Batch, batches
from .errors import DataError
from .events import Recording, Recordings
from .features import FeatureDataset
from .filterbank import log_mel
from .frames import FrameDataset, bin_events
from .hdf5 import read_recordings, write_recordings
from .heidelberg import SHD, SSC, download
from .loading import NAMES, load
from .mnist import SequentialMNIST
from .sequential_digits import SequentialDigits
from .sources import SOURCES
from .speakers import hold_out_speakers
from .speech_commands import SpeechCommands
from .spoken_digits import SpokenDigits, spoken_digit_recordings

__all__ = [
    "NAMES",
    "SHD",
    "SOURCES",
    "SSC",
    "AugmentedFrames",
    "Batch",
    "ChannelJitter",
    "DataError",
    "DropEvents",
    "FeatureDataset",
    "FrameDataset",
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
    "spoken_digit_recordings",
    "write_recordings",
]
