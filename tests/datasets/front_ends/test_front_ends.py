"""Front ends by name: settings that repeat them, the sounds that they take, and what they make of them."""

import json
from dataclasses import dataclass
from typing import ClassVar
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from silif_plugins.datasets import (
    FRONT_ENDS,
    SOURCES,
    Cochlea,
    DataError,
    Delta,
    FrontEnd,
    LogMel,
    Recordings,
    SpokenDigits,
    bin_events,
    front_end,
    load,
    log_mel,
    register_front_end,
)

NAMES = ("cochlea", "log-mel", "delta")


def word(seconds=0.4, rate=16_000, seed=0, noise=0.001):
    """Something like speech: harmonics that come and go, over faint noise."""
    random, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    tones = sum(
        np.sin(2 * np.pi * f * time) * np.sin(np.pi * time / seconds * k) for k, f in enumerate((150, 900, 2500))
    )
    return (0.2 * tones + noise * random.normal(size=len(time))).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_settings_repeat_it(name):
    hear = front_end(name, rate=8000, step=0.02, max_time=0.5)
    again = front_end(**json.loads(json.dumps(hear.settings())))
    assert again == hear
    frames = hear(word(), 16_000)
    np.testing.assert_array_equal(again(word(), 16_000), frames)
    assert frames.shape[1] == hear.num_channels
    assert frames.shape[0] <= hear.steps
    assert frames.any()
    assert name in FRONT_ENDS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fill", [False, True])
def test_one_sound_is_heard_as_among_others(name, fill):
    hear = front_end(name, fill=fill, max_time=0.6)
    sounds = [hear.prepare(word(seconds, seed=k), 16_000) for k, seconds in enumerate((0.2, 0.7, 0.2, 0.33))]
    together = hear.frames(sounds)
    for sound, frames in zip(sounds, together, strict=True):
        np.testing.assert_allclose(frames, hear.frames([sound])[0], atol=1e-4)
        assert len(frames) == hear.steps if fill or len(sound) == round(0.6 * hear.rate) else len(frames) < hear.steps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_the_rate_of_a_recording_makes_little_difference(name, rate):
    pytest.importorskip("scipy")
    hear = front_end(name, rate=8000, fill=True, **({"lowest": 100.0} if name == "cochlea" else {}))
    one, other = (hear(word(rate=each, noise=0), each).astype(float).mean(0) for each in (8000, rate))
    assert np.corrcoef(one[:-15], other[:-15])[0, 1] > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_longer_sounds_are_cut(name):
    hear = front_end(name, rate=16_000, max_time=0.3)
    long = word(2.0)
    np.testing.assert_array_equal(hear(long, 16_000), hear(long[: round(0.3 * 16_000)], 16_000))


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_and_silence_are_heard(name):
    hear = front_end(name)
    for sound in (np.zeros(1), np.ones(1), np.zeros(3000)):
        frames = hear(sound, hear.rate)
        assert np.isfinite(frames).all()
        if name != "log-mel":
            assert frames.sum() == 0 or len(sound) == 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_sound_is_refused(name):
    hear = front_end(name)
    for sound, rate, says in (
        (np.zeros((10, 2)), 16_000, r"sound: got float64 of shape \(10, 2\), but it must be floats of one channel"),
        (np.zeros(10, np.int16), 16_000, "sound: got int16"),
        (np.zeros(0), 16_000, r"sound: got float64 of shape \(0,\)"),
        (np.array([0, np.nan]), 16_000, "sound: sample 1 is not finite"),
        (np.zeros(10), 0, "rate: got 0 samples a second"),
    ):
        with pytest.raises(DataError, match=says):
            hear(sound, rate)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("cochlea", {"channels": 0}, "channels: got 0; of the front end cochlea it must be at least 1"),
        ("cochlea", {"pool": 3}, "pool: got 3"),
        ("cochlea", {"highest": 9000.0, "rate": 16_000}, "highest: got 9000.0"),
        ("cochlea", {"lowest": -1.0}, "lowest: got -1.0"),
        ("cochlea", {"threshold_noise": 1.0}, "threshold_noise: got 1.0"),
        ("cochlea", {"time_constant": float("nan")}, "time_constant: got nan"),
        ("cochlea", {"seed": -1}, "seed: got -1"),
        ("log-mel", {"bands": 129}, "bands: got 129"),
        ("log-mel", {"max_time": 0.01}, "max_time: got 0.01"),
        ("log-mel", {"lowest": 9000.0}, "lowest: got 9000.0"),
        ("log-mel", {"highest": 10.0}, "highest: got 10.0"),
        ("delta", {"threshold": 0.0}, "threshold: got 0.0"),
        ("delta", {"floor": float("-inf")}, "floor: got -inf"),
        *((name, {"step": 0.0}, "step: got 0.0") for name in NAMES),
        *((name, {"rate": 100}, "rate: got 100") for name in NAMES),
        *((name, {"rate": "fast"}, "rate: got 'fast'; of the front end .* it must be an integer") for name in NAMES),
        *((name, {"fill": 1}, "fill: got 1; .* true or false") for name in NAMES),
        *((name, {"max_time": 1e13}, "max_time: got 1") for name in NAMES),
        *((name, {"setp": 0.01}, r"setp: is no setting of the front end .*; did you mean step\?") for name in NAMES),
    ],
)
def test_wrong_settings_are_named(name, wrong, says):
    with pytest.raises(ValueError, match=says):
        front_end(name, **wrong)


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"front_end: got 'cochlear'; it must be one of cochlea, log-mel, delta"):
        front_end("cochlear")


