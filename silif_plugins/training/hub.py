"""Trained networks with the methods of huggingface_hub's models; it is imported where that package is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from ..optional import require
from .config import TrainConfig
from .pretrained import CARD, CONFIG, WEIGHTS, from_pretrained, save_pretrained

hub = require("huggingface_hub", extra="formats", purpose="The hub")


class HubModel(nn.Module, hub.ModelHubMixin, library_name="silif_plugins", tags=["spiking-neural-network", "silif"]):  # type: ignore[misc, name-defined, call-arg]
    """A trained network with ``from_pretrained``, ``save_pretrained`` and ``push_to_hub`` of huggingface_hub.

    Its folders are those of `silif_plugins.training.save_pretrained`: one reads what the other wrote.

    Args:
        net: The network.
        config: The settings that it was trained with.
        classes: Names of the classes, in the order of the scores.
        results: What was measured on the test set, by name.
        notes: What else the card is to say, in Markdown.

    Examples:
        >>> import tempfile
        >>> config = TrainConfig(hidden_sizes=(8,))
        >>> model = HubModel(config.network(140, 2), config, ["no", "yes"])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = model.save_pretrained(folder)      # model.push_to_hub("OWNER/NAME") writes the same to a hub
        ...     again = HubModel.from_pretrained(folder)
        >>> again.classes
        ('no', 'yes')
    """

    def __init__(
        self,
        net: nn.Module,
        config: TrainConfig,
        classes: Sequence[str],
        results: Mapping[str, float] | None = None,
        notes: str = "",
    ) -> None:
        super().__init__()
        self.net, self.config, self.classes = net, config, tuple(classes)
        self.results, self.notes = dict(results or {}), notes

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Any:
        """Return what the network returns."""
        return self.net(inputs) if lengths is None else self.net(inputs, lengths)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_pretrained(
            self.net,
            save_directory,
            config=self.config,
            classes=self.classes,
            results=self.results,
            notes=self.notes,
        )

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Self:
        folder = model_id
        if not Path(model_id).is_dir():
            names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            given = {name: options[name] for name in names if name in options}
            folder = hub.snapshot_download(model_id, allow_patterns=[WEIGHTS, CONFIG, CARD], **given)
        found = from_pretrained(folder)
        return cls(found.net, found.config, found.classes, found.results)
