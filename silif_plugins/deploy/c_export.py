"""Write a network as C, with what proves on any machine that it is the one that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..datasets import FrontEnd, LogMel
from ..files import write_file
from .c_source import c_name, header, source
from .hearing import Hearing
from .quantised import QuantisedNet

MARK = "Written by silif_plugins"


def to_c(
    net: QuantisedNet,
    folder: Path | str,
    *,
    name: str = "silif",
    classes: Sequence[str] = (),
    vectors: Tensor | None = None,
    front_end: FrontEnd | None = None,
) -> list[Path]:
    """Write a network as one header and one source of C99, and a program that checks them.

    The files need no libraries and no heap; their functions are explained in the header. ``NAME_check.c`` is a program
    that runs the inputs in ``NAME_vectors.h`` and compares every spike and score with Python's::

        cc -std=c99 -O2 -ffp-contract=off -o check silif.c silif_check.c && ./check

    Args:
        net: What `quantise` returned.
        folder: Where to write; created if need be.
        name: Prefix of all files and names.
        classes: Names of the classes, if they are to be in it.
        front_end: What the network was trained with, to have it in the C, too; it must be log-mel (`Hearing`).
        vectors: Inputs to check with, [B, T, num_inputs]; without any there is nothing but header and source.

    Returns:
        The files.

    Raises:
        ValueError: If an argument does not fit the network; nothing is written then.
        OSError: If a file cannot be written.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.deploy import quantise
        >>> from silif_plugins.sparch import SpArchNet
        >>> small = quantise(SpArchNet(8, (16,), 3).eval())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file.name for file in to_c(small, folder, vectors=torch.ones(1, 5, 8))]
        ['silif.h', 'silif.c', 'silif_vectors.h', 'silif_check.c']
    """
    name = c_name(name)
    if classes and len(classes) != net.num_classes:
        raise ValueError(f"classes: got {len(classes)} names; the network has {net.num_classes}")
    hearing = None
    if front_end is not None:
        if not isinstance(front_end, LogMel):
            raise ValueError(
                f"front_end: got {front_end.name}; only log-mel can be written in C: others hear whole recordings, "
                "as the cochlea does, which scales them to their loudest moment"
            )
        hearing = Hearing(front_end, net)
    texts = {f"{name}.h": header(net, name, classes, hearing), f"{name}.c": source(net, name, classes, hearing)}
    if vectors is not None:
        texts[f"{name}_vectors.h"] = _vectors(net, name, vectors)
        texts[f"{name}_check.c"] = _check(net, name)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_file(folder / file, text.encode())
    return [folder / file for file in texts]


def hidden_spikes(net: QuantisedNet, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a chip must give for inputs [B, T, num_inputs]: spikes [B, T, hidden neurons], scores [B, T, C]."""
    trace, _ = net.run(frames)
    return torch.cat(trace.spikes, dim=2), trace.scores


def _vectors(net: QuantisedNet, name: str, frames: Tensor) -> str:
    """Write events, spikes as bits, and scores after the last step."""
    spikes, scores = hidden_spikes(net, frames)
    samples, steps, neurons = spikes.shape
    bits = torch.nn.functional.pad(spikes.long(), (0, -neurons % 8)).unflatten(2, (-1, 8))
    octets = (bits << torch.arange(8)).sum(dim=3).flatten(0, 1)
    counts = net.counts(frames).flatten(0, 1)
    places = counts.nonzero()
    events = torch.stack([places[:, 1], counts[places[:, 0], places[:, 1]]], dim=1)
    ends = (counts != 0).sum(dim=1).cumsum(0)
    events = events if len(events) else torch.zeros(1, 2, dtype=torch.int64)
    return f"""\
/* {MARK}; not to be edited. {samples} inputs, and what {name} makes of them. */
#include <stdint.h>

#define SAMPLES {samples}
#define STEPS {steps}

/* Events: channel and count. */
static const int16_t events[{len(events)}][2] = {{
{_rows(events)}
}};

/* Where the events of each step end. */
static const uint32_t ends[SAMPLES * STEPS] = {{
{_numbers(ends)}
}};

/* Spikes of all hidden layers in each step, a bit for each neuron. */
static const uint8_t expected_spikes[SAMPLES * STEPS][{octets.shape[1]}] = {{
{_rows(octets)}
}};

/* Scores after the last step. */
static const uint64_t expected_scores[SAMPLES][{net.num_classes}] = {{
{_rows(scores[:, -1])}
}};
"""


def _rows(values: Tensor) -> str:
    return ",\n".join(f"    {{{', '.join(map(str, row))}}}" for row in values.tolist())


def _numbers(values: Tensor) -> str:
    words = [str(value) for value in values.tolist()]
    return ",\n".join("    " + ", ".join(words[i : i + 16]) for i in range(0, len(words), 16))


def _check(net: QuantisedNet, name: str) -> str:
    """Write the program that compares."""
    sizes = [len(layer.weight) for layer in net.hidden]
    compare = "\n".join(
        f"            for (unsigned i = 0; i < {size}; i++)\n"
        f"                differ += net.spk_{index}[i] != bit(expected_spikes[row], {sum(sizes[:index])} + i);"
        for index, size in enumerate(sizes)
    )
    return f"""\
/* {MARK}. Runs the inputs of {name}_vectors.h; exit code 0: every spike and score is that of Python. */
#include <stdio.h>

#include "{name}.h"
#include "{name}_vectors.h"

static {name}_state net;

static int bit(const uint8_t *bytes, unsigned i)
{{
    return bytes[i / 8] >> i % 8 & 1;
}}

int main(void)
{{
    unsigned long differ = 0, scores = 0;
    uint32_t event = 0;
    for (unsigned sample = 0; sample < SAMPLES; sample++) {{
        {name}_reset(&net);
        for (unsigned step = 0; step < STEPS; step++) {{
            const unsigned row = sample * STEPS + step;
            for (; event < ends[row]; event++)
                {name}_event(&net, (unsigned)events[event][0], events[event][1]);
            {name}_step(&net);
{compare}
        }}
        for (unsigned i = 0; i < {name.upper()}_CLASSES; i++)
            scores += net.scores[i] != expected_scores[sample][i];
    }}
    printf("%lu of %lu spikes differ, %lu of %lu scores\\n", differ, (unsigned long)SAMPLES * STEPS * \
{name.upper()}_HIDDEN, scores, (unsigned long)SAMPLES * {name.upper()}_CLASSES);
    return differ || scores;
}}
"""
