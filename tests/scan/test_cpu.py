"""The CPU kernel against the reference: spikes and states to the last bit, every gradient to rounding."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import LIF, RF, CSiLIF, SiLIF
from silif_plugins.scan import callables, scan, scan_with_gate
from silif_plugins.surrogate import ATan, Boxcar, FastSigmoid, Triangle

# Around the chunk of 16 steps, the 64 of them after which sums are added up, the tile of 512 (float64: 256) lanes
# or less, the 32 of them that need no padding, and the vector of 16 (8).
SHAPES = [
    (1, 1, 1),
    (31, 3, 16),
    (32, 1, 128),
    (33, 2, 129),
    (64, 2, 64),
    (65, 5, 7),
    (100, 1, 1),
    (40, 130, 1),
    (20, 4, 300),
    (97, 2, 100),
    (15, 3, 32),
    (16, 1, 512),
    (17, 2, 520),
    (130, 17, 64),
    (20, 20, 512),
]
SURROGATES = {
    "boxcar": Boxcar(),
    "boxcar-wide": Boxcar(2.0),
    "atan": ATan(3.0),
    "fast_sigmoid": FastSigmoid(4.0),
    "triangle": Triangle(0.3, 1.5),
    "callable": lambda x: ATan(1.5)(x),
}


HARD = pytest.mark.parametrize("hard_reset", [False, True], ids=["soft", "hard"])
DETACHED = pytest.mark.parametrize("detach_reset", [False, True], ids=["flows", "detached"])


@HARD
@DETACHED
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_reference_over_shapes(shape, dtype, detach_reset, hard_reset, random_problem, assert_equals_reference):
    problem = random_problem(*shape, dtype)
    tolerance = 1e-3 if dtype == torch.float32 and shape[1:] == (1, 1) else None  # a sum may cancel to almost nothing
    spikes = assert_equals_reference(
        "cpu",
        *problem,
        return_states=True,
        detach_reset=detach_reset,
        hard_reset=hard_reset,
        tolerance=tolerance,
    )
    assert shape[0] * shape[2] < 100 or 0.01 < spikes.mean() < 0.9


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.integers(1, 80),
    batch=st.integers(1, 5),
    neurons=st.sampled_from([1, 7, 16, 32, 33, 64, 100, 160, 512, 544]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    layout=st.sampled_from([(0, 1, 2), (1, 0, 2), (2, 1, 0), (0, 2, 1)]),
    surrogate=st.sampled_from(["boxcar", "atan", SURROGATES["callable"]]),
    cut=st.booleans(),
    traced=st.booleans(),
    detach_reset=st.booleans(),
    hard_reset=st.booleans(),
)
def test_equals_reference_whatever_is_asked_for(
    steps,
    batch,
    neurons,
    dtype,
    layout,
    surrogate,
    cut,
    traced,
    detach_reset,
    hard_reset,
    random_problem,
    assert_equals_reference,
):
    """Each tensor of a tile is read and written in place or copied, by its layout and its size."""
    space, current, state = random_problem(steps, batch, neurons, dtype)
    current = current.permute(layout).contiguous().permute([layout.index(axis) for axis in range(3)])
    lengths = torch.randint(steps + 1, (batch,)) if cut else None
    # What is looked for is in the wrong place, not rounded; sums of float32 may cancel to almost nothing.
    tolerance = 1e-10 if dtype == torch.float64 else 0.05
    options = {"surrogate": surrogate, "lengths": lengths, "return_states": traced, "detach_reset": detach_reset}
    options["hard_reset"] = hard_reset
    assert_equals_reference("cpu", space, current, state, tolerance=tolerance, **options)


@pytest.mark.parametrize("batch", [100, 125, 128])
def test_large_outputs_whose_rows_start_anywhere(batch, random_problem, assert_equals_reference):
    """From 4 MiB on outputs are written around the caches, which only aligned vectors can be."""
    problem = random_problem(310, batch, 35, torch.float32)
    assert problem[1].numel() * 4 > 4 << 20
    assert_equals_reference("cpu", *problem, return_states=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", SURROGATES)
@DETACHED
@HARD
def test_equals_reference_over_surrogates(
    hard_reset, detach_reset, name, dtype, random_problem, assert_equals_reference
):
    problem = random_problem(70, 3, 50, dtype)
    options = {"surrogate": SURROGATES[name], "detach_reset": detach_reset, "hard_reset": hard_reset}
    assert_equals_reference("cpu", *problem, **options)


@DETACHED
@pytest.mark.parametrize("model", [SiLIF, CSiLIF, RF, LIF])
def test_equals_reference_over_neurons(model, detach_reset, random_problem, assert_equals_reference):
    assert_equals_reference("cpu", *random_problem(100, 2, 40, model=model), detach_reset=detach_reset)


@DETACHED
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("surrogate", ["triangle", SURROGATES["callable"]], ids=["in kernel", "callable"])
def test_equals_reference_with_lengths(surrogate, traced, detach_reset, random_problem, assert_equals_reference):
    lengths = torch.tensor([0, 1, 31, 32, 33, 70, 40])
    options = {"surrogate": surrogate, "lengths": lengths, "return_states": traced, "detach_reset": detach_reset}
    spikes = assert_equals_reference("cpu", *random_problem(70, 7, 20), **options)
    assert spikes[5:, 1].sum() == 0 < spikes[:, 5].sum()


@pytest.mark.parametrize("layout", ["batch first", "neurons first", "every second", "expanded"])
@pytest.mark.parametrize("neurons", [40, 128])
def test_equals_reference_in_any_layout(layout, neurons, random_problem, assert_equals_reference):
    space, current, state = random_problem(40, 3, neurons)
    if layout == "batch first":
        current = current.transpose(0, 1).contiguous().transpose(0, 1)
    elif layout == "neurons first":
        current = current.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    elif layout == "every second":
        current = torch.randn(40, 3, 2 * neurons, dtype=current.dtype)[..., ::2] * 6
    else:
        current = current[:, :1].expand(-1, 3, -1)
    spikes = assert_equals_reference("cpu", space, current, state)
    assert spikes.stride() == torch.empty_like(current).stride()


def test_batch_first_input_is_not_copied(random_problem):
    space, current, _ = random_problem(40, 3, 64)
    current = current.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    spikes, _ = scan(space, current, backend="cpu")
    assert spikes.transpose(0, 1).is_contiguous()
    assert spikes.grad_fn.saved_tensors[0].data_ptr() == current.data_ptr()


@pytest.mark.parametrize("neurons", [10, 32, 544])
@pytest.mark.parametrize("options", [{}, {"lengths": torch.tensor([30, 0, 17])}], ids=["full", "lengths"])
def test_gradients_in_another_layout_than_the_input(options, neurons, random_problem):
    """Each tensor is read in place or copied on its own."""
    space, current, state = random_problem(30, 3, neurons)
    grad = torch.randn(3, 30, neurons, dtype=current.dtype).transpose(0, 1)
    found = []
    for backend, weight in (("reference", grad.contiguous()), ("cpu", grad), ("cpu", grad[:, :1].expand(-1, 3, -1))):
        x = current.clone().requires_grad_()
        scan(space, x, state, backend=backend, **options)[0].backward(weight)
        found.append(x.grad)
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[1][:, 0], found[2][:, 0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [(), (3,), (3, 2)])
@pytest.mark.parametrize("neurons", [(4, 1, 1), (4, 5, 5), (5,)])
def test_populations_and_batches_of_any_shape(neurons, batch, assert_equals_reference):
    space = StateSpace(*(field.detach().double() for field in SiLIF(neurons).state_space()))
    current = torch.randn(40, *batch, 4, 5, 5, dtype=torch.float64) * 6
    assert_equals_reference("cpu", space, current, return_states=True)


def test_numbers_as_coefficients(assert_equals_reference):
    space = StateSpace.of(a11=0.9, b1=1.0, r1=torch.full((1,), -0.9))
    assert_equals_reference("cpu", space, torch.randn(40, 3, 20))


@pytest.mark.parametrize("shape", [(0, 3, 5), (10, 0, 5), (0, 0, 5)])
@pytest.mark.parametrize("surrogate", [None, SURROGATES["callable"]], ids=["in kernel", "callable"])
def test_nothing_to_do(shape, surrogate, random_problem, assert_equals_reference):
    assert_equals_reference("cpu", *random_problem(*shape), surrogate=surrogate, return_states=True)


def test_long_sequences_with_a_callable_run_in_pieces(random_problem, assert_equals_reference, monkeypatch):
    monkeypatch.setattr(callables, "SPAN", 64 * 60)
    lengths = torch.tensor([300, 64, 10])
    problem = random_problem(300, 3, 20)
    for options in ({}, {"lengths": lengths}, {"lengths": lengths, "detach_reset": True}):
        assert_equals_reference("cpu", *problem, surrogate=SURROGATES["callable"], return_states=True, **options)


def test_half_precision_input_keeps_a_float32_state(random_problem):
    space, current, _ = random_problem(50, 2, 30, torch.float32)
    runs = []
    for backend in ("reference", "cpu"):
        half = current.bfloat16().requires_grad_()
        spikes, state, states = scan(space, half, backend=backend, return_states=True)
        (spikes * torch.linspace(0, 1, 30)).sum().backward()
        runs.append((spikes, state.mem, states.ada, half.grad))
    assert [output.dtype for output in runs[1]] == [torch.bfloat16, torch.float32, torch.float32, torch.bfloat16]
    assert all(torch.equal(*pair) for pair in zip(*[run[:3] for run in runs], strict=True))
    torch.testing.assert_close(runs[0][3], runs[1][3], rtol=0.01, atol=1e-4)


def test_huge_values_pass_as_in_the_reference(random_problem):
    space, current, state = random_problem(40, 2, 30)
    current[5, 0, :10] = torch.inf
    current[9, 1, 3] = torch.nan
    for backend in ("reference", "cpu"):
        spikes, last = scan(space, current, state, backend=backend)
        assert last.mem[0, :10].isnan().all() or last.mem[0, :10].isinf().any()
        assert last.mem[1, 3].isnan()
        assert not last.mem[1, 4].isnan()
    assert torch.equal(spikes, scan(space, current, state, backend="reference")[0])


@DETACHED
@pytest.mark.parametrize("name", ["boxcar", "atan", "triangle"])
def test_gradients_that_are_not_finite_pass_as_in_the_reference(name, detach_reset, random_problem):
    """Where the derivative is zero, too: 0 · inf is no number, and a run that has exploded must show it.

    But where the reset is detached there is no product, and nothing that is not finite may pass that way.
    """
    space, current, state = random_problem(40, 3, 20)
    grad = torch.randn(40, 3, 20, dtype=torch.float64)
    grad[20, 0, :5], grad[30, 1, :5] = float("inf"), float("nan")
    found = []
    for backend in ("reference", "cpu"):
        inputs = [tensor.clone().requires_grad_() for tensor in (current, *state)]
        spikes, _ = scan(
            space, inputs[0], State(*inputs[1:]), surrogate=SURROGATES[name], backend=backend, detach_reset=detach_reset
        )
        found.append(torch.autograd.grad(spikes, inputs, grad, allow_unused=True, materialize_grads=True))
    assert found[0][0][:, 0].isnan().any()
    assert found[0][3].isnan().any() != detach_reset
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10, equal_nan=True)


def test_only_a_state_or_a_trace_in_the_loss(random_problem):
    space, current, state = random_problem(40, 2, 30)
    for pick in (lambda s, e, t: e.mem, lambda s, e, t: e.spk, lambda s, e, t: t.ada, lambda s, e, t: t.mem):
        gradients = []
        for backend in ("reference", "cpu"):
            x = current.clone().requires_grad_()
            pick(*scan(space, x, state, backend=backend, return_states=True)).square().sum().backward()
            gradients.append(x.grad)
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_large_outputs_on_the_streaming_path(random_problem, assert_equals_reference):
    space, current, _ = random_problem(70, 64, 256, torch.float32)  # 4.6 MB
    assert_equals_reference("cpu", space, current)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(70, 64, 256), (310, 125, 35), (40, 3, 10)], ids=str)
@pytest.mark.parametrize("cut", [False, True])
def test_gates_are_those_of_the_reference(shape, dtype, cut, random_problem):
    space, current, state = random_problem(*shape, dtype)
    lengths = torch.arange(shape[1]) % (shape[0] + 1) if cut else None
    runs = [scan_with_gate(space, current, state, lengths=lengths, backend=name) for name in ("reference", "cpu")]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][2], runs[1][2])
    assert 0 < runs[0][2].float().mean() < 0.9


@DETACHED
@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("recurrent", [False, True])
def test_gates_come_with_the_gradients_of_scan(recurrent, backend, detach_reset, random_problem):
    space, current, state = random_problem(70, 3, 20)
    weights = torch.randn(20, 20, dtype=torch.float64) / 4 if recurrent else None
    gradients = []
    for function in (scan, scan_with_gate):
        x = current.clone().requires_grad_()
        options = {"recurrent": weights, "backend": backend, "detach_reset": detach_reset}
        (function(space, x, state, **options)[0] * torch.linspace(0, 1, 20)).sum().backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)


def test_gradcheck_with_a_smooth_surrogate(random_problem):
    """Between its spikes the loss is smooth: finite differences know nothing of surrogates, so none may fire."""
    space, current, state = random_problem(40, 2, 5)
    inputs = [(current / 100).requires_grad_(), *(field.clone().requires_grad_() for field in space[:-1])]
    rest = State(state.mem / 100, state.ada / 100, torch.zeros_like(state.spk))

    def states(current, *fields):
        spikes, last, trace = scan(
            StateSpace(*fields, space.threshold), current, rest, surrogate="atan", return_states=True, backend="cpu"
        )
        assert not spikes.any()
        return *last[:2], *trace[:2]

    # Without spikes only the surrogate's path into the reset differs from the true gradient; it is cut by R = 0.
    inputs[7:9] = [torch.zeros_like(field).requires_grad_() for field in space[6:8]]
    assert torch.autograd.gradcheck(states, tuple(inputs))


def test_threads_change_nothing(random_problem):
    space, current, state = random_problem(100, 16, 256, torch.float32)
    runs = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        inputs = [current.clone().requires_grad_(), *(field.clone().requires_grad_() for field in space)]
        spikes, last = scan(StateSpace(*inputs[1:]), inputs[0], state, backend="cpu")
        loss = (spikes * torch.linspace(-1, 1, 256)).sum() + last.ada.sum()
        runs.append([spikes, *last, *torch.autograd.grad(loss, inputs)])
    for run in runs[1:]:
        assert all(torch.equal(*pair) for pair in zip(runs[0], run, strict=True))


@pytest.mark.parametrize("name", ["boxcar", "atan", "fast_sigmoid", "triangle"])
def test_potentials_that_are_no_numbers_pass_as_in_the_reference(name, random_problem):
    space, current, state = random_problem(40, 2, 20)
    current[5, 0, 3], current[9, 1, 4], current[20, 0, 7] = torch.nan, torch.inf, -torch.inf
    found = []
    for backend in ("reference", "cpu"):
        inputs = [tensor.clone().requires_grad_() for tensor in (current, *state, *space)]
        spikes, _ = scan(type(space)(*inputs[4:]), inputs[0], State(*inputs[1:4]), surrogate=name, backend=backend)
        found.append([spikes, *torch.autograd.grad(spikes.sum(), inputs, materialize_grads=True)])
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10, equal_nan=True)
    assert found[0][1].isnan().any() or name == "boxcar"
