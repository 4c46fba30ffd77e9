"""Checkpoints under the official code's key names: read the published ones, and write ours for it."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..files import write_file
from ..neurons import LIF, NEURONS, Neuron
from .network import SpArchNet


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the field."""


def load_official(
    path: str | os.PathLike[str], *, neuron: str | type[Neuron] | None = None, dropout: float = 0.0
) -> SpArchNet:
    """Build a network from a checkpoint of the official code, in evaluation mode.

    Sizes and neuron model are read from the keys. Raw parameters are kept: clamps act in the forward pass.

    Args:
        path: A file saved by ``torch.save(net.state_dict())``; read with ``weights_only=True``.
        neuron: The neuron model; needed only to tell AdLIF from cAdLIF, which have the same keys (cAdLIF is
            assumed).
        dropout: Dropout of the network, which checkpoints do not hold.

    Raises:
        CheckpointError: If the file is not readable or lacks a key; the message names file and key.
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    content = path.read_bytes()
    try:
        _check_archive(content)
        official = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # which one depends on the byte that is damaged
        raise CheckpointError(f"{path}: not a readable checkpoint of tensors ({error})") from error
    if not isinstance(official, Mapping):
        raise CheckpointError(f"{path}: got {type(official).__name__}; it must hold a dict of tensors")
    try:
        return from_official(official, neuron=neuron, dropout=dropout)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _check_archive(content: bytes) -> None:
    """Raise if a file's checksums do not fit, which torch.load ignores, or it is larger unpacked.

    Files of PyTorch before 1.6 are no archives, and have no checksums.
    """
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(record.file_size for record in archive.infolist()) > len(content):
            raise ValueError("its records are larger than the file")
        if damaged := archive.testzip():
            raise ValueError(f"{damaged}: the checksum is not that of when it was written")


def save_official(net: SpArchNet, path: str | os.PathLike[str]) -> None:
    """Write the network's weights under the official code's key names, for its ``load_state_dict``.

    Raises:
        ValueError: If the neuron model does not exist there, or the network has tensors that it does not know.
        OSError: If the file cannot be written; an older file is then left as it was.
    """
    content = io.BytesIO()
    torch.save(to_official(net), content)
    write_file(path, content.getvalue())


def to_official(net: SpArchNet) -> dict[str, Tensor]:
    """Return the network's state_dict under the official key names.

    A network of torch.compile, or one with compiled layers, gives that of the network within.

    Raises:
        ValueError: If the neuron model does not exist there, or the network has tensors that it does not know, such
            as those of a pruned one.
    """
    net = getattr(net, "_orig_mod", net)
    if not isinstance(net, SpArchNet):
        raise ValueError(f"net: got {type(net).__name__}; it must be a SpArchNet")
    hidden: list[Neuron] = [getattr(neuron, "_orig_mod", neuron) for neuron in _neurons(net)]
    models = {type(neuron) for neuron in hidden}
    model = models.pop()
    if models or not _is_published(model):
        got = ", ".join(sorted(each.__name__ for each in (model, *models)))
        raise ValueError(f"neuron: got {got}; the official code has no such model")
    ours = {key.replace("_orig_mod.", ""): value for key, value in net.state_dict().items()}
    keys = _keys(len(net.hidden), model, ours)
    if left := sorted(ours.keys() - set(keys.values())):
        raise ValueError(
            f"{left[0]}: the official code has no such tensor; undo pruning (torch.nn.utils.prune.remove) "
            "and parametrizations first; its connections have no delays"
        )
    return {official: ours[key] for official, key in keys.items()}


def from_official(
    official: Mapping[str, Tensor], *, neuron: str | type[Neuron] | None = None, dropout: float = 0.0
) -> SpArchNet:
    """Build a network from a state_dict of the official code; see :func:`load_official`.

    What DataParallel, torch.compile or both put before the names is left out.

    Raises:
        CheckpointError: If a key is missing or a shape does not fit; the message names the key.
    """
    for key, tensor in official.items():
        _check_tensor(key, tensor)
    official = _unwrapped(official)
    readout = sum(key.endswith(".W.weight") for key in official) - 1
    if readout < 1:
        raise CheckpointError("snn.0.W.weight: missing; it must hold hidden layers and a readout under snn.{layer}")
    model = neuron or _guess_model(official)
    weights = [_weight(official, layer) for layer in range(readout + 1)]
    normalization = "none"
    if "snn.0.norm.weight" in official:
        normalization = "batchnorm" if "snn.0.norm.running_mean" in official else "layernorm"
    net = SpArchNet(
        weights[0].shape[1],
        [weight.shape[0] for weight in weights[:-1]],
        weights[-1].shape[0],
        neuron=model,
        recurrent="snn.0.V.weight" in official,
        bidirectional=weights[1].shape[1] == 2 * weights[0].shape[0],
        normalization=normalization,  # type: ignore[arg-type]
        bias="snn.0.W.bias" in official,
        dropout=dropout,
    )
    ours = net.state_dict()
    names = _keys(readout, type(_neurons(net)[0]), ours)
    if unexpected := sorted(official.keys() - names.keys()):
        raise CheckpointError(f"{unexpected[0]}: unexpected in a network of {type(_neurons(net)[0]).__name__} neurons")
    for key, name in names.items():
        if key not in official:
            raise CheckpointError(f"{key}: missing")
        if official[key].shape != ours[name].shape:
            raise CheckpointError(
                f"{key}: got shape {tuple(official[key].shape)}; it must be {tuple(ours[name].shape)}"
            )
        if official[key].is_floating_point() != ours[name].is_floating_point():
            raise CheckpointError(f"{key}: got {official[key].dtype}; it must be {ours[name].dtype}")
        ours[name].copy_(official[key])
    return net.eval()


def _unwrapped(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors without what wrappers of the network put before their names."""
    found: dict[str, Tensor] = {}
    for key, tensor in official.items():
        name = key.replace("_orig_mod.", "").removeprefix("module.")
        if name in found:
            raise CheckpointError(f"{name}: there twice, once of them as {key}")
        found[name] = tensor
    return found


