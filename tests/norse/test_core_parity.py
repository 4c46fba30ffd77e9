"""The modules give the core's spikes and gradients, and the snnTorch plugin's; surrogates are Norse's own."""

import pytest
import torch
from torch import nn

pytest.importorskip("norse")

import norse.torch as snn
from norse.torch.functional.lift import lift
from norse.torch.functional.threshold import threshold

from silif_plugins import neurons
from silif_plugins import norse as ours
from silif_plugins.diagnosis import SilenceWarning
from silif_plugins.dynamics import State, StateSpace
from silif_plugins.scan import reference
from silif_plugins.surrogate import ATan, Boxcar, Surrogate

T, B, N = 80, 3, 6
DT = 0.004

MODELS = {
    "SiLIF": (ours.SiLIFParameters, ours.SiLIF, ours.SiLIFCell, ours.SiLIFRecurrent, ours.SiLIFRecurrentCell, 8.0),
    "CSiLIF": (
        ours.CSiLIFParameters,
        ours.CSiLIF,
        ours.CSiLIFCell,
        ours.CSiLIFRecurrent,
        ours.CSiLIFRecurrentCell,
        0.5,
    ),
}
each_model = pytest.mark.parametrize("name", MODELS)


def drawn(name):
    """A neuron of the core in float64, its parameters for Norse, and an input and a state that make it fire."""
    parameters, *_, drive = MODELS[name]
    model = {"SiLIF": neurons.SiLIF, "CSiLIF": neurons.CSiLIF}[name]
    neuron = model(N, dt=(0.003, 0.3) if name == "CSiLIF" else (0.003, 0.006)).double()
    x = drive * torch.randn(T, B, N, dtype=torch.float64)
    state = torch.randn(3, B, N, dtype=torch.float64)
    state[0] = (state[0] > 0).double()
    return neuron, parameters.from_neuron(neuron, dt=DT)._replace(method="boxcar"), x, state


def definition(space: StateSpace, x, state, recurrent=None):
    """The core's plain loop, which defines what a neuron does."""
    z, v, w = state
    states, last = reference.run(space, x, State(v, w, z), Boxcar(), recurrent)
    return torch.stack([s.spk for s in states]), last


def gradients(loss, inputs):
    return torch.autograd.grad(loss, inputs, allow_unused=True)


