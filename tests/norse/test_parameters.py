"""Parameter tuples and how modules hold them: what trains, what is shared, what is refused; and conversions."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

pytest.importorskip("norse")

import norse.torch as snn

from silif_plugins import neurons
from silif_plugins import norse as ours
from silif_plugins.norse import CSiLIF, CSiLIFParameters, NeuronLayer, SiLIF, SiLIFCell, SiLIFParameters
from silif_plugins.surrogate import Boxcar, FastSigmoid

MODELS = {"SiLIF": (SiLIF, SiLIFParameters, neurons.SiLIF), "CSiLIF": (CSiLIF, CSiLIFParameters, neurons.CSiLIF)}
SETTINGS = ("v_th", "input_scale", "reset_scale", "method", "alpha", "detach_reset", "reset_mechanism")
each_model = pytest.mark.parametrize(("layer", "parameters", "core"), MODELS.values(), ids=MODELS)

# Tuples


@each_model
def test_tuples_are_plain_and_picklable(layer, parameters, core):
    p = parameters.sample(4)
    assert isinstance(p, tuple)
    restored = pickle.loads(pickle.dumps(p))
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(restored, p, strict=True))
    leaves, spec = torch.utils._pytree.tree_flatten(p.state_type(*torch.ones(3, 2)))
    assert len(leaves) == 3
    assert isinstance(torch.utils._pytree.tree_unflatten(leaves, spec), p.state_type)


@each_model
def test_fields_are_the_core_s_parameters(layer, parameters, core):
    """The same names in every host: state_dicts can be exchanged, but for the timestep, which is relative here."""
    names = [name.replace("log_dt", "log_relative_dt") for name, _ in core(4).named_parameters()]
    assert list(parameters._fields) == [*names, *SETTINGS]
    assert list(layer(parameters.sample(4)).state_dict()) == [*names, "input_scale", "reset_scale"]


@each_model
def test_sample_draws_what_the_core_draws(layer, parameters, core):
    p = parameters.paper(50, dt=0.004, generator=torch.Generator().manual_seed(3))
    expected = core(50, generator=torch.Generator().manual_seed(3))
    for name, value in expected.named_parameters():
        if name != "log_dt":
            assert torch.equal(getattr(p, name), value), name
    torch.testing.assert_close(p.to_neuron(dt=0.004).log_dt, expected.log_dt)


def test_silif_s_timestep_is_the_module_s_by_default():
    assert SiLIFParameters.sample(3, dt=0.0037).log_relative_dt.tolist() == [0.0] * 3
    p = SiLIFParameters.sample(3, dt=0.002, timestep=0.004)
    torch.testing.assert_close(p.log_relative_dt.exp(), torch.full((3,), 2.0))


def test_dt_keeps_norse_s_meaning():
    """Twice the step of the module is twice the timestep of every neuron: decays are squared."""
    p = SiLIFParameters.sample(5, a=0.0, b=0.0)
    one, two = p.state_space(0.001), p.state_space(0.002)
    torch.testing.assert_close(two.a11, one.a11**2)
    torch.testing.assert_close(one.a11, torch.exp(-0.001 * p.tau_mem_inv))
    torch.testing.assert_close(one.a22, torch.exp(-0.001 * p.tau_ada_inv))


def test_sample_takes_ranges_and_settings():
    p = SiLIFParameters.sample((4, 1, 1), tau_u=0.02, a=(0.1, 0.2), v_th=0.5, method="super", alpha=3.0)
    assert p.a.shape == (4, 1, 1)
    assert ((p.a >= 0.1) & (p.a <= 0.2)).all()
    torch.testing.assert_close(p.tau_mem_inv, torch.full((4, 1, 1), 50.0))
    assert (p.v_th.item(), p.method, p.alpha) == (0.5, "super", 3.0)
    with pytest.raises(ValueError, match="tau_u"):
        SiLIFParameters.sample(4, tau_u=-1.0)
    assert CSiLIFParameters.sample(4, init="uniform", omega=7.0).omega.tolist() == [7.0] * 4


def test_a_unit_of_current_raises_the_potential_by_one():
    """Whatever the time constants start as; afterwards the scale stays while they train."""
    p = SiLIFParameters.sample(5, dt=0.004)
    torch.testing.assert_close(p.state_space(0.004).b1, torch.ones(5))
    torch.testing.assert_close(SiLIF(dt=0.01).p.state_space(0.01).b1, torch.tensor(1.0))
    layer = SiLIF(5, dt=0.004)
    assert not layer.input_scale.requires_grad
    before = layer.input_scale.clone()
    with torch.no_grad():
        layer.log_inv_tau_u.add_(1.0)
    assert torch.equal(layer.input_scale, before)
    assert (layer.p.state_space(0.004).b1 > 1.5).all()


@each_model
def test_the_paper_s_start(layer, parameters, core):
    p = parameters.paper(200, dt=0.004)
    assert p.method == "boxcar"
    assert ours.spike_function(p.method, p.alpha) == Boxcar(0.5)
    assert (torch.as_tensor(p.input_scale) == 1).all()
    assert (p.b > 0.6).any()
    assert parameters.paper(3, b=0.25, method="super").b.tolist() == [0.25] * 3


@each_model
def test_default_surrogate_has_a_kernel(layer, parameters, core):
    """Norse's own, as the class that the kernels know: not a callable, whose derivative autograd must find."""
    for p in (layer(4).p, parameters(), layer().p, NeuronLayer(core(4)).p):
        assert p.method == "super"
        assert ours.spike_function(p.method, p.alpha) == FastSigmoid(10.0)