def _keys(hidden: int, model: type[Neuron], ours: Mapping[str, Tensor]) -> dict[str, str]:
    """Official key: our key, for every tensor that the network has."""
    keys: dict[str, str] = {}
    for layer in range(hidden + 1):
        place = f"hidden.{layer}" if layer < hidden else "readout"
        pairs = layer_names(model) if layer < hidden else _layer_names(LIF.published_names)
        keys |= {f"snn.{layer}.{official}": f"{place}.{name}" for official, name in pairs.items()}
    return {official: name for official, name in keys.items() if name in ours}


def layer_names(model: type[Neuron]) -> dict[str, str]:
    """Official name: our name, for every tensor that a layer of these neurons may have."""
    return _layer_names(model.published_names)


def _layer_names(neuron: Mapping[str, str]) -> dict[str, str]:
    names = {official: f"neuron.{name}" for official, name in neuron.items()}
    names |= {f"W.{part}": f"current.weights.{part}" for part in ("weight", "bias")}
    names |= {
        f"norm.{part}": f"current.norm.{part}"
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
    names["V.weight"] = "recurrent"
    return names


def _is_published(model: type[Neuron]) -> bool:
    """Tell whether the official code has a model; a subclass of one may be any other."""
    return model in NEURONS.values() and bool(model.published_names)


def _check_tensor(key: object, tensor: object) -> None:
    """Raise unless this is the name of a tensor, and one of plain numbers that are all there."""
    if not isinstance(key, str):
        raise CheckpointError(f"{key!r}: got {type(key).__name__}; names must be text")
    if not isinstance(tensor, Tensor):
        raise CheckpointError(f"{key}: got {type(tensor).__name__}; it must be a tensor")
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_complex() or tensor.is_quantized:
        got = f"{tensor.dtype}, {tensor.layout} on {tensor.device}"
        raise CheckpointError(f"{key}: got {got}; it must be plain real numbers")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{key}: got shape {tuple(tensor.shape)}, which is larger than what is stored of it")


def _guess_model(official: Mapping[str, Tensor]) -> type[Neuron]:
    present = {key.removeprefix("snn.0.") for key in official if key.startswith("snn.0.")}
    fits = [m for m in NEURONS.values() if _is_published(m) and m.published_names.keys() <= present]
    if fits:  # the fullest: LIF's names are among AdLIF's; the last, for those of AdLIF and cAdLIF are the same
        return max(reversed(fits), key=lambda model: len(model.published_names))
    raise CheckpointError(f"snn.0: got {', '.join(sorted(present))}; these are the parameters of no known neuron")


def _weight(official: Mapping[str, Tensor], layer: int) -> Tensor:
    key = f"snn.{layer}.W.weight"
    if key not in official:
        raise CheckpointError(f"{key}: missing")
    if official[key].dim() != 2 or not official[key].numel():
        raise CheckpointError(f"{key}: got shape {tuple(official[key].shape)}; it must be [outputs, inputs]")
    return official[key]


def _neurons(net: SpArchNet) -> list[Neuron]:
    return [layer.neuron for layer in net.hidden]  # type: ignore[misc]