def assert_close(ours_, core, names):
    for name, a, b in zip(names, ours_, core, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")
        assert b.abs().sum() > 0, name


@each_model
@pytest.mark.parametrize("form", ["layer", "cell", "function"])
def test_spikes_and_gradients_equal_the_core_s(name, form):
    neuron, p, x, state = drawn(name)
    _, layer, cell, *_ = MODELS[name]
    x.requires_grad_()
    state.requires_grad_()
    leaves = [*neuron.parameters(), x, state]
    spikes, last = definition(neuron.state_space(), x, state)
    weight = torch.randn_like(spikes)
    expected = gradients((spikes * weight).sum() + (last.mem * last.ada).sum(), leaves)

    module = (cell if form == "cell" else layer)(p, dt=DT)
    if form == "layer":
        z, after = module(x, p.state_type(*state))
    elif form == "cell":
        after, zs = p.state_type(*state), []
        for now in x.unbind():
            z, after = module(now, after)
            zs.append(z)
        z = torch.stack(zs)
    else:
        z, after = ours.feed_forward_integral(x, p.state_type(*state), module.p, DT)
    assert 0.05 < spikes.mean() < 0.95
    assert torch.equal(z, spikes)
    found = gradients((z * weight).sum() + (after.v * after.w).sum(), [*module.parameters(), x, state])
    assert_close(found, expected, [*(n for n, _ in neuron.named_parameters()), "x", "state"])


@each_model
@pytest.mark.parametrize("form", ["layer", "cell", "function"])
@pytest.mark.parametrize("autapses", [False, True])
def test_recurrent_spikes_and_gradients_equal_the_core_s(name, form, autapses):
    neuron, p, x, state = drawn(name)
    *_, layer, cell, _ = MODELS[name]
    w = torch.randn(N, N, dtype=torch.float64)
    v = torch.randn(N, N, dtype=torch.float64)
    w_core, v_core = w.clone().requires_grad_(), v.clone().requires_grad_()
    acting = v_core if autapses else v_core * (1 - torch.eye(N))
    spikes, last = definition(neuron.state_space(), x @ w_core.T, state, acting.T)
    weight = torch.randn_like(spikes)
    loss = (spikes * weight).sum() + (last.mem * last.ada).sum()
    expected = gradients(loss, [*neuron.parameters(), w_core, v_core])

    kind = cell if form == "cell" else layer
    module = kind(N, N, p, dt=DT, input_weights=w, recurrent_weights=v, autapses=autapses)
    before = p.state_type(*state)
    if form == "layer":
        z, after = module(x, before)
    elif form == "cell":
        z, after = snn.Lift(module)((x, before))
    else:
        z, after = ours.recurrent_integral(x, before, module.input_weights, module.synapses, module.p, DT)
    assert 0.05 < spikes.mean() < 0.95
    assert torch.equal(z, spikes)
    parameters = dict(module.named_parameters())
    wanted = [n.replace("log_dt", "log_relative_dt") for n, _ in neuron.named_parameters()]
    wanted += ["input_weights", "recurrent_weights"]
    found = gradients((z * weight).sum() + (after.v * after.w).sum(), [parameters[n] for n in wanted])
    assert_close(found, expected, wanted)


@pytest.mark.parametrize("name", [name for name, model in neurons.NEURONS.items() if model.has_state_space()])
def test_every_neuron_of_the_core_is_hosted(name):
    """Spikes, gradients, and the state_dict under the prefix ``neuron``."""
    neuron = neurons.neuron_class(name)(N).double()
    x = 5 * torch.rand(T, B, N, dtype=torch.float64)
    if name == "RF":
        x = x / neuron.dt  # its input enters as Δ I
    spikes, last = definition(neuron.state_space(), x, torch.zeros(3, B, N, dtype=torch.float64))
    layer = ours.NeuronLayer(neuron, method="boxcar")
    z, state = layer(x)
    assert spikes.any()
    assert torch.equal(z, spikes)
    assert torch.equal(state.w, last.ada)
    assert [key.removeprefix("neuron.") for key in layer.state_dict()] == list(neuron.state_dict())
    assert_close(
        gradients(state.v.sum(), list(layer.parameters())),
        gradients(last.mem.sum(), list(neuron.parameters())),
        [n for n, _ in neuron.named_parameters()],
    )


@each_model
def test_steps_of_functions_equal_their_integrals(name):
    _, p, x, _ = drawn(name)
    step, integral = ours.feed_forward_step, ours.feed_forward_integral
    r_step, r_integral = ours.recurrent_step, ours.recurrent_integral
    w, v = torch.randn(2, N, N, dtype=torch.float64)
    z, states = integral(x, None, p, DT, record_states=True)
    now, after = step(x[0], None, p, DT)
    assert torch.equal(now, z[0])
    assert torch.equal(after.w, states.w[0])
    lifted, last = lift(step, p)(x, dt=DT)
    assert torch.equal(lifted, z)
    assert torch.equal(last.v, states.v[-1])
    z, states = r_integral(x, None, w, v, p, DT, record_states=True)
    after = None
    for t, now in enumerate(x[:5]):
        spikes, after = r_step(now, after, w, v, p, DT)
        assert torch.equal(spikes, z[t])
        torch.testing.assert_close(after.v, states.v[t])


def test_csilif_is_the_paper_s_complex_neuron():
    """Algorithm 2, as it is written there."""
    neuron, p, x, _ = drawn("CSiLIF")
    rate = torch.complex(-neuron.log_decay.exp(), neuron.omega)
    alpha = torch.exp(neuron.log_dt.exp() * rate).detach()
    u, s, spikes = torch.zeros(B, N, dtype=torch.complex128), torch.zeros(B, N), []
    for now in x:
        u = alpha * (u - s / 2) + neuron.b.detach() * now
        s = (2 * u.real > 1).double()
        spikes.append(s)
    z, last = ours.CSiLIF(p, dt=DT)(x)
    assert torch.equal(z, torch.stack(spikes))
    torch.testing.assert_close(last.u, u, msg="the state's property u")


@pytest.mark.parametrize("method", ["heaviside", "super", "triangle", "tanh", "circ", "heavi_erfc"])
@pytest.mark.parametrize("alpha", [0.7, 10.0])
def test_methods_are_norse_s_own(method, alpha):
    x = torch.linspace(-2, 2, 41, requires_grad=True)
    z = ours.spike_function(method, alpha)(x)
    expected = threshold(x, method, alpha)
    assert torch.equal(z, expected)
    if method == "heaviside":
        assert not z.requires_grad
        return
    if method == "super":
        # Norse 1.1.0 ignores alpha, so that there is its own function at alpha 1 alone; ours is that of later versions.
        assert torch.equal(torch.autograd.grad(z.sum(), x)[0], 1 / (1 + alpha * x.detach().abs()) ** 2)
        z, expected = ours.spike_function(method, 1.0)(x), threshold(x, method, 1.0)
    assert torch.equal(*(torch.autograd.grad(y.sum(), x)[0] for y in (z, expected)))


def test_boxcar_s_width_goes_with_one_over_alpha():
    x = torch.tensor([-0.6, -0.4, -0.2, 0.2, 0.4, 0.6], requires_grad=True)
    for alpha, expected in ((1.0, [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]), (2.0, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0])):
        spikes = ours.spike_function("boxcar", alpha)(x)
        assert torch.autograd.grad(spikes.sum(), x)[0].tolist() == expected


