"""What all learnable delays have: the delays, their width, their rounded form, and the inputs that still travel."""

from __future__ import annotations

import copy
import math
from typing import Self, TypeVar

import torch
from torch import Tensor, nn

from .taps import gaussian_taps, rounded_taps, within

Module = TypeVar("Module", bound=nn.Module)


class DelayedModule(nn.Module):
    """Runs whole sequences, parts of them and single steps by one method, `run`; the base of layers with delays.

    Examples:
        >>> from silif_plugins.synapses import AxonalDelay
        >>> delays, spikes = AxonalDelay(5, 9), torch.ones(100, 2, 5)
        >>> first, state = delays.run(spikes[:60])
        >>> rest, state = delays.run(spikes[60:], state)
        >>> torch.allclose(torch.cat([first, rest]), delays(spikes))
        True
    """

    def run(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Go on with a sequence.

        Args:
            inputs: The next steps, [T, B, inputs].
            state: The inputs of the steps before, oldest first, [max_delay, B, inputs]: one buffer for each input, not
                for each synapse. By default they were zero.

        Returns:
            What arrives in these steps, [T, B, outputs], and the state after them.

        Raises:
            ValueError: If the shapes do not fit.
            TypeError: If the inputs are complex.
        """
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs [T, B, outputs] from inputs [T, B, inputs]; nothing came before them."""
        return self.run(inputs)[0]

    def step(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Take one step: outputs [B, outputs] from inputs [B, inputs], and the state for the next one.

        The state that is given stays as it is, so that gradients flow through steps, and one can step again from it.
        """
        outputs, state = self.run(inputs.unsqueeze(0), state)
        return outputs.squeeze(0), state

    def discretised(self) -> Self:
        """Return a copy with whole delays, exactly; this layer stays as it is. See `discretised`."""
        return discretised(self)


class LearnableDelay(DelayedModule):
    """Delays from 0 to ``max_delay`` steps, learnt through a Gaussian over the lags; the base of what uses them.

    Attributes:
        delay: In steps; drawn uniformly from 0 to ``max_delay``. What an optimiser takes beyond counts as the limit.
        sigma: Width of the Gaussian, a buffer: training narrows it by ``layer.sigma.fill_(...)``.
        max_delay: The longest delay.
        rounded: Whether each input arrives at the whole step next to its delay, and nowhere else.

    Examples:
        >>> from silif_plugins.synapses import DelayedLinear
        >>> layer = DelayedLinear(3, 2, max_delay=9)
        >>> layer.taps().shape
        torch.Size([10, 2, 3])
    """

    sigma: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        max_delay: int,
        *,
        sigma: float | None = None,
        rounded: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if isinstance(max_delay, bool) or not isinstance(max_delay, int) or max_delay < 0:
            raise ValueError(f"max_delay: got {max_delay!r}; it must be a whole number of steps, 0 or more")
        if sigma is not None and not (isinstance(sigma, (int, float)) and 0 <= sigma < math.inf):
            raise ValueError(f"sigma: got {sigma!r}; it must be a finite number of steps, 0 or more")
        if not isinstance(rounded, bool):
            raise ValueError(f"rounded: got {rounded!r}; it must be True or False")
        self.max_delay, self.rounded = max_delay, rounded
        width = float((max_delay + 1) // 2) if sigma is None else float(sigma)
        self.delay = nn.Parameter(torch.empty(shape, device=device, dtype=dtype), requires_grad=not rounded)
        self.register_buffer("sigma", torch.full((), width, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Draw the delays anew."""
        nn.init.uniform_(self.delay, 0, self.max_delay)

    def taps(self) -> Tensor:
        r"""Return the share of an input that arrives after 0 to ``max_delay`` steps, [max_delay + 1, \*delays]."""
        delay = within(self.delay, self.max_delay)
        if self.rounded:
            return rounded_taps(delay.detach(), self.max_delay)
        return gaussian_taps(delay, self.sigma, self.max_delay)

    @torch.no_grad()
    def clamp_(self) -> None:
        """Take delays that are beyond 0 or ``max_delay`` to that limit, as DCLS does after each step of training."""
        self.delay.clamp_(0, self.max_delay)

    def window(self, inputs: Tensor, past: Tensor | None) -> Tensor:
        """Put the inputs of the ``max_delay`` steps before in front of ``inputs`` [T, B, N]; zeros without a ``past``.

        Raises:
            ValueError: If the shapes do not fit.
        """
        num_inputs = self.delay.shape[-1]
        if inputs.dim() != 3 or inputs.shape[-1] != num_inputs:
            raise ValueError(f"inputs: got shape {tuple(inputs.shape)}; it must be [T, B, {num_inputs}]")
        shape = (self.max_delay, *inputs.shape[1:])
        if past is None:
            past = inputs.new_zeros(shape)
        elif past.shape != shape:
            raise ValueError(
                f"state: got shape {tuple(past.shape)}; it must be {shape}, the inputs of the steps before"
            )
        return torch.cat([past, inputs])

    def travelling(self, window: Tensor) -> Tensor:
        """Return the end of a window, of which inputs are still to arrive: the state [max_delay, B, N]."""
        return window[window.shape[0] - self.max_delay :]

    def extra_repr(self) -> str:
        """Show the options."""
        return f"max_delay={self.max_delay}, rounded={self.rounded}"


def discretised(module: Module) -> Module:
    """Return a copy of a layer or network whose delays are whole steps, exactly; the original stays as it is.

    Delays are rounded to the next step, and each input arrives there with its full weight. Weights can be trained
    on; delays are fixed.

    Examples:
        >>> from silif_plugins.synapses import AxonalDelay
        >>> net = nn.Sequential(AxonalDelay(3, 9), nn.Linear(3, 2))
        >>> discretised(net)[0]
        AxonalDelay(3, max_delay=9, rounded=True)
    """
    exact = copy.deepcopy(module)
    for layer in exact.modules():
        if isinstance(layer, LearnableDelay):
            layer.rounded = True
            layer.clamp_()
            layer.delay.requires_grad_(False).round_()
    return exact
