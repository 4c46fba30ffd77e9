"""Data sets of spikes and features: shipped ones, published ones from folders, one's own, and the path to batches."""

from .augmentation import Augmentation, ChannelJitter, DropEvents, TimeJitter
from .batching import Batch, Batches, ahead, batches
from .binning import bin_events
from .downloads import download, downloadable
from .errors import DataError
from .events import Recording, Recordings
from .filterbank import log_mel
from .frames import FrameDataset
from .hdf5 import read_recordings, write_recordings
from .listops import ListOps
from .loading import load
from .lra_listops import LRAListOps
from .mnist import SequentialMNIST
from .own_events import OwnEvents
from .pathfinder import Pathfinder
from .register import SOURCES, register_source, source_names, sources_in_words
from .resolving import check_data, resolve
from .sequential_cifar10 import SequentialCIFAR10
from .sequential_digits import SequentialDigits
from .shd import SHD
from .source import DataSource
from .speakers import hold_out_speakers
from .speech_commands import SpeechCommands
from .spoken_digits import SpokenDigits, spoken_digit_recordings
from .ssc import SSC

__all__ = [
    "SHD",
    "SOURCES",
    "SSC",
    "Augmentation",
    "Batch",
    "Batches",
    "ChannelJitter",
    "DataError",
    "DataSource",
    "DropEvents",
    "FrameDataset",
    "LRAListOps",
    "ListOps",
    "OwnEvents",
    "Pathfinder",
    "Recording",
    "Recordings",
    "SequentialCIFAR10",
    "SequentialDigits",
    "SequentialMNIST",
    "SpeechCommands",
    "SpokenDigits",
    "TimeJitter",
    "ahead",
    "batches",
    "bin_events",
    "check_data",
    "download",
    "downloadable",
    "hold_out_speakers",
    "load",
    "log_mel",
    "read_recordings",
    "register_source",
    "resolve",
    "source_names",
    "sources_in_words",
    "spoken_digit_recordings",
    "write_recordings",
]