@pytest.mark.parametrize(
    "method",
    ["boxcar", "super", ATan(3.0), lambda x: torch.sigmoid(5 * x)],
    ids=["boxcar", "super", "atan", "callable"],
)
def test_method_and_callables_reach_the_gradient(method):
    p = ours.SiLIFParameters.paper(N, method=method, alpha=0.5)
    x = (4 * torch.randn(T, B, N)).requires_grad_()
    z, _ = ours.SiLIF(p)(x)
    z.sum().backward()
    neuron = p.to_neuron()
    x_core = x.detach().clone().requires_grad_()
    rest = State.zeros((B, N))
    states, _ = reference.run(neuron.state_space(), x_core, rest, ours.spike_function(method, 0.5), None)
    torch.stack([s.spk for s in states]).sum().backward()
    assert x_core.grad.abs().sum() > 0
    torch.testing.assert_close(x.grad, x_core.grad, rtol=1e-4, atol=1e-6)


@each_model
@pytest.mark.parametrize("recurrent", [False, True])
def test_scales_and_detached_reset(name, recurrent):
    """Units of current and spike as the reference has them: I times the one, s[t-1] times the other; all gradients."""
    neuron, p, x, _ = drawn(name)
    options = {"input_scale": torch.rand(N).double() + 0.5, "reset_scale": torch.rand(N).double() + 0.5}
    p = p._replace(**options, detach_reset=True)
    w, v = torch.randn(2, N, N, dtype=torch.float64)
    space = neuron.state_space()
    space = space._replace(
        b1=space.b1 * options["input_scale"],
        r1=space.r1 * options["reset_scale"],
        r2=space.r2 * options["reset_scale"],
    )
    rest = State.zeros((B, N), dtype=torch.float64)
    x_core = x.clone().requires_grad_()
    current = x_core @ w.T if recurrent else x_core
    states, _ = reference.run(space, current, rest, Boxcar(), v.T if recurrent else None, detach_reset=True)
    spikes = torch.stack([s.spk for s in states])
    x.requires_grad_()
    if recurrent:
        module = MODELS[name][3](N, N, p, dt=DT, input_weights=w, recurrent_weights=v, autapses=True)
    else:
        module = MODELS[name][1](p, dt=DT)
    z, _ = module(x)
    assert torch.equal(z, spikes)
    weight = torch.randn_like(z)
    values = [value for n, value in module.named_parameters() if "weights" not in n]
    found = gradients((z * weight).sum(), [x, *values])
    expected = gradients((spikes * weight).sum(), [x_core, *neuron.parameters()])
    assert_close(found, expected, ["x", *(n for n, _ in neuron.named_parameters())])
    if not recurrent:
        lifted, _ = snn.Lift(MODELS[name][2](p, dt=DT))(x)
        assert torch.equal(lifted, z)


class Smooth(Surrogate):
    """A spike that is its own surrogate, so that differences are gradients."""

    def __call__(self, x):
        return torch.sigmoid(4 * x)


