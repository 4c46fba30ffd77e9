"""Predictions: of frames, events, sound and files alike, and after every step what the network would have said then."""

import wave

import numpy as np
import pytest
import torch
from torch import nn

from silif_plugins.datasets import DataError, FrameDataset, Recording, Recordings, bin_events, front_end
from silif_plugins.sparch import CheckpointError, SpArchNet
from silif_plugins.training import Output, TrainConfig, Trained, checkpoint, evaluate, load_network, train
from silif_plugins.training.trained import predicted

CLASSES = ("no", "yes", "ja")


def trained(about=None, num_inputs=6, net=None):
    """An untrained network, as a checkpoint would give it."""
    config = TrainConfig(hidden_sizes=(12,), neuron="C-SiLIF")
    net = config.network(num_inputs, len(CLASSES)) if net is None else net
    facts = {
        "num_inputs": num_inputs,
        "num_classes": len(CLASSES),
        "data_set": {"classes": [*CLASSES], **(about or {})},
    }
    return Trained(net.eval(), config, facts)


class Deaf(nn.Module):
    """A network that never met padding, and reads it as it reads anything."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Linear(6, 3)

    def forward(self, inputs, lengths=None):
        return Output(self.weights(inputs).mean(dim=1), inputs.mean(dim=(0, 1)), 0.0)


@pytest.mark.parametrize(
    "make", [lambda: SpArchNet(6, (12,), 3), lambda: SpArchNet(6, (9,), 3, bidirectional=True), Deaf]
)
@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65, 150])
def test_every_step_is_what_the_network_says_of_what_was_until_then(make, steps):
    net, frames = make().eval(), torch.rand(steps, 6).round()
    said = predicted(net, frames, CLASSES)
    with torch.no_grad():
        alone = torch.cat([net(frames[None, : step + 1]).scores.softmax(dim=1) for step in range(steps)]).numpy()
    np.testing.assert_allclose(said.over_time, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(said.probabilities, said.over_time[-1])
    assert said.word == CLASSES[alone[-1].argmax()]
    assert said.confidence == pytest.approx(alone[-1].max(), rel=1e-4)
    np.testing.assert_array_equal(said.confidences, said.over_time[:, CLASSES.index(said.word)])
    stood = [CLASSES[each] == said.word for each in said.over_time.argmax(axis=1)]
    assert all(stood[said.decided - 1 :])
    assert said.decided == 1 or not stood[said.decided - 2]


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float64, torch.float16])
def test_frames_of_every_type(kind):
    net, frames = trained(), torch.rand(20, 6).round()
    expected = net.predict(frames).over_time
    np.testing.assert_array_equal(net.predict(frames.to(kind)).over_time, expected)
    np.testing.assert_array_equal(net.predict(frames.to(kind).numpy()).over_time, expected)
    assert str(net.predict(frames)) == f"{net.predict(frames).word} ({100 * expected[-1].max():.0f} %)"


def test_events_are_binned_as_in_training(tmp_path):
    options = {"steps": 30, "max_time": 0.6, "pool": 2, "published": False, "allow_empty": False}
    net = trained({"options": options})
    random = np.random.default_rng(0)
    times, units = random.uniform(0, 0.8, 40), random.integers(0, 12, 40)
    frames = bin_events(times, units, steps=30, max_time=0.6, channels=12, pool=2)
    expected = net.predict(frames).over_time
    np.testing.assert_array_equal(net.predict(Recording(times, units, 0, 0)).over_time, expected)
    np.testing.assert_array_equal(
        net.predict(Recordings([times], [units], [0], classes="a", num_channels=12)[0]).over_time, expected
    )
    np.savez(tmp_path / "one.npz", times=times, units=units)
    np.savez(tmp_path / "two.npz", frames=frames)
    np.save(tmp_path / "three.npy", frames)
    for name in ("one.npz", "two.npz", "three.npy"):
        np.testing.assert_array_equal(net.predict(tmp_path / name).over_time, expected)
    assert len(net.predict(Recording(np.zeros(0), np.zeros(0, int), 0, 0)).over_time) == 30  # silence is a sample, too
    with pytest.raises(DataError, match="units: event 0 of recording 0 is in channel 12, but channels are 0 to 11"):
        net.predict(Recording([0.1], [12], 0, 0))
    with pytest.raises(ValueError, match="sample: got events, but the network was trained on frames"):
        trained().predict(Recording([0.1], [1], 0, 0))


@pytest.mark.parametrize("name", ["cochlea", "log-mel", "delta"])
def test_sound_is_heard_by_the_front_end_of_the_training(name, tmp_path):
    hears = front_end(name, rate=8000, max_time=0.5, **({"channels": 20} if name == "cochlea" else {"bands": 20}))
    net = trained({"front_end": hears.settings()}, num_inputs=hears.num_channels)
    sound = np.round(np.sin(np.arange(4000) ** 1.2 / 20) * 20_000).astype("<i2")
    with wave.open(str(tmp_path / "a b.wav"), "wb") as file:
        file.setparams((1, 2, 8000, len(sound), "NONE", ""))
        file.writeframes(sound.tobytes())
    expected = net.predict(hears(sound / np.float32(32768), 8000)).over_time
    for said in (
        net.predict(tmp_path / "a b.wav"),
        net.predict(str(tmp_path / "a b.wav")),
        net.predict(sound / np.float32(32768), rate=8000),
        net.predict(torch.from_numpy(sound / np.float32(32768)), rate=8000),
    ):
        np.testing.assert_array_equal(said.over_time, expected)


def test_what_cannot_be_predicted_is_told(tmp_path):
    net = trained({"name": "taps"})
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    np.savez(tmp_path / "other.npz", words=[1])
    np.save(tmp_path / "flat.npy", np.ones(5))
    np.save(tmp_path / "nan.npy", np.full((3, 6), np.nan))
    for sample, says in (
        (torch.ones(5, 4), r"frames: got shape \(5, 4\), but it must be \[steps, 6\]"),
        (torch.ones(1, 5, 6), r"frames: got shape \(1, 5, 6\), but it must be \[steps, 6\]"),
        (torch.ones(50), r"frames: got shape \(50,\), but it must be \[steps, 6\]; of sound, give its rate, too"),
        (torch.ones(0, 6), "there must be at least one step"),
        (torch.full((3, 6), torch.inf), "sample 0 has a value that is not finite"),
        (["a", "b"], r"frames: got shape \(2,\)"),
        (tmp_path / "broken.wav", "broken.wav: wav: damaged"),
        (tmp_path / "other.npz", "other.npz: npz: has words, but it must have frames, or times and units"),
        (tmp_path / "flat.npy", r"flat.npy: frames: got shape \(5,\)"),
        (tmp_path / "nan.npy", "nan.npy: frames: sample 0 has a value that is not finite"),
    ):
        with pytest.raises(DataError, match=says):
            net.predict(sample)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*absent.wav"):
        net.predict(tmp_path / "absent.wav")
    with pytest.raises(
        ValueError, match="sample: got sound, but the network was trained on taps, which is not made of"
    ):
        net.predict(np.zeros(100), rate=8000)
    with pytest.raises(ValueError, match=r"rate: got 8000, but the file .* says its own"):
        net.predict(tmp_path / "broken.wav", rate=8000)
    for parameter in net.network.parameters():
        nn.init.constant_(parameter, torch.nan)
    with pytest.raises(ValueError, match="it has diverged"):
        net.predict(torch.ones(5, 6))


def test_a_run_says_what_it_was_trained_on_and_predicts_as_it_was_tested(config, splits, tmp_path):
    result = train(config, tmp_path / "run", data=splits)
    net = load_network(tmp_path / "run")
    assert net.classes == splits.test.classes == tuple(result["classes"])
    right = sum(net.predict(frames).word == net.classes[label] for frames, label in splits.test)
    assert right / len(splits.test) == result["test_accuracy"] == evaluate(net.network, splits.test).accuracy


def test_what_a_data_set_must_have(splits):
    net = trained(num_inputs=8)
    with pytest.raises(ValueError, match="mine: got 8 channels and 4 classes; the network needs 8 and 3"):
        net.check(splits.test, "mine")
    other = FrameDataset(np.zeros((2, 3, 8), np.uint8), [0, 1], classes=("no", "yes", "jein"))
    with pytest.raises(ValueError, match="dataset: got the classes no, yes, jein; the network knows no, yes, ja"):
        net.check(other)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (5, "data_set: got 5"),
        ({"classes": ["a", "b"]}, r"data_set.classes: got \['a', 'b'\]; it must be 3 names"),
        ({"classes": [1, 2, 3]}, "data_set.classes"),
        ({"options": [1]}, r"data_set.options: got \[1\]"),
        ({"front_end": "cochlea"}, "data_set.front_end: got 'cochlea'"),
    ],
)
def test_wrong_facts_are_refused(about, says, tmp_path):
    config = TrainConfig(hidden_sizes=(4,))
    tensors = {f"model.{name}": value for name, value in config.network(2, 3).state_dict().items()}
    facts = {"config": config.settings(), "num_inputs": 2, "num_classes": 3, "data_set": about}
    checkpoint.save(tmp_path / "net.safetensors", tensors, facts)
    with pytest.raises(CheckpointError, match=says):
        load_network(tmp_path / "net.safetensors")
