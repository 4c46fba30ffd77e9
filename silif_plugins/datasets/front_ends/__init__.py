"""Front ends by name: from a recording of sound to what a network reads.

A front end is made from its name and settings, all of them JSON, and hears samples of any rate::

    >>> import numpy as np
    >>> from silif_plugins.datasets import front_end
    >>> hear = front_end("cochlea", channels=140, step=0.01, max_time=1.0)
    >>> sound = np.sin(2 * np.pi * 440 * np.arange(11025) / 22050)
    >>> frames = hear(sound, 22050)
    >>> frames.shape, frames.dtype, hear.num_channels, hear.steps, hear.step
    ((100, 140), dtype('uint8'), 140, 100, 0.01)

What it returns, [steps, channels], is a sample of a data set of sound, bit for bit, so that a trained network can be
given recordings: ``settings()`` says all that is to be kept beside the weights, ``front_end(**settings)`` repeats it.
A data set knows its own::

    >>> import json
    >>> from silif_plugins.datasets import SOURCES
    >>> hear = SOURCES["spoken-digits"].front_end({"steps": 50, "max_time": 1.0})
    >>> hear.num_channels, hear.steps, hear.step
    (140, 50, 0.02)
    >>> front_end(**json.loads(json.dumps(hear.settings()))) == hear
    True

There are ``cochlea`` (events, counted in every step), ``log-mel`` (energies, float32) and ``delta`` (events where
energies change, as Speech2Spikes has them).
"""

from .base import FRONT_ENDS, FrontEnd
from .cochlea import Cochlea
from .delta import Delta
from .log_mel_energies import LogMel
from .register import front_end, front_end_like, register_front_end

__all__ = ["FRONT_ENDS", "Cochlea", "Delta", "FrontEnd", "LogMel", "front_end", "front_end_like", "register_front_end"]
