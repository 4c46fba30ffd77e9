"""The front end of a chip: equal to training's to its digits, and in C to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets import front_end, log_mel
from silif_plugins.deploy import Cortex, Hearing, Host, chip_report, quantise, run_on_sound, to_c
from silif_plugins.deploy.float_spectrum import FloatSpectrum
from silif_plugins.deploy.framing import Framing
from silif_plugins.deploy.integer_spectrum import IntegerSpectrum, highest_bit
from silif_plugins.deploy.logarithm import log2
from silif_plugins.sparch import SpArchNet

RATES = [8000, 16000, 11025]


def sounds(rate):
    generator, time = np.random.default_rng(0), np.arange(rate // 3) / rate
    sweep = 12000 * np.sin(2 * np.pi * (200 + 2000 * time) * time)
    yield sweep + generator.normal(0, 20, len(time))
    yield generator.integers(-32768, 32768, len(time))  # as loud as can be
    yield np.where(np.arange(len(time)) // 40 % 2, 32767, -32768)
    yield np.zeros(len(time))
    yield np.full(len(time), -32768)


def made(rate, bands=24, **options):
    hear = front_end("log-mel", rate=rate, bands=bands)
    energies = torch.from_numpy(np.stack([hear(sound / 32768, rate) for sound in sounds(rate)]))
    torch.manual_seed(0)
    net = SpArchNet(bands, (20,), 4)
    for _ in range(5):
        net(energies)
    torch.nn.init.constant_(net.hidden[0].current.norm.weight, 6.0)
    return hear, quantise(net.eval(), calibration=energies, **options)


@pytest.mark.parametrize("state", ["float32", "int16"])
@pytest.mark.parametrize("rate", RATES)
def test_it_hears_what_training_heard(rate, state):
    hear, net = made(rate, state=state)
    hearing = Hearing(hear, net)
    for sound in sounds(rate):
        samples = sound.astype(np.int16)
        wanted = log_mel(torch.from_numpy(samples / 32768), rate=rate, bands=24, hop=hearing.framing.hop).numpy()
        got = hearing.units(samples)
        assert got.shape == wanted.shape
        audible = wanted > -12  # below, training's float32 and this one round noise of their own
        error = got * net.input_step - wanted
        most = 0.51 * net.input_step + (0.02 if state == "int16" else 0)
        assert np.abs(error[audible]).max(initial=0) < most
        assert np.abs(error).max() < 1.5


def test_the_transform():
    spectrum = FloatSpectrum(Framing.of(front_end("log-mel", rate=8000)))
    frames = np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)
    real, imaginary = spectrum.transform(frames)
    assert np.allclose(real + 1j * imaginary, np.fft.fft(frames, 256), atol=1e-4)


@pytest.mark.parametrize("rate", [1000, *RATES, 48000])
def test_the_transform_of_integers(rate):
    spectrum = IntegerSpectrum(Framing.of(front_end("log-mel", rate=rate, bands=5)))
    framing, largest = spectrum.framing, 2 ** (16 + spectrum.fraction)
    generator = np.random.default_rng(0)
    frames = np.stack([framing.window * largest, framing.window * generator.uniform(-largest, largest, framing.frame)])
    frames = frames.astype(np.int64)
    real, imaginary = spectrum.doubled_spectrum(frames)
    wanted = 2 * np.fft.fft(frames, framing.size)[:, : framing.size // 2]
    assert max(abs(real).max(), abs(imaginary).max()) < 2**30
    assert np.abs(real + 1j * imaginary - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_frames_that_are_too_long():
    with pytest.raises(ValueError, match="rate: got frames of 20000 samples"):
        IntegerSpectrum(Framing.of(front_end("log-mel", rate=800_000)))


@settings(max_examples=50)
@given(st.lists(st.integers(1, 2**64 - 1), min_size=1))
def test_the_highest_bit(values):
    assert highest_bit(np.array(values, np.uint64)).tolist() == [value.bit_length() - 1 for value in values]


def test_logarithms():
    values = np.exp(np.random.default_rng(0).uniform(-15, 20, 1000)).astype(np.float32)
    bits = values.view(np.int32).astype(np.int64)
    got = log2(bits & 0x7FFFFF, (bits >> 23) - 127) / 65536
    assert np.allclose(got, np.log2(values.astype(np.float64)), atol=6e-5)


@pytest.mark.parametrize("state", ["float32", "int16"])
@pytest.mark.parametrize("rate", RATES)
def test_c_is_python_to_the_last_bit(rate, state):
    hear, net = made(rate, state=state)
    hearing, machine, fired = Hearing(hear, net), Host(net, hear), 0
    for sound in sounds(rate):
        samples = sound.astype(np.int16)
        trace, _ = net.run(torch.from_numpy(hearing.units(samples))[None])
        outcome = run_on_sound(machine, net, samples)
        assert torch.equal(outcome.spikes, trace.spikes[0])
        assert torch.equal(outcome.scores, trace.scores[:, -1])
        fired += int(outcome.spikes.sum())
    assert fired


@pytest.mark.slow
@pytest.mark.parametrize(("chip", "state"), [("cortex-m4f", "float32"), ("cortex-m0+", "int16")])
def test_microcontrollers(chip, state):
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    hear, net = made(8000, state=state)
    samples = next(iter(sounds(8000)))[:1000].astype(np.int16)
    trace, _ = net.run(torch.from_numpy(Hearing(hear, net).units(samples))[None])
    outcome = run_on_sound(Cortex(net, chip, hear), net, samples)
    assert torch.equal(outcome.spikes, trace.spikes[0])
    assert torch.equal(outcome.scores, trace.scores[:, -1])


def test_its_cost_is_counted():
    pytest.importorskip("ziglang")
    pytest.importorskip("unicorn")
    hear, net = made(8000)
    frames = torch.zeros(1, 3, 24)
    with_it, without = chip_report(net, frames, front_end=hear), chip_report(net, frames)
    assert without.front_end == 0
    assert 20_000 < with_it.front_end < 200_000
    assert with_it.flash > without.flash
    assert with_it.ram > without.ram + 8 * 256


def test_what_cannot_be_heard(tmp_path):
    hear, net = made(8000)
    with pytest.raises(ValueError, match="front_end: got cochlea; only log-mel"):
        to_c(net, tmp_path / "out", front_end=front_end("cochlea"))
    with pytest.raises(ValueError, match="front_end: got log-mel of 40 channels; it must be log-mel of 24"):
        to_c(net, tmp_path / "out", front_end=front_end("log-mel"))
    with pytest.raises(ValueError, match=r"step: got 0\.03 s"):
        to_c(net, tmp_path / "out", front_end=front_end("log-mel", bands=24, step=0.03))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="samples: got float64"):
        Hearing(hear, net).units(np.zeros(800))
