"""Swapped into a network of Norse, our neurons start as those that they replace, and learn from there."""

import copy

import pytest
import torch
from torch import nn

pytest.importorskip("norse")

import norse.torch as snn
from norse.torch.functional.reset import reset_subtract, reset_value
from norse.torch.module import lif_box

from silif_plugins import norse as ours
from silif_plugins.norse import CSiLIF, SiLIF, from_lif, replace

N = 6


@pytest.fixture
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def box_parameters(**options):
    """LIFBox's, in the default data type."""
    p = snn.LIFBoxParameters(**options)
    return p._replace(**{k: v.to(torch.get_default_dtype()) for k, v in p._asdict().items() if torch.is_tensor(v)})


def plain_lif_box(x, rate, dt, v_th, v_leak, reset):
    """A LIF neuron without a current filter, one step after the other; it knows no package."""
    v, spikes, voltages = torch.full_like(x[0], v_leak), [], []
    for now in x:
        v = v + dt * rate * (now + v_leak - v)
        z = (v > v_th).to(v)
        spikes.append(z)
        voltages.append(v)
        v = v - z * reset
    return torch.stack(spikes), torch.stack(voltages)


@pytest.mark.parametrize("new", [SiLIF, CSiLIF])
@pytest.mark.parametrize(("rate", "dt"), [(100.0, 0.001), (20.0, 0.01), (900.0, 0.001)])
@pytest.mark.parametrize(("v_th", "v_leak"), [(1.0, 0.0), (0.4, 0.0), (-50.0, -65.0)])
@pytest.mark.usefixtures("float64")
def test_starts_as_lif_box(new, rate, dt, v_th, v_leak):
    """The spikes and voltages of Norse's own neuron, and of a loop, over 200 steps of random input, to 1e-12."""
    p = box_parameters(
        tau_mem_inv=torch.tensor(rate),
        v_th=torch.tensor(v_th),
        v_leak=torch.tensor(v_leak),
        reset_method=reset_subtract,
    )
    if v_leak:
        # Norse's own reset_subtract takes v_th off, which is a jump upwards where it is negative: so jump to v_reset.
        p = p._replace(v_reset=torch.tensor(v_leak), reset_method=reset_value)
    scale = 1.0 if v_th < 0 else 3 * (v_th - v_leak)
    x = scale * (torch.rand(200, 3, N) + 15.0 * (v_th < 0))
    cell = snn.LIFBoxCell(p, dt=dt)
    options = {"omega": 0.0} if new is CSiLIF else {}
    layer = snn.Lift(from_lif(cell, new, size=N, **options))
    expected, voltages = plain_lif_box(x, rate, dt, v_th, v_leak, v_th if v_leak == 0 else v_th - v_leak)
    z, v, state = [], [], None
    for now in x:
        spikes, state = layer.lifted_module(now, state)
        z.append(spikes)
        v.append(state.v + v_leak)
    z, v = torch.stack(z), torch.stack(v)
    assert 0.01 < expected.mean() < 0.9
    assert torch.equal(z, expected)
    torch.testing.assert_close(v, voltages, rtol=1e-12, atol=1e-12 * max(1, abs(v_leak)))
    if p.reset_method is reset_subtract:
        own, state = snn.Lift(cell)(x)
        assert torch.equal(z, own)
        torch.testing.assert_close(v[-1] - v_th * z[-1], state.v, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("reset", [reset_value, reset_subtract])
def test_lif_box_layer(reset):
    if not hasattr(lif_box, "LIFBox"):
        pytest.skip("this version of Norse has LIFBoxCell alone")
    layer = lif_box.LIFBox(box_parameters(reset_method=reset))
    new = from_lif(layer, size=N)
    assert isinstance(new, SiLIF)
    x = 3 * torch.rand(50, 2, N)
    z, own = new(x)[0], layer(x)[0]
    first = own.cumsum(0) == own  # until the first spike, the size of the reset does not matter
    assert torch.equal(z[first], own[first])
    assert own.any()
    if reset is reset_subtract:
        assert torch.equal(z, own)


@pytest.mark.parametrize("new", [SiLIF, CSiLIF])
@pytest.mark.parametrize(("syn", "mem", "dt"), [(200.0, 100.0, 0.001), (50.0, 20.0, 0.01)])
def test_fires_at_the_current_at_which_lif_fires(new, syn, mem, dt):
    """Constant currents just below and above LIF's own limit; the delay of its current filter passes."""
    p = snn.LIFParameters(tau_syn_inv=torch.tensor(syn), tau_mem_inv=torch.tensor(mem), v_th=torch.tensor(0.7))
    limit = 0.7 * syn * dt  # LIF's current settles at I / (dt tau_syn_inv)
    currents = limit * torch.tensor([0.9, 0.98, 1.02, 1.1]).expand(2000, 1, 4)
    options = {"omega": 0.0} if new is CSiLIF else {}
    layer = from_lif(snn.LIF(p, dt=dt), new, **options)
    rates = layer(currents)[0].mean(0), snn.LIF(p, dt=dt)(currents)[0].mean(0)
    for rate in rates:
        assert (rate > 0).tolist() == [[False, False, True, True]]
    torch.testing.assert_close(rates[0], rates[1], rtol=0.25, atol=0.005)


def test_keeps_the_recurrent_weights_and_the_form():
    for old, new in (
        (snn.LIFRecurrentCell(3, N), ours.SiLIFRecurrentCell),
        (snn.LIFRecurrent(3, N, dt=0.002, record_states=True), ours.SiLIFRecurrent),
        (snn.LSNNRecurrentCell(3, N), ours.SiLIFRecurrentCell),
        (snn.LSNNRecurrent(3, N, autapses=True), ours.SiLIFRecurrent),
        (snn.LIFCell(), ours.SiLIFCell),
        (snn.LSNN(), ours.SiLIF),
        (snn.LSNNCell(), ours.SiLIFCell),
    ):
        made = from_lif(old, size=N)
        assert type(made) is new
        assert made.dt == old.dt
        if hasattr(old, "recurrent_weights"):
            assert made.input_weights is old.input_weights
            assert made.recurrent_weights is old.recurrent_weights
            assert made.autapses == bool(old.recurrent_weights.diagonal().any())
        if hasattr(old, "record_states"):
            assert made.record_states == old.record_states
        x = torch.rand(5, 2, 3 if hasattr(old, "input_weights") else N)
        z, _ = made(x if hasattr(old, "record_states") else x[0])
        assert z.shape[-1] == N
        assert type(from_lif(old, CSiLIF)).__name__ == f"C{new.__name__}"


@pytest.mark.parametrize(
    ("method", "alpha", "kept"),
    [("super", 100.0, 10.0), ("super", 3.0, 3.0), ("tanh", 100.0, 100.0), ("triangle", 0.5, 0.5)],
)
def test_surrogate_is_the_old_neuron_s(method, alpha, kept):
    """Norse's default alpha of "super" becomes ours: one version of Norse ignores it."""
    p = from_lif(snn.LIF(snn.LIFParameters(method=method, alpha=torch.tensor(alpha)))).p
    assert p.method == method
    assert ours.spike_function(p.method, p.alpha) == ours.spike_function(method, kept)


def test_adjoint_neurons_get_a_surrogate():
    assert from_lif(snn.LIF(snn.LIFParameters(method="adjoint"))).p.method == "super"


def test_lsnn_keeps_its_adaptation():
    p = snn.LSNNParameters(beta=torch.tensor(0.6), tau_adapt_inv=torch.tensor(4.0), v_th=torch.tensor(0.5))
    new = from_lif(snn.LSNN(p), size=N).p
    torch.testing.assert_close(new.tau_ada_inv, torch.full((N,), 4.0))
    torch.testing.assert_close(new.b * new.reset_scale, torch.full((N,), 0.6))
    assert from_lif(snn.LSNN(snn.LSNNParameters(beta=torch.tensor(9.0)))).p.b == 2


def test_trained_thresholds_go_on_training():
    v_th = nn.Parameter(torch.full((N,), 0.8))
    old = snn.LIFRecurrentCell(3, N, snn.LIFParameters(v_th=v_th))
    new = from_lif(old)
    assert new.v_th is v_th
    leaky = snn.LIFParameters(v_th=v_th, v_leak=torch.tensor(-1.0))
    assert from_lif(snn.LIFRecurrentCell(3, N, leaky)).v_th.tolist() == pytest.approx([1.8] * N)


def test_options_are_those_of_sample():
    p = from_lif(snn.LIF(), size=N, a=(0.0, 0.3), b=0.2, method="boxcar", alpha=None).p
    assert (p.a > 0).any()
    assert p.b.tolist() == pytest.approx([0.2] * N)
    assert (p.method, p.alpha) == ("boxcar", None)
    assert [name for name, _ in from_lif(snn.LIF(), size=N, learn=("a",)).named_parameters()] == ["a"]


def test_parameters_that_differ_between_neurons_tell_the_size():
    rates = torch.linspace(50, 200, N)
    new = from_lif(snn.LIF(snn.LIFParameters(tau_mem_inv=rates)))
    torch.testing.assert_close(new.p.state_space(new.dt).a11, 1 - 0.001 * rates)
    assert from_lif(snn.LIF()).p.a.shape == ()
    assert from_lif(snn.LIF(), CSiLIF).p.omega.shape == ()


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match=r"lif: got LIFAdEx; it must be one of LIFCell, LIF, .*LSNNRecurrent"):
        from_lif(snn.LIFAdEx())
    with pytest.raises(TypeError, match=r"new: got SiLIFCell; it must be SiLIF or CSiLIF"):
        from_lif(snn.LIF(), ours.SiLIFCell)
    with pytest.raises(ValueError, match=r"dt \* tau_mem_inv = 2; it must be between"):
        from_lif(snn.LIF(dt=0.02))
    with pytest.raises(ValueError, match="net: it holds none of LIFCell"):
        replace(snn.SequentialState(nn.Linear(2, 2), snn.LI()))
    with pytest.raises(ValueError, match="use from_lif"):
        replace(snn.LIF())
    with pytest.raises(ValueError, match="'3' is no neuron that can be replaced; there are: 1"):
        replace(snn.SequentialState(nn.Linear(2, 2), snn.LIF()), names=["3"])


