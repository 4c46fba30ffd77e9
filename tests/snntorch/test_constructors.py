"""Constructors: explicit words, explained mistakes, snnTorch's names for what snnTorch has."""

import inspect
import math
import typing

import pytest
import snntorch as snn
import torch

from silif_plugins import neurons
from silif_plugins.snntorch import AdLIF, CSiLIF, SiLIF, Spiking
from silif_plugins.snntorch.named import NAMED
from silif_plugins.snntorch.start import StartsAsLeaky

CLASSES = list(NAMED.values())
ids = [cls.__name__ for cls in CLASSES]
each_class = pytest.mark.parametrize("cls", CLASSES, ids=ids)


@each_class
def test_every_argument_is_named_in_the_signature(cls):
    """Users filter their configurations by it."""
    parameters = inspect.signature(cls).parameters
    assert not [p for p in parameters.values() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    assert next(iter(parameters)) == "size"
    shared = set(inspect.signature(Spiking).parameters) - {"neuron", "input_scale", "reset_scale"}
    assert shared <= set(parameters)
    own = set(inspect.signature(getattr(neurons, cls.__name__)).parameters)
    assert own <= set(parameters)
    for name, parameter in inspect.signature(Spiking).parameters.items():
        if name in shared - {"threshold", "detach_reset"}:
            assert parameters[name].default == parameter.default


@each_class
def test_shared_arguments_have_snntorchs_names_and_defaults(cls):
    ours, theirs = inspect.signature(cls).parameters, inspect.signature(snn.Leaky).parameters
    for name in set(theirs) - {"beta", "learn_beta", "reset_delay"}:
        assert ours[name].default == theirs[name].default, name


@each_class
@pytest.mark.parametrize("word", ["alpha", "beta", "learn_alpha", "learn_beta", "reset_delay", "init_state"])
def test_words_of_other_neurons_are_explained(cls, word):
    if word in inspect.signature(cls).parameters:  # SiLIF and CSiLIF start where these say
        cls(10, **{"beta": 0.8, word: 0.9})
        return
    for arguments in ((10,), ()):
        with pytest.raises(TypeError, match=rf"{cls.__name__}\(\) takes no '{word}': \w+") as error:
            cls(*arguments, **{word: 0.9})
        if word in ("alpha", "beta"):
            advice = str(error.value).partition("set by ")[2]
            words = [part.partition("=")[0] for part in advice.replace(" and", ",").split(", ") if "=" in part]
            assert words
            assert set(words) <= set(inspect.signature(cls).parameters)


@each_class
def test_what_these_neurons_do_anyway_may_be_said(cls):
    cls(10, learn_beta=True, learn_alpha=True, reset_delay=True)


@each_class
@pytest.mark.parametrize("size", [0.9, "128", None, (3, 0.5), True, torch.tensor(0.9)])
def test_a_size_that_is_none_is_explained(cls, size):
    with pytest.raises(TypeError, match="size: got"):
        cls(size)


@each_class
def test_unknown_words_are_refused(cls):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'tau_mem'"):
        cls(10, tau_mem=0.02)


@each_class
def test_misspelt_options_are_refused_with_what_was_meant(cls):
    for word, meant in (("init_hiden", "init_hidden"), ("learnt", "learn")):
        with pytest.raises(TypeError, match=rf"unexpected keyword argument '{word}'; did you mean {meant}\?"):
            cls(10, **{word: True})


@each_class
def test_types_of_options_are_those_of_the_constructors_that_take_them(cls):
    """What a type checker sees is what the signature at run time says."""
    init = cls.__init__.__wrapped__
    options = typing.get_type_hints(init)["options"].__args__[0]
    seen = {name: str(kind) for name, kind in typing.get_type_hints(options).items()}
    explicit = inspect.signature(init).parameters
    signature = inspect.signature(cls).parameters
    assert seen.keys() | explicit.keys() - {"self", "options"} == signature.keys()
    hints = typing.get_type_hints(Spiking.__init__) | typing.get_type_hints(cls.model.__init__)
    hints["threshold"] = typing.get_type_hints(cls.model.__init__)["threshold"]
    assert seen == {name: str(hints[name]) for name in seen}


def test_a_class_of_one_s_own_is_not_asked_for_the_options_of_its_parent():
    class Mine(AdLIF):
        def __init__(self, size, limit):
            super().__init__(size, threshold=limit)

    assert Mine(3, limit=0.5).threshold == 0.5
    assert list(inspect.signature(Mine).parameters) == ["size", "limit"]


def test_a_subclass_may_have_a_beta_of_its_own():
    class Mine(SiLIF):
        def __init__(self, size, beta):
            super().__init__(size)
            self.noise = beta

    assert Mine(3, beta=0.5).noise == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "syn"}, "output: got 'syn'"),
        ({"reset_mechanism": "half"}, "reset_mechanism"),
        ({"threshold": math.nan}, "threshold: got NaN"),
        ({"threshold": torch.ones(4)}, r"threshold: got shape \(4,\).*\(3,\)"),
        ({"graded_spikes_factor": torch.ones(2, 3)}, "graded_spikes_factor: got shape"),
        ({"spike_grad": "sigmoidal"}, "surrogate: got 'sigmoidal'"),
        ({"learn": ("tau",)}, "unknown parameter 'tau'"),
        ({"tau_u": -1.0}, "tau_u: got -1.0"),
        ({"beta": 1.1}, "beta: got 1.1"),
        ({"beta": math.nan}, "beta: got nan"),
        ({"beta": torch.rand(4)}, r"beta: got shape \(4,\).*\(3,\)"),
        ({"beta": 0.9, "tau_u": 0.02}, "beta, tau_u: got both"),
        ({"beta": 0.9, "dt": (0.001, 0.01)}, r"dt: got \(0.001, 0.01\) beside beta"),
    ],
)
def test_wrong_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SiLIF(3, **options)