@pytest.mark.parametrize("name", [*MODELS, "recurrent"])
def test_gradcheck(name):
    model = "SiLIF" if name == "recurrent" else name
    p = MODELS[model][0].sample(2, method=Smooth())
    p = p._replace(**{f: v.double().requires_grad_() for f, v in p._asdict().items() if isinstance(v, torch.Tensor)})
    x = (3 * torch.randn(5, 2, 2, dtype=torch.float64)).requires_grad_()
    w, v = torch.randn(2, 2, 2, dtype=torch.float64).requires_grad_().unbind()
    state = torch.randn(3, 2, 2, dtype=torch.float64).requires_grad_()
    dynamics = [name for name in p._fields if name not in ("v_th", "method", "alpha")]

    def run(x, state, w, v, *fields):
        parameters = p._replace(**dict(zip(dynamics, fields, strict=True)))
        before = p.state_type(*state)
        if name == "recurrent":
            z, after = ours.recurrent_integral(x, before, w, v, parameters)
        else:
            z, after = ours.feed_forward_integral(x, before, parameters)
        return z, after.v, after.w

    # Away from the limits 0 and 1, 2 of a and b, where the clamp has no derivative.
    inside = {"a": 0.4, "b": 0.6}
    fields = [
        torch.full((2,), inside[n], dtype=torch.float64).requires_grad_() if n in inside else getattr(p, n)
        for n in dynamics
    ]
    assert torch.autograd.gradcheck(run, (x, state, w, v, *fields))


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF"])
@pytest.mark.parametrize("dt", [1.0, DT])
def test_snntorch_plugin_gives_the_same(name, dt):
    """Parameters converted either way: equal spikes and gradients. With dt = 1 the conversion rounds nothing."""
    pytest.importorskip("snntorch")
    try:
        from silif_plugins import snntorch as other
    except ImportError as error:
        pytest.skip(f"silif_plugins.snntorch cannot be imported: {error}")
    if not hasattr(other, name):
        pytest.skip(f"silif_plugins.snntorch has no {name} yet")
    _, p, x, _ = drawn(name)
    theirs = getattr(other, name).paper(N).double()
    p = MODELS[name][0].from_neuron(theirs.neuron, dt=dt)._replace(method="boxcar")
    module = MODELS[name][1](p, dt=dt)
    x_theirs = x.clone().requires_grad_()
    syn, mem = theirs.reset_mem()
    spikes = []
    for now in x_theirs.unbind():
        spk, syn, mem = theirs(now, syn, mem)
        spikes.append(spk)
    spikes = torch.stack(spikes)
    x.requires_grad_()
    z, state = module(x)
    assert 0.02 < spikes.mean() < 0.98
    assert torch.equal(z, spikes)
    torch.testing.assert_close(state.v, mem, rtol=1e-10, atol=1e-12)
    weight = torch.randn_like(spikes)
    found = gradients((z * weight).sum(), [*module.parameters(), x])
    expected = gradients((spikes * weight).sum(), [*theirs.neuron.parameters(), x_theirs])
    assert_close(found, expected, [*(n for n, _ in theirs.neuron.named_parameters()), "x"])


@each_model
def test_neurons_of_a_sparch_network(name):
    """A hidden layer of SpArch's network, its neurons taken over: equal spikes on the same currents."""
    from silif_plugins.sparch import SpArchNet

    net = SpArchNet(8, (N,), 2, neuron=name, normalization="none").double()
    p = MODELS[name][0].from_neuron(net.hidden[0].neuron, dt=DT)
    x = MODELS[name][-1] * 4 * torch.rand(T, B, 8, dtype=torch.float64)
    current = net.hidden[0].current(x)
    spikes, _ = definition(net.hidden[0].neuron.state_space(), current, torch.zeros(3, B, N, dtype=torch.float64))
    assert spikes.any()
    assert torch.equal(MODELS[name][1](p, dt=DT)(current)[0], spikes)


def test_trains_a_network_of_norse():
    """A few steps of Adam lower the loss through two layers, with every parameter of the neurons moving."""
    neurons_ = ours.SiLIF(ours.SiLIFParameters.sample(32, dt=DT), dt=DT)
    network = snn.SequentialState(nn.Linear(N, 32), nn.LayerNorm(32), neurons_, nn.Linear(32, 3), snn.LI())
    x, target = torch.rand(50, 30, N), torch.randint(3, (30,))
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(x)[0].mean(0), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    for name, value in network.named_parameters():
        assert not torch.equal(value, start[name]), name


@pytest.mark.parametrize("name", ["SiLIF", "CSiLIF"])
def test_a_layer_that_stays_silent_in_training_says_so(name):
    layer, silence = getattr(ours, name)(N), torch.zeros(3, 2, N)
    for _ in range(19):
        layer(silence)
    with pytest.warns(SilenceWarning, match="no spike in its first 20 calls"):
        layer(silence)
