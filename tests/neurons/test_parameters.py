"""Parameters: what trains, how it starts, what is refused, and other time resolutions."""

import copy
import math
import pickle

import pytest
import torch

from silif_plugins.dynamics import StateSpace
from silif_plugins.neurons import LI, LIF, NEURONS, RF, AdLIF, CAdLIF, CSiLIF, SiLIF, neuron_class, register_neuron
from silif_plugins.scan import scan

PER_NEURON = {
    "LIF": 1,
    "AdLIF": 4,
    "cAdLIF": 4,
    "RF": 2,
    "PRF": 2,
    "S5-RF": 3,
    "HRF": 2,
    "RAFNode": 3,
    "SiLIF": 5,
    "C-SiLIF": 4,
    "SE-adLIF": 4,
    "BRF": 2,
    "FiTS": 1,
    "FiTS-TS": 3,
    "ALIF": 3,
    "D-LinOSS": 4,
    "D-RF": 9,
}


@pytest.mark.parametrize("name", NEURONS)
def test_parameters_per_neuron(name):
    neuron = NEURONS[name](7)
    if name in PER_NEURON:
        assert sum(parameter.numel() for parameter in neuron.parameters()) == 7 * PER_NEURON[name]
    of_one = {1} if name != "General-Reset" else {1, 2, 3}  # its states, outputs and resets follow the neurons
    assert {parameter.dim() for parameter in neuron.parameters()} <= of_one
    assert {parameter.shape[0] for parameter in neuron.parameters()} == {7}


@pytest.mark.parametrize("name", NEURONS)
def test_population_of_several_dimensions_copies_and_dtypes(name):
    neuron = NEURONS[name]((3, 1, 1)).double()
    current = 30 * torch.rand(4, 2, 3, 5, 5, dtype=torch.float64)
    assert neuron.dynamics().dtype == torch.float64
    spikes, state = scan(neuron, current)
    assert spikes.shape == (4, 2, 3, 5, 5)
    for twin in (copy.deepcopy(neuron), pickle.loads(pickle.dumps(neuron))):
        assert all(torch.equal(a, b) for a, b in zip(scan(twin, current)[1], state, strict=True))


