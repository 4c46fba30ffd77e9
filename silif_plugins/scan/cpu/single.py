"""One step of neurons, again and again: kernels whose job is made once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...kernels.code import Code, code_of_kernel
from ...kernels.simd import REGISTER_BYTES
from . import single_kernels


class Step:
    """A step of given neurons for states of one shape.

    Args:
        coefficients: [9, N], without gaps; N at least that of :func:`fewest`.
        shape: Of the states, with B times N elements.
        surrogate: Number and shape of its derivative.
        detach_reset: Whether the spikes that reset are constants for the gradient.
    """

    def __init__(
        self, coefficients: Tensor, shape: torch.Size, surrogate: tuple[int, float, float], detach_reset: bool
    ) -> None:
        self.coefficients, self.shape, self.elements = coefficients, shape, shape.numel()
        neurons = coefficients.shape[1]
        self.tasks = -(-neurons // fewest(coefficients.dtype))
        values: dict[str, Any] = {
            "batch": self.elements // neurons,
            "neurons": neurons,
            "coefficients": coefficients.data_ptr(),
            "surrogate": surrogate[0],
            "shape1": surrogate[1],
            "shape2": surrogate[2],
            "detach_reset": detach_reset,
        }
        self._forward, self._backward = (
            code_of_kernel(kernel, coefficients.dtype, single_kernels.job_dtype)
            for kernel in (single_kernels.forward, single_kernels.backward)
        )
        self._numbers = self._forward.fill(self._forward.absent.copy(), values)

    def forward(self, current: Tensor, mem: Tensor, ada: Tensor, spk: Tensor) -> Tensor:
        """Return the next state, [3, *shape], from an input and a state, each without gaps."""
        state = current.new_empty((3, *self.shape))
        self._run(
            self._forward,
            x=current.data_ptr(),
            mem=mem.data_ptr(),
            ada=ada.data_ptr(),
            spk=spk.data_ptr(),
            state=state.data_ptr(),
        )
        return state

    def backward(
        self,
        current: Tensor,
        mem: Tensor,
        ada: Tensor,
        spk: Tensor,
        grads: tuple[Tensor | None, Tensor | None, Tensor | None],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the input, of the state, [3, *shape], and of the coefficients.

        Args:
            current: Input of the step.
            mem: State before it.
            ada: The same.
            spk: The same.
            grads: Gradients of the state after it, None for zero.
        """
        grad_current, grad_state = torch.empty_like(current), current.new_empty((3, *self.shape))
        grad_coefficients = torch.empty_like(self.coefficients)
        dense = [None if grad is None else grad.contiguous() for grad in grads]
        self._run(
            self._backward,
            x=current.data_ptr(),
            mem=mem.data_ptr(),
            ada=ada.data_ptr(),
            spk=spk.data_ptr(),
            grad_mem=0 if dense[0] is None else dense[0].data_ptr(),
            grad_ada=0 if dense[1] is None else dense[1].data_ptr(),
            grad_spk=0 if dense[2] is None else dense[2].data_ptr(),
            grad_x=grad_current.data_ptr(),
            grad_state=grad_state.data_ptr(),
            grad_coefficients=grad_coefficients.data_ptr(),
        )
        return grad_current, grad_state, grad_coefficients

    def _run(self, code: Code, **addresses: int) -> None:
        memory = code.pack(code.fill(self._numbers.copy(), addresses))
        code.run(memory, self.tasks, self.elements)


def fewest(dtype: torch.dtype) -> int:
    """Neurons that make a vector: fewer have no kernel."""
    return REGISTER_BYTES // dtype.itemsize
