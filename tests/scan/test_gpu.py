"""The Triton kernel against the reference: by Triton's interpreter on the CPU, and on a GPU where there is one."""

import pytest
import torch

from silif_plugins.dynamics import HardReset, State, StateSpace
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan, scan_with_gate
from silif_plugins.surrogate import ATan, FastSigmoid, Triangle

triton = pytest.importorskip("triton")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture
def device(request):
    """A device that Triton runs on."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU at hand: the kernel is only run by Triton's interpreter")
    if request.param == "cpu" and isinstance(triton.language.zeros_like, triton.JITFunction):
        pytest.skip("Triton compiles here: it interprets all kernels of a process or none, by TRITON_INTERPRET=1")
    return torch.device(request.param)


def moved(problem, device):
    space, current, state = problem
    return (
        StateSpace(*(field.to(device) for field in space)),
        current.to(device),
        State(*(field.to(device) for field in state)),
    )


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("hard_reset", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (33, 2, 65), (65, 3, 7)], ids=str)
def test_equals_reference_over_shapes(shape, hard_reset, dtype, device, random_problem, assert_equals_reference):
    problem = moved(random_problem(*shape, dtype), device)
    assert_equals_reference("triton", *problem, return_states=True, hard_reset=hard_reset)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("lengths", [None, [40, 0, 33]], ids=["full", "lengths"])
@pytest.mark.parametrize(
    "surrogate",
    ["boxcar", ATan(3.0), FastSigmoid(4.0), Triangle(0.3, 1.5), lambda x: ATan(1.5)(x)],
    ids=["boxcar", "atan", "fast_sigmoid", "triangle", "callable"],
)
def test_equals_reference_over_surrogates(surrogate, lengths, device, random_problem, assert_equals_reference):
    lengths = None if lengths is None else torch.tensor(lengths, device=device)
    assert_equals_reference("triton", *moved(random_problem(40, 3, 10), device), surrogate=surrogate, lengths=lengths)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("lengths", [None, [40, 0, 33]], ids=["full", "lengths"])
@pytest.mark.parametrize("surrogate", ["boxcar", lambda x: ATan(1.5)(x)], ids=["in kernel", "callable"])
def test_detached_reset(surrogate, lengths, device, random_problem, assert_equals_reference):
    options = {"lengths": None if lengths is None else torch.tensor(lengths, device=device), "detach_reset": True}
    problem = moved(random_problem(40, 3, 10), device)
    assert_equals_reference("triton", *problem, surrogate=surrogate, return_states=True, **options)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("detach_reset", [False, True])
def test_gradients_that_are_not_finite(detach_reset, device, random_problem):
    space, current, state = moved(random_problem(40, 3, 10), device)
    grad = torch.randn_like(current)
    grad[20, 0, :5], grad[30, 1, :5] = float("inf"), float("nan")
    found = []
    for backend in ("reference", "triton"):
        inputs = [tensor.clone().requires_grad_() for tensor in (current, *state)]
        spikes, _ = scan(space, inputs[0], State(*inputs[1:]), backend=backend, detach_reset=detach_reset)
        found.append(torch.autograd.grad(spikes, inputs, grad, allow_unused=True, materialize_grads=True))
    assert found[0][3].isnan().any() != detach_reset
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_batch_first_input(device, random_problem, assert_equals_reference):
    space, current, state = moved(random_problem(40, 3, 10), device)
    current = current.transpose(0, 1).contiguous().transpose(0, 1)
    assert assert_equals_reference("triton", space, current, state).stride() == current.stride()


def run_recurrent(backend, space, current, state, weights, hard_reset, **options):
    """Outputs and all gradients of a loss that reaches every output."""
    inputs = [tensor.detach().requires_grad_() for tensor in (current, *space, *state, weights)]
    neurons = StateSpace(*inputs[1:10])
    neurons = HardReset(neurons) if hard_reset else neurons
    spikes, *states = scan(neurons, inputs[0], State(*inputs[10:13]), recurrent=inputs[13], backend=backend, **options)
    outputs = [spikes, *(field for state in states for field in state)]
    torch.manual_seed(1)
    return outputs, torch.autograd.grad(sum((each * torch.randn_like(each)).sum() for each in outputs), inputs)


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("hard_reset", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize(
    "options",
    [
        {"return_states": True, "lengths": [20, 0, 7]},
        {"surrogate": "atan", "detach_reset": True},
        {"surrogate": "sigmoid"},
    ],
    ids=["lengths", "detached", "callable"],
)
def test_recurrent_equals_reference(options, hard_reset, device, random_problem):
    """The sums of weights have another order than the reference's product: outputs are equal to rounding."""
    options = dict(options)
    if "lengths" in options:
        options["lengths"] = torch.tensor(options["lengths"], device=device)
    problem, weights = moved(random_problem(20, 3, 10), device), torch.randn(10, 10, dtype=torch.float64, device=device)
    expected, got = (
        run_recurrent(backend, *problem, weights / 2, hard_reset, **options) for backend in ("reference", "triton")
    )
    assert 0.01 < expected[0][0].mean() < 0.9
    torch.testing.assert_close(got[0], expected[0], rtol=1e-12, atol=1e-12)
    for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
        assert ((one - other).abs() <= 1e-10 * one.abs().max()).all(), f"gradient {index}"


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_recurrent_of_no_steps_and_of_many_neurons(device, random_problem):
    space, current, state = moved(random_problem(0, 2, 5), device)
    spikes, last = scan(space, current, state, recurrent=current.new_zeros(5, 5), backend="triton")
    assert spikes.shape == (0, 2, 5)
    assert torch.equal(last.mem, state.mem)
    with pytest.raises(ValueError, match="1024"):
        scan(SiLIF(1025), torch.zeros(9, 1, 1025, device=device), recurrent=torch.zeros(1025, 1025), backend="triton")


@pytest.mark.parametrize("device", DEVICES, indirect=True)
def test_gate(device, random_problem):
    space, current, _ = moved(random_problem(40, 3, 10), device)
    runs = [scan_with_gate(space, current, backend=backend) for backend in ("reference", "triton")]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][2], runs[1][2])


@pytest.mark.parametrize("device", DEVICES, indirect=True)
@pytest.mark.parametrize("shape", [(0, 3, 5), (10, 0, 5)])
def test_nothing_to_do(shape, device, random_problem, assert_equals_reference):
    assert_equals_reference("triton", *moved(random_problem(*shape), device), return_states=True)


def test_without_a_gpu_it_is_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match="'triton' cannot run this"):
        scan(SiLIF(4).state_space(), torch.zeros(9, 1, 4), backend="triton")
