"""Pointwise programs against autograd: results and gradients to the last bit."""

import math

import pytest
import torch

from silif_plugins.kernels.pointwise import CannotBeWritten, Program


def every_operation(x, y, z, *, scale):
    phase = (x * y).clamp(-1e6, 1e6)
    decay = torch.exp(-torch.exp((x + z).clamp(-3.0, 3.0)))
    leak = -torch.expm1(-torch.exp((x + z).clamp(-3.0, 3.0)))
    low, high = y.clamp(min=0.1), (2 * y).clamp(max=0.9)
    ratio = low / (1 + decay * decay) / scale
    return (
        decay * phase.cos() - leak,
        decay * phase.sin(),
        1 - ratio - torch.log(low),
        z,
        high * 0.3 - 2 + x,
        torch.tensor(0.7, dtype=x.dtype),
        leak + leak,
    )


def arguments(dtype, size=(3, 7)):
    torch.manual_seed(0)
    return [2 * torch.randn(size, dtype=dtype) for _ in range(2)] + [torch.tensor(0.3, dtype=dtype)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_autograd(dtype):
    inputs = arguments(dtype)
    program = Program(every_operation, 3, dtype, scale=0.5)
    results, saved = program.run(*inputs)
    trained = [tensor.clone().requires_grad_() for tensor in inputs[:2]]
    expected = every_operation(*trained, inputs[2], scale=0.5)
    assert all(torch.equal(*pair) for pair in zip(results, expected, strict=True))
    grad = torch.randn(7, 3, 7, dtype=dtype)
    torch.stack([field.expand(3, 7) for field in expected]).backward(grad)
    found = program.gradients(saved, grad, (True, True, False))
    assert found[2] is None
    assert all(torch.equal(x.grad, gradient) for x, gradient in zip(trained, found, strict=False))
    only = program.gradients(saved, grad.transpose(1, 2).contiguous().transpose(1, 2), (False, True, False))
    assert only[0] is None
    assert torch.equal(only[1], found[1])


def test_what_is_computed_twice_is_computed_once():
    program = Program(lambda x: (x.exp() + 1, x.exp() * 2), 1, torch.float32)
    assert [line.name for line in program.lines].count("exp") == 2
    assert [line.name for line in program.computed].count("exp") == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.tanh(),),
        lambda x: (x + torch.ones(3),),
        lambda x: (2 / x,),
        lambda x: (x.cos(),),
        lambda x: (x.clamp(torch.zeros(()), x),),
        lambda x: (x.add(x, alpha=2),),
        lambda x: (torch.where(x > 0, x, 1.0),),
    ],
)
def test_says_what_it_cannot(function):
    with pytest.raises(CannotBeWritten, match=r"it (calls|takes)"):
        Program(function, 1, torch.float32)


def test_infinite_bounds_and_numbers_that_are_not():
    program = Program(lambda x: (x.clamp(-math.inf, 1.0) * 2,), 1, torch.float64)
    x = torch.tensor([math.nan, math.inf, -math.inf, 0.5], dtype=torch.float64)
    _, saved = program.run(x)
    assert program.gradients(saved, torch.ones(1, 4, dtype=torch.float64), (True,))[0].tolist() == [0.0, 0.0, 2.0, 2.0]
