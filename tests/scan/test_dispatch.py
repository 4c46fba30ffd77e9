"""Which backend runs, and what each refuses."""

import pytest
import torch

from silif_plugins.dynamics import State, StateSpace
from silif_plugins.neurons import SiLIF
from silif_plugins.scan import backends, scan, step
from silif_plugins.surrogate import Boxcar, SpikeFunction


def chosen(current, surrogate: SpikeFunction = Boxcar(), recurrent=None):  # noqa: B008
    return backends.choose("auto", StateSpace.of(a11=0.9), current, current.dtype, surrogate, recurrent)


def test_auto_takes_the_kernel_where_it_can():
    current = torch.zeros(100, 2, 8)
    assert chosen(current) == "cpu"
    assert chosen(current, lambda x: Boxcar()(x)) == "cpu"
    assert chosen(current[:2]) == "reference"  # over before the operator has started
    assert chosen(torch.zeros(2, 64, 512)) == "cpu"
    assert chosen(current.half()) == "reference"
    assert chosen(current, torch.sigmoid) == "reference"
    assert chosen(current, torch.nn.Sequential(torch.nn.PReLU())) == "reference"


def test_auto_works_without_numba(monkeypatch):
    monkeypatch.setattr(backends, "NUMBA", False)
    assert chosen(torch.zeros(100, 2, 8)) == "reference"


@pytest.mark.parametrize(
    ("backend", "current", "options", "message"),
    [
        ("gpu", torch.zeros(9, 1, 4), {}, "auto, reference, graph, cpu, triton"),
        ("cpu", torch.zeros(9, 1, 4), {"surrogate": torch.sigmoid}, "not the step"),
        ("cpu", torch.zeros(9, 1, 4, device="meta"), {}, "on meta"),
    ],
)
def test_what_cannot_run_is_refused(backend, current, options, message):
    with pytest.raises(ValueError, match=message):
        scan(SiLIF(4).state_space(), current, backend=backend, **options)


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        (torch.tensor([1, 2, 3]), ValueError, "shape"),
        (torch.tensor([1, 10]), ValueError, "T = 9"),
        (torch.tensor([-1, 5]), ValueError, "T = 9"),
        (torch.tensor([1.0, 2.0]), TypeError, "float32"),
        (torch.eye(9)[:, :2] > 0, ValueError, "holes"),
        (torch.ones(2, 9) > 0, ValueError, "mask"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    with pytest.raises(error, match=message):
        scan(SiLIF(4).state_space(), torch.zeros(9, 2, 4), lengths=lengths)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_sequence_in_a_batch_equals_itself_alone(backend):
    space = SiLIF(6).double().state_space()
    current = torch.randn(40, 3, 6, dtype=torch.float64) * 6
    lengths = torch.tensor([40, 0, 17])
    mask = torch.arange(40)[:, None] < lengths
    spikes, last, states = scan(space, current, lengths=lengths, return_states=True, backend=backend)
    assert torch.equal(spikes, scan(space, current, lengths=mask, backend=backend)[0])
    for index, length in enumerate(lengths):
        alone = scan(space, current[:length, index : index + 1], return_states=True, backend=backend)
        assert torch.equal(alone[0][:, 0], spikes[:length, index])
        assert all(torch.equal(one[0], batch[index]) for one, batch in zip(alone[1], last, strict=True))
        assert all(torch.equal(one[:, 0], batch[:length, index]) for one, batch in zip(alone[2], states, strict=True))
        assert all(field[length:, index].abs().sum() == 0 for field in states)


@pytest.mark.parametrize("what", ["current", "state.mem", "recurrent"])
def test_complex_numbers_are_refused(what):
    complex64 = torch.zeros(9, 1, 4, dtype=torch.complex64)
    state = State.zeros((1, 4), dtype=torch.complex64 if what == "state.mem" else torch.float32)
    with pytest.raises(TypeError, match=f"{what}: got torch.complex64"):
        scan(
            SiLIF(4).state_space(),
            complex64 if what == "current" else complex64.real,
            state,
            recurrent=torch.eye(4, dtype=torch.complex64) if what == "recurrent" else None,
        )
    with pytest.raises(TypeError, match="complex64"):
        step(SiLIF(4).state_space(), complex64[0])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64])
def test_lengths_of_any_integer_type(dtype, backend):
    space, current = SiLIF(4).state_space(), 6 * torch.randn(250, 2, 4)
    numbers = [200, 100] if dtype != torch.int8 else [120, 100]
    expected = scan(space, current, lengths=torch.tensor(numbers), backend=backend)[0]
    assert torch.equal(scan(space, current, lengths=torch.tensor(numbers).to(dtype), backend=backend)[0], expected)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_compiled_code_looks_at_lengths_when_it_runs(backend):
    space = StateSpace(*(field.detach() for field in SiLIF(4).state_space()))

    def run(current, lengths):
        return scan(space, current, lengths=lengths, backend=backend)[0]

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    current = 6 * torch.randn(9, 2, 4)
    for lengths in (torch.tensor([9, 2]), torch.arange(9)[:, None] < torch.tensor([3, 5])):
        assert torch.equal(compiled(current, lengths), run(current, lengths))
    with pytest.raises(ValueError, match="T = 9"):
        compiled(current, torch.tensor([10, 2]))
    with pytest.raises(ValueError, match="holes"):
        compiled(current, torch.eye(9)[:, :2] > 0)


def test_transforms_of_lengths():
    space, current = SiLIF(4).state_space(), 6 * torch.randn(3, 9, 2, 4)
    lengths = torch.tensor([[9, 2], [0, 5], [3, 9]])
    for dim, each in ((0, lengths), (1, lengths.t().contiguous())):
        run = torch.func.vmap(lambda x, n: scan(space, x, lengths=n, backend="cpu")[0], in_dims=(0, dim))
        both = run(current, each)
        alone = [scan(space, x, lengths=n, backend="cpu")[0] for x, n in zip(current, lengths, strict=True)]
        assert torch.equal(both, torch.stack(alone))
    with pytest.raises(ValueError, match="T = 9"):
        torch.func.vmap(lambda n: scan(space, current[0], lengths=n)[0])(lengths + 1)
