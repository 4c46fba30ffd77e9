"""The integer softmax is softmax, to the digits that it has."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.deploy.exponential import confidence, power, softmax


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 30), min_size=1, max_size=50))
def test_powers(distances):
    exact = torch.tensor(distances, dtype=torch.float64)
    integers = (exact * 65536).long()
    assert torch.allclose(power(integers) / 32768, 2.0 ** -(integers / 65536), rtol=0, atol=6e-5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=2, max_size=40))
def test_softmax(values):
    logits = torch.tensor(values, dtype=torch.float64)
    distance = ((logits.max() - logits) / torch.tensor(2.0).log() * 65536).long()
    shares = softmax(distance)
    assert torch.allclose(shares.double() / 65536, logits.softmax(0), rtol=0, atol=3e-4)
    assert 65536 - len(values) <= shares.sum() <= 65536


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1 << 40), min_size=2, max_size=40))
def test_confidence(scores):
    exact = (torch.tensor(scores, dtype=torch.float64) / 65536).softmax(0).max()
    assert abs(confidence(torch.tensor(scores)) / 65536 - exact) < 2e-3
