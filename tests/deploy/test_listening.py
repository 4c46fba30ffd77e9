"""Sound as it comes is heard as whole recordings are."""

import numpy as np
import pytest
import torch

from silif_plugins.datasets import front_end
from silif_plugins.deploy import Listener, Stream
from silif_plugins.sparch import SpArchNet

SOUND = np.random.default_rng(0).normal(0, 0.1, 12_345)


@pytest.mark.parametrize("cut", [1, 37, 900, 12_345])
def test_log_mel_goes_frame_by_frame(cut):
    hear = front_end("log-mel", rate=8000, max_time=10.0, bands=12)
    net = SpArchNet(12, (16,), 3, events="always")
    sound = SOUND[: 1500 if cut == 1 else None]
    listener, whole = Listener(Stream(net), hear), Stream(net)
    for start in range(0, len(sound), cut):
        listener.push(sound[start : start + cut])
    whole.push(hear(sound, 8000))
    assert listener.stream.steps == whole.steps
    assert torch.allclose(listener.stream.now().scores, whole.now().scores, rtol=1e-4)
    assert listener.stream.now().label == whole.now().label


@pytest.mark.parametrize("name", ["cochlea", "delta"])
def test_others_hear_pieces(name):
    hear = front_end(name, rate=8000, max_time=0.5)
    net = SpArchNet(hear.num_channels, (16,), 3, events="always")
    listener, whole = Listener(Stream(net, horizon=hear.steps), hear), Stream(net, horizon=hear.steps)
    made = [each for start in range(0, 12_345, 777) for each in listener.push(SOUND[start : start + 777])]
    assert len(made) == 3
    made += listener.finish()
    wanted = [each for start in range(0, 12_345, 4000) for each in whole.push(hear(SOUND[start : start + 4000], 8000))]
    assert [each.label for each in made] == [each.label for each in wanted]
    assert all(torch.equal(one.scores, other.scores) for one, other in zip(made, wanted, strict=True))


def test_what_does_not_fit():
    hear = front_end("log-mel", rate=8000)
    with pytest.raises(ValueError, match="front_end: got log-mel of 40 channels; the network reads 12"):
        Listener(Stream(SpArchNet(12, (4,), 3)), hear)
    listener = Listener(Stream(SpArchNet(40, (4,), 3)), hear)
    for wrong in (np.zeros((2, 2)), np.zeros(5, np.int16), np.array([np.nan])):
        with pytest.raises(ValueError, match="samples: got"):
            listener.push(wrong)