def test_only_neurons_are_hosted():
    with pytest.raises(TypeError, match="neuron: got Linear"):
        Spiking(torch.nn.Linear(2, 2))


def test_the_core_s_constructor_gets_what_it_is_given():
    lif = SiLIF((2, 1), dt=0.001, tau_u=0.02, tau_w=(0.1, 0.2), a=0.5, b=torch.tensor([[1.0], [2.0]]), learn=("a",))
    expected = neurons.SiLIF(
        (2, 1), dt=0.001, tau_u=0.02, tau_w=(0.1, 0.2), a=0.5, b=torch.tensor([[1.0], [2.0]]), learn=("a",)
    )
    assert [n for n, _ in lif.named_parameters()] == ["neuron.a"]
    assert lif.neuron.size == (2, 1)
    for name, value in expected.state_dict().items():
        if name != "log_inv_tau_w":
            assert torch.equal(lif.neuron.state_dict()[name], value), name


@each_class
def test_initial_values_come_from_the_generator(cls):
    one, two, three = (cls(50, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), three.parameters(), strict=True))


@each_class
def test_state_dict_keys_are_the_core_s_and_snntorch_s(cls):
    lif = cls(3, learn_threshold=True)
    core = {f"neuron.{name}" for name in getattr(neurons, cls.__name__)(3).state_dict()}
    host = {"threshold", "graded_spikes_factor", "reset_mechanism_val"}
    assert set(lif.state_dict()) == core | host | {"input_scale", "reset_scale"}
    assert not hasattr(lif, "alpha")
    if not issubclass(cls, StartsAsLeaky):
        with pytest.raises(
            AttributeError, match=f"{cls.__name__} has no 'beta': .* by {next(iter(lif.neuron._parameters))}"
        ):
            _ = lif.beta


@pytest.mark.parametrize("cls", [SiLIF, CSiLIF])
def test_beta_is_the_decay_of_the_membrane(cls):
    lif = cls(3, beta=torch.tensor([0.5, 0.7, 0.9]))
    torch.testing.assert_close(lif.beta, torch.tensor([0.5, 0.7, 0.9]), check_dtype=True)
    assert f"{lif.beta:.2f}" == "0.50 to 0.90"
    assert f"{cls(3, beta=0.9).beta:.3f}" == "0.900"


def test_options_keep_nothing_of_the_caller_s():
    """A learnt threshold must not train the tensor that it started from."""
    threshold = torch.ones(3)
    lif = SiLIF(3, threshold=threshold, learn_threshold=True)
    with torch.no_grad():
        lif.threshold.add_(1)
    assert torch.equal(threshold, torch.ones(3))
    assert torch.equal(SiLIF(3, threshold=1).threshold, torch.tensor(1.0))


def test_repr_shows_what_is_not_default():
    assert repr(SiLIF(4)) == "SiLIF(\n  threshold=1, detach_reset\n  (neuron): SiLIF(4, threshold=1)\n)"
    text = repr(SiLIF(4, init_hidden=True, sequence=True, output=True, reset_mechanism="zero", threshold=torch.ones(4)))
    for part in ("threshold per neuron", "init_hidden", "sequence", "output=True", "reset_mechanism='zero'"):
        assert part in text