@pytest.mark.parametrize("name", NEURONS)
def test_generator_repeats_the_draw(name):
    one, two = (NEURONS[name](5, generator=torch.Generator().manual_seed(3)).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_published_ranges():
    silif, csilif = SiLIF(5000).state_dict(), CSiLIF(5000).state_dict()
    within = lambda values, low, high: bool(((values >= low - 1e-5) & (values <= high + 1e-5)).all())  # noqa: E731
    assert within(silif["log_inv_tau_u"], math.log(10), math.log(250))
    assert within(silif["log_inv_tau_w"], math.log(2.5), math.log(10))
    assert torch.all(silif["log_dt"] == torch.tensor(math.log(0.004)))
    assert within(silif["a"], 0, 1)
    assert within(silif["b"], 0, 2)
    assert abs(silif["log_inv_tau_u"].mean() - (math.log(10) + math.log(250)) / 2) < 0.05
    assert torch.all(csilif["log_decay"] == torch.tensor(math.log(0.5)))
    assert torch.all(csilif["omega"] == torch.tensor(math.pi))
    assert within(csilif["log_dt"], math.log(0.01), math.log(0.5))
    assert within(csilif["b"], 0, 1)


@pytest.mark.parametrize("model", [SiLIF, CSiLIF])
def test_raw_parametrisation_is_the_same_neuron(model):
    log, raw = model(6), model(6, log=False)
    for name, value in raw.state_dict().items():
        twin = log.state_dict().get(f"log_{name}")
        value.copy_(log.state_dict()[name] if twin is None else twin.exp())
    # within the clamps of the raw values, both are the same system
    for ours, theirs in zip(log.state_space(), raw.state_space(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert {"dt"} <= set(raw.state_dict())
    assert "log_dt" not in raw.state_dict()


def test_timestep_trained_fixed_or_single():
    trained, fixed, single = CSiLIF(4), CSiLIF(4, learn=("log_decay", "omega", "b")), CSiLIF(4, dt=0.1, learn=("b",))
    assert trained.log_dt.requires_grad
    assert not fixed.log_dt.requires_grad
    assert fixed.log_dt.unique().numel() == 4
    assert single.log_dt.unique().numel() == 1
    assert set(fixed.state_dict()) == set(trained.state_dict())


def test_ablations_of_csilif():
    full = CSiLIF(5)
    whole_reset = CSiLIF(5, half_reset=False)
    whole_reset.load_state_dict(full.state_dict())
    torch.testing.assert_close(full.state_space().b1, 2 * whole_reset.state_space().b1)
    ungated = CSiLIF(5, input_gating=False)
    assert torch.equal(ungated.b, torch.ones(5))
    assert "b" not in dict(ungated.named_parameters())
    uniform = CSiLIF(1000, init="uniform")
    assert 5 <= uniform.omega.min() <= uniform.omega.max() <= 10
    assert uniform.log_decay.min() >= -1e-6


@pytest.mark.parametrize("half_reset", [True, False])
def test_csilif_is_the_papers_complex_neuron(half_reset):
    """u = α(u - r s) + b I, s = H(Re u / r - 1), with complex numbers, as in the paper's algorithm 2."""
    neuron = CSiLIF(16, half_reset=half_reset).double()
    current = torch.randn(200, 3, 16, dtype=torch.float64) * 2
    reset = 0.5 if half_reset else 1.0
    alpha = torch.exp(neuron.log_dt.exp() * (-neuron.log_decay.exp() + 1j * neuron.omega))
    u = torch.zeros(3, 16, dtype=torch.complex128)
    s = torch.zeros(3, 16, dtype=torch.float64)
    expected = []
    for now in current:
        u = alpha * (u - reset * s) + neuron.b * now
        s = (u.real / reset - 1 > 0).double()
        expected.append(s)
    spikes, state = scan(neuron.state_space(), current)
    assert torch.equal(spikes, torch.stack(expected))
    assert spikes.mean() > 0.02
    torch.testing.assert_close(torch.complex(state.mem, state.ada) * reset, u)


@pytest.mark.parametrize("model", [SiLIF, CSiLIF])
@pytest.mark.parametrize("log", [True, False])
def test_rescale_dt_is_exact_for_the_leak(model, log):
    """One step at three times the timestep leaks like three steps."""
    neuron = model(8, a=0.0, log=log).double() if model is SiLIF else model(8, log=log, dt=(0.01, 0.2)).double()
    three_steps = torch.linalg.matrix_power(neuron.state_space().transition, 3)
    neuron.rescale_dt(3.0)
    one_step = neuron.state_space().transition
    if model is SiLIF:  # a = 0: the diagonal is the leak of membrane and adaptation
        torch.testing.assert_close(one_step.diagonal(dim1=-2, dim2=-1), three_steps.diagonal(dim1=-2, dim2=-1))
    else:
        torch.testing.assert_close(one_step, three_steps)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SiLIF(0), "size"),
        (lambda: SiLIF(()), "size"),
        (lambda: SiLIF(3, dt=-0.1), "dt"),
        (lambda: SiLIF(3, dt=math.nan), "dt"),
        (lambda: SiLIF(3, tau_u=0.0), "tau_u"),
        (lambda: SiLIF(3, tau_w=(0.2, 0.1)), "tau_w"),
        (lambda: SiLIF(3, a=torch.zeros(4)), "a"),
        (lambda: SiLIF(3, a=torch.tensor([0.0, math.nan, 0.0])), "a"),
        (lambda: SiLIF(3, b=math.inf), "b"),
        (lambda: SiLIF(3, threshold=math.nan), "threshold"),
        (lambda: SiLIF(3, learn=("tau",)), "learn"),
        (lambda: SiLIF(3, learn="a"), "learn"),
        (lambda: SiLIF(3).rescale_dt(0.0), "factor"),
        (lambda: CSiLIF(3, init="s4d"), "init"),
        (lambda: RF(3, dt=0.0), "dt"),
        (lambda: LIF(3, decay_u=math.nan), "decay_u"),
        (lambda: neuron_class("LSTM"), "neuron"),
        (lambda: neuron_class(torch.nn.Linear), "neuron"),
        (lambda: StateSpace.from_readout(torch.eye(2), torch.ones(2), torch.ones(2), torch.zeros(2)), "readout"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(ValueError, match=f"^{message}: got"):
        make() if message != "learn" else _reraise(make)


def _reraise(make):
    """The message of ``learn`` names the unknown parameter instead."""
    try:
        make()
    except ValueError as error:
        raise ValueError(str(error).replace("unknown parameter", "got")) from None


def test_li_never_fires():
    spikes, state = scan(LI(3).state_space(), 1e6 * torch.ones(50, 1, 3))
    assert not spikes.any()
    assert (state.mem > 1e5).all()


def test_any_readout_is_brought_to_the_membrane():
    """A system read out by c·x spikes like its membrane-first form."""
    torch.manual_seed(1)
    a = torch.randn(5, 2, 2, dtype=torch.float64) * 0.4
    b, r, c = (torch.randn(5, 2, dtype=torch.float64) for _ in range(3))
    c[0] = torch.tensor([0.0, 1.0])
    space = StateSpace.from_readout(a, b, r, c, threshold=0.7)
    current = torch.randn(60, 1, 5, dtype=torch.float64)
    x, s, expected = torch.zeros(5, 2, dtype=torch.float64), torch.zeros(5, dtype=torch.float64), []
    for now in current[:, 0]:
        x = (a @ x.unsqueeze(-1)).squeeze(-1) + b * now.unsqueeze(-1) + r * s.unsqueeze(-1)
        s = ((c * x).sum(-1) > 0.7).double()
        expected.append(s)
    spikes, _ = scan(space, current)
    assert torch.equal(spikes[:, 0], torch.stack(expected))
    assert spikes.any(dim=0).any()


def test_clamped_values_are_kept_raw():
    neuron = SiLIF(2, a=torch.tensor([-3.0, 5.0]))
    assert neuron.a.tolist() == [-3.0, 5.0]
    assert neuron.state_space().a21.tolist() == [0.0, 1.0]
    assert {cls: neuron_class(cls) for cls in (AdLIF, CAdLIF)} == {AdLIF: AdLIF, CAdLIF: CAdLIF}


def test_a_name_is_given_once():
    class Mine(LIF):
        """Another neuron."""

    with pytest.raises(ValueError, match="name: got 'C-ADLIF' for Mine; it is the name of CAdLIF"):
        register_neuron("C-ADLIF")(Mine)
    register_neuron("Mine")(Mine)
    try:
        assert neuron_class("mine") is register_neuron("Mine")(Mine) is Mine
    finally:
        del NEURONS["Mine"]


@pytest.mark.parametrize("kind", [SiLIF, CSiLIF, LIF])
def test_made_without_values_for_deferred_initialisation(kind):
    with torch.device("meta"):
        neuron = kind(4)
    assert all(parameter.is_meta for parameter in neuron.parameters())
    assert kind.__name__ in repr(neuron)
