"""Random scans by the kernel and by the reference: data types, layouts, lengths, NaN and inf, options."""

import random

import pytest
import torch

from silif_plugins.dynamics import HardReset, State
from silif_plugins.neurons import CSiLIF, SiLIF
from silif_plugins.scan import scan, scan_with_gate
from silif_plugins.surrogate import ATan, Boxcar, FastSigmoid, Triangle

SURROGATES = [Boxcar(), Boxcar(0.1), ATan(2.0), FastSigmoid(5.0), Triangle(), Triangle(0.3, 2.0), lambda x: ATan()(x)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int16, torch.uint8, torch.bool]
TOLERANCES = {torch.float64: 1e-9, torch.float32: 2e-4, torch.bfloat16: 1e-2, torch.float16: 1e-2}
LENGTHS = [torch.uint8, torch.int16, torch.int32, torch.int64]


def laid_out(tensor, chance):
    """The same numbers in another layout of memory."""
    dims = chance.sample(range(3), 3)
    tensor = tensor.permute(dims).contiguous().permute([dims.index(dim) for dim in range(3)])
    if chance.random() < 0.3:  # every other number of a larger tensor
        return torch.stack([tensor, torch.full_like(tensor, 77)], dim=-1)[..., 0]
    return tensor


def problem(seed):
    """A random scan: neurons, current, state and options."""
    chance, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    steps, batch, neurons = chance.choice([1, 4, 16, 17, 40]), chance.choice([1, 2, 5]), chance.choice([1, 7, 16, 33])
    dtype, wide = chance.choice(DTYPES), chance.choice([torch.float32, torch.float64])
    model = chance.choice([SiLIF, CSiLIF])(neurons, generator=generator).to(wide)
    space = type(model.state_space())(*(field.detach() for field in model.state_space()))
    current = 6 * torch.randn(steps, batch, neurons, generator=generator)
    current = (current.abs() if dtype == torch.uint8 else current).to(dtype)
    state = State(*torch.rand(3, batch, neurons, generator=generator).to(wide)) if chance.random() < 0.5 else None
    options = {"surrogate": chance.choice(SURROGATES), "detach_reset": chance.random() < 0.3}
    if chance.random() < 0.25:
        options["surrogate"] = chance.choice(SURROGATES[:-1])
        options["recurrent"] = 0.1 * torch.randn(neurons, neurons, generator=generator).to(wide)
    strange = [torch.nan, torch.inf, -torch.inf, 1e30]
    # Where the surrogate is 0 the kernel leaves the weights out, and with them what NaN times 0 would be.
    if current.is_floating_point() and chance.random() < 0.4 and "recurrent" not in options:
        for _ in range(3):
            place = chance.randrange(steps), chance.randrange(batch), chance.randrange(neurons)
            current[place] = chance.choice(strange)
    if chance.random() < 0.5:
        lengths = torch.randint(steps + 1, (batch,), generator=generator)
        padding = torch.arange(steps)[:, None] >= lengths
        if current.is_floating_point():
            current[padding] = chance.choice([*strange, 0.0])
        options["lengths"] = ~padding if chance.random() < 0.3 else lengths.to(chance.choice(LENGTHS))
    return space, laid_out(current, chance), state, options | {"hard_reset": chance.random() < 0.3}


def run(backend, space, current, state, options):
    """Outputs, and gradients of all that is real: of every output, the same for each backend."""
    inputs = [
        tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in (current, *space, *(state or ()))
    ]
    own = {**options}
    hard_reset = own.pop("hard_reset")
    if "recurrent" in own:
        own["recurrent"] = own["recurrent"].clone().requires_grad_()
        inputs.append(own["recurrent"])
    given = None if state is None else State(*inputs[10:13])
    space = type(space)(*inputs[1:10])
    space = HardReset(space) if hard_reset else space
    spikes, last, states = scan(space, inputs[0], given, backend=backend, return_states=True, **own)
    outputs = [spikes, *last, *states]
    weights = torch.Generator().manual_seed(1)
    loss = sum((o * torch.randn(o.shape, generator=weights).to(o)).double().sum() for o in outputs)
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    gate = scan_with_gate(space, inputs[0], given, backend=backend, **own)[2]
    return [tensor.detach() for tensor in (*outputs, *([] if gate is None else [gate]))], gradients


def compare(got, expected, tolerance):
    """Raise unless tensors are equal: to the last bit, or to ``tolerance`` of the largest number of each."""
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        assert one.dtype == other.dtype, index
        assert torch.equal(one.isfinite(), other.isfinite()), f"{index}: what is finite"
        numbers, others = one[one.isfinite()].double(), other[other.isfinite()].double()
        scale = others.abs().max().clamp(min=1e-30) if len(others) else 1.0
        error = (numbers - others).abs().max() / scale if len(others) else 0.0
        assert error <= tolerance, f"{index}: {error}"


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_the_kernel_equals_the_reference(first):
    for seed in range(first, first + 30):
        try:
            space, current, state, options = problem(seed)
            found = [run(backend, space, current, state, options) for backend in ("cpu", "reference")]
            given = {space.dtype, current.dtype} & TOLERANCES.keys()
            near = TOLERANCES[space.dtype] if "recurrent" in options else 0  # weights are added in another order
            for outputs in zip(*(outputs for outputs, _ in found), strict=True):
                torch.testing.assert_close(*outputs, rtol=near, atol=near, equal_nan=True)
            compare(*(gradients for _, gradients in found), max(TOLERANCES[dtype] for dtype in given))
        except Exception as error:
            pytest.fail(f"seed {seed}: {error!r}")


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("first", range(0, 60, 30))
def test_nothing_in_the_padding_matters(first, backend):
    for seed in range(first, first + 30):
        space, current, state, options = problem(seed)
        if "lengths" not in options or not current.is_floating_point():
            continue
        lengths = options["lengths"]
        padding = ~lengths if lengths.dtype == torch.bool else torch.arange(len(current))[:, None] >= lengths
        clean = current.masked_fill(padding.unsqueeze(-1), 0)
        found = [run(backend, space, each, state, options) for each in (current, clean)]
        try:
            torch.testing.assert_close(*found, rtol=0, atol=0, equal_nan=True)
        except AssertionError as error:
            pytest.fail(f"seed {seed}: {error}")
