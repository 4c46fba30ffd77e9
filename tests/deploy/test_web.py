"""The page in a browser decides as the batch does."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch

from silif_plugins.datasets import front_end
from silif_plugins.deploy import Hearing, quantise, to_web
from silif_plugins.sparch import SpArchNet

pytest.importorskip("ziglang")

NODE = shutil.which("node")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CLASSES = ["yes", "no", "fünf", "</script>", "maybe"]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_in_a_browser(made, frames, tmp_path):
    net = quantise(made())
    wanted = net.run(frames)[0].scores[:, -1].argmax(1).tolist()
    labels = [*wanted[:-1], (wanted[-1] + 1) % 5]
    to_web(net, tmp_path, frames=frames, labels=labels, classes=CLASSES)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    command = [BROWSER, *options, f"file://{tmp_path}/index.html#check"]
    page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    body = html.unescape(re.search("<body[^>]*>", page)[0])
    assert 'data-ready="yes"' in body, page
    assert json.loads(re.search(r'data-decisions="([^"]*)"', body)[1]) == wanted
    assert f"{CLASSES[wanted[0]]}, " in html.unescape(page)
    assert "sure after 60 steps: right" in page


@pytest.mark.skipif(NODE is None, reason="there is no Node")
def test_sound(tmp_path):
    generator, hear = np.random.default_rng(0), front_end("log-mel", rate=8000, bands=12)
    samples = generator.normal(0, 3000, 3000).astype(np.int16)
    energies = torch.from_numpy(hear(samples / 32768, 8000))[None]
    net = SpArchNet(12, (16,), 5)
    for _ in range(3):
        net(energies)
    torch.nn.init.constant_(net.hidden[0].current.norm.weight, 6.0)
    small = quantise(net.eval(), calibration=energies)
    to_web(small, tmp_path, frames=energies, labels=[0], classes=CLASSES, front_end=hear)
    (tmp_path / "samples.json").write_text(json.dumps((samples / 32768).tolist()))
    (tmp_path / "test.js").write_text("""
        const { Network } = require("./network.js"), samples = require("./samples.json");
        Network.load(require("./net.js")).then((network) => {
            const told = network.hear(samples);
            console.log(JSON.stringify([told.scores, told.spikes.map((each) => [...each]), told.events]));
        });
    """)
    done = subprocess.run([NODE, "test.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    scores, spikes, events = json.loads(done.stdout)
    units = Hearing(hear, small).units(samples)
    trace, _ = small.run(torch.from_numpy(units)[None])
    assert scores == (trace.scores[0, -1].double() / 65536).tolist()
    assert spikes == trace.spikes[0][0].int().tolist()
    assert trace.spikes[0].any()
    assert events == [[band, unit] for band, unit in enumerate(units[-1].tolist())]


def test_arguments(made, frames, tmp_path):
    net = quantise(made())
    with pytest.raises(ValueError, match="classes: got 1 names"):
        to_web(net, tmp_path / "out", frames=frames, labels=[0] * 4, classes=["yes"])
    with pytest.raises(ValueError, match="labels: got 3 for 4 recordings"):
        to_web(net, tmp_path / "out", frames=frames, labels=[0] * 3, classes=CLASSES)
    assert not (tmp_path / "out").exists()