class Own(nn.Module):
    """A network with a loop of its own, a shared neuron, and one that is lifted."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.first = snn.LIFCell()
        self.again = self.first
        self.fc = nn.Linear(4 * 8 * 8, N)
        self.dropout = nn.Dropout()
        self.hidden = snn.LSNNRecurrentCell(N, N)
        self.lifted = snn.Lift(snn.LIFCell())
        self.readout = snn.LILinearCell(N, 3)

    def forward(self, x):
        s = h = o = None
        currents = []
        for now in x:
            z, s = self.first(self.conv(now), s)
            z, h = self.hidden(self.dropout(self.fc(z.flatten(1))), h)
            currents.append(z)
        z, _ = self.lifted(torch.stack(currents))
        for now in z:
            v, o = self.readout(now, o)
        return v


def test_replace_in_a_network_of_ones_own():
    net = Own()
    net.dropout.eval()
    weights = net.hidden.recurrent_weights
    x = 5 * torch.rand(12, 2, 1, 8, 8)
    made = replace(net, sample=x)
    assert [(r.name, type(r.old).__name__, type(r.new).__name__) for r in made] == [
        ("first", "LIFCell", "SiLIFCell"),
        ("hidden", "LSNNRecurrentCell", "SiLIFRecurrentCell"),
        ("lifted.lifted_module", "LIFCell", "SiLIFCell"),
    ]
    assert net.again is net.first is made[0].new
    assert net.first.p.a.shape == (4, 1, 1)
    assert net.lifted.lifted_module.p.a.shape == (N,)
    assert net.hidden.recurrent_weights is weights
    assert net.training
    assert not net.dropout.training
    head, first, *_ = map(str.split, str(made).splitlines())
    assert head == ["name", "was", "is", "size", "v_th", "input_scale", "reset_scale", "parameters"]
    assert first == ["first", "LIFCell", "SiLIFCell", "4", "x", "1", "x", "1", "1", "5", "1", "20"]
    net(x).sum().backward()
    assert net.conv.weight.grad.abs().sum() > 0
    again = copy.deepcopy(net)
    assert torch.equal(again.eval()(x), net.eval()(x))


def test_replace_in_sequential_state():
    net = snn.SequentialState(
        nn.Linear(4, N), snn.LIF(), snn.LIFRecurrent(N, N), snn.SequentialState(nn.Linear(N, N), snn.LSNN()), snn.LI()
    )
    made = replace(net, CSiLIF, names=["1", "3.1"])
    assert [type(module).__name__ for module in list(net)[1:3]] == ["CSiLIF", "LIFRecurrent"]
    assert "shared" in str(made)
    x = 10 * torch.rand(20, 2, 4)
    _, state = net(x)
    assert state[1].w.shape == (2, N)
    net(x, state)[0].sum().backward()
    assert all(parameter.grad is not None for parameter in net[1].parameters())


def test_replaced_networks_load_what_was_saved():
    net = snn.SequentialState(nn.Linear(4, N), snn.LIF(snn.LIFParameters(tau_syn_inv=torch.tensor(300.0))))
    other = snn.SequentialState(nn.Linear(4, N), snn.LIF())
    x = torch.rand(30, 2, 4)
    replace(net, sample=x)
    replace(other, sample=x)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x)[1][1].v, net(x)[1][1].v)


@pytest.mark.parametrize("new", [SiLIF, CSiLIF])
def test_learns_from_where_lif_was(new):
    """All neuron parameters move, adaptation among them, and the loss falls."""
    net = snn.SequentialState(nn.Linear(4, 32), snn.LIF(), nn.Linear(32, 3), snn.LI())
    x, target = 2 * torch.rand(40, 30, 4), torch.randint(3, (30,))
    neuron = replace(net, new, sample=x)[0].new
    start = {name: value.detach().clone() for name, value in neuron.named_parameters()}
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(net(x)[0].mean(0), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    for name, value in neuron.named_parameters():
        assert not torch.equal(value, start[name]), name
