"""A neuron is added by the steps of the documentation, to a copy of the package, and works everywhere."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorials" / "add-neuron.md"
FILES = dict(re.findall(r'^```py title="(.*?)"\n(.*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE))
MOST = 6

CORE = """
import inspect, torch
from silif_plugins import diagnose, neurons
from silif_plugins.neurons import NEURONS, neuron_class
from silif_plugins.sparch import SpArchNet
assert neuron_class("toy") is NEURONS["Toy"] is neurons.Toy
net = SpArchNet(12, (8, 8), 3, neuron="toy", neuron_options={"x": 2.0})
net(20 * torch.rand(30, 4, 12)).scores.sum().backward()
assert all(p.grad is not None for p in net.hidden[0].parameters())
assert [layer.size for layer in diagnose(net, torch.rand(30, 4, 12)).layers][:2] == [8, 8]
"""

SNNTORCH = """
import inspect, io, pickle, torch, snntorch as snn
from torch import nn
from silif_plugins import diagnose, neurons
from silif_plugins.snntorch import Toy, replace
lif = Toy(5, x=2.0)
mem = lif.init_leaky()
for current in 10 * torch.rand(8, 2, 5):
    spk, mem = lif(current, mem)
assert spk.shape == mem.shape == (2, 5) and type(lif.neuron) is neurons.Toy
assert {"x", "learn", "init_hidden", "spike_grad"} <= set(inspect.signature(Toy).parameters)
for wrong, answer in (({"beta": 0.9}, "its decays are set by x="), ({"init_hiden": True}, "did you mean init_hidden?")):
    try:
        Toy(5, **wrong)
    except TypeError as error:
        assert answer in str(error), error
    else:
        raise AssertionError(wrong)
assert torch.equal(pickle.loads(pickle.dumps(lif)).neuron.x, lif.neuron.x)
net = nn.Sequential(nn.Linear(3, 4), snn.Leaky(beta=0.9, init_hidden=True))
made = replace(net, snn.Leaky, Toy, sample=torch.rand(1, 3))
assert type(net[1]) is Toy and abs(made[0].new.threshold.item() - 0.1) < 1e-6
assert [layer.size for layer in diagnose(net, torch.rand(2, 3), steps=9).layers] == [4]
"""

NORSE = """
import torch
import norse.torch as snn
from torch import nn
from silif_plugins import neurons
from silif_plugins.norse import NeuronParameters, Toy, ToyCell, ToyRecurrent, ToyRecurrentCell, feed_forward_integral
from silif_plugins.norse.forms import FORMS
assert FORMS[neurons.Toy].layer is Toy
layer, cell = Toy(4, x=2.0), ToyCell(4, x=2.0)
x = 20 * torch.rand(9, 2, 4)
z, last = layer(x)
assert z.any() and torch.equal(snn.Lift(cell)(x)[0], z)
assert torch.equal(feed_forward_integral(x, None, NeuronParameters(layer.neuron))[0], z)
torch.manual_seed(0)
recurrent, cell = ToyRecurrent(4, 4, x=2.0), ToyRecurrentCell(4, 4, x=2.0)
cell.load_state_dict(recurrent.state_dict())
assert torch.equal(snn.Lift(cell)(x)[0], recurrent(x)[0])
snn.SequentialState(nn.Linear(4, 4), layer)(x)[0].sum().backward()
assert layer.neuron.x.grad is not None
"""

SNNTORCH_NIR = """
import nir, torch
from torch import nn
from silif_plugins.snntorch import Toy, export_to_nir, import_from_nir, reset
net = nn.Sequential(nn.Linear(3, 4), Toy(4, init_hidden=True))
nn.init.uniform_(net[0].weight, 0, 20)
nir.write("net.nir", export_to_nir(net, torch.rand(1, 3)))
again, x = import_from_nir(nir.read("net.nir")), torch.rand(20, 2, 3)
reset(net)
spikes = torch.stack([net(now) for now in x])
assert spikes.any() and torch.equal(torch.stack([again(now)[0] for now in x]), spikes)
"""

NORSE_NIR = """
import nir, torch
import norse.torch as snn
from torch import nn
from silif_plugins.norse import ToyCell, from_nir, to_nir
net = snn.SequentialState(nn.Linear(3, 4), ToyCell(4))
nn.init.uniform_(net[0].weight, 0, 20)
nir.write("net.nir", to_nir(net))
again, x = from_nir(nir.read("net.nir")), torch.rand(20, 2, 3)
spikes = snn.Lift(net)(x)[0]
assert spikes.any() and torch.equal(snn.Lift(again)(x)[0], spikes)
"""

CLI = """
import contextlib, io
from silif_plugins.cli import main
def printed(*words):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            code = main(list(words))
        except SystemExit as exit:
            code = exit.code
    return code, " ".join(text.getvalue().split())
assert "SiLIF, Toy" in printed("train", "--help")[1]
short = ("--epochs", "1", "--hidden-sizes", "4", "--steps", "5")
code, text = printed("train", "--neuron", "toy", *short, "--out", "run")
assert not code, text
code, text = printed("train", "--neuron", "tooy", *short, "--out", "other")
assert code == 2 and "did you mean Toy?" in text, text
"""

PAGES = """
import griffe
package = griffe.load("silif_plugins", search_paths=["."], docstring_parser="google")
for place, names in {"neurons": ["Toy"], "snntorch": ["Toy"], "norse": ["Toy", "ToyCell", "ToyRecurrent"]}.items():
    for name in names:
        assert package[place][name].is_public and package[place][name].docstring, (place, name)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The folder of a package with the neuron."""
    folder = tmp_path_factory.mktemp("with_toy")
    shutil.copytree(ROOT / "silif_plugins", folder / "silif_plugins", ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in FILES.items():
        file = folder / path
        if file.exists():  # a package that imports the neuron: its __all__ gets the names, too
            names = [alias.name for node in ast.parse(text).body for alias in node.names]
            text = f"{file.read_text()}\n{text}\n__all__ += {names}\n"
        file.write_text(text)
    return folder


def test_it_takes_no_more_than_six_files(copy):
    theirs = {path.relative_to(copy): path for path in copy.rglob("*") if path.is_file()}
    touched = [str(name) for name, path in theirs.items() if not _is_same(ROOT / name, path)]
    assert sorted(touched) == sorted(FILES)
    assert len(touched) <= MOST


def _is_same(ours, theirs):
    return ours.exists() and ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        pytest.param(CORE, (), id="core, SpArch and diagnosis"),
        pytest.param(SNNTORCH, ("snntorch",), id="snnTorch"),
        pytest.param(NORSE, ("norse",), id="Norse"),
        pytest.param(SNNTORCH_NIR, ("snntorch", "nir", "nirtorch"), id="NIR in snnTorch"),
        pytest.param(NORSE_NIR, ("norse", "nir", "nirtorch"), id="NIR in Norse"),
        pytest.param(CLI, ("yaml",), id="command line"),
        pytest.param(PAGES, ("griffe",), id="reference"),
    ],
)
def test_it_works(copy, tmp_path, code, needed):
    for module in needed:
        pytest.importorskip(module)
    where = {**os.environ, "PYTHONPATH": str(copy)}
    folder = copy if "search_paths" in code else tmp_path
    run = subprocess.run([sys.executable, "-c", code], cwd=folder, env=where, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
