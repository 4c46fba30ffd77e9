"""Energies of mel bands in integers, for chips without floating point, in Python and in C."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .framing import Framing, c_table, reversed_bits
from .logarithm import Integers, log2, logarithm_source

SHARE_BITS = 15
"""Bits after the point of what samples and spectra are multiplied by: window, sines and cosines."""
PREEMPHASIS = round(0.97 * (1 << SHARE_BITS))
WEIGHT_BITS = 14
"""Of a bin's share in a band."""
LARGEST_BITS = 29
"""A spectrum is below 2 to this, so that twice of it, and sums on the way, fit 32 bits with their signs."""
FLOOR_EXPONENT = -23
"""The least energy, as in `silif_plugins.datasets.log_mel`."""


class IntegerSpectrum:
    """Logarithms of the energies of bands from frames of samples, in integers alone.

    Frames of n real samples are transformed as n / 2 complex ones, in 32 bits; powers and bands are summed in 64. As
    many bits after the point are kept as the loudest frame that there can be allows: noise of rounding is below that
    of the samples' own 16 bits. Products take two multiplications of 16 bits, which the smallest chips have.

    Args:
        framing: Frames, window and bands.

    Raises:
        ValueError: If a frame is too long for sums of 32 bits.

    Examples:
        >>> from silif_plugins.datasets import front_end
        >>> from silif_plugins.deploy.float_spectrum import FloatSpectrum
        >>> framing = Framing.of(front_end("log-mel", rate=8000))
        >>> noise = np.random.default_rng(0).normal(0, 1000, (1, 200)).astype(np.int16)
        >>> difference = IntegerSpectrum(framing).logarithms(noise) - FloatSpectrum(framing).logarithms(noise)
        >>> bool(abs(difference).max() < 0.01 * 65536)
        True
    """

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        # A frame without its mean, preemphasised, is at most 2^16; a spectrum at most that times the window's sum.
        self.fraction = math.floor(LARGEST_BITS - 16 - math.log2(framing.window.sum()))
        if self.fraction < 0:
            raise ValueError(f"rate: got frames of {framing.frame} samples; sums of 32 bits hold 15000 at most")
        self.drop = max(2 * self.fraction + 1, 11)
        self.point = 32 + 2 * self.fraction - self.drop + WEIGHT_BITS
        """Bits after the point of an energy."""
        self.window = _rounded(framing.window, SHARE_BITS)
        angles = -2 * np.pi * np.arange(framing.size // 2) / framing.size
        self.cosine, self.sine = _rounded(np.cos(angles), SHARE_BITS), _rounded(np.sin(angles), SHARE_BITS)
        self.weights = _rounded(np.array([weight for _, _, weight in framing.triangles]), WEIGHT_BITS)

    def logarithms(self, frames: NDArray[np.int16]) -> Integers:
        """Return logarithms to base 2 of the energies, [frames, bands], from samples [frames, samples]."""
        energies = np.maximum(self.energies(frames), np.uint64(1 << (self.point + FLOOR_EXPONENT)))
        exponent = highest_bit(energies)
        mantissa = (energies << (np.uint64(63) - exponent)) >> np.uint64(40)
        return log2((mantissa & np.uint64((1 << 23) - 1)).astype(np.int64), exponent.astype(np.int64) - self.point)

    def energies(self, frames: NDArray[np.int16]) -> NDArray[np.uint64]:
        """Return the energies of the bands with ``point`` bits after the point, [frames, bands]."""
        samples, bits = frames.astype(np.int64), self.fraction
        sums = samples.sum(axis=1)
        mean = np.sign(sums) * ((np.abs(sums) << bits) // self.framing.frame)
        centred = (samples << bits) - mean[:, None]
        before = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
        windowed = scaled(centred - scaled(before, PREEMPHASIS), self.window)
        real, imaginary = self.doubled_spectrum(windowed)
        power = (real * real + imaginary * imaginary).astype(np.uint64) >> np.uint64(self.drop)
        energies = np.zeros((len(frames), self.framing.bands), np.uint64)
        for (place, band, _), weight in zip(self.framing.triangles, self.weights.astype(np.uint64), strict=True):
            energies[:, band] += weight * power[:, place]
        return energies

    def doubled_spectrum(self, frames: Integers) -> tuple[Integers, Integers]:
        """Return twice the discrete Fourier transform of frames that are filled up to ``framing.size``, its first half.

        Even samples are the real part and odd ones the imaginary part of a frame of half the length; what belongs to
        which is told by the symmetry of their transforms.
        """
        size, half = self.framing.size, self.framing.size // 2
        filled = np.zeros((len(frames), size), np.int64)
        filled[:, : self.framing.frame] = frames
        real, imaginary = self._transform(filled[:, ::2], filled[:, 1::2])
        mirror = -np.arange(half) % half
        even_real, even_imaginary = real + real[:, mirror], imaginary - imaginary[:, mirror]
        odd_real, odd_imaginary = imaginary + imaginary[:, mirror], real[:, mirror] - real
        top, side = self._turned(odd_real, odd_imaginary, 1)
        return even_real + top, even_imaginary + side

    def _transform(self, real: Integers, imaginary: Integers) -> tuple[Integers, Integers]:
        """Return the transform of complex numbers [frames, numbers], of radix 2."""
        frames, size = real.shape
        order = reversed_bits(size)
        real, imaginary = real[:, order], imaginary[:, order]
        half = 1
        while half < size:
            a, b = (part.reshape(frames, -1, 2, half) for part in (real, imaginary))
            top, side = self._turned(a[:, :, 1], b[:, :, 1], size // half)
            real = np.stack([a[:, :, 0] + top, a[:, :, 0] - top], axis=2).reshape(frames, -1)
            imaginary = np.stack([b[:, :, 0] + side, b[:, :, 0] - side], axis=2).reshape(frames, -1)
            half *= 2
        return real, imaginary

    def _turned(self, real: Integers, imaginary: Integers, stride: int) -> tuple[Integers, Integers]:
        """Return complex numbers times the roots of unity."""
        c, s = self.cosine[::stride][: real.shape[-1]], self.sine[::stride][: real.shape[-1]]
        return scaled(real, c) - scaled(imaginary, s), scaled(real, s) + scaled(imaginary, c)

    @property
    def fields(self) -> str:
        """What the state in C has for it."""
        return f"int32_t real[{self.framing.size // 2}], imaginary[{self.framing.size // 2}];"

    def source(self, name: str) -> str:
        """Write ``hear``, which does in C what `logarithms` does."""
        framing, half = self.framing, self.framing.size // 2
        triangles = ",\n".join(
            f"    {{{band}, {weight}}}" for (_, band, _), weight in zip(framing.triangles, self.weights, strict=True)
        )
        return f"""\
{c_table("uint16_t window", self.window)}
{c_table("int32_t cosine", self.cosine)}
{c_table("int32_t sine", self.sine)}

/* Shares of the bins in bands, and where those of each bin begin. */
static const struct {{
    uint16_t band, weight;
}} triangles[{len(framing.triangles)}] = {{
{triangles}
}};
{c_table("uint16_t starts", framing.starts)}

{logarithm_source()}
/* value * share / 2^{SHARE_BITS}, rounded, by multiplications of 16 bits; the share is {-1 << SHARE_BITS} to \
{1 << SHARE_BITS}. */
static int32_t scaled(int32_t value, int32_t share)
{{
    return (value >> 16) * share * 2 + (((value & 0xffff) * share + {1 << (SHARE_BITS - 1)}) >> {SHARE_BITS});
}}

/* Transform of {half} complex numbers, which come in the order of reversed bits. */
static void transform(int32_t *real, int32_t *imaginary)
{{
    for (unsigned half = 1, stride = {half}; half < {half}; half *= 2, stride /= 2)
        for (unsigned k = 0; k < half; k++) {{
            const int32_t c = cosine[k * stride], s = sine[k * stride];
            for (unsigned low = k; low < {half}; low += 2 * half) {{
                const unsigned high = low + half;
                const int32_t top = scaled(real[high], c) - scaled(imaginary[high], s);
                const int32_t side = scaled(real[high], s) + scaled(imaginary[high], c);
                real[high] = real[low] - top;
                real[low] += top;
                imaginary[high] = imaginary[low] - side;
                imaginary[low] += side;
            }}
        }}
}}

/* Logarithms to base 2 of the energies of a frame. */
static void hear({name}_listener *listener, int32_t *heard)
{{
    int32_t sum = 0;
    for (unsigned i = 0; i < {framing.frame}; i++)
        sum += listener->samples[i];
    const int32_t mean = sum * {1 << self.fraction} / {framing.frame};
    int32_t *real = listener->real, *imaginary = listener->imaginary;
    int32_t before = listener->samples[0] * {1 << self.fraction} - mean;
    unsigned to = 0; /* i / 2 with its bits reversed */
    for (unsigned i = 0; i < {framing.size}; i++) {{
        int32_t windowed = 0;
        if (i < {framing.frame}) {{
            const int32_t centred = listener->samples[i] * {1 << self.fraction} - mean;
            windowed = scaled(centred - scaled(before, {PREEMPHASIS}), window[i]);
            before = centred;
        }}
        if (i % 2 == 0) {{
            real[to] = windowed;
            continue;
        }}
        imaginary[to] = windowed;
        unsigned bit = {half // 2};
        for (; to & bit; bit /= 2)
            to ^= bit;
        to ^= bit;
    }}
    transform(real, imaginary);
    uint64_t energies[{framing.bands}] = {{0}};
    for (unsigned bin = 0; bin < {half}; bin++) {{
        if (starts[bin] == starts[bin + 1])
            continue;
        const unsigned mirror = ({half} - bin) % {half};
        const int32_t odd_real = imaginary[bin] + imaginary[mirror], odd_imaginary = real[mirror] - real[bin];
        const int32_t c = cosine[bin], s = sine[bin];
        const int32_t a = real[bin] + real[mirror] + (scaled(odd_real, c) - scaled(odd_imaginary, s));
        const int32_t b = imaginary[bin] - imaginary[mirror] + (scaled(odd_real, s) + scaled(odd_imaginary, c));
        const uint64_t power = (uint64_t)((int64_t)a * a + (int64_t)b * b) >> {self.drop};
        for (unsigned i = starts[bin]; i < starts[bin + 1]; i++)
            energies[triangles[i].band] += power * triangles[i].weight;
    }}
    for (unsigned band = 0; band < {framing.bands}; band++) {{
        const uint64_t floor = (uint64_t)1 << {self.point + FLOOR_EXPONENT};
        uint64_t energy = energies[band] > floor ? energies[band] : floor;
        int32_t exponent = {63 - self.point};
        for (unsigned bits = 32; bits; bits /= 2)
            if (!(energy >> (64 - bits))) {{
                energy <<= bits;
                exponent -= (int32_t)bits;
            }}
        heard[band] = logarithm((uint32_t)(energy >> 40) & 0x7fffff, exponent);
    }}
}}
"""


def scaled(values: Integers, share: Integers | int) -> Integers:
    """Return values * share / 2^15, rounded.

    Examples:
        >>> scaled(np.array([1000, -3]), 1 << 14).tolist()
        [500, -1]
    """
    return (values * share + (1 << (SHARE_BITS - 1))) >> SHARE_BITS


def highest_bit(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the place of the highest bit of positive numbers of 64 bits.

    Examples:
        >>> highest_bit(np.array([1, 3, 2**63], np.uint64)).tolist()
        [0, 1, 63]
    """
    place = np.zeros_like(values)
    for bits in (32, 16, 8, 4, 2, 1):
        above = values >> np.uint64(bits) > 0
        place += np.where(above, np.uint64(bits), np.uint64(0))
        values = np.where(above, values >> np.uint64(bits), values)
    return place


def _rounded(values: NDArray[np.float64], bits: int) -> Integers:
    return np.round(np.asarray(values, np.float64) * (1 << bits)).astype(np.int64)