def test_a_front_end_of_ones_own():
    with mock.patch.dict(FRONT_ENDS):

        @register_front_end
        @dataclass(frozen=True, kw_only=True)
        class Loudness(FrontEnd):
            name: ClassVar[str] = "loudness"

            num_channels = 1

            def frames(self, sounds):
                hop = round(self.rate * self.step)
                found = [np.abs(s[: len(s) // hop * hop]).reshape(-1, hop).max(1, keepdims=True) for s in sounds]
                return [np.pad(f, ((0, self.steps - len(f)), (0, 0))).astype(np.float32) for f in found]

        assert front_end("loudness", step=0.05)(word(), 16_000).shape == (20, 1)
        with pytest.raises(ValueError, match="name: got 'loudness', but there is a front end of this name"):
            register_front_end(Loudness)


def test_log_mel_is_the_filterbank():
    sound = word()
    expected = log_mel(torch.from_numpy(sound)).numpy()
    np.testing.assert_array_equal(LogMel()(sound, 16_000), expected)
    eight = log_mel(torch.from_numpy(word(rate=8000)), rate=8000, hop=40, lowest=50.0, bands=30).numpy()
    np.testing.assert_array_equal(LogMel(rate=8000, step=0.005, lowest=50.0, bands=30)(word(rate=8000), 8000), eight)


def test_cochlea_counts_its_spikes():
    hear = Cochlea(rate=16_000, step=0.004, max_time=0.3, pool=2)
    sound = hear.prepare(word(), 16_000)
    milliseconds, units = hear.events(sound)
    binned = bin_events((milliseconds + 0.5) / 1000, units, steps=75, max_time=0.3, channels=140, pool=2)
    np.testing.assert_array_equal(hear.frames([sound])[0], binned)
    quiet = Cochlea(threshold_noise=0.0, rate=16_000)
    np.testing.assert_array_equal(quiet.events(sound, seed=1)[1], quiet.events(sound, seed=2)[1])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 3), st.floats(-12, -2))
def test_delta_equals_its_equation(seed, threshold, floor):
    """One band after the other, in plain Python."""
    hear = Delta(bands=3, threshold=threshold, floor=floor)
    energies = np.random.default_rng(seed).normal(-6, 3, (40, 3))
    expected = np.zeros((40, 6))
    for band in range(3):
        follower = max(energies[0, band], floor)
        for step in range(1, 40):
            change = max(energies[step, band], floor) - follower
            if change >= threshold:
                expected[step, band], follower = 1, follower + threshold
            elif -change >= threshold:
                expected[step, 3 + band], follower = 1, follower - threshold
    np.testing.assert_array_equal(hear.events(energies), expected)


def test_delta_follows_to_within_its_threshold():
    """Where energies change slowly, the events tell them: what they sum up to is never a threshold away."""
    slow = np.cumsum(np.random.default_rng(0).uniform(-0.9, 0.9, (200, 5)), 0) - 5
    events = Delta(bands=5, floor=-100.0).events(slow).astype(float)
    told = slow[0] + np.cumsum(events[:, :5] - events[:, 5:], 0)
    assert abs(told - slow).max() < 1


def test_shipped_digits_say_how_they_were_heard():
    """The front end gives the frames of the data set, from the events that it hears."""
    hear = SOURCES["spoken-digits"].front_end({"steps": 50, "pool": 2, "max_time": 0.5})
    assert (hear.name, hear.num_channels, hear.steps, hear.rate) == ("cochlea", 70, 50, 22_050)
    assert hear.num_channels == SpokenDigits("test", steps=50, pool=2, max_time=0.5).num_channels
    sound = hear.prepare(word(rate=22_050), 22_050)
    milliseconds, units = hear.events(sound)
    recordings = Recordings([(milliseconds + 0.5) / 1000], [units], [0], classes=["?"], num_channels=140)
    with mock.patch("silif_plugins.datasets.spoken_digits.spoken_digit_recordings", return_value=recordings):
        (frames,) = SpokenDigits("test", steps=50, pool=2, max_time=0.5).frames
    np.testing.assert_array_equal(hear.frames([sound])[0], frames)
    with pytest.raises(ValueError, match="published: got True; front ends have no such binning"):
        SOURCES["spoken-digits"].front_end({"published": True})


def test_sources_of_sound_say_their_front_end_and_others_that_they_have_none():
    assert SOURCES["gsc"].front_end({}) == LogMel()
    assert SOURCES["gsc"].front_end({"front_end": "delta", "bands": 20, "max_time": None}) == Delta(bands=20)
    with pytest.raises(ValueError, match="front_end: mnist has none: it is not made of recordings of sound"):
        SOURCES["mnist"].front_end({})
    with pytest.raises(ValueError, match=r"bands: got 20, but for free-spoken-digits it must be None; its options"):
        SOURCES["free-spoken-digits"].front_end({"bands": 20})
    with pytest.raises(ValueError, match="front_end: got 'none'"):
        load("gsc", "test", root="/nowhere", front_end="none")