@each_model
def test_shared_parameters_have_the_dt_of_their_module(layer, parameters, core):
    """The same neurons in seconds, in steps of any length."""
    assert all(
        torch.allclose(a, b) for a, b in zip(parameters.shared(), parameters(), strict=True) if torch.is_tensor(a)
    )
    if layer is CSiLIF:
        slow, fast = (layer(dt=dt).p for dt in (0.01, 0.001))
        torch.testing.assert_close(slow.log_relative_dt.exp() * 0.01, fast.log_relative_dt.exp() * 0.001)


@each_model
def test_a_number_of_neurons_or_a_shape_in_the_place_of_parameters(layer, parameters, core):
    torch.manual_seed(3)
    made = layer(4, dt=0.01)
    torch.manual_seed(3)
    expected = layer(parameters.sample(4, dt=0.01), dt=0.01)
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in made.state_dict().items())
    assert layer((4, 1, 1)).b.shape == (4, 1, 1)
    assert layer(p=4).b.shape == (4,)


# Conversion


@each_model
@pytest.mark.parametrize("dt", [0.001, 0.004, 1.0])
def test_to_neuron_is_exact(layer, parameters, core, dt):
    p = parameters.paper(64, dt=dt, v_th=0.8)
    for ours_, theirs in zip(p.state_space(dt), p.to_neuron(dt=dt).state_space(), strict=True):
        assert torch.equal(ours_, theirs)


@each_model
def test_from_neuron_is_exact_but_for_the_last_digit_of_log_dt(layer, parameters, core):
    neuron = core(64, dt=(0.001, 0.3), threshold=0.8)
    for dt, tolerance in ((1.0, 0.0), (0.001, 1e-6)):
        back = parameters.from_neuron(neuron, dt=dt).to_neuron(dt=dt)
        for name, value in neuron.named_parameters():
            if name == "log_dt":
                torch.testing.assert_close(getattr(back, name), value, atol=tolerance, rtol=0.0)
            else:
                assert torch.equal(getattr(back, name), value)
        assert torch.equal(back.threshold, neuron.threshold)


@each_model
def test_conversions_copy_and_keep_type(layer, parameters, core):
    neuron = core(3).double()
    p = parameters.from_neuron(neuron)
    p.b.fill_(7)
    assert not (neuron.b == 7).any()
    assert p.log_relative_dt.dtype == torch.float64
    assert p.to_neuron(learn=("b",)).b.dtype == torch.float64
    assert [name for name, _ in p.to_neuron(learn=("b",)).named_parameters()] == ["b"]


def test_shared_parameters_become_one_neuron_for_all():
    assert SiLIFParameters(input_scale=1.0).to_neuron().size == (1,)
    assert CSiLIFParameters(b=torch.rand(5)).to_neuron().size == (5,)


