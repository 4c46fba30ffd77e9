"""Surrogates: gradients by hand, the hosts' callables and names, pickles, second derivatives."""

import pickle
import subprocess
import sys

import pytest
import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.surrogate import (
    FAMILIES,
    SURROGATES,
    ATan,
    Boxcar,
    FastSigmoid,
    Sigmoid,
    Surrogate,
    Triangle,
    name_of,
    named,
    register_surrogate,
    resolve,
)

ALL = [Boxcar(), Boxcar(1.0), ATan(3.0), FastSigmoid(10.0), Triangle(2.0, 0.5), Sigmoid(4.0)]


def gradient(surrogate, x):
    x = x.clone().requires_grad_()
    surrogate(x).sum().backward()
    return x.grad


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_spikes_and_gradient(surrogate, dtype):
    x = torch.linspace(-3, 3, 61, dtype=dtype)
    x[30] = 0.0
    spikes = surrogate(x)
    assert spikes.dtype == dtype
    assert torch.equal(spikes, (x > 0).to(dtype))
    assert torch.equal(gradient(surrogate, x), surrogate.derivative(x))


def test_the_papers_boxcar_includes_its_right_edge():
    x = torch.tensor([-0.6, -0.5, -0.4999, 0.0, 0.5, 0.5001])
    assert gradient(Boxcar(), x).tolist() == [0, 0, 1, 1, 1, 0]
    assert Boxcar()(torch.tensor([0.0])).item() == 0  # strict


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
def test_gradients_are_finite_wherever_the_membrane_is(surrogate):
    x = torch.tensor([-torch.inf, -1e30, -1000.0, 1000.0, 1e30, torch.inf])
    assert torch.equal(surrogate.derivative(x).round(), torch.zeros(6))


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
def test_mapped_and_compiled_gradients_are_the_same(surrogate):
    """Where spikes take another way than the fastest."""
    x = torch.linspace(-1, 1, 24).view(4, 6)
    expected = gradient(surrogate, x)
    assert torch.equal(torch.vmap(torch.func.grad(lambda row: surrogate(row).sum()))(x), expected)
    compiled = torch.compile(surrogate.derivative, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(x), expected)
    assert torch.equal(surrogate.derivative(x.clone().requires_grad_()), expected)


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
def test_pickle(surrogate):
    twin = pickle.loads(pickle.dumps(surrogate))
    assert twin == surrogate
    assert torch.equal(twin(torch.tensor([-1.0, 1.0])), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    ("ours", "factory", "arguments"),
    [
        (ATan(2.0), "atan", {"alpha": 2.0}),
        (FastSigmoid(25.0), "fast_sigmoid", {"slope": 25}),
        (Sigmoid(10.0), "sigmoid", {"slope": 10}),
    ],
    ids=["atan", "fast_sigmoid", "sigmoid"],
)
def test_snntorch_has_the_same_gradients(ours, factory, arguments):
    surrogate = pytest.importorskip("snntorch.surrogate")
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)
    theirs = getattr(surrogate, factory)(**arguments)
    torch.testing.assert_close(gradient(ours, x), gradient(theirs, x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("factory", ["atan", "fast_sigmoid", "sigmoid", "straight_through_estimator", "triangular"])
def test_any_snntorch_surrogate_runs_a_neuron(factory):
    surrogate = pytest.importorskip("snntorch.surrogate")
    # snnTorch 1.0.0's sigmoid overflows to NaN for slope * |x| > 88: a gentle slope keeps clear of that.
    spike_grad = getattr(surrogate, factory)(**({"slope": 5} if factory == "sigmoid" else {}))
    current = torch.randn(30, 2, 5, requires_grad=True)
    spikes, _ = scan(SiLIF(5).state_space(), current * 3, surrogate=spike_grad)
    spikes.sum().backward()
    assert current.grad.abs().sum() > 0


@pytest.mark.parametrize("method", ["super", "triangle", "tanh", "circ", "heavi_erfc"])
def test_any_norse_method_runs_a_neuron(method):
    pytest.importorskip("norse")
    current = torch.randn(30, 2, 5, requires_grad=True)
    spikes, _ = scan(SiLIF(5).state_space(), current * 3, surrogate=f"norse:{method}")
    spikes.sum().backward()
    assert current.grad.isfinite().all()
    threshold = pytest.importorskip("norse.torch.functional.threshold").threshold
    from silif_plugins.norse.surrogates import NorseMethod

    assert name_of(resolve(f"norse:{method}")) == (f"norse:{method}", {"alpha": 100.0})
    assert named(f"norse:{method}", alpha=10.0) == NorseMethod(method, 10.0)
    x = torch.linspace(-0.1, 0.1, 21)
    assert torch.equal(gradient(NorseMethod(method, 10.0), x), gradient(lambda v: threshold(v, method, 10.0), x))


def test_names():
    assert resolve(None) == Boxcar()
    assert all(resolve(name) == cls() for name, cls in SURROGATES.items())
    keep = torch.nn.Hardtanh()
    assert resolve(keep) is keep
    with pytest.raises(ValueError, match="surrogate: got 'box'; it must be one of boxcar"):
        resolve("box")
    with pytest.raises(TypeError, match="surrogate: got int"):
        resolve(3)
    with pytest.raises(ValueError, match="got 'neurons:tanh'; it must be one of boxcar"):
        resolve("neurons:tanh")
    with pytest.raises(ValueError, match=r"got 'a\.b:tanh'; it must be one of boxcar"):
        resolve("a.b:tanh")
    with pytest.raises(ValueError, match="'atan' takes no slope"):
        named("atan", slope=1.0)
    assert name_of(torch.relu) is None


def test_norse_s_names_come_with_norse():
    pytest.importorskip("norse")
    code = """
from silif_plugins.surrogate import FAMILIES, resolve
print(*FAMILIES)
print(resolve("norse:circ"), *FAMILIES)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["", "NorseMethod(method='circ', alpha=100.0) norse:"]
    with pytest.raises(ValueError, match="nonsense"):
        resolve("norse:nonsense")(torch.zeros(1))


@pytest.mark.parametrize("surrogate", ALL, ids=repr)
def test_names_stand_for_surrogates(surrogate):
    name, arguments = name_of(surrogate)
    assert named(name, **arguments) == surrogate


def test_a_surrogate_is_registered_once():
    class Mine(Surrogate):
        def __init__(self, name=""):
            self.name = name

        def derivative(self, x):
            return x

    try:
        register_surrogate("mine", Mine)
        register_surrogate("mine", Mine)
        register_surrogate("my:", Mine)
        assert isinstance(resolve("mine"), Mine)
        assert resolve("my:own").name == "own"
        with pytest.raises(ValueError, match="name: got 'mine'"):
            register_surrogate("mine", ATan)
    finally:
        SURROGATES.pop("mine")
        FAMILIES.pop("my:")


def test_second_derivative_of_a_smooth_surrogate():
    x = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(ATan(2.0)(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    h = 1e-5
    expected = (ATan(2.0).derivative(x + h) - ATan(2.0).derivative(x - h)) / (2 * h)
    torch.testing.assert_close(second, expected, rtol=1e-6, atol=1e-8)


def test_a_surrogate_without_derivative_says_so():
    class Unfinished(Surrogate):
        pass

    with pytest.raises(NotImplementedError):
        gradient(Unfinished(), torch.ones(1))


def test_a_class_is_no_surrogate():
    with pytest.raises(TypeError, match=r"surrogate: got the class Boxcar; give an object, such as Boxcar\(\)"):
        resolve(Boxcar)
