"""The byte model against the accesses of the kernels, which Triton's interpreter counts; and what fills a GPU."""

from importlib.util import find_spec

import pytest
import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import scan
from silif_plugins.scan.gpu import (
    AHEAD,
    GPUS,
    backward_traffic,
    forward_traffic,
    lanes_to_fill,
    resident_lanes,
)

SHAPE = (250, 32, 512)


@pytest.fixture
def accesses(monkeypatch):
    """Bytes that kernels have loaded and stored."""
    interpreter = pytest.importorskip("triton.runtime.interpreter", reason="Triton is not installed")
    language = pytest.importorskip("triton.language")
    if isinstance(language.zeros_like, pytest.importorskip("triton").JITFunction):
        pytest.skip("Triton compiles here: it interprets all kernels of a process or none, by TRITON_INTERPRET=1")
    counted = {"read": 0, "written": 0}
    load, store = interpreter.InterpreterBuilder.create_masked_load, interpreter.InterpreterBuilder.create_masked_store

    def counting_load(builder, pointers, mask, *others):
        result = load(builder, pointers, mask, *others)
        counted["read"] += int(mask.data.sum()) * result.data.itemsize
        return result

    def counting_store(builder, pointers, value, mask, *others):
        counted["written"] += int(mask.data.sum()) * value.data.itemsize
        return store(builder, pointers, value, mask, *others)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_masked_load", counting_load)
    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_masked_store", counting_store)
    return counted


@pytest.mark.parametrize("steps", [32, 35])
@pytest.mark.parametrize(
    "options",
    [{}, {"return_states": True, "lengths": True}, {"surrogate": lambda x: torch.special.erf(x)}],
    ids=["bare", "all", "callable"],
)
def test_bytes_are_those_of_the_kernels(steps, options, accesses, request):
    shape, options = (steps, 3, 7), dict(options)
    traced, lengths = options.get("return_states", False), options.pop("lengths", False)
    if lengths:
        options["lengths"] = torch.full((3,), steps)
    given = "surrogate" in options
    if given:
        options["surrogate"] = _step
    current = (6 * torch.randn(shape)).requires_grad_()
    space = SiLIF(7).state_space()
    spikes, last, *states = scan(space, current, backend="triton", **options)
    assert accesses == forward_traffic(shape, trace=traced, lengths=lengths)._asdict()
    accesses.update(read=0, written=0)
    loss = (spikes * torch.randn_like(spikes)).sum() + (last.mem.sum() + states[0].mem.sum() if traced else 0)
    loss.backward()
    expected = backward_traffic(shape, trace=traced, given=given, final=traced or given, lengths=lengths)
    if given:  # the membrane potentials are computed again, and the function's derivative outside
        again = forward_traffic(shape, trace=True)
        expected = type(expected)(expected.read + again.read, expected.written + again.written)
    assert accesses == expected._asdict()


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad


_step = _Step.apply


def test_twenty_bytes_and_the_states():
    moved = forward_traffic(SHAPE).per_element(SHAPE) + backward_traffic(SHAPE).per_element(SHAPE)
    assert 21 < moved < 21.6  # 20; 1 for a state every 16 steps, written and read; the rest for each sequence
    endless = (1 << 20, 1, 512)
    moved = forward_traffic(endless).per_element(endless) + backward_traffic(endless).per_element(endless)
    assert moved == pytest.approx(21, abs=1e-3)


def test_options_cost_what_they_say():
    elements = SHAPE[0] * SHAPE[1] * SHAPE[2]
    forward, backward = forward_traffic(SHAPE), backward_traffic(SHAPE)
    assert forward_traffic(SHAPE, trace=True).total - forward.total == 8 * elements
    assert forward_traffic(SHAPE, gate=True).total - forward.total == elements
    assert forward_traffic(SHAPE, lengths=True).total - forward.total == 8 * 32 * 512
    assert backward_traffic(SHAPE, trace=True).total - backward.total == 8 * elements
    assert backward_traffic(SHAPE, given=True).total - backward.total == 4 * elements
    assert backward.total - backward_traffic(SHAPE, current=False).total == 4 * elements
    assert backward_traffic(SHAPE, final=True).total - backward.total == 12 * 32 * 512
    assert forward_traffic(SHAPE, 8).total == 2 * forward.total


@pytest.mark.parametrize("gpu", GPUS.values(), ids=list(GPUS))
def test_reading_ahead_lowers_what_fills_a_gpu(gpu):
    forward, backward = forward_traffic(SHAPE), backward_traffic(SHAPE)
    one, many = (lanes_to_fill(gpu, forward, ahead) for ahead in (1, AHEAD["forward"]))
    assert one == pytest.approx(AHEAD["forward"] * many, rel=1e-3)
    assert many < resident_lanes(gpu, 64)  # else no number of lanes would fill it
    assert lanes_to_fill(gpu, backward, AHEAD["backward"]) < resident_lanes(gpu, 256)


def test_resident_lanes():
    gpu = GPUS["H100 SXM"]
    assert resident_lanes(gpu, 32) == 132 * 2048  # the most lanes
    assert resident_lanes(gpu, 65) == 132 * (65536 // (72 * 64)) * 64  # registers come in eights
    assert resident_lanes(gpu, 255) == 132 * 256


@pytest.mark.skipif(not find_spec("benchmarks"), reason="run by `python -m pytest` from the repository")
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the command measures it")
def test_the_benchmark_says_that_there_is_no_gpu(capsys, tmp_path):
    from benchmarks.gpu import run

    assert not run(tmp_path / "gpu.md")
    assert "No GPU at hand" in capsys.readouterr().out
    assert not (tmp_path / "gpu.md").exists()