def test_other_parametrisations_are_refused():
    with pytest.raises(ValueError, match=r"input_scale.*must be 1"):
        SiLIFParameters.sample(3).to_neuron()
    with pytest.raises(ValueError, match=r"reset_scale.*must be 1"):
        CSiLIFParameters.sample(3, reset_scale=2.0).to_neuron()
    with pytest.raises(ValueError, match="log_inv_tau_u"):
        SiLIFParameters.from_neuron(neurons.SiLIF(3, log=False))
    with pytest.raises(ValueError, match="half_reset"):
        CSiLIFParameters.from_neuron(neurons.CSiLIF(3, half_reset=False))


# Modules


@each_model
def test_p_reads_as_the_tuple(layer, parameters, core):
    given = parameters.sample(4, method="triangle", alpha=2.0)
    module = layer(given)
    assert isinstance(module.p, parameters)
    for name, value in given._asdict().items():
        read = getattr(module.p, name)
        assert torch.equal(read, value) if isinstance(value, torch.Tensor) else read == value
    assert module.p.b is module.b
    assert all(parameter is not value for parameter in module.parameters() for value in given)


@each_model
def test_learn_chooses_what_trains(layer, parameters, core):
    names = [name for name in parameters._fields if name not in SETTINGS]
    trained = lambda learn: [name for name, _ in layer(parameters.sample(4), learn=learn).named_parameters()]  # noqa: E731
    assert trained(True) == names
    assert trained(False) == []
    assert trained(("log_relative_dt", "b")) == ["log_relative_dt", "b"]
    assert trained(iter(["v_th"])) == ["v_th"]
    assert list(layer(parameters.sample(4), learn=False).state_dict()) == [*names, "input_scale", "reset_scale"]
    with pytest.raises(ValueError, match=r"learn.*tau_mem"):
        layer(learn=("tau_mem",))
    with pytest.raises(ValueError, match=r"learn.*'b'"):
        layer(learn="b")


def test_given_parameters_are_kept_as_the_very_objects():
    a = nn.Parameter(torch.rand(4))
    first, second = (SiLIFCell(SiLIFParameters.sample(4)._replace(a=a)) for _ in range(2))
    assert first.a is second.a is first.p.a is a
    assert len({id(parameter) for parameter in nn.ModuleList([first, second]).parameters()}) == 9
    leaf = torch.rand(4, requires_grad=True)
    cell = SiLIFCell(SiLIFParameters(log_relative_dt=leaf))
    cell(torch.rand(2, 4))[1].v.sum().backward()
    assert cell.log_relative_dt is leaf
    assert leaf.grad.abs().sum() > 0


def test_computed_parameters_are_refused_by_modules_and_taken_by_functions():
    rates = torch.rand(4, requires_grad=True)
    p = SiLIFParameters(log_inv_tau_u=rates.log())
    with pytest.raises(ValueError, match=r"log_inv_tau_u.*detach"):
        SiLIF(p)
    _, state = ours.feed_forward_integral(torch.rand(5, 2, 4), None, p)
    state.v.sum().backward()
    assert rates.grad.abs().sum() > 0


def test_p_can_be_assigned():
    layer = SiLIF(SiLIFParameters.sample(4), learn=("a", "b"))
    a, order = layer.a, [name for name, _ in layer.named_parameters()]
    layer.p = layer.p._replace(v_th=0.5, b=torch.ones(4), method="super")
    assert layer.a is a
    assert [name for name, _ in layer.named_parameters()] == order
    assert layer.p.v_th.item() == 0.5
    assert layer.p.method == "super"
    with pytest.raises(TypeError, match="SiLIFParameters"):
        layer.p = CSiLIFParameters()


