"""Training, evaluating and comparing SpArch networks: settings, runs, checkpoints."""

from .checkpoint import load_network
from .compare import Summary, compare, summarize, table
from .config import TrainConfig
from .data import Splits, load_split
from .evaluation import Evaluation, evaluate, recalibrate
from .run import Diverged, RunError, train

__all__ = [
    "Diverged",
    "Evaluation",
    "RunError",
    "Splits",
    "Summary",
    "TrainConfig",
    "compare",
    "evaluate",
    "load_network",
    "load_split",
    "recalibrate",
    "summarize",
    "table",
    "train",
]
