"""The register of formats: what writes each, and what may be set."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from ..hints import did_you_mean
from ..training import Option, TrainConfig, load_network, options_of
from .checks import check_exportable


class Model(NamedTuple):
    """A network to export, with what is known of it.

    Attributes:
        net: The network, in evaluation mode.
        config: The settings that it was trained with; None for a network that no run made.
        facts: What its checkpoint says of it: ``num_inputs``, ``num_classes`` and more.
    """

    net: nn.Module
    config: TrainConfig | None = None
    facts: dict[str, Any] = {}  # noqa: RUF012

    @classmethod
    def load(cls, run: str | os.PathLike[str]) -> Model:
        """Load the best epoch of a run, or a checkpoint; raises what `silif_plugins.training.load_network` does."""
        return cls(*load_network(run))


class Exporter(NamedTuple):
    """What writes a format.

    Attributes:
        function: Writes a `Model` network under a path, and returns what is to be said of it: names and values that
            JSON can hold.
        suffix: What the name of its file ends with; empty for a folder.
        options: What may be set.
        description: One line.
    """

    function: Callable[..., dict[str, Any]]
    suffix: str
    options: dict[str, Option]
    description: str


EXPORTERS: dict[str, Exporter] = {}
"""All that are registered, by their names."""


def register_exporter(name: str, function: Callable[..., dict[str, Any]], *, suffix: str = "") -> None:
    r"""Give a format a name, for `export` and ``silif export RUN --to NAME``; a later one replaces an earlier.

    Args:
        name: Its name.
        function: Called as ``function(trained, path, **options)`` with a `Model` network, which was checked by
            `check_exportable`, and a `pathlib.Path`; it writes all or nothing, and returns what is to be said. Other
            arguments are options, annotated and with defaults, which its docstring describes; they are options of the
            command line, too. The first line of the docstring describes the format.
        suffix: What the name of its file ends with, such as ``".pt2"``; empty for a folder.

    Raises:
        ValueError: If an argument has no default, or another format has an option of its name and another type.

    Examples:
        >>> def to_names(trained, path, *, upper: bool = False):
        ...     '''The names of all tensors.
        ...
        ...     Args:
        ...         trained: The network.
        ...         path: A text file.
        ...         upper: In capitals.
        ...     '''
        ...     text = "\n".join(trained.net.state_dict())
        ...     path.write_text(text.upper() if upper else text)
        ...     return {"file": str(path)}
        >>> register_exporter("names", to_names, suffix=".txt")
        >>> EXPORTERS["names"].options["upper"].description
        'In capitals.'
        >>> del EXPORTERS["names"]
    """
    options = options_of(function, without=("trained", "path"))
    for other, exporter in EXPORTERS.items():
        for option in options.keys() & exporter.options.keys() if other != name else ():
            if options[option].kind != exporter.options[option].kind:
                kinds = f"{options[option].kind} in {name}, but {exporter.options[option].kind} in {other}"
                raise ValueError(f"{option}: is {kinds}; give it another name")
    description = (function.__doc__ or "").strip().partition("\n")[0]
    EXPORTERS[name] = Exporter(function, suffix, options, description)


def exporter_named(name: str) -> Exporter:
    """Return what writes a format.

    Raises:
        ValueError: If there is none of this name; the message lists the names.

    Examples:
        >>> exporter_named("pt2").suffix
        '.pt2'
    """
    if name not in EXPORTERS:
        raise ValueError(f"to: got {name!r}; it must be one of {', '.join(EXPORTERS)}{did_you_mean(name, EXPORTERS)}")
    return EXPORTERS[name]


def export(trained: nn.Module | Model, path: str | os.PathLike[str], *, to: str, **options: Any) -> dict[str, Any]:
    """Write a trained network in a format.

    Args:
        trained: The network, or what `Model.load` returns of a run.
        path: The file, or folder, to write.
        to: Name of the format, one of `EXPORTERS`.
        **options: Those of the format.

    Returns:
        What is to be said of it, by names.

    Raises:
        ExportError: If the network cannot be exported; the message names the layer, and nothing was written.
        ValueError: If there is no such format, or an option is not valid.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.sparch import SpArchNet
        >>> net = SpArchNet(4, (8,), 3).eval()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export(net, f"{folder}/net.pt2", to="pt2")["inputs"]
        {'inputs': ['batch', 'steps', 4]}
    """
    exporter = exporter_named(to)
    if unknown := sorted(options.keys() - exporter.options.keys()):
        hint = did_you_mean(unknown[0], exporter.options)
        raise ValueError(f"{unknown[0]}: {to} has no such option; it has {', '.join(exporter.options) or 'none'}{hint}")
    checked = {name: exporter.options[name].checked(name, value) for name, value in options.items()}
    known = trained if isinstance(trained, Model) else Model(trained)
    check_exportable(known.net)
    return exporter.function(known, Path(path), **checked)
