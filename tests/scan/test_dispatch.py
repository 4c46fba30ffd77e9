"""Which backend runs, and what each refuses."""

import pytest
import torch

from silif_plugins.neurons import SiLIF
from silif_plugins.scan import backends, scan
from silif_plugins.surrogate import Boxcar, SpikeFunction


def chosen(current, surrogate: SpikeFunction = Boxcar(), recurrent=None):  # noqa: B008
    return backends.choose("auto", current, current.dtype, surrogate, recurrent)


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
        ("gpu", torch.zeros(9, 1, 4), {}, "'auto', 'reference'"),
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
