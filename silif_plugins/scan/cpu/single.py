"""One step of neurons, again and again: the kernels of a sequence, with a job that is made once."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from ...kernels.threads import GRAIN, run_tasks
from . import kernels
from .run import code_of_kernel, shares

_GRADS = ("grad_mem", "grad_ada", "grad_spk")


class Step:
    """A step of given neurons for states of one shape.

    Args:
        coefficients: [9, N], without gaps.
        shape: Of the states, [B, ...], with N elements after the first dimension.
        surrogate: Number and shape of its derivative.
        detach_reset: Whether the spikes that reset are constants for the gradient.
    """

    def __init__(
        self, coefficients: Tensor, shape: torch.Size, surrogate: tuple[int, float, float], detach_reset: bool
    ) -> None:
        self.coefficients, self.shape = coefficients, shape
        neurons = coefficients.shape[1]
        self.elements = shape.numel()
        batch = self.elements // neurons
        item = coefficients.element_size()
        tiling = shares(1, batch, neurons, self.elements, item)
        # One task sums the coefficients' gradients, where more would not be shared among threads.
        self.tasks = tiling["tasks"] = 1 if self.elements < GRAIN else tiling["tasks"]
        self._item, self._neurons = item, neurons
        values: dict[str, Any] = tiling | {
            "steps": 1,
            "batch": batch,
            "neurons": neurons,
            "row": self.elements,
            "coefficients": (coefficients.data_ptr(), neurons, 0, 1),
            "surrogate": surrogate[0],
            "shape1": surrogate[1],
            "shape2": surrogate[2],
            "detach_reset": detach_reset,
        }
        self._codes = [code_of_kernel(kernel, coefficients.dtype) for kernel in (kernels.forward, kernels.backward)]
        self._numbers = [code.fill(code.absent.copy(), values) for code in self._codes]

    def forward(self, current: Tensor, mem: Tensor, ada: Tensor, spk: Tensor) -> Tensor:
        """Return the next state, [3, *shape], from an input and a state, each without gaps."""
        state = current.new_empty((3, *self.shape))
        first, kept = self._initial(mem, ada, spk)
        self._run(0, x=self._view(current), initial=first, final=self._view(state))
        del kept
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
        sums = torch.zeros((self.tasks, *self.coefficients.shape), dtype=torch.float64)
        first, kept = self._initial(mem, ada, spk)
        dense = [None if grad is None else grad.contiguous() for grad in grads]
        if (dense[0] is None) != (dense[1] is None):  # the kernel takes both or none
            dense[:2] = [torch.zeros_like(current) if grad is None else grad for grad in dense[:2]]
        given = {name: self._view(grad) for name, grad in zip(_GRADS, dense, strict=True) if grad is not None}
        self._run(
            1,
            x=self._view(current),
            initial=first,
            grad_x=self._view(grad_current),
            grad_initial=self._view(grad_state),
            sums=sums.data_ptr(),
            **given,
        )
        del kept
        total = (sums[0] if self.tasks == 1 else sums.sum(0)).to(current.dtype)
        return grad_current, grad_state, total

    def _view(self, tensor: Tensor) -> tuple[int, int, int, int]:
        return tensor.data_ptr(), self.elements, self._neurons, 1

    def _initial(self, *state: Tensor) -> tuple[tuple[int, int, int, int], Tensor | None]:
        """Where the state lies, and what is to be kept so long: fields at equal distances are not moved."""
        first, second, third = (field.data_ptr() for field in state)
        if second - first == third - second:
            return (first, (second - first) // self._item, self._neurons, 1), None
        together = torch.stack(state)
        return self._view(together), together

    def _run(self, code: int, **values: Any) -> None:
        memory = self._codes[code].pack(self._codes[code].fill(self._numbers[code].copy(), values))
        run_tasks(
            self._codes[code].kernel, self.tasks, ctypes.addressof(ctypes.c_char.from_buffer(memory)), self.elements
        )
