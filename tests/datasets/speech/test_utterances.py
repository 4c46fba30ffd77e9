import numpy as np
import pytest

from silif_plugins.datasets import Cochlea
from silif_plugins.datasets.speech import CLASSES, SPEAKERS, VOICES, plan


def test_voices_are_in_one_split_only():
    assert {split: len(voices) for split, voices in VOICES.items()} == {"train": 24, "valid": 8, "test": 12}
    assert len(set(SPEAKERS)) == 44


def test_a_round_holds_every_word_by_every_voice():
    pairs = {(utterance.speaker, utterance.label) for utterance in (plan("valid", number) for number in range(160))}
    assert len(pairs) == 8 * 20


def test_plans_stay_in_their_ranges():
    plans = [plan("train", number) for number in range(500)]
    for field, low, high in [
        ("rate", 110, 260),
        ("pitch", 25, 75),
        ("pitch_range", 20, 80),
        ("signal_to_noise", 10, 30),
        ("onset", 0, 0.15),
    ]:
        values = [getattr(utterance, field) for utterance in plans]
        width = high - low
        assert low <= min(values) < low + 0.05 * width
        assert high - 0.05 * width < max(values) <= high
    for utterance in plans:
        assert utterance.accent.startswith("en" if utterance.label < 10 else "de")
    assert len({utterance.seed for utterance in plans}) == 500


def test_a_plan_depends_on_seed_split_and_number_only():
    assert plan("test", 7) == plan("test", 7)
    assert len({plan("test", 7, seed=1), plan("test", 7), plan("valid", 7), plan("test", 27)}) == 4


def test_unknown_split():
    with pytest.raises(ValueError, match="split: got 'dev', but there are train, valid, test"):
        plan("dev", 0)


def test_sound_has_the_noise_and_onset_of_its_plan():
    pytest.importorskip("espeakng_loader", reason="espeakng-loader (extra speech) is not installed")
    utterance = next(u for u in (plan("train", number) for number in range(100)) if u.onset > 0.1)
    sound = utterance.sound()
    onset = round(utterance.onset * 22050)
    noise, speech = np.mean(sound[: onset - 10] ** 2), np.mean(sound[onset:] ** 2)
    assert abs(10 * np.log10(speech / noise) - utterance.signal_to_noise) < 1.5
    times, units = utterance.events(Cochlea())
    assert CLASSES[utterance.label]
    assert len(times) == len(units) > 50
