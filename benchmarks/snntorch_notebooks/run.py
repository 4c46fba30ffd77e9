"""Run one notebook with one neuron, in a process that does nothing else."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import random
import re
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import snntorch as snn
import torch
from matplotlib import pyplot
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from silif_plugins import snntorch as plugin

from . import stand_ins
from .notebooks import NOTEBOOKS, Notebook

HOST = ("snn.Leaky", "snn.Synaptic", "snn.StateLeaky")
DECAYS = {"beta", "alpha", "learn_beta", "learn_alpha"}
ENDS = 3
"""Steps at the beginning and at the end of a training over which the loss and the rate are averaged."""


class Edited(ast.NodeTransformer):
    """A notebook's code with our neurons: their constructors, or a line after the statement that makes a network."""

    def __init__(self, notebook: Notebook, way: str) -> None:
        self.notebook = notebook
        self.neuron, _, self.how = way.partition("-")
        self.sizes = iter(notebook.sizes)

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Edit a cell."""
        if self.how == "replace":
            node.body = [line for statement in node.body for line in (statement, *self._after(statement))]
        elif self.neuron != "leaky":
            self.generic_visit(node)
        return ast.fix_missing_locations(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """Put our constructor in the place of the host's."""
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name not in HOST:
            return node
        keywords = [word for word in node.keywords if word.arg != "channels"]
        if self.how != "beta":
            keywords = [word for word in keywords if word.arg not in DECAYS]
        if name == "snn.StateLeaky":  # it takes all steps in one call and returns the membranes of all
            keywords += [ast.keyword(each, ast.Constant(True)) for each in ("sequence", "output")]
        size = ast.parse(next(self.sizes), mode="eval").body
        return ast.Call(ast.Name("ours", ast.Load()), [size], keywords)

    def _after(self, statement: ast.stmt) -> list[ast.stmt]:
        text = ast.unparse(statement)
        codes = [code for start, code in self.notebook.made.items() if text.startswith(start)]
        return ast.parse("\n".join(codes)).body


class Watch:
    """Loss and rate of every training step, by cell and optimizer."""

    def __init__(self) -> None:
        self.cell = 0
        self.curves: dict[tuple[int, Optimizer], dict[str, Any]] = {}
        self._loss = float("nan")
        self._rates: list[tuple[nn.Module, Tensor]] = []
        backward = Tensor.backward

        def noted(loss: Tensor, *args: Any, **options: Any) -> None:
            self._loss = float(loss.detach().sum())
            backward(loss, *args, **options)

        Tensor.backward = noted
        register_module_forward_hook(self._fired)
        register_optimizer_step_post_hook(self._stepped)

    def _fired(self, module: nn.Module, _: Any, output: Any) -> None:
        if torch.is_grad_enabled() and isinstance(module, snn.SpikingNeuron) and not isinstance(module, snn.DeltaLeaky):
            spikes = output[0] if isinstance(output, tuple) else output
            self._rates.append((module, spikes.detach().mean()))

    def _stepped(self, optimizer: Optimizer, *_: Any) -> None:
        if not self._rates:
            return  # a network without our neurons
        curve = self.curves.setdefault((self.cell, optimizer), {"cell": self.cell, "losses": [], "rates": []})
        last = self._rates[-1][0]
        curve["losses"].append(self._loss)
        curve["rates"].append(float(torch.stack([rate for module, rate in self._rates if module is last]).mean()))
        self._rates.clear()

    def trained(self) -> list[dict[str, Any]]:
        """Return the trainings so far, without what is but a step or two."""
        return [curve for curve in self.curves.values() if len(curve["losses"]) > ENDS]


def cells(name: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the code of every cell that can run outside a browser."""
    folder = Path(os.environ["SNNTORCH_SOURCE"], "examples")
    file = next(file for file in sorted(folder.rglob(f"{name}.ipynb")) if "zh-cn" not in str(file))
    for number, cell in enumerate(json.loads(file.read_text(encoding="utf-8"))["cells"]):
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and "google.colab" not in code:
            yield number, re.sub(r"^\s*[!%].*", "", code, flags=re.M)


def own_numbers(seeds: Iterator[int], function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a function with random numbers of its own, so that weights and batches are the same with every neuron."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(next(seeds))
        return function(*args, **options)


def run(name: str, way: str, seed: int) -> dict[str, Any]:
    """Run a notebook in the working directory, which it may fill with files.

    Returns:
        Cells that failed, each with its error, and for every optimizer in every cell that trains: its steps, the loss
        at the beginning and at the end, the rate of the last spiking layer at the end, and the accuracy [%], if any.
    """
    notebook, watch, start = NOTEBOOKS[name], Watch(), time.perf_counter()
    for set_seed in (random.seed, np.random.seed, torch.manual_seed):
        set_seed(seed)
    edited = Edited(notebook, way)
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    if way != "leaky":
        apart = partial(own_numbers, count(1000 * (seed + 1)))
        namespace["Ours"] = getattr(plugin, edited.neuron)
        namespace["ours"] = partial(apart, namespace["Ours"])
        namespace |= {each.__name__: partial(apart, each) for each in (plugin.replace, plugin.from_leaky)}
    failed: dict[str, str] = {}
    unused = set(notebook.shorter)
    for number, code in cells(name):
        for long, short in notebook.shorter.items():
            if long in code:
                code, unused = code.replace(long, short), unused - {long}
        code = re.sub(r"seed\(\d+\)", f"seed({seed})", code)
        watch.cell, printed = number, io.StringIO()
        try:
            tree = edited.visit(ast.parse(code))
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(tree, f"cell {number}", "exec"), namespace)
        except Exception as error:
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if "cell" in frame.filename]
            failed[str(number)] = f"line {lines[-1] if lines else '?'}: {type(error).__name__}: {str(error)[:300]}"
        accuracies = re.findall(notebook.accuracy, printed.getvalue())
        if accuracies and watch.trained():
            last = [float(accuracy) for accuracy in accuracies[-notebook.last :]]
            watch.trained()[-1]["accuracy"] = round(notebook.percent * fmean(last), 2)
        pyplot.close("all")
    if unused:
        raise ValueError(f"{name}: {sorted(unused)[0]!r} is not in this notebook; was it changed?")
    trainings = [
        {
            "cell": curve["cell"],
            "steps": len(curve["losses"]),
            "loss": [float(np.mean(curve["losses"][:ENDS])), float(np.mean(curve["losses"][-ENDS:]))],
            "rate": float(np.mean(curve["rates"][-ENDS:])),
            "accuracy": curve.get("accuracy"),
        }
        for curve in watch.trained()
    ]
    return {"failed": failed, "trainings": trainings, "seconds": round(time.perf_counter() - start, 1)}


def work(results: Connection, name: str, way: str, seed: int) -> None:
    """Run a notebook in a folder of its own and send what :func:`run` returns."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        stand_ins.install()
        results.send(run(name, way, seed))
