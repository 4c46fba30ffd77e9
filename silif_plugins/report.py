"""One page about a run: what was trained, how it learnt, what it confuses, how it fires, what it costs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from . import plots
from .datasets import FrameDataset, batches
from .diagnosis import diagnose
from .dynamics import linear_part
from .metrics import OperationCount
from .neurons import Neuron
from .sparch import SpArchNet
from .training import Evaluation, TrainConfig, evaluate, load_network, load_split

SAMPLES = 64
"""Of the test set, for the diagnosis and the operations."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc }
pre { overflow-x: auto; padding: .75rem; background: #f4f4f4; font-size: .85rem }
table { border-collapse: collapse } td { padding: .15rem 1.5rem .15rem 0; vertical-align: top }
svg { max-width: 100%; height: auto }
figure { margin: 1rem 0 } figcaption { color: #555 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1c1c1c } pre { background: #2a2a2a } figcaption { color: #aaa }
}
"""


def write_up(folder: Path) -> str:
    """Return a page in HTML about a run, with its figures in it: one file, which fetches nothing.

    Args:
        folder: The run's folder, with its best checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint, or the data are not there.
        ValueError: If a file is damaged, or the network is a language model, of which there is nothing of that.
        ImportError: If matplotlib is not installed.
    """
    net, config, facts = load_network(folder)
    if getattr(net, "language_model", False):
        raise ValueError(
            f"{folder}: is a language model, which has no classes; result.json and metrics.jsonl tell of it"
        )
    test = load_split(config, "test")
    figures = evaluate(net, test, pad=not config.published)
    sections = {
        "Result": _result(figures, config, net, folder),
        "Learning": _learning(folder),
        "What it confuses": _figure(
            plots.confusion(decisions(net, test, pad=not config.published), _names(test)),
            "Share of each class's test samples, in percent.",
        ),
        "How it fires": "".join(_firing(net, test)),
        "What it costs": _costs(net, test),
        "Its neurons": "".join(_neurons(net, config, facts)),
        "Settings": f"<pre>{html.escape(config.to_json())}</pre>",
    }
    title = html.escape(f"{config.label} on {config.data}, seed {config.seed}")
    body = "".join(f"<h2>{name}</h2>\n{content}\n" for name, content in sections.items() if content)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    head += f"<style>{STYLE}</style>"
    return f"<!doctype html>\n<html lang=en><head>{head}</head>\n<body><h1>{title}</h1>\n{body}</body></html>\n"


@torch.no_grad()
def decisions(net: nn.Module, dataset: FrameDataset, *, pad: bool = True) -> Tensor:
    """Count the samples of each class by the class that a network decides for, [C, C]."""
    counts = torch.zeros(dataset.num_classes, dataset.num_classes, dtype=torch.int64)
    for batch in batches(dataset, 128, pad=pad):
        found = net(batch.frames, batch.lengths).scores.argmax(dim=1)
        counts.index_put_((batch.labels, found), torch.ones_like(found), accumulate=True)
    return counts


def _result(figures: Evaluation, config: TrainConfig, net: nn.Module, folder: Path) -> str:
    rows = {
        "test accuracy": f"{100 * figures.accuracy:.1f} %",
        "test loss": f"{figures.loss:.3f}",
        "sparsity": f"{100 * figures.sparsity:.1f} % of the bins without a spike",
        "synaptic operations": f"{figures.synaptic_operations:,.0f} a sample",
        "parameters": f"{sum(each.numel() for each in net.parameters()):,}",
    }
    result = _read(folder / "result.json")
    if result is not None:
        rows["best epoch"] = f"{result['best_epoch']} of {result['epochs']}, by the {result['selected_on']}"
        rows["training took"] = f"{result['seconds']:.0f} s"
    return _table(rows)


def _learning(folder: Path) -> str:
    file = folder / "metrics.jsonl"
    if not file.is_file():
        return ""
    epochs = [json.loads(line) for line in file.read_text().splitlines()]
    return _figure(plots.learning_curves(epochs), "Validation chooses the epoch; the test set takes no part.")


def _firing(net: nn.Module, test: FrameDataset) -> Iterator[str]:
    if isinstance(net, SpArchNet):
        frames = test[0][0]
        layers, activity = {"input": frames}, frames[:, None].to(torch.get_default_dtype())
        with torch.no_grad():
            for number, layer in enumerate(net.hidden, start=1):
                activity = layer.spikes(activity)  # type: ignore[operator]
                layers[f"hidden {number}"] = activity[:, 0]
        yield _figure(plots.raster(layers), f"A test sample of class {html.escape(_names(test)[test[0][1]])}.")
    batch = next(iter(batches(test, SAMPLES)))
    try:
        found = diagnose(net, (batch.frames.float(), batch.lengths))
    except ValueError:  # a network of others may have no layer that is known
        return
    yield f"<pre>{html.escape(str(found))}</pre>"


def _costs(net: nn.Module, test: FrameDataset) -> str:
    batch = next(iter(batches(test, SAMPLES)))
    with torch.no_grad(), OperationCount(net) as count:
        net(batch.frames, batch.lengths)
    note = "Operations of a sample, of weights and neurons; the energy is that of the arithmetic alone, in 45 nm."
    return f"<pre>{html.escape(count.summary(len(batch.labels)))}</pre><p>{note}</p>"


def _neurons(net: nn.Module, config: TrainConfig, facts: Mapping[str, Any]) -> Iterator[str]:
    torch.manual_seed(config.seed)  # the network as it was before training
    start = dict(config.network(int(facts["num_inputs"]), int(facts["num_classes"])).named_modules())
    for name, module in net.named_modules():
        before = start.get(name)
        if (
            not isinstance(module, Neuron)
            or not isinstance(before, Neuron)
            or not any(True for _ in module.parameters())
        ):
            continue
        yield f"<h3>{html.escape(name)}</h3>"
        yield _figure(plots.parameter_histograms(before, module), "Parameters before (grey) and after training.")
        spaces = {"before": linear_part(before.dynamics()), "after": linear_part(module.dynamics())}
        known = {key: space for key, space in spaces.items() if space is not None}
        if known:
            yield _figure(plots.eigenvalue_plane(known), "Eigenvalues: inside the circle the neuron is stable.")


def _names(dataset: FrameDataset) -> list[str]:
    return list(dataset.classes)


def _read(file: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return found


def _table(rows: Mapping[str, str]) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<table>{lines}</table>"


def _figure(figure: Any, caption: str) -> str:
    return f"<figure>{plots.svg(figure)}<figcaption>{caption}</figcaption></figure>"
