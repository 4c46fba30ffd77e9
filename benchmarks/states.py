"""Systems of more states, and of several outputs, beside two: python -m benchmarks.states [--shape 250 128 512].

Forward and backward, float32, one thread: the time relative to that of two states, by the CPU kernels.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from silif_plugins.dynamics import DenseSpace, ModalSpace, StateSpace
from silif_plugins.neurons import CSiLIF, GeneralResetNeuron
from silif_plugins.scan import scan

from .measure import Contender, interleaved


def modes(count: int, neurons: int) -> ModalSpace:
    """C-SiLIFs of several frequencies that share a membrane."""
    blocks = [CSiLIF(neurons, omega=5.0 * (mode + 1)).state_space() for mode in range(count)]
    return ModalSpace.of([StateSpace(*(field.detach() for field in block)) for block in blocks])


def dense(states: int, neurons: int) -> DenseSpace:
    """Random systems that are stable."""
    transition = torch.linalg.qr(torch.randn(neurons, states, states))[0] * 0.95
    return DenseSpace.of(transition, *(torch.randn(3, neurons, states) / states**0.5).unbind())


def training_step(space: StateSpace | ModalSpace | DenseSpace, x: Tensor) -> Contender:
    """Forward and backward, gradients of the input and of all numbers included."""

    def trained(number: Tensor) -> Tensor:
        return number.detach().clone().expand(x.shape[2]).requires_grad_()

    neurons = StateSpace(*map(trained, space)) if isinstance(space, StateSpace) else space.mapped(trained)
    inputs = x.clone().requires_grad_()
    gradient = torch.randn_like(x)

    def run() -> None:
        inputs.grad = None
        scan(neurons, inputs, backend="cpu")[0].backward(gradient)

    return run


def training_step_of(neurons: GeneralResetNeuron, x: Tensor) -> Contender:
    """The same of neurons with their parameters."""
    inputs = x.clone().requires_grad_()
    gradient = torch.randn(*x.shape, neurons.outputs)

    def run() -> None:
        inputs.grad = None
        neurons(inputs, backend="cpu")[0].backward(gradient)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.states", description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=[250, 128, 512], metavar=("T", "B", "N"))
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    neurons = arguments.shape[2]
    x = 3 * torch.randn(arguments.shape)
    two = CSiLIF(neurons).state_space()
    spaces: dict[str, StateSpace | ModalSpace | DenseSpace] = {
        "two states": StateSpace(*(field.detach() for field in two)),
        **{f"{2 * count} states, modes": modes(count, neurons) for count in (1, 2, 3, 4)},
        **{f"{states} states, dense": dense(states, neurons) for states in (3, 4)},
    }
    runs = {name: training_step(space, x) for name, space in spaces.items()}
    for outputs in (2, 4):
        neuron = GeneralResetNeuron(neurons, states=2, outputs=outputs)
        runs[f"4 states, modes, {outputs} outputs"] = training_step_of(neuron, x)
    seconds = interleaved(runs, rounds=arguments.rounds, seconds=120)
    print(f"## {arguments.shape}, 1 thread, float32, forward + backward\n")
    print("| states | ns per element | times two states |\n|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {1e9 * value / x.numel():.2f} | {value / seconds['two states']:.2f} |")


if __name__ == "__main__":
    main()
