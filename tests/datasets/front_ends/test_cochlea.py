import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets.front_ends import Cochlea

SAMPLE_RATE = 22_050
COCHLEA = Cochlea()


def tone(frequency, seconds=0.3):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


@pytest.mark.parametrize("channels", [140, 700])
@pytest.mark.parametrize("frequency", [110, 440, 1760, 7040])
def test_a_tone_is_heard_where_it_belongs(channels, frequency):
    cochlea = Cochlea(channels=channels)
    _, units = cochlea.events(tone(frequency), seed=0)
    heard = cochlea.centres()[units]
    assert len(units) > 20
    assert abs(np.median(heard) - frequency) < max(30, 0.1 * frequency)


def test_more_channels_make_more_spikes_of_the_same_sound():
    few, many = (len(Cochlea(channels=channels).events(tone(440), seed=0)[0]) for channels in (140, 700))
    assert 4 < many / few < 6


def test_events_begin_and_end_with_the_sound():
    sound = np.concatenate([np.zeros(4410), tone(440, 0.2), np.zeros(4410)])
    milliseconds, _ = COCHLEA.events(sound, seed=0)
    assert 180 < milliseconds.min() < 215
    assert 385 < milliseconds.max() < 425


def test_silence_is_silent():
    assert len(COCHLEA.events(np.zeros(2205), seed=0)[0]) == 0
    assert len(COCHLEA.events(np.zeros(0), seed=0)[0]) == 0


def test_loudness_does_not_matter():
    loud, quiet = (COCHLEA.levels(tone(440) * factor) for factor in (1e4, 1e-6))
    np.testing.assert_array_equal(loud, quiet)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(-1e-13, 1e-13))
def test_differences_in_the_last_digits_move_no_spike(seed, difference):
    sound = np.random.default_rng(seed).normal(size=1102)
    np.testing.assert_array_equal(COCHLEA.events(sound, seed=seed), COCHLEA.events(sound * (1 + difference), seed=seed))


def test_encoder_equals_its_equation():
    """The loop over milliseconds against one neuron at a time, in plain Python."""
    cochlea = Cochlea(channels=6)
    levels = np.random.default_rng(0).integers(0, 256, (80, 6)) / 255
    noise = np.random.default_rng(4).random(levels.shape) * 2 - 1
    expected = []
    for channel in range(6):
        membrane, resting = 0.0, 0
        for millisecond in range(80):
            if resting:
                membrane, resting = 0.0, resting - 1
                continue
            membrane = np.exp(-1 / 8) * membrane + (1 - np.exp(-1 / 8)) * levels[millisecond, channel]
            if membrane > 0.5 * (1 + 0.05 * noise[millisecond, channel]):
                expected.append((millisecond, channel))
                membrane, resting = 0.0, 2
    assert sorted(expected) == list(zip(*cochlea.encode([levels], [4])[0], strict=True))
    assert len(expected) > 10


def test_no_channel_is_deaf():
    for channels in (1, 140, 700):
        assert np.isfinite(Cochlea(channels=channels).bands()).all()
        assert (Cochlea(channels=channels).bands().sum(0) > 0).all()


def test_bad_number_of_channels():
    with pytest.raises(ValueError, match="channels: got 0"):
        Cochlea(channels=0)


@pytest.mark.parametrize("channels", [1, 23, 140, 700])
def test_levels_equal_their_definition(channels):
    """One millisecond after the other, by NumPy's transform and all weights, as in the docstring."""
    cochlea = Cochlea(channels=channels)
    sound = np.random.default_rng(channels).normal(size=3000) * np.sin(np.arange(3000) / 300)
    padded = np.pad(sound, (551 // 2, 551))
    power = []
    for millisecond in range(3000 * 1000 // SAMPLE_RATE):
        start = millisecond * SAMPLE_RATE // 1000
        windowed = padded[start : start + 551] * np.hanning(553)[1:-1]
        power.append(abs(np.fft.rfft(windowed, 1024)) ** 2 @ cochlea.bands())
    decibels = 10 * np.log10(np.maximum(np.array(power) / np.max(power), 1e-30))
    expected = np.rint(np.clip(1 + decibels / 45, 0, 1) * 255) / 255
    np.testing.assert_array_equal(cochlea.levels(sound), expected)


@pytest.mark.parametrize("rate", [4000, 8000, 11_025, 16_000, 44_100, 48_000])
def test_other_rates_and_bands_hear_the_same_tone_in_the_same_place(rate):
    time = np.arange(int(0.3 * rate)) / rate
    cochlea = Cochlea(rate=rate, channels=90, lowest=100.0)
    _, units = cochlea.events(np.sin(2 * np.pi * 440 * time), seed=0)
    assert len(units) > 20
    assert abs(np.median(cochlea.centres()[units]) - 440) < 44
    assert cochlea.centres()[-1] == pytest.approx(min(8000, rate / 2))


def test_many_sounds_are_heard_as_each_alone():
    sounds = [np.random.default_rng(k).normal(size=size) for k, size in enumerate((4000, 0, 300, 4000))]
    for seeds in ([3, 3, 3, 3], [0, 1, 1, 2]):
        for one, sound, seed in zip(COCHLEA.hear(sounds, seeds), sounds, seeds, strict=True):
            np.testing.assert_array_equal(one, COCHLEA.events(sound, seed=seed))
