"""Generated C: equal to Python to the last bit, clean under all warnings and sanitizers, whatever it is fed."""

import shutil
import subprocess

import numpy as np
import pytest
import torch

from silif_plugins.datasets import front_end
from silif_plugins.deploy import quantise, to_c
from silif_plugins.sparch import SpArchNet

CC = shutil.which("gcc") or shutil.which("cc")
pytestmark = pytest.mark.skipif(CC is None, reason="there is no C compiler")

STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion"]
CHECKS = ["-Werror", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build(folder, *sources):
    command = [CC, *STRICT, *CHECKS, *sources, "-o", "program"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run(["./program"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("neuron", "connection", "bits", "state"),
    [
        ("SiLIF", "linear", 8, "float32"),
        ("C-SiLIF", "axonal", 4, "float32"),
        ("AdLIF", "delayed", 8, "float32"),
        ("LIF", "linear", "ternary", "float32"),
        ("RAFNode", "delayed", 3, "int32"),
        ("SiLIF", "axonal", 8, "int16"),
        ("C-SiLIF", "delayed", "ternary", "int16"),
        ("PRF", "linear", 5, "int16"),
    ],
)
def test_every_spike_and_score(made, frames, tmp_path, neuron, connection, bits, state):
    net = quantise(made(neuron, connection), bits, calibration=frames, state=state)
    to_c(net, tmp_path, vectors=frames)
    done = build(tmp_path, "silif.c", "silif_check.c")
    neurons = frames.shape[0] * frames.shape[1] * (24 + 13)
    assert done.stdout == f"0 of {neurons} spikes differ, 0 of 20 scores\n", done.stderr
    assert done.returncode == 0
    assert torch.cat(net.run(frames)[0].spikes, dim=2).any()


def test_the_check_notices_other_arithmetic(made, frames, tmp_path):
    to_c(quantise(made()), tmp_path, vectors=frames)
    source = tmp_path / "silif.c"
    source.write_text(source.read_text().replace("#define SCALE 256", "#define SCALE 200"))
    done = build(tmp_path, "silif.c", "silif_check.c")
    assert done.returncode == 1
    assert not done.stdout.startswith("0 of")


FUZZER = """
#include "silif.h"
#include <limits.h>
#include <stdio.h>

static silif_state net;

int main(void)
{
    uint32_t random = 1, sum = 0;
    silif_reset(&net);
    for (int i = 0; i < 30000; i++) {
        random = random * 1664525u + 1013904223u;
        const int counts[] = {1, -1, 255, INT_MAX, INT_MIN, (int)(random >> 8)};
        silif_event(&net, random & 1 ? random >> 27 : random, counts[random >> 16 & 0xff ? (random >> 16) % 6 : 0]);
        if (random >> 28 == 0)
            silif_step(&net);
        sum += silif_decision(&net) + silif_confidence(&net);
    }
    printf("%u\\n", (unsigned)(sum != 0 && net.steps > 1000));
    return 0;
}
"""


@pytest.mark.parametrize("state", ["float32", "int16", "int32"])
@pytest.mark.parametrize("connection", ["linear", "delayed"])
def test_any_input_is_taken(made, frames, tmp_path, state, connection):
    to_c(quantise(made(connection=connection), calibration=frames, state=state), tmp_path)
    (tmp_path / "fuzzer.c").write_text(FUZZER)
    done = build(tmp_path, "silif.c", "fuzzer.c")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


SOUND_FUZZER = """
#include "silif.h"
#include <stdio.h>

static silif_listener listener;

int main(void)
{
    uint32_t random = 1, steps = 0;
    silif_begin(&listener);
    for (int i = 0; i < 8000; i++) {
        random = random * 1664525u + 1013904223u;
        const int16_t noise = (int16_t)(random >> 16), loud = i / 40 % 2 ? INT16_MAX : INT16_MIN;
        const int16_t samples[] = {noise, loud, INT16_MIN, 0, (int16_t)(noise % 3), i % 2 ? INT16_MAX : INT16_MIN};
        steps += (uint32_t)silif_sample(&listener, samples[i / 600 % 6]);
    }
    printf("%u\\n", (unsigned)steps);
    return 0;
}
"""


@pytest.mark.parametrize("state", ["float32", "int16"])
def test_any_sound_is_taken(tmp_path, state):
    hear, generator = front_end("log-mel", rate=8000, bands=20), np.random.default_rng(0)
    energies = torch.from_numpy(hear(generator.normal(0, 0.1, 4000), 8000))[None]
    net = quantise(SpArchNet(20, (16,), 3).eval(), calibration=energies, state=state)
    to_c(net, tmp_path, front_end=hear)
    (tmp_path / "fuzzer.c").write_text(SOUND_FUZZER)
    done = build(tmp_path, "silif.c", "fuzzer.c")
    assert (done.returncode, done.stdout) == (0, "98\n"), done.stderr
    text = (tmp_path / "silif.c").read_text() + (tmp_path / "silif.h").read_text()
    assert ("float" in text) == (state == "float32")


def test_names_of_classes(made, tmp_path):
    names = ["nein", "fünf", 'a"b\\', "c??/", "end\n"]
    to_c(quantise(made()), tmp_path, name="my_net", classes=names)
    program = (
        '#include <stdio.h>\n#include "my_net.h"\n'
        'int main(void) { for (int i = 0; i < 5; i++) printf("%s|", my_net_classes[i]); return 0; }'
    )
    (tmp_path / "names.c").write_text(program)
    assert build(tmp_path, "my_net.c", "names.c").stdout == "".join(f"{name}|" for name in names)


@pytest.mark.parametrize("name", ["", "Net", "1net", "a-b", "a;", "../a"])
def test_a_prefix_is_a_name(made, tmp_path, name):
    with pytest.raises(ValueError, match="name: got"):
        to_c(quantise(made()), tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


def test_classes_must_fit(made, tmp_path):
    with pytest.raises(ValueError, match="classes: got 2 names; the network has 5"):
        to_c(quantise(made()), tmp_path / "out", classes=["yes", "no"])
    assert not (tmp_path / "out").exists()
