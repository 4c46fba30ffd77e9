"""Our layers inside SNN classes that choose theirs by name."""

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from silif_plugins.sparch import RegisteredLayer, SpArchNet, register, to_official

SOURCES = {"SPARCH_SOURCE": "sparch/models/snns.py", "SILIF_SOURCE": "models/snns.py"}


def stand_in() -> types.ModuleType:
    """A module that behaves like SpArch's: layers found in its globals, names checked against a fixed list."""
    module = types.ModuleType("stand_in")

    class LIFLayer(torch.nn.Linear):
        def __init__(self, input_size, hidden_size, batch_size, threshold, dropout, normalization, use_bias):
            super().__init__(int(input_size), hidden_size)

    class SNN(torch.nn.Module):
        def __init__(self, input_shape, layer_sizes, neuron_type="LIF"):
            super().__init__()
            if neuron_type not in ["LIF"]:
                raise ValueError(f"Invalid neuron type {neuron_type}")
            self.input_shape, self.layer_sizes, self.neuron_type = input_shape, layer_sizes, neuron_type
            self.snn = self._init_layers()

        def _init_layers(self):
            layer = getattr(module, self.neuron_type + "Layer")
            return torch.nn.ModuleList(
                [layer(float(self.input_shape[2]), self.layer_sizes[0], 4, 1.0, 0.1, "batchnorm", False)]
            )

        def forward(self, x):
            return self.snn[0](x)

    module.LIFLayer, module.SNN = LIFLayer, SNN
    return module


def original(variable: str) -> types.ModuleType:
    """The real module, from a checkout that an environment variable names."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"set {variable} to a checkout of the original code")
    pytest.importorskip("einops" if variable == "SILIF_SOURCE" else "torch")
    spec = importlib.util.spec_from_file_location(f"original_{variable.lower()}", Path(folder) / SOURCES[variable])
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF"])
def test_names_are_accepted(name):
    module = stand_in()
    register(module)
    register(module)  # twice does no harm
    torch.manual_seed(1)
    net = module.SNN((4, None, 10), [8], name)
    assert isinstance(net.snn[0], RegisteredLayer)
    assert net.neuron_type == name
    assert net(torch.rand(4, 20, 10)).shape == (4, 20, 8)
    torch.manual_seed(1)
    alone = getattr(module, f"{name}Layer")(10.0, 8, 4, 1.0, 0.1, "batchnorm", False)
    assert torch.equal(alone.layer.current.weights.weight, net.snn[0].layer.current.weights.weight)


def test_other_names_keep_their_layers_and_errors():
    module = stand_in()
    register(module)
    assert type(module.SNN((4, None, 10), [8], "LIF").snn[0]) is module.LIFLayer
    with pytest.raises(ValueError, match="Invalid neuron type GRU"):
        module.SNN((4, None, 10), [8], neuron_type="GRU")


def test_a_module_without_snn_is_refused():
    with pytest.raises(ValueError, match="must define the class SNN"):
        register(types.ModuleType("other"))


@pytest.mark.parametrize("normalization", ["batchnorm", "layernorm", "none"])
@pytest.mark.parametrize(("name", "ours"), [("SiLIF", "SiLIF"), ("CSiLIF", "C-SiLIF")])
def test_the_names_of_tensors_are_the_published_ones(name, ours, normalization):
    module = stand_in()
    register(module)
    net = torch.nn.Module()
    net.snn = torch.nn.ModuleList(
        getattr(module, f"{name}Layer")(size, 8, 4, normalization=normalization, use_bias=True) for size in (10, 8)
    )
    official = to_official(SpArchNet(10, (8, 8), 3, neuron=ours, normalization=normalization, bias=True))
    official = {key: torch.randn_like(value.float()) for key, value in official.items() if not key.startswith("snn.2.")}
    assert net.state_dict().keys() == official.keys()
    net.load_state_dict(official)
    assert all(
        torch.equal(value, official[key]) for key, value in net.state_dict().items() if value.is_floating_point()
    )
    del official["snn.1.b"]
    with pytest.raises(RuntimeError, match=r"snn\.1\.layer\.neuron\.b"):
        net.load_state_dict(official)


EXPERIMENT = {
    "sparch/__init__.py": "",
    "sparch/models/__init__.py": "",
    "sparch/models/snns.py": (Path(__file__).parents[1] / "sparch_stand_in.py").read_text(),
    "sparch/parsers/__init__.py": "",
    "sparch/parsers/model_config.py": """
def add_model_options(parser):
    parser.add_argument("--model_type", choices=["LIF", "GRU"], default="LIF")
    return parser
""",
    "sparch/exp.py": """
from sparch.models.snns import SNN


class Experiment:
    def __init__(self, args):
        self.model_type = args.model_type
        self.init_model()

    def init_model(self):
        if self.model_type not in ["LIF"]:
            raise ValueError(f"Invalid model type {self.model_type}")
        self.net = SNN((4, None, 10), [8, 5], neuron_type=self.model_type)
""",
    "run_exp.py": """
import argparse

from sparch.exp import Experiment
from sparch.parsers.model_config import add_model_options

if __name__ == "__main__":
    experiment = Experiment(add_model_options(argparse.ArgumentParser()).parse_args())
    print(experiment.model_type, experiment.net.neuron_type, type(experiment.net.snn[0]).__name__)
""",
}
"""The original's three places that know the names of neurons: the network, the experiment, the command line."""


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF", "LIF", "GRU"])
def test_experiments_of_the_original_run_under_our_names(name, tmp_path):
    for place, text in EXPERIMENT.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    command = [sys.executable, "-m", "silif_plugins.sparch", str(tmp_path / "run_exp.py"), "--model_type", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if name == "GRU":
        assert "Invalid model type GRU" in done.stderr
    else:
        assert done.stdout.split() == [name, name, f"{name}Layer"], done.stderr


def test_the_script_must_be_there():
    done = subprocess.run([sys.executable, "-m", "silif_plugins.sparch", "none.py"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "usage" in done.stderr


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF"])
@pytest.mark.parametrize("variable", SOURCES)
def test_the_originals_train_with_our_layers(variable, name, bidirectional):
    module = original(variable)
    register(module)
    extra = {"extra_features": {"dt_min": 0.01, "dt_max": 0.5}} if variable == "SILIF_SOURCE" else {}
    net = module.SNN((4, None, 10), [16, 16, 5], name, bidirectional=bidirectional, dropout=0.1, **extra)
    assert all(isinstance(layer, RegisteredLayer) for layer in net.snn[:-1])
    out, *_ = net((torch.rand(4, 30, 10) * 8).round())
    assert out.shape == (4, 5)
    torch.nn.functional.cross_entropy(out, torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
