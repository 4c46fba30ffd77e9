"""Systems of up to eight states: two of them are a StateSpace, more are what matrices say."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import (
    DenseSpace,
    HardReset,
    ModalSpace,
    StateSpace,
    eigenvalues,
    is_stable,
    jury_margins,
    oscillates,
    spectral_radius,
    stability_margin,
    with_reset,
)
from silif_plugins.neurons import RF, CSiLIF, SiLIF
from silif_plugins.scan import scan
from silif_plugins.surrogate import resolve

FIRST = torch.tensor([1.0, 0.0], dtype=torch.float64)


def vectors(space):
    return torch.stack([space.b1 + 0 * space.a11, space.b2 + 0 * space.a11], -1), torch.stack(
        [space.r1 + 0 * space.a11, space.r2 + 0 * space.a11], -1
    )


def dense_of(space):
    """The same neurons of two states as a dense system."""
    return DenseSpace.of(space.transition, *vectors(space), FIRST.expand(*space.shape, 2), space.threshold)


def modal_of(space):
    return ModalSpace.of([space], threshold=space.threshold)


def random_dense(states, neurons=5, dtype=torch.float64):
    transition = torch.randn(neurons, states, states, dtype=dtype) * 0.9 / states**0.5
    vectors = torch.randn(3, neurons, states, dtype=dtype)
    return DenseSpace.of(transition, *vectors.unbind(), torch.rand(neurons, dtype=dtype))


def random_modes(modes, neurons=5, dtype=torch.float64):
    poles = torch.polar(
        0.8 + 0.19 * torch.rand(neurons, modes, dtype=dtype), 3 * torch.rand(neurons, modes, dtype=dtype)
    )
    b, r, c = (torch.complex(*torch.randn(2, neurons, modes, dtype=dtype)) for _ in range(3))
    return ModalSpace.from_poles(poles, b, r, c, torch.rand(neurons, dtype=dtype))


@pytest.mark.parametrize("hard_reset", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("model", [SiLIF, CSiLIF, RF])
@pytest.mark.parametrize("build", [dense_of, modal_of])
def test_two_states_are_a_state_space(build, model, hard_reset):
    torch.manual_seed(0)
    space = StateSpace(*(field.detach().expand(6) for field in model(6).double().state_space()))
    system = build(space)
    current = (100 if model is RF else 6) * torch.randn(200, 3, 6, dtype=torch.float64)
    wrap = HardReset if hard_reset else lambda neurons: neurons
    spikes, last, states = scan(wrap(space), current, return_states=True, backend="reference")
    got, end, trace = scan(wrap(system), current, return_states=True, backend="reference")
    assert 0.01 < spikes.mean() < 0.9
    assert torch.equal(got, spikes)
    for field, name in (("mem", "mem"), ("mem", "x1"), ("ada", "x2"), ("spk", "spk")):
        assert torch.equal(getattr(states, field), getattr(trace, name))
        assert torch.equal(getattr(last, field), getattr(end, name))
    for function in (eigenvalues, spectral_radius, jury_margins, stability_margin, is_stable, oscillates):
        assert torch.equal(function(system), function(space))


@pytest.mark.parametrize("detach_reset", [False, True], ids=["flows", "detached"])
@pytest.mark.parametrize("lengths", [None, torch.tensor([30, 0, 17])], ids=["full", "lengths"])
@pytest.mark.parametrize(
    ("build", "size"), [(random_dense, 3), (random_dense, 8), (random_modes, 1), (random_modes, 4)]
)
def test_equals_a_loop_of_matrices(build, size, lengths, detach_reset):
    """Outputs and all gradients, those of the initial state too, by a loop that knows matrices alone."""
    torch.manual_seed(1)
    system = build(size)
    states = system.states
    b, r = (
        torch.stack(torch.broadcast_tensors(*part), -1)
        for part in (
            system.coefficients()[-3 * states - 1 : -2 * states - 1],
            system.coefficients()[-2 * states - 1 : -states - 1],
        )
    )
    inputs = [system.transition, b, r, system.readout, system.threshold, 2 * torch.randn(30, 3, 5, dtype=torch.float64)]
    inputs += [torch.randn(3, 5, states, dtype=torch.float64), torch.rand(3, 5, dtype=torch.float64)]
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    a, b, r, c, threshold, current, x, spk = inputs

    kind = type(system.rest((3, 5)))
    spikes, last = scan(
        DenseSpace.of(a, b, r, c, threshold),
        current,
        kind(torch.zeros(3, 5, dtype=torch.float64), *x.unbind(-1), spk),
        surrogate="atan",
        lengths=lengths,
        detach_reset=detach_reset,
        backend="reference",
    )
    got = [spikes, *last[1:]]

    fire = resolve("atan")
    expected = []
    for t in range(30):
        after = (
            (a @ x[..., None])[..., 0]
            + b * current[t][..., None]
            + r * (spk.detach() if detach_reset else spk)[..., None]
        )
        fired = fire((c * after).sum(-1) - threshold)
        runs = torch.ones(3, 1, dtype=torch.bool) if lengths is None else (t < lengths)[:, None]
        expected.append(torch.where(runs, fired, 0))
        x, spk = torch.where(runs[..., None], after, x), torch.where(runs, fired, spk)
    expected = [torch.stack(expected), *x.unbind(-1), spk]
    assert 0.02 < got[0].mean() < 0.95
    assert torch.equal(got[0].detach(), expected[0].detach())
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)

    def gradients(outputs):
        torch.manual_seed(2)
        loss = sum((output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs)
        return torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)

    torch.testing.assert_close(gradients(got), gradients(expected), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("modes", [1, 2, 3, 4])
def test_modes_are_a_dense_system_of_blocks(modes):
    torch.manual_seed(3)
    system = random_modes(modes)
    states = 2 * modes
    numbers = system.coefficients()
    parts = [torch.stack(numbers[start : start + states], -1) for start in (4 * modes, 6 * modes, 8 * modes)]
    dense = DenseSpace.of(system.transition, *parts, system.threshold)
    current = 2 * torch.randn(100, 3, 5, dtype=torch.float64)
    spikes, last = scan(system, current, backend="reference")
    others, end = scan(dense, current, backend="reference")
    assert torch.equal(spikes, others)
    torch.testing.assert_close(tuple(last), tuple(end), rtol=1e-10, atol=1e-10)
    # The complex form itself.
    z = torch.zeros(3, 5, modes, dtype=torch.complex128)
    fired = torch.zeros(3, 5, dtype=torch.float64)
    poles, b, r, c = (
        torch.stack([torch.complex(*pair) for pair in zip(*pairs, strict=True)], -1)
        for pairs in (
            ([block.a11 for block in system.blocks], [block.a21 for block in system.blocks]),
            ([block.b1 for block in system.blocks], [block.b2 for block in system.blocks]),
            ([block.r1 for block in system.blocks], [block.r2 for block in system.blocks]),
            (system.c[::2], [-number for number in system.c[1::2]]),
        )
    )
    for t in range(100):
        z = poles * z + b * current[t][..., None] + r * fired[..., None]
        fired = ((c * z).real.sum(-1) > system.threshold).double()
        assert torch.equal(fired, spikes[t])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_stability_is_that_of_the_matrix(data):
    """By LAPACK's eigenvalues of another precision of the matrix, and by what the powers of it do."""
    seed, states = data.draw(st.integers(0, 10**6)), data.draw(st.integers(2, 8))
    torch.manual_seed(seed)
    system = data.draw(st.sampled_from([random_dense(states, 4), random_modes((states + 1) // 2, 4)]))
    system = system.mapped(lambda number: number * data.draw(st.sampled_from([1.0, 1.2])))
    matrix = system.transition.numpy()
    radius = np.abs(np.linalg.eigvals(matrix)).max(-1)
    np.testing.assert_allclose(spectral_radius(system).numpy(), radius, rtol=1e-7)
    np.testing.assert_allclose(eigenvalues(system).abs().amax(-1).numpy(), radius, rtol=1e-7)
    stable = is_stable(system).numpy()
    clear = np.abs(radius - 1) > 1e-4
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.abs(np.linalg.matrix_power(matrix, 10**6)).max((-1, -2))
    assert (stable == (radius < 1))[clear].all()
    assert (powers[clear & stable] < 1).all()
    assert not (powers[clear & ~stable] < 1).any()


@settings(max_examples=40, deadline=None)
@given(steps=st.integers(1, 30), cut=st.integers(0, 30), states=st.integers(2, 8), dense=st.booleans())
def test_pieces_steps_and_checkpoints_are_the_whole(steps, cut, states, dense):
    torch.manual_seed(states)
    system = random_dense(states) if dense else random_modes(max(1, states // 2))
    current = 2 * torch.randn(steps, 2, 5, dtype=torch.float64)
    spikes, last = scan(system, current, backend="reference")
    first, middle = scan(system, current[:cut], backend="reference")
    second, end = scan(system, current[cut:], middle, backend="reference")
    assert torch.equal(torch.cat([first, second]), spikes)
    assert all(torch.equal(*pair) for pair in zip(end, last, strict=True))
    again, kept = scan(system, current, checkpoint_chunks=3, backend="reference")
    assert torch.equal(again, spikes)
    assert all(torch.equal(*pair) for pair in zip(kept, last, strict=True))


@pytest.mark.parametrize("system", [random_dense(3), random_modes(2)], ids=["dense", "modal"])
def test_reset_mechanisms(system):
    current = 3 * torch.randn(50, 2, 5, dtype=torch.float64)
    none, _ = scan(with_reset(system, "none"), current, backend="reference")
    plain = system.without_reset()
    assert all(not number.any() for number in plain.coefficients()[-2 * system.states - 1 : -system.states - 1])
    assert torch.equal(none, scan(plain, current, backend="reference")[0])
    assert isinstance(with_reset(system, "zero"), HardReset)
    assert with_reset(system, "subtract") is system


def test_states_are_pickled():
    state = random_dense(5).rest((2, 5))
    again = pickle.loads(pickle.dumps(state))
    assert type(again) is type(state)
    assert again._fields == ("mem", "x1", "x2", "x3", "x4", "x5", "spk")


def test_errors_name_the_argument():
    eye = torch.eye(9)
    with pytest.raises(ValueError, match="transition: got 9 states; there must be 2 to 8"):
        DenseSpace.of(eye, eye[0], eye[0], eye[0])
    with pytest.raises(ValueError, match=r"reset: got shape \(2,\); it must be \[\*neurons, 3\]"):
        DenseSpace.of(torch.eye(3), torch.ones(3), torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match="blocks: got 0 states"):
        ModalSpace.of([])
    with pytest.raises(ValueError, match=r"readout: got shape \(3,\); it must be \[\*neurons, 2\]"):
        ModalSpace.of([StateSpace.of(a11=0.9)], readout=torch.ones(3))
    with pytest.raises(ValueError, match="poles: got 10 states"):
        ModalSpace.from_poles(*4 * [torch.ones(5)])
    with pytest.raises(ValueError, match="space: got 4 states that are coupled"):
        jury_margins(random_dense(4))
    with pytest.raises(TypeError, match="state: got State; it must be a State4"):
        scan(random_dense(4), torch.zeros(3, 1, 5), StateSpace.of(a11=0.9).rest((1, 5)))
