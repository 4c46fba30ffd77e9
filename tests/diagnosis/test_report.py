"""The printed report."""

import dataclasses
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silif_plugins.diagnosis import Diagnosis, LayerDiagnosis, Quantiles
from silif_plugins.diagnosis.advice import Remedies, advise

share = st.floats(0, 1)
times = st.none() | st.tuples(*[st.floats(1e-5, 1e5)] * 3).map(lambda three: Quantiles(*sorted(three)))


@st.composite
def layers(draw):
    names = draw(st.lists(st.text(string.ascii_lowercase + ".", min_size=1, max_size=60), min_size=1, max_size=4))
    return tuple(
        LayerDiagnosis(
            name=name,
            kind=draw(st.sampled_from(["SiLIF", "CSiLIFRecurrentCell", "Leaky" * 8])),
            size=draw(st.integers(1, 10**7)),
            firing_rate=draw(share),
            silent=draw(share),
            saturated=draw(share),
            gradient=draw(st.none() | share),
            radius=draw(st.none() | st.floats(1e-9, 1e9)),
            margin=draw(st.floats(-1e9, 1e9)),
            unstable=draw(st.integers(0, 10**7)),
            membrane=draw(times),
            second=draw(times),
            in_seconds=draw(st.booleans()),
            oscillating=draw(share),
            advice=draw(st.none() | st.just("no neuron fires: " + "do this or that, " * 12)),
        )
        for name in names
    )


@given(layers())
def test_it_fits_a_terminal(layers):
    lines = str(Diagnosis(layers)).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)


HEALTHY = LayerDiagnosis("lif1", "SiLIF", 100, 0.1, 0.1, 0.0, gradient=0.3, radius=0.9, margin=0.1, unstable=0)
REMEDIES = Remedies("rouse it", "calm it", "reach it")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"silent": 1.0}, "no neuron fires: rouse it"),
        ({"silent": 0.95}, "95% of the neurons never fire: rouse it"),
        (
            {"silent": 1.0, "gradient": 0.0},
            "no neuron fires, and no gradient passes that could change it: rouse it; reach it",
        ),
        ({"silent": 1.0, "gradient": None}, "no neuron fires: rouse it"),
        ({"saturated": 0.6}, "60% of the neurons fire at nearly every step: calm it"),
        ({"gradient": 0.002}, "gradients pass in 0.2% of the bins only"),
        ({"unstable": 3, "silent": 1.0}, "3 of 100 neurons are unstable"),
    ],
)
def test_advice_is_about_the_most_pressing(changes, words):
    said = advise(dataclasses.replace(HEALTHY, **changes), REMEDIES, None)
    assert said == words if words is None else said.startswith(words)


def test_a_layer_behind_a_silent_one_is_not_to_blame():
    dead = dataclasses.replace(HEALTHY, silent=1.0, gradient=0.0)
    assert advise(dead, REMEDIES, dataclasses.replace(dead, name="first")).endswith("first before it: mend that first")
    assert "rouse" in advise(dead, REMEDIES, HEALTHY)


def test_shares_near_all_and_nothing_do_not_look_so():
    text = str(Diagnosis((dataclasses.replace(HEALTHY, silent=0.999, saturated=0.001, gradient=1.0),)))
    assert "99 %" in text
    assert "<1 %" in text
    assert "100 %" in text


def test_layers_are_found_by_name():
    names = [f"layer{i}" for i in random.Random(0).sample(range(9), 9)]
    report = Diagnosis(tuple(dataclasses.replace(HEALTHY, name=name) for name in names))
    assert [layer.name for layer in report] == names
    assert report["layer3"].name == "layer3"
    assert len(report) == 9
