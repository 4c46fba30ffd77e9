"""The CPU kernels of more states against the reference: outputs to the last bit, every gradient to rounding."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from silif_plugins.dynamics import DenseSpace, HardReset, ModalSpace
from silif_plugins.neurons import Neuron
from silif_plugins.scan import scan, scan_with_gate
from silif_plugins.scan.fused_system import run_forward
from silif_plugins.scan.system_layout import SystemForward

LARGE = [pytest.param("modal", 4, marks=pytest.mark.slow), pytest.param("dense", 4, marks=pytest.mark.slow)]
KINDS = pytest.mark.parametrize(("kind", "size"), [("modal", 2), ("dense", 3), *LARGE])
"""Every number of states is a kernel of its own, which takes seconds to compile."""


def system_of(kind, size, neurons, dtype=torch.float64):
    """Neurons that fire, most of them stable."""
    if kind == "dense":
        transition = torch.randn(neurons, size, size, dtype=dtype) * 0.8 / size**0.5
        vectors = torch.randn(3, neurons, size, dtype=dtype)
        return DenseSpace.of(transition, *vectors.unbind(), torch.rand(neurons, dtype=dtype))
    shape = (neurons, size)
    poles = torch.polar(0.6 + 0.39 * torch.rand(shape, dtype=dtype), 3 * torch.rand(shape, dtype=dtype))
    vectors = (torch.complex(*torch.randn(2, *shape, dtype=dtype)) for _ in range(3))
    return ModalSpace.from_poles(poles, *vectors, torch.rand(neurons, dtype=dtype))


def outputs_and_gradients(backend, system, current, state, weights, **options):
    """Run a scan and a loss that reaches every output; return outputs, and gradients of all inputs."""
    inputs = []

    def leaf(tensor):
        inputs.append(tensor.detach().clone().requires_grad_())
        return inputs[-1]

    neurons, current, state = system.mapped(leaf), leaf(current), type(state)(*map(leaf, state))
    spikes, *states = scan(neurons, current, state, backend=backend, **options)
    outputs = [spikes, *(field for each in states for field in each)]
    pairs = zip(outputs, weights[: len(outputs)], strict=True)
    loss = sum((output * weight[: output.numel()].view_as(output)).sum() for output, weight in pairs)
    return outputs, torch.autograd.grad(loss, inputs, allow_unused=True, materialize_grads=True)


def assert_equals_reference(system, current, *, tolerance=1e-10, **options):
    dtype, shape = current.dtype, current.shape[1:]
    rest = system.rest(shape, dtype=dtype)
    state = type(rest)(*torch.rand(len(rest), *shape, dtype=dtype))
    weights = torch.randn(2 * len(rest) + 1, max(current.numel(), shape.numel(), 1), dtype=dtype)
    expected = outputs_and_gradients("reference", system, current, state, weights, **options)
    got = outputs_and_gradients("cpu", system, current, state, weights, **options)
    for index, (one, other) in enumerate(zip(expected[0], got[0], strict=True)):
        assert torch.equal(one, other), f"output {index}"
    for index, (one, other) in enumerate(zip(expected[1], got[1], strict=True)):
        scale = one.abs().max().clamp(min=1e-30) if one.numel() else 1
        assert ((one - other).abs() <= tolerance * scale).all(), f"gradient {index}"
    return got[0][0]


@KINDS
@pytest.mark.parametrize("shape", [(33, 2, 129), (64, 2, 64), (65, 5, 7), (40, 130, 1), (20, 20, 512)], ids=str)
def test_equals_reference_over_shapes(kind, size, shape):
    torch.manual_seed(0)
    current = 2 * torch.randn(shape, dtype=torch.float64)
    spikes = assert_equals_reference(system_of(kind, size, shape[2]), current, return_states=True)
    assert shape[2] == 1 or 0.02 < spikes.mean() < 0.9


@pytest.mark.parametrize(
    ("kind", "size", "form"),
    [
        ("modal", 1, {"spikes": "ternary"}),
        ("modal", 1, {"proportional": True}),
        pytest.param("modal", 1, {"spikes": "2-bit"}, marks=pytest.mark.slow),
        pytest.param("dense", 3, {"spikes": "3-bit"}, marks=pytest.mark.slow),
        pytest.param("dense", 3, {"proportional": True}, marks=pytest.mark.slow),
        pytest.param("dense", 8, {}, marks=pytest.mark.slow),
    ],
)
def test_graded_spikes_and_resets_in_proportion(kind, size, form):
    torch.manual_seed(0)
    system, current = replace(system_of(kind, size, 40), **form), 2 * torch.randn(50, 3, 40, dtype=torch.float64)
    for surrogate in ("boxcar", "atan"):
        for detach_reset in (False, True):
            options = {"surrogate": surrogate, "detach_reset": detach_reset, "lengths": torch.tensor([50, 0, 20])}
            spikes = assert_equals_reference(system, current, return_states=True, **options)
            spikes = assert_equals_reference(system, current, return_states=True, surrogate=surrogate)
    levels = {"ternary": [-1, 0, 1], "2-bit": [0, 1, 2, 3], "3-bit": [*range(8)]}
    assert spikes.unique().tolist() == levels.get(system.spikes, [0, 1])


def test_graded_spikes_have_no_gate():
    system, current = replace(system_of("modal", 1, 40), spikes="ternary"), 2 * torch.randn(50, 3, 40).double()
    assert scan_with_gate(system, current)[2] is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.integers(1, 80),
    batch=st.integers(1, 5),
    neurons=st.sampled_from([1, 7, 16, 32, 100, 512]),
    kind=st.sampled_from([("modal", 2, torch.float64), ("modal", 2, torch.float32), ("dense", 3, torch.float64)]),
    layout=st.sampled_from([(0, 1, 2), (1, 0, 2), (2, 1, 0)]),
    surrogate=st.sampled_from(["boxcar", "atan", "fast_sigmoid", "triangle"]),
    cut=st.booleans(),
    traced=st.booleans(),
    detach_reset=st.booleans(),
)
def test_equals_reference_whatever_is_asked_for(
    steps, batch, neurons, kind, layout, surrogate, cut, traced, detach_reset
):
    *kind, dtype = kind
    torch.manual_seed(steps)
    current = 2 * torch.randn(steps, batch, neurons, dtype=dtype)
    current = current.permute(layout).contiguous().permute([layout.index(axis) for axis in range(3)])
    lengths = torch.randint(steps + 1, (batch,)) if cut else None
    options = {"surrogate": surrogate, "lengths": lengths, "return_states": traced, "detach_reset": detach_reset}
    tolerance = 1e-10 if dtype == torch.float64 else 0.05  # sums of float32 may cancel to almost nothing
    assert_equals_reference(system_of(*kind, neurons, dtype), current, tolerance=tolerance, **options)


def test_large_outputs_are_written_around_the_caches():
    current = 2 * torch.randn(310, 128, 32)
    assert current.numel() * 4 > 4 << 20
    assert_equals_reference(system_of("modal", 2, 32, torch.float32), current, tolerance=1e-3, return_states=True)


@pytest.mark.parametrize("shape", [(0, 3, 5), (10, 0, 5)])
def test_nothing_to_do(shape):
    current = torch.zeros(shape, dtype=torch.float64)
    assert_equals_reference(system_of("modal", 2, 5), current, return_states=True)


def test_populations_of_any_shape():
    system = system_of("modal", 2, 4)
    wide = system.mapped(lambda number: number.view(4, 1, 1))
    current = 2 * torch.randn(40, 3, 4, 5, 2, dtype=torch.float64)
    assert_equals_reference(wide, current, return_states=True)


def test_gates_are_those_of_the_reference():
    system, current = system_of("modal", 2, 40), 2 * torch.randn(50, 3, 40, dtype=torch.float64)
    for lengths in (None, torch.tensor([50, 0, 20])):
        expected = scan_with_gate(system, current, lengths=lengths, backend="reference")
        got = scan_with_gate(system, current, lengths=lengths, backend="cpu")
        assert torch.equal(got[0], expected[0])
        assert torch.equal(got[2], expected[2])
        assert 0.01 < got[2].double().mean() < 0.99


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(10, 60), cut=st.integers(0, 60))
def test_pieces_are_the_whole(steps, cut):
    torch.manual_seed(steps)
    system, current = system_of("modal", 2, 6), 2 * torch.randn(steps, 2, 6, dtype=torch.float64)
    spikes, last = scan(system, current, backend="cpu")
    first, middle = scan(system, current[:cut])
    second, end = scan(system, current[cut:], middle)
    again, kept = scan(system, current, backend="cpu", checkpoint_chunks=3)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert torch.equal(again, spikes)
    assert all(torch.equal(*fields) for fields in zip(last, end, strict=True))
    assert all(torch.equal(*fields) for fields in zip(last, kept, strict=True))


@pytest.mark.parametrize(
    ("neurons", "options", "reason"),
    [
        (replace(system_of("modal", 2, 6), proportional=True, spikes="2-bit"), {}, "graded spikes reset in proportion"),
        (system_of("modal", 2, 6), {"recurrent": torch.randn(6, 6).double()}, "it has recurrent weights"),
        (system_of("modal", 2, 6), {"surrogate": lambda x: (x > 0).to(x)}, "the surrogate must be boxcar"),
        (HardReset(system_of("modal", 2, 6)), {}, "neither a StateSpace nor a HardReset of one"),
    ],
)
def test_what_has_no_kernel_runs_on_the_reference(neurons, options, reason):
    current = 2 * torch.randn(40, 2, 6, dtype=torch.float64)
    expected = scan(neurons, current, backend="reference", **options)
    assert torch.equal(scan(neurons, current, **options)[0], expected[0])
    with pytest.raises(ValueError, match=reason):
        scan(neurons, current, backend="cpu", **options)


def test_a_model_of_modes_trains_on_the_kernel():
    class Chord(Neuron):
        def __init__(self, size):
            super().__init__(size)
            self.register_values(True, phase=torch.rand(*self.size, 2))

        def dynamics(self):
            poles = 0.95 * torch.exp(1j * self.phase)
            ones = torch.ones_like(self.phase)
            return ModalSpace.from_poles(poles, ones, -poles, ones, self.threshold)

    neuron, current = Chord(20), 2 * torch.randn(40, 2, 20)
    spikes, _ = neuron(current, backend="cpu")
    spikes.sum().backward()
    gradient, neuron.phase.grad = neuron.phase.grad, None
    neuron(current, backend="reference")[0].sum().backward()
    assert gradient.abs().min() > 0
    torch.testing.assert_close(gradient, neuron.phase.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("trace", [False, True])
def test_opcheck(trace):
    system = system_of("modal", 2, 5)
    numbers = torch.stack(system.coefficients()).detach().requires_grad_()
    current = torch.randn(40, 2, 5, dtype=torch.float64).requires_grad_()
    initial = torch.rand(6, 2, 5, dtype=torch.float64).requires_grad_()
    call = SystemForward(current, numbers, initial, None, trace, 1, 2.0, 0.0, False, 0.5, "binary", False)
    torch.library.opcheck(run_forward, tuple(call))


def test_wrong_operands_are_refused():
    numbers, initial = torch.zeros(20, 5), torch.zeros(6, 2, 5)
    with pytest.raises(TypeError, match="coefficients: got 20 rows"):
        run_forward(
            *SystemForward(
                torch.zeros(4, 2, 5), numbers, initial, None, False, 0, 0.5, 0.0, False, None, "binary", False
            )
        )
