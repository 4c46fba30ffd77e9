"""Log-mel energies in the arithmetic of a chip: what C makes of samples, bit for bit."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..datasets import LogMel
from .float_spectrum import FloatSpectrum
from .framing import Framing
from .integer_spectrum import IntegerSpectrum
from .logarithm import LOG_BITS, Integers
from .quantised import QuantisedNet

UNIT_BITS = 14
"""Bits after the point of what a logarithm is multiplied by to become a unit of the input."""


class Hearing:
    """A `LogMel` front end as a chip has it, for the inputs of a quantised network.

    Samples are 16 bits at the front end's rate. A network with states in float32 hears by a Fourier transform in
    float32, every operation rounded by itself (`FloatSpectrum`), one with states in integers by integers alone
    (`IntegerSpectrum`). Logarithms are integers, from a table of 65 values, and are rounded to units of the network's
    input. Energies are those of `silif_plugins.datasets.log_mel`, before they are rounded: in float32 to 1e-4, in
    integers to 0.02 where they are above the noise of samples of 16 bits.

    Args:
        front_end: What the network was trained with.
        net: What `quantise` made of it, with features as calibration.

    Raises:
        ValueError: If the network does not read the front end's bands, or steps are longer than frames.

    Examples:
        >>> import torch
        >>> from silif_plugins.datasets import front_end
        >>> from silif_plugins.deploy import quantise
        >>> from silif_plugins.sparch import SpArchNet
        >>> hear = front_end("log-mel", rate=8000)
        >>> samples = np.random.default_rng(0).normal(0, 3000, 4000).astype(np.int16)
        >>> energies = hear(samples / 32768, 8000)
        >>> small = quantise(SpArchNet(40, (16,), 3).eval(), calibration=torch.from_numpy(energies)[None])
        >>> units = Hearing(hear, small).units(samples)
        >>> units.shape, bool(abs(units * small.input_step - energies).max() < 0.51 * small.input_step)
        ((48, 40), True)
    """

    def __init__(self, front_end: LogMel, net: QuantisedNet) -> None:
        if type(front_end) is not LogMel or front_end.num_channels != net.num_inputs:
            raise ValueError(
                f"front_end: got {front_end.name} of {front_end.num_channels} channels; it must be log-mel of "
                f"{net.num_inputs}, as the network reads"
            )
        self.front_end, self.limit = front_end, net.input_limit
        self.framing = Framing.of(front_end)
        if self.framing.hop > self.framing.frame:
            raise ValueError(f"step: got {front_end.step} s; on a chip it must be at most a frame, 25 ms")
        self.multiplier = round(math.log(2) / net.input_step * (1 << UNIT_BITS))
        self.spectrum: FloatSpectrum | IntegerSpectrum
        self.spectrum = (FloatSpectrum if net.state == "float32" else IntegerSpectrum)(self.framing)

    def units(self, samples: ArrayLike) -> Integers:
        """Return what the network reads of samples, in its units: [frames, bands] from integers [samples].

        Raises:
            ValueError: If the samples are not integers of 16 bits.
        """
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype != np.int16:
            raise ValueError(f"samples: got {given.dtype} of shape {given.shape}; they must be int16, [samples]")
        if len(given) < self.framing.frame:
            return np.zeros((0, self.front_end.bands), np.int64)
        frames = np.lib.stride_tricks.sliding_window_view(given, self.framing.frame)[:: self.framing.hop]
        logarithms = self.spectrum.logarithms(frames)
        rounded = (logarithms * self.multiplier + (1 << (LOG_BITS + UNIT_BITS - 1))) >> (LOG_BITS + UNIT_BITS)
        return np.clip(rounded, -self.limit, self.limit)


def hearing_header(hearing: Hearing, name: str) -> str:
    """Write what the front end adds to a header: its state, and a function that takes samples."""
    framing = hearing.framing
    return f"""
#define {name.upper()}_RATE {hearing.front_end.rate} /* samples a second */
#define {name.upper()}_FRAME {framing.frame}
#define {name.upper()}_HOP {framing.hop} /* samples of a time step */

typedef struct {{
    {name}_state net;
    int16_t samples[{framing.frame}]; /* those of the coming frame */
    uint32_t filled;
    {hearing.spectrum.fields}
    int16_t bands[{framing.bands}]; /* what the network got in the last step */
}} {name}_listener;

/* Begin a recording. */
void {name}_begin({name}_listener *listener);

/* Take a sample; returns 1 if with it a time step was taken, else 0. */
int {name}_sample({name}_listener *listener, int16_t sample);
"""


def hearing_source(hearing: Hearing, name: str) -> str:
    """Write the front end."""
    framing = hearing.framing
    return f"""\
{hearing.spectrum.source(name)}
void {name}_begin({name}_listener *listener)
{{
    {name}_reset(&listener->net);
    listener->filled = 0;
}}

int {name}_sample({name}_listener *listener, int16_t sample)
{{
    listener->samples[listener->filled++] = sample;
    if (listener->filled < {framing.frame})
        return 0;
    int32_t heard[{framing.bands}];
    hear(listener, heard);
    for (unsigned band = 0; band < {framing.bands}; band++) {{
        const int64_t product = (int64_t)heard[band] * {hearing.multiplier} + {1 << (LOG_BITS + UNIT_BITS - 1)};
        {name}_event(&listener->net, band, (int)(product >> {LOG_BITS + UNIT_BITS}));
        listener->bands[band] = listener->net.input[band];
    }}
    {name}_step(&listener->net);
    listener->filled = {framing.frame - framing.hop};
    for (unsigned i = 0; i < listener->filled; i++)
        listener->samples[i] = listener->samples[i + {framing.hop}];
    return 1;
}}
"""
