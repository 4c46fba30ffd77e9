"""The fused scan as a citizen of PyTorch: compilers, transforms, processes, second derivatives."""

import multiprocessing
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from silif_plugins.dynamics import StateSpace
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.scan.fused import run_forward
from silif_plugins.scan.layout import Forward
from silif_plugins.surrogate import Triangle


def arguments(trace=False, lengths=None, detach_reset=False, hard_reset=False, weights=False):
    space = SiLIF(5).double().state_space()
    coefficients = torch.stack([field.expand(5) for field in space]).detach()
    current = torch.randn(40, 2, 5, dtype=torch.float64) * 6
    initial = torch.rand(3, 2, 5, dtype=torch.float64)
    inputs = [tensor.requires_grad_() for tensor in (current, coefficients, initial)]
    matrix = torch.randn(5, 5, dtype=torch.float64).requires_grad_() if weights else None
    gate_width = None if weights else 0.5
    return Forward(*inputs, matrix, lengths, hard_reset, trace, 0, 0.5, 0.0, detach_reset, "cpu", gate_width)


@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("trace", [False, True])
@pytest.mark.parametrize("lengths", [None, torch.tensor([40, 3])], ids=["full", "lengths"])
@pytest.mark.parametrize("hard_reset", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_opcheck(weights, hard_reset, trace, lengths, detach_reset):
    torch.library.opcheck(run_forward, tuple(arguments(trace, lengths, detach_reset, hard_reset, weights)))


class Layer(torch.nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.neuron = SiLIF(16)
        self.options = options

    def forward(self, current):
        spikes, state = scan(self.neuron.state_space(), current, backend="cpu", **self.options)
        return spikes, state.mem


@pytest.mark.parametrize("detach_reset", [False, True])
@pytest.mark.parametrize("surrogate", [None, "atan", Triangle(0.3)], ids=str)
def test_compile_fullgraph(surrogate, detach_reset):
    layer, current = Layer(surrogate=surrogate, detach_reset=detach_reset), torch.randn(40, 2, 16) * 6
    outputs = layer(current)
    sum(output.sum() for output in outputs).backward()
    expected = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.zero_grad()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    again = compiled(current)
    sum(output.sum() for output in again).backward()
    assert all(torch.equal(*pair) for pair in zip(outputs, again, strict=True))
    for parameter, gradient in zip(layer.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_export():
    layer, current = Layer(), torch.randn(40, 2, 16) * 6
    program = torch.export.export(layer, (current,))
    assert all(torch.equal(*pair) for pair in zip(program.module()(current), layer(current), strict=True))


@pytest.mark.parametrize("detach_reset", [False, True])
def test_vmap_over_batches_and_gradients_of_samples(detach_reset):
    space = SiLIF(6).double().state_space()
    space = StateSpace(*(field.detach() for field in space))
    current = torch.randn(4, 40, 2, 6, dtype=torch.float64) * 6

    def total(current, a11):
        spikes, state = scan(space._replace(a11=a11), current, backend="cpu", detach_reset=detach_reset)
        return (spikes * torch.linspace(0, 1, 6)).sum() + state.mem.sum()

    both = torch.func.vmap(torch.func.grad(total, argnums=(0, 1)), in_dims=(0, None))(current, space.a11)
    for index in range(4):
        alone = torch.func.grad(total, argnums=(0, 1))(current[index], space.a11)
        torch.testing.assert_close(both[0][index], alone[0])
        torch.testing.assert_close(both[1][index], alone[1])


def test_second_derivatives_are_refused_clearly():
    space, current = SiLIF(6).state_space(), torch.randn(40, 2, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(scan(space, current, backend="cpu")[0].sum(), current, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        gradient.sum().backward()
    (gradient,) = torch.autograd.grad(scan(space, current, backend="reference")[0].sum(), current, create_graph=True)
    gradient.sum().backward()


@pytest.mark.parametrize("recurrent", [None, 0.1 * torch.randn(6, 6, dtype=torch.float64)], ids=["", "recurrent"])
def test_derivatives_in_forward_mode(recurrent):
    space, current = SiLIF(6).double().state_space(), 6 * torch.randn(40, 2, 6, dtype=torch.float64)
    tangent = torch.randn_like(current)

    def derivative(**options):
        def run(current):
            return scan(space, current, surrogate="atan", recurrent=recurrent, **options)[0]

        return torch.func.jvp(run, (current,), (tangent,))[1]

    (gradient,) = torch.autograd.grad(
        (scan(space, current.requires_grad_(), surrogate="atan", recurrent=recurrent)[0]).sum(), current
    )
    torch.testing.assert_close(derivative().sum(), (gradient * tangent).sum())
    with pytest.raises(ValueError, match="forward mode"):
        derivative(backend="cpu")
    current, *others = (a.detach() if isinstance(a, torch.Tensor) else a for a in arguments())
    with pytest.raises(RuntimeError, match="backend='reference'"):
        torch.func.jvp(lambda x: run_forward(x, *others)[0], (current,), (current,))


def test_jacobians():
    space, current = SiLIF(3).double().state_space(), 6 * torch.randn(20, 1, 3, dtype=torch.float64)
    space = StateSpace(*(field.detach() for field in space))
    jacobians = [
        torch.func.jacrev(lambda x, name=name: scan(space, x, backend=name)[1].mem)(current)
        for name in ("cpu", "reference")
    ]
    torch.testing.assert_close(*jacobians)


@pytest.mark.parametrize("change", ["coefficients", "initial", "lengths", "weights", "current"])
def test_the_operator_refuses_other_data_types_and_shapes(change):
    call = arguments(lengths=torch.tensor([40, 3]), weights=True)
    wrong = {
        "coefficients": call.coefficients.float(),
        "initial": call.initial[:, :1],
        "lengths": call.lengths.int(),
        "weights": call.weights[1:],
        "current": call.current[0],
    }
    with pytest.raises(TypeError, match=change):
        run_forward(*call._replace(**{change: wrong[change]}))


def test_the_operator_reads_lengths_in_any_layout():
    call = arguments(lengths=torch.tensor([[40, 9], [3, 9]])[:, 0])
    others = run_forward(*call._replace(lengths=call.lengths.clone()))
    assert all(torch.equal(*pair) for pair in zip(run_forward(*call), others, strict=True))


def test_autocast_keeps_the_state_in_float32():
    layer = torch.nn.Linear(8, 16)
    neuron = SiLIF(16)
    with torch.autocast("cpu", torch.bfloat16):
        spikes, state = scan(neuron.state_space(), layer(torch.randn(40, 2, 8) * 6), backend="cpu")
        spikes.float().sum().backward()
    assert (spikes.dtype, state.mem.dtype) == (torch.bfloat16, torch.float32)
    assert all(parameter.grad.dtype == torch.float32 for parameter in neuron.parameters())


class Spikes(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        current = torch.randn(40, 1, 8, generator=generator) * 6
        space = StateSpace.of(a11=0.9, a12=-0.1, a21=0.1, a22=0.95, b1=0.3, r1=-0.9, r2=0.1)
        return scan(space, current, backend="cpu")[0]


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_data_loader_workers(start):
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {start}")
    torch.set_num_threads(2)
    dataset = Spikes()
    expected = torch.stack([dataset[index] for index in range(4)])  # the kernel has run before the fork
    loaded = torch.cat(list(DataLoader(dataset, num_workers=2, multiprocessing_context=start)))
    assert expected.sum() > 0
    assert torch.equal(loaded, expected)


def test_importing_the_package_does_not_import_numba():
    code = "import sys, silif_plugins.scan, silif_plugins.neurons; print('numba' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "False"


def test_a_first_scan_imports_no_compiler():
    """PyTorch's compiler and SymPy take a second and a half to import, in every process."""
    code = """
import sys, torch
from silif_plugins import SiLIF
from silif_plugins.scan import scan
neuron = SiLIF(20)
scan(neuron.state_space(), torch.randn(40, 2, 20, requires_grad=True), backend="cpu")[0].sum().backward()
print(neuron.log_dt.grad is not None, *sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.split() == ["True"]
