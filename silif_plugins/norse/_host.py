"""What is used of Norse: its four module bases and its module test for state, nothing else."""

from __future__ import annotations

try:
    from norse.torch.module.snn import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell
except ImportError as error:
    raise ImportError('Norse is not installed: pip install "silif_plugins[norse]"') from error

__all__ = ["SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell"]
