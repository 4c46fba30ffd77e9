"""Training, evaluating and comparing networks: settings, runs, checkpoints.

SpArchNet is the default one of them; `register_network` adds others.
"""

from .checkpoint import load as load_checkpoint
from .checkpoint import load_network
from .comparison import Summary, cells, compare, summarize, summary_table
from .config import TrainConfig, every_setting, settings_of
from .data import Splits, front_end_of, load_split
from .devices import check_device
from .evaluation import Evaluation, evaluate, recalibrate
from .model import DEFAULT_NETWORK, NETWORKS, Output, register_network
from .options import Option
from .options import of_function as options_of
from .run import Diverged, RunError, train

__all__ = [
    "DEFAULT_NETWORK",
    "NETWORKS",
    "Diverged",
    "Evaluation",
    "Option",
    "Output",
    "RunError",
    "Splits",
    "Summary",
    "TrainConfig",
    "cells",
    "check_device",
    "compare",
    "evaluate",
    "every_setting",
    "front_end_of",
    "load_checkpoint",
    "load_network",
    "load_split",
    "options_of",
    "recalibrate",
    "register_network",
    "settings_of",
    "summarize",
    "summary_table",
    "train",
]
