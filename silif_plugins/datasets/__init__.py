"""Data sets of spikes and features: shipped ones, published ones from folders, one's own, and the path to batches."""

from .array_files import read_arrays
from .audio_folder import AudioFolder
from .augmentation import Augmentation, ChannelJitter, DropEvents, TimeJitter
from .batching import Batch, Batches, ahead, batches
from .binning import bin_events
from .downloads import download, downloadable
from .errors import DataError
from .events import Recording, Recordings
from .filterbank import frame_of, log_mel, mel_triangles
from .folder_dataset import FolderDataset
from .frames import FrameDataset
from .free_spoken_digits import FreeSpokenDigits
from .front_ends import FRONT_ENDS, Cochlea, Delta, FrontEnd, LogMel, front_end, register_front_end
from .functions import is_function, register_function
from .hdf5 import read_recordings, write_recordings
from .listops import ListOps
from .loading import load
from .lra_listops import LRAListOps
from .lra_retrieval import LRARetrieval
from .lra_text import LRAText
from .mnist import SequentialMNIST
from .own_data import OWN, own_source
from .own_events import OwnEvents
from .pathfinder import Pathfinder
from .register import SOURCES, register_source, source_names, sources_in_words
from .resolving import check_data, resolve
from .sequential_cifar10 import SequentialCIFAR10
from .sequential_digits import SequentialDigits
from .shd import SHD
from .source import DataSource, Root
from .speakers import hold_out, hold_out_speakers
from .speech_commands import SpeechCommands
from .spoken_digits import SpokenDigits, spoken_digit_recordings
from .ssc import SSC
from .tokens import TokenDataset, one_hot
from .wav import read_sound
from .wikitext import WikiText103

__all__ = [
    "FRONT_ENDS",
    "OWN",
    "SHD",
    "SOURCES",
    "SSC",
    "AudioFolder",
    "Augmentation",
    "Batch",
    "Batches",
    "ChannelJitter",
    "Cochlea",
    "DataError",
    "DataSource",
    "Delta",
    "DropEvents",
    "FolderDataset",
    "FrameDataset",
    "FreeSpokenDigits",
    "FrontEnd",
    "LRAListOps",
    "LRARetrieval",
    "LRAText",
    "ListOps",
    "LogMel",
    "OwnEvents",
    "Pathfinder",
    "Recording",
    "Recordings",
    "Root",
    "SequentialCIFAR10",
    "SequentialDigits",
    "SequentialMNIST",
    "SpeechCommands",
    "SpokenDigits",
    "TimeJitter",
    "TokenDataset",
    "WikiText103",
    "ahead",
    "batches",
    "bin_events",
    "check_data",
    "download",
    "downloadable",
    "frame_of",
    "front_end",
    "hold_out",
    "hold_out_speakers",
    "is_function",
    "load",
    "log_mel",
    "mel_triangles",
    "one_hot",
    "own_source",
    "read_arrays",
    "read_recordings",
    "read_sound",
    "register_front_end",
    "register_function",
    "register_source",
    "resolve",
    "source_names",
    "sources_in_words",
    "spoken_digit_recordings",
    "write_recordings",
]