def test_assignment_is_all_or_nothing():
    layer = SiLIF(SiLIFParameters.sample(4))
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match="v_th: got NaN"):
        layer.p = layer.p._replace(a=torch.zeros(4), v_th=torch.tensor(float("nan")))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match=r"do not broadcast.*a \(3,\)"):
        SiLIF(SiLIFParameters.sample(4)._replace(a=torch.rand(3)))
    with pytest.raises(ValueError, match="method: got 'nonsense'"):
        SiLIF(SiLIFParameters(method="nonsense"))
    with pytest.raises(TypeError, match="method"):
        SiLIF(SiLIFParameters(method=3))
    with pytest.raises(ValueError, match="alpha"):
        SiLIF(SiLIFParameters(alpha=0.0))
    with pytest.raises(ValueError, match="dt"):
        SiLIF(dt=0.0)
    with pytest.raises(TypeError, match=r"SiLIFParameters.sample\(128\); from_lif"):
        SiLIF(snn.LIFParameters())
    with pytest.raises(TypeError, match=r"p: got float; it must be CSiLIFParameters, such as"):
        CSiLIF(128.0)
    with pytest.raises(TypeError, match="p: got int"):
        ours.SiLIFRecurrent(3, 4, 4)
    with pytest.raises(TypeError, match="neuron"):
        NeuronLayer(SiLIF())


def test_numbers_are_parameters_too():
    layer = SiLIF(SiLIFParameters(a=0, b=1.5, v_th=2))
    assert layer.p.a.dtype == torch.float32
    z, _ = ours.feed_forward_step(torch.ones(2, 3), None, SiLIFParameters(a=0, b=1.5, v_th=2))
    assert torch.equal(z, torch.zeros(2, 3))


def test_input_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="must be"):
        SiLIF(SiLIFParameters.sample(4))(torch.rand(5, 2, 3))
    with pytest.raises(ValueError, match="3 inputs"):
        ours.SiLIFRecurrent(3, 4)(torch.rand(5, 2, 4))
    with pytest.raises(ValueError, match=r"recurrent_weights: got shape \(4, 3\)"):
        ours.SiLIFRecurrent(3, 4, recurrent_weights=torch.rand(4, 3))
    with pytest.raises(ValueError, match="one dimension"):
        ours.NeuronRecurrent(3, neurons.SiLIF((2, 2)))


def test_state_that_does_not_fit_is_explained():
    layer = SiLIF(record_states=True)
    _, states = layer(torch.rand(5, 2, 4))
    with pytest.raises(ValueError, match=r"state\.z: got shape \(5, 2, 4\).*last step"):
        layer(torch.rand(5, 2, 4), states)
    last = type(states)(*(field[-1] for field in states))
    layer(torch.rand(5, 2, 4), last)
    with pytest.raises(ValueError, match=r"state\.z: got shape \(2, 4\); the input needs \(3, 4\)$"):
        layer(torch.rand(5, 3, 4), last)
    with pytest.raises(ValueError, match=r"state\.w"):
        layer(torch.rand(5, 2, 4), last._replace(w=torch.zeros(())))
    with pytest.raises(TypeError, match="SiLIFState"):
        layer(torch.rand(5, 2, 4), CSiLIF()(torch.rand(5, 2, 4))[1])


def test_modules_say_what_they_are():
    assert repr(SiLIF(SiLIFParameters.sample(4), dt=0.002)) == "SiLIF((4,), dt=0.002, method='super')"
    assert "autapses=False" in repr(ours.CSiLIFRecurrent(3, 4))
    assert "nan" not in repr(NeuronLayer(neurons.RF(3)))


def test_sparse_input_gives_sparse_spikes():
    """As Norse's LIF does."""
    x = (torch.rand(10, 2, 4) > 0.5).float() * 60
    for layer in (SiLIF(), ours.SiLIFRecurrent(4, 4)):
        z, state = layer(x.to_sparse())
        dense, _ = layer(x)
        assert z.is_sparse
        assert not state.z.is_sparse
        assert dense.any()
        assert torch.equal(z.to_dense(), dense)
    for cell in (SiLIFCell(), ours.SiLIFRecurrentCell(4, 4)):
        assert cell(x[0].to_sparse())[0].is_sparse


def test_import_without_norse_says_what_to_install():
    code = """
import sys
class NoNorse:
    def find_spec(self, name, path=None, target=None):
        if name == "norse":
            raise ModuleNotFoundError("No module named 'norse'", name=name)
sys.meta_path.insert(0, NoNorse())
import silif_plugins
try:
    import silif_plugins.norse
except ImportError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "silif_plugins[norse]"' in printed
