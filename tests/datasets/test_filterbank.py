"""Log-mel features against Kaldi's, and what they must be whatever the input."""

import math

import pytest
import torch

from silif_plugins.datasets.filterbank import FRAME, HOP, RATE, log_mel, mel_triangles


def test_equal_to_kaldis(oracle):
    numbers = oracle("fbank_ref")
    waveform = torch.from_numpy(numbers["x"])
    torch.testing.assert_close(log_mel(waveform), torch.from_numpy(numbers["y_f32"]), atol=1e-3, rtol=0)
    torch.testing.assert_close(log_mel(waveform.double()), torch.from_numpy(numbers["y_f64"]), atol=1e-3, rtol=0)
    torch.testing.assert_close(mel_triangles(40), torch.from_numpy(numbers["mel_banks"]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("samples", "frames"), [(16_000, 98), (13_375, 82), (560, 2), (559, 1), (400, 1), (1, 1)])
def test_number_of_frames(samples, frames):
    assert log_mel(torch.rand(samples)).shape == (frames, 40)


def test_a_short_clip_is_filled_up():
    clip = torch.rand(123)
    assert torch.equal(log_mel(clip), log_mel(torch.cat([clip, torch.zeros(FRAME - 123)])))


def test_silence_is_the_floor():
    assert log_mel(torch.zeros(1000)).unique().item() == pytest.approx(math.log(2**-23))
    assert log_mel(torch.full((1000,), 0.7)).max().item() < -10  # the mean is taken out


def test_a_tone_is_loudest_in_its_band():
    time = torch.arange(RATE) / RATE
    loudest = [int(log_mel(torch.sin(2 * math.pi * f * time)).mean(0).argmax()) for f in (200, 1000, 3000, 7000)]
    assert loudest == sorted(loudest)
    assert len(set(loudest)) == 4
    weights = mel_triangles(40)[:, round(1000 / 31.25)]
    assert loudest[1] == int(weights.argmax())


def test_ten_times_louder_adds_ln_100():
    clip = torch.randn(RATE) / 100
    torch.testing.assert_close(
        log_mel(10 * clip) - log_mel(clip), torch.full((98, 40), math.log(100)), atol=1e-3, rtol=0
    )


def test_batches_and_shifts():
    clips = torch.randn(3, 2000)
    torch.testing.assert_close(log_mel(clips), torch.stack([log_mel(clip) for clip in clips]))
    torch.testing.assert_close(log_mel(clips[0, HOP:]), log_mel(clips[0])[1:])


@pytest.mark.parametrize(
    ("waveform", "bands", "message"),
    [
        (torch.zeros(0), 40, r"waveform: got torch.float32 of shape \(0,\)"),
        (torch.zeros(500, dtype=torch.int16), 40, "waveform: got torch.int16"),
        (torch.zeros(500), 0, "bands: got 0"),
        (torch.zeros(500), 500, "bands: got 500"),
    ],
)
def test_bad_arguments_are_named(waveform, bands, message):
    with pytest.raises(ValueError, match=message):
        log_mel(waveform, bands=bands)
