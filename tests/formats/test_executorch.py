"""Programs of ExecuTorch, where it is installed, and what is said where it is not."""

from importlib.util import find_spec

import pytest
import torch
from torch.utils import _pytree

from silif_plugins.formats import ExportError, export, step_form

from .conftest import frames, network

needed = pytest.mark.skipif(find_spec("executorch") is None, reason="executorch is not installed")


def loaded(path):
    """Return what runs a program; memory of program and file must outlive it."""
    from executorch.runtime import Runtime

    content = path.read_bytes()
    program = Runtime.get().load_program(content)
    method = program.load_method("forward")
    return lambda inputs, kept=(content, program): [each.clone() for each in method.execute(inputs)]


@needed
@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"neuron": "C-SiLIF", "bidirectional": True},
        {"connection": "axonal", "connection_options": {"max_delay": 4, "rounded": True}},
    ],
)
def test_whole_sequences(options, tmp_path):
    net = network(**options)
    said = export(net, tmp_path / "net.pte", to="pte", batch=2, steps=20)
    assert said["inputs"] == {"inputs": [2, 20, 12]}
    assert said["outputs"] == ["scores", "firing_rates"]
    run = loaded(tmp_path / "net.pte")
    for seed in range(2):
        inputs = frames(2, 20, seed=seed)
        scores, rates = run([inputs])
        expected = net(inputs)
        torch.testing.assert_close(scores, expected.scores)
        torch.testing.assert_close(rates, expected.firing_rates)


@needed
@pytest.mark.slow
def test_steps_one_after_the_other_are_the_sequence(tmp_path):
    net, inputs = network(), frames(2, 25)
    names = export(net, tmp_path / "net.pte", to="pte", step=True, batch=2)["outputs"]
    run, state = loaded(tmp_path / "net.pte"), step_form(net).rest(2)
    for now in inputs.unbind(1):
        got = dict(zip(names, run([now.contiguous(), *_pytree.tree_leaves(state)]), strict=True))
        state = {name: got[f"state.{name}"] for name in state}
    torch.testing.assert_close(got["scores"], net(inputs).scores, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(find_spec("executorch") is not None, reason="executorch is installed")
def test_without_it(tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"needs executorch.*silif_plugins\[executorch\]"):
        export(network(), tmp_path / "net.pte", to="pte")
    assert list(tmp_path.iterdir()) == []


def test_sizes_are_checked(tmp_path):
    with pytest.raises(ValueError, match="batch: got 0"):
        export(network(), tmp_path / "net.pte", to="pte", batch=0)


@needed
def test_what_cannot_be_exported_is_named(tmp_path):
    net = network()
    net.hidden[1].neuron.a.fill_(float("nan"))
    with pytest.raises(ExportError, match=r"hidden\.1\.neuron\.a: has NaN"):
        export(net, tmp_path / "net.pte", to="pte")
    assert list(tmp_path.iterdir()) == []
