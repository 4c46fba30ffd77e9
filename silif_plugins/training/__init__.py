"""Training, evaluating and comparing networks: settings, runs, checkpoints.

SpArchNet is the default one of them; `register_network` adds others.
"""

from .checkpoint import load as load_checkpoint
from .checkpoint import load_network
from .comparison import Summary, cells, compare, run_folder, summarize, summary_table
from .config import TrainConfig, every_setting, settings_of
from .data import Splits, front_end_of, load_split
from .devices import check_device
from .evaluation import Evaluation, evaluate, recalibrate
from .model import DEFAULT_NETWORK, NETWORKS, SCALES, Output, classifiers, register_network
from .neurobench import neurobench_model
from .options import Option
from .options import of_function as options_of
from .pretrained import Pretrained, from_pretrained, save_pretrained, shipped
from .run import Diverged, RunError, train
from .side_by_side import Animal, differences_of, rates_of, stable, table_of, unstable, zoo
from .significance import Difference, differences, differences_table, holm
from .trained import Prediction, Trained, step_of

__all__ = [
    "DEFAULT_NETWORK",
    "NETWORKS",
    "SCALES",
    "Animal",
    "Difference",
    "Diverged",
    "Evaluation",
    "Option",
    "Output",
    "Prediction",
    "Pretrained",
    "RunError",
    "Splits",
    "Summary",
    "TrainConfig",
    "Trained",
    "cells",
    "check_device",
    "classifiers",
    "compare",
    "differences",
    "differences_of",
    "differences_table",
    "evaluate",
    "every_setting",
    "from_pretrained",
    "front_end_of",
    "holm",
    "load_checkpoint",
    "load_network",
    "load_split",
    "neurobench_model",
    "options_of",
    "rates_of",
    "recalibrate",
    "register_network",
    "run_folder",
    "save_pretrained",
    "settings_of",
    "shipped",
    "stable",
    "step_of",
    "summarize",
    "summary_table",
    "table_of",
    "train",
    "unstable",
    "zoo",
]
