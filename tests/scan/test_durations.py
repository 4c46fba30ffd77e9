"""Steps of their own length: what a clock makes of them, and matrices whose powers are taken."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import Flow, State, spectral_radius
from silif_plugins.neurons import LIF, CSiLIF, SiLIF, csilif_flow, csilif_space, silif_flow, silif_space
from silif_plugins.scan import scan, step
from silif_plugins.scan.flow_layout import FlowForward
from silif_plugins.scan.fused_flow import run_forward
from silif_plugins.testing import csilif_parameters, silif_parameters

MODELS = {
    "SiLIF": lambda size: SiLIF(size),
    "SiLIF, fast": lambda size: SiLIF(size, dt=(0.001, 0.5)),  # some have two negative eigenvalues
    "SiLIF, uncoupled": lambda size: SiLIF(size, a=0.0),
    "C-SiLIF": lambda size: CSiLIF(size),
    "C-SiLIF, whole reset": lambda size: CSiLIF(size, half_reset=False),
}
BACKENDS = ["reference", "cpu"]
FUNCTIONS = {
    "SiLIF": (silif_space, silif_flow, silif_parameters),
    "C-SiLIF": (csilif_space, csilif_flow, csilif_parameters),
}


def events(count, neurons, *, batch=2, longest=50):
    """Gaps of whole steps, the currents that come with them, and the same on a clock."""
    gaps = torch.randint(1, longest, (count,))
    current = torch.randn(count, batch, neurons, dtype=torch.float64)
    ticks = torch.zeros(int(gaps.sum()), batch, neurons, dtype=torch.float64)
    ticks[gaps.cumsum(0) - 1] = current
    return gaps, current, ticks


def random_state(batch, neurons):
    return State(*torch.rand(2, batch, neurons, dtype=torch.float64) / 2, torch.randint(2, (batch, neurons)).double())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_equals_a_fine_clock(name, backend):
    """Every state at every event, where no neuron fires between events; those before them may have fired."""
    torch.manual_seed(0)
    neuron = MODELS[name](40).double()
    gaps, current, ticks = events(30, 40)
    state = random_state(2, 40)
    with torch.no_grad():
        neuron.threshold.fill_(1e9)
        _, _, fine = scan(neuron, ticks, state, return_states=True)
        _, _, coarse = scan(neuron, current, state, dt=gaps, return_states=True, backend=backend)
    at = gaps.cumsum(0) - 1
    assert fine.mem.abs().max() > 0.01
    torch.testing.assert_close(coarse.mem, fine.mem[at], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(coarse.ada, fine.ada[at], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", [SiLIF, CSiLIF])
def test_equals_a_clock_on_which_neurons_may_fire_at_events_alone(model, backend):
    """By a loop that steps the state space, and takes spikes only where there is an event."""
    torch.manual_seed(1)
    neuron = model(40).double()
    gaps, current, ticks = events(60, 40, longest=8)
    gain = 20.0 if model is SiLIF else 2.0
    space = neuron.state_space()
    x = torch.zeros(2, 40, 2, dtype=torch.float64)
    fired = torch.zeros(2, 40, dtype=torch.float64)
    b, r = torch.stack([space.b1, space.b2 + 0 * space.b1], -1), torch.stack([space.r1, space.r2 + 0 * space.r1], -1)
    expected, ends = [], set((gaps.cumsum(0) - 1).tolist())
    with torch.no_grad():
        for t, now in enumerate(gain * ticks):
            x = (space.transition @ x[..., None])[..., 0] + b * now[..., None] + r * fired[..., None]
            fired = (x[..., 0] > 1).double() if t in ends else torch.zeros_like(fired)
            if t in ends:
                expected.append(fired)
        spikes, last = scan(neuron, gain * current, dt=gaps, backend=backend)
    assert 0.01 < spikes.mean() < 0.9
    assert torch.equal(spikes, torch.stack(expected))
    torch.testing.assert_close(torch.stack([last.mem, last.ada], -1), x, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_steps_of_one_are_steps(name, backend):
    torch.manual_seed(2)
    neuron = MODELS[name](20).double()
    current = 6 * torch.randn(60, 3, 20, dtype=torch.float64)
    spikes, last = scan(neuron, current)
    found, end = scan(neuron, current, dt=torch.ones(60), backend=backend)
    assert torch.equal(spikes, found)
    torch.testing.assert_close(tuple(end), tuple(last), rtol=1e-11, atol=1e-11)
    gradients = [
        torch.autograd.grad(each.sum(), list(neuron.parameters()), allow_unused=True, materialize_grads=True)
        for each in (spikes, found)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from(list(FUNCTIONS)), steps=st.integers(0, 40))
def test_whole_durations_are_powers_of_the_transition_for_all_parameters(data, name, steps):
    space_of, of, parameters = FUNCTIONS[name]
    drawn = data.draw(parameters())
    space, flow = space_of(**drawn), of(**drawn)
    assert all(field.isfinite().all() for field in flow)
    p, q = flow.weights(torch.tensor(float(steps), dtype=torch.float64))
    got = torch.stack([p + q * flow.m11, q * flow.m12, q * flow.m21, p - q * flow.m11], -1).view(-1, 2, 2)
    expected = torch.linalg.matrix_power(space.transition, steps)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9 * max(1.0, float(expected.abs().max())))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from(list(FUNCTIONS)), duration=st.floats(0, 1e4))
def test_no_duration_lets_the_state_grow(data, name, duration):
    """The eigenvalues of what a duration does are within the unit circle for all parameters, and gradients finite."""
    _, of, parameters = FUNCTIONS[name]
    drawn = {key: value.requires_grad_() for key, value in data.draw(parameters()).items()}
    flow = of(**drawn)
    p, q = flow.weights(torch.tensor(duration, dtype=torch.float64))
    square = flow.m11**2 + flow.m12 * flow.m21  # of M's eigenvalues
    root = torch.sqrt(square.to(torch.complex128))
    radius = torch.maximum((p + q * root).abs(), (p - q * root).abs())
    assert (radius <= 1 + 1e-6).all()
    (p + q).sum().backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in drawn.values())


@pytest.mark.parametrize("model", [SiLIF, CSiLIF])
def test_durations_in_pieces_add_up(model):
    """Two durations without a spike or input are one, whole or not."""
    torch.manual_seed(3)
    neuron = model(30).double()
    neuron.threshold.fill_(1e9)
    state = random_state(2, 30)._replace(spk=torch.zeros(2, 30, dtype=torch.float64))
    nothing = torch.zeros(2, 30, dtype=torch.float64)
    with torch.no_grad():
        _, once = step(neuron, nothing, state, dt=7.3)
        _, middle = step(neuron, nothing, state, dt=torch.tensor([2.4, 7.3]))
        _, twice = step(neuron, nothing, middle, dt=torch.tensor([4.9, 0.0]))
    torch.testing.assert_close(once.mem, twice.mem, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=15, deadline=None)
@given(cut=st.integers(0, 30), each=st.booleans())
def test_pieces_steps_and_checkpoints_are_the_whole(backend, cut, each):
    torch.manual_seed(cut)
    neuron, current = SiLIF(6).double(), 6 * torch.randn(30, 2, 6, dtype=torch.float64)
    dt = 3 * torch.rand((30, 2) if each else (30,), dtype=torch.float64)
    spikes, last = scan(neuron, current, dt=dt, backend=backend)
    first, middle = scan(neuron, current[:cut], dt=dt[:cut], backend=backend)
    second, end = scan(neuron, current[cut:], middle, dt=dt[cut:], backend=backend)
    again, kept = scan(neuron, current, dt=dt, checkpoint_chunks=4, backend=backend)
    state, single = None, []
    for now, duration in zip(current, dt, strict=True):
        spike, state = step(neuron, now, state, dt=duration)
        single.append(spike)
    for found, fields in ((torch.cat([first, second]), end), (again, kept), (torch.stack(single), state)):
        assert torch.equal(found, spikes)
        torch.testing.assert_close(tuple(fields), tuple(last), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lengths(backend):
    torch.manual_seed(4)
    neuron, current = SiLIF(6).double(), 6 * torch.randn(30, 3, 6, dtype=torch.float64)
    dt = 3 * torch.rand(30, 3, dtype=torch.float64)
    spikes, last = scan(neuron, current, dt=dt, lengths=torch.tensor([30, 0, 17]), backend=backend)
    alone, end = scan(neuron, current[:17, 2:], dt=dt[:17, 2:], backend=backend)
    assert torch.equal(spikes[:17, 2:], alone)
    assert spikes[17:, 2].sum() == spikes[:, 1].sum() == 0
    torch.testing.assert_close(last.mem[2:], end.mem)


def test_gradient_of_a_duration_is_that_of_the_reference():
    neuron, current = CSiLIF(3).double(), torch.rand(4, 1, 3, dtype=torch.float64)
    neuron.threshold.fill_(1e9)
    dt = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda dt: scan(neuron, current, dt=dt)[1].mem, (dt,))


def test_the_parameters_have_the_gradients_of_differences():
    current, dt = torch.randn(6, 2, 4, dtype=torch.float64), 4 * torch.rand(6, 2, dtype=torch.float64)
    for model in (SiLIF(4, dt=(0.001, 0.3)).double(), CSiLIF(4).double()):
        model.threshold.fill_(1e9)
        names, values = zip(*model.named_parameters(), strict=True)

        def last(*values, model=model, names=names):
            return torch.func.functional_call(
                _Running(model),
                {f"neuron.{name}": value for name, value in zip(names, values, strict=True)},
                (current, dt),
            )

        assert torch.autograd.gradcheck(last, values)


class _Running(torch.nn.Module):
    def __init__(self, neuron):
        super().__init__()
        self.neuron = neuron

    def forward(self, current, dt):
        return scan(self.neuron, current, random_start(current), dt=dt, backend="reference")[1].mem


def random_start(current):
    return State(*torch.linspace(0, 1, 3 * current[0].numel(), dtype=current.dtype).view(3, *current.shape[1:]))


def test_errors_name_the_argument():
    neuron, current = SiLIF(3), torch.zeros(4, 2, 3)
    with pytest.raises(ValueError, match=r"dt: got shape \(3,\); it must be \(4,\) or \(4, 2\)"):
        scan(neuron, current, dt=torch.ones(3))
    with pytest.raises(ValueError, match=r"dt: got -1\.0; a duration must be a finite number from 0 on"):
        scan(neuron, current, dt=torch.tensor([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="dt: got durations for LIF, which has no flow"):
        scan(LIF(3), current, dt=torch.ones(4))
    with pytest.raises(ValueError, match=r"dt: got durations for .*, which has no flow"):
        scan(neuron.state_space(), current, dt=torch.ones(4))
    assert isinstance(neuron.flow(), Flow)
    assert spectral_radius(neuron.state_space()).max() < 1


def outputs_and_gradients(backend, flow, current, dt, state, weights, **options):
    """Run a scan and a loss that reaches every output; return outputs, and gradients of all inputs."""
    inputs = [tensor.detach().clone().requires_grad_() for tensor in (current, *flow, *state)]
    neurons, state = Flow(*inputs[1:12]), State(*inputs[12:])
    spikes, *states = scan(neurons, inputs[0], state, dt=dt, backend=backend, **options)
    outputs = [spikes, *(field for each in states for field in each)]
    pairs = zip(outputs, weights[: len(outputs)], strict=True)
    loss = sum((output * weight[: output.numel()].view_as(output)).sum() for output, weight in pairs)
    return outputs, torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 80),
    batch=st.integers(1, 5),
    neurons=st.sampled_from([1, 7, 16, 32, 100, 512]),
    name=st.sampled_from(list(MODELS)),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    layout=st.sampled_from([(0, 1, 2), (1, 0, 2), (2, 1, 0)]),
    surrogate=st.sampled_from(["boxcar", "atan", "fast_sigmoid", "triangle"]),
    each=st.booleans(),
    cut=st.booleans(),
    traced=st.booleans(),
    detach_reset=st.booleans(),
)
def test_kernel_equals_reference_whatever_is_asked_for(
    steps, batch, neurons, name, dtype, layout, surrogate, each, cut, traced, detach_reset
):
    """Outputs, states and every gradient; in float32 they are near, but for spikes at the edge of the threshold."""
    torch.manual_seed(steps)
    flow = [field.detach().expand(neurons) for field in MODELS[name](neurons).to(dtype).flow()]
    current = 4 * torch.randn(steps, batch, neurons, dtype=dtype)
    current = current.permute(layout).contiguous().permute([layout.index(axis) for axis in range(3)])
    dt = 4 * torch.rand((steps, batch) if each else (steps,), dtype=dtype)
    state = torch.rand(3, batch, neurons, dtype=dtype)
    lengths = torch.randint(steps + 1, (batch,)) if cut else None
    options = {"surrogate": surrogate, "lengths": lengths, "return_states": traced, "detach_reset": detach_reset}
    weights = torch.randn(7, steps * batch * neurons, dtype=dtype)
    expected = outputs_and_gradients("reference", flow, current, dt, state, weights, **options)
    got = outputs_and_gradients("cpu", flow, current, dt, state, weights, **options)
    if dtype == torch.float32:
        same = (expected[0][0] == got[0][0]).float().mean()
        assert same > 0.99
        return
    assert torch.equal(expected[0][0], got[0][0])
    for one, other in zip(expected[0], got[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * float(one.detach().abs().max().clamp(min=1)))
    for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
        scale = one.abs().max().clamp(min=1e-30)
        assert ((one - other).abs() <= 1e-9 * scale).all(), f"gradient {index}"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"recurrent": torch.randn(6, 6).double()}, "it has recurrent weights, and durations"),
        ({"surrogate": lambda x: (x > 0).to(x)}, "the surrogate must be boxcar"),
        ({"dt": torch.ones(40, dtype=torch.float64, requires_grad=True)}, "the gradient of the durations"),
    ],
)
def test_what_has_no_kernel_runs_on_the_reference(options, reason):
    neuron, current = SiLIF(6).double(), 6 * torch.randn(40, 2, 6, dtype=torch.float64)
    options = {"dt": torch.ones(40)} | options
    expected = scan(neuron, current, backend="reference", **options)
    assert torch.equal(scan(neuron, current, **options)[0], expected[0])
    with pytest.raises(ValueError, match=reason):
        scan(neuron, current, backend="cpu", **options)


@pytest.mark.parametrize("trace", [False, True])
def test_opcheck(trace):
    numbers = torch.stack([field.expand(5) for field in SiLIF(5).double().flow()]).detach().requires_grad_()
    current = torch.randn(40, 2, 5, dtype=torch.float64).requires_grad_()
    initial, durations = torch.rand(3, 2, 5, dtype=torch.float64).requires_grad_(), torch.rand(40, 2).double()
    call = FlowForward(current, durations, numbers, initial, None, trace, 1, 2.0, 0.0, False)
    torch.library.opcheck(run_forward, tuple(call))
