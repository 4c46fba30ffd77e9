"""The fused recurrent loop against the reference."""

import pytest
import torch

from silif_plugins.dynamics import HardReset, State, StateSpace
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan, scan_with_gate


def run(backend, space, current, state, weights, hard_reset=False, **options):
    inputs = [tensor.detach().requires_grad_() for tensor in (current, *space, *state, weights)]
    neurons = HardReset(StateSpace(*inputs[1:10])) if hard_reset else StateSpace(*inputs[1:10])
    spikes, *states = scan(neurons, inputs[0], State(*inputs[10:13]), recurrent=inputs[13], backend=backend, **options)
    outputs = [spikes, *(field for state in states for field in state)]
    torch.manual_seed(1)
    loss = sum((output * torch.randn_like(output)).sum() for output in outputs)
    return outputs, torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("lengths", [None, torch.tensor([70, 0, 33])], ids=["full", "lengths"])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("surrogate", ["boxcar", "triangle", "atan"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("detach_reset", [False, True], ids=["flows", "detached"])
@pytest.mark.parametrize("hard_reset", [False, True], ids=["soft", "hard"])
def test_equals_reference(hard_reset, detach_reset, dtype, surrogate, traced, lengths, random_problem):
    space, current, state = random_problem(70, 3, 20, dtype)
    weights = torch.randn(20, 20, dtype=dtype) / 2
    options = {"surrogate": surrogate, "return_states": traced, "lengths": lengths, "detach_reset": detach_reset}
    options["hard_reset"] = hard_reset
    expected, got = (run(backend, space, current, state, weights, **options) for backend in ("reference", "cpu"))
    assert 0.01 < expected[0][0].mean() < 0.9
    assert torch.equal(expected[0][0], got[0][0])
    near = 1e-12 if dtype == torch.float64 else 1e-5  # the events' weights are added in another order
    for one, other in zip(expected[0], got[0], strict=True):
        torch.testing.assert_close(one, other, rtol=near, atol=near)
    for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
        tolerance = (1e-10 if dtype == torch.float64 else 1e-5) * one.abs().max()
        assert ((one - other).abs() <= tolerance).all(), f"gradient {index}"


@pytest.mark.parametrize("size", [(3, 256), (9, 300), (33, 70)], ids=str)
@pytest.mark.parametrize("surrogate", ["triangle", "fast_sigmoid"])
def test_wide_layers_and_large_batches(surrogate, size, random_problem):
    space, current, state = random_problem(37, *size)
    weights = torch.randn(size[1], size[1], dtype=torch.float64) / size[1] ** 0.5
    lengths = torch.arange(size[0]) * 5 % 38
    options = {"surrogate": surrogate, "lengths": lengths}
    expected, got = (run(backend, space, current, state, weights, **options) for backend in ("reference", "cpu"))
    assert torch.equal(expected[0][0], got[0][0])
    for one, other in zip(expected[1], got[1], strict=True):
        assert ((one - other).abs() <= 1e-10 * one.abs().max()).all()


def test_results_do_not_depend_on_threads(random_problem):
    space, current, state = random_problem(40, 36, 128, torch.float32)
    weights = torch.randn(128, 128) / 10
    before, runs = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            runs.append(run("cpu", space, current, state, weights))
    finally:
        torch.set_num_threads(before)
    for one, other in zip([*runs[0][0], *runs[0][1]], [*runs[1][0], *runs[1][1]], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("steps", [0, 1, 32])
def test_lengths_of_the_loop(steps, random_problem):
    space, current, state = random_problem(steps, 2, 5)
    weights = torch.randn(5, 5, dtype=torch.float64)
    if steps == 0:
        spikes, last = scan(space, current, state, recurrent=weights, backend="cpu")
        assert spikes.shape == (0, 2, 5)
        assert torch.equal(last.mem, state.mem)
        return
    expected, got = (run(backend, space, current, state, weights) for backend in ("reference", "cpu"))
    for one, other in zip([*expected[0], *expected[1]], [*got[0], *got[1]], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_batch_first_input(random_problem):
    space, current, _ = random_problem(40, 3, 20)
    weights = torch.randn(20, 20, dtype=torch.float64) / 4
    batch_first = current.transpose(0, 1).contiguous().transpose(0, 1)
    expected = scan(space, current, recurrent=weights, backend="cpu")[0]
    assert torch.equal(scan(space, batch_first, recurrent=weights, backend="cpu")[0], expected)


def test_a_callable_surrogate_needs_the_reference(random_problem):
    space, current, _ = random_problem(40, 3, 20)
    weights, surrogate = torch.zeros(20, 20, dtype=torch.float64), lambda x: (x > 0).to(x.dtype)
    with pytest.raises(ValueError, match="recurrent"):
        scan(space, current, recurrent=weights, surrogate=surrogate, backend="cpu")
    scan(space, current, recurrent=weights, surrogate=surrogate)


def test_gate_of_recurrent_neurons(random_problem):
    space, current, _ = random_problem(40, 3, 20)
    weights = torch.randn(20, 20, dtype=torch.float64) / 4
    runs = [scan_with_gate(space, current, recurrent=weights, backend=backend) for backend in ("reference", "cpu")]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][2], runs[1][2])


@pytest.mark.parametrize("detach_reset", [False, True])
def test_compile_and_transforms(detach_reset):
    space = StateSpace(*(field.detach() for field in SiLIF(6).double().state_space()))
    current, weights = 6 * torch.randn(4, 40, 2, 6, dtype=torch.float64), torch.randn(6, 6, dtype=torch.float64) / 3

    def total(current, weights):
        spikes, _ = scan(space, current, recurrent=weights, backend="cpu", detach_reset=detach_reset)
        return (spikes * torch.linspace(0, 1, 6)).sum()

    both = torch.func.vmap(torch.func.grad(total, argnums=(0, 1)), in_dims=(0, None))(current, weights)
    for index in range(4):
        alone = torch.func.grad(total, argnums=(0, 1))(current[index], weights)
        torch.testing.assert_close([gradient[index] for gradient in both], list(alone))
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    assert compiled(current[0], weights) == total(current[0], weights)
