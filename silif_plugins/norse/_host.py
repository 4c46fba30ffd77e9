"""What the modules use of Norse: its four bases and its spike functions, nothing else."""

from __future__ import annotations

from ..optional import require

_snn = require("norse.torch.module.snn", extra="norse", purpose="silif_plugins.norse")
_threshold = require("norse.torch.functional.threshold", extra="norse", purpose="silif_plugins.norse")

SNN = _snn.SNN
SNNCell = _snn.SNNCell
SNNRecurrent = _snn.SNNRecurrent
SNNRecurrentCell = _snn.SNNRecurrentCell

threshold = _threshold.threshold
