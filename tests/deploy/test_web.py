"""The page in a browser decides as the batch does."""

import html
import json
import re
import shutil
import subprocess
import wave

import numpy as np
import pytest
import torch

from silif_plugins.datasets import front_end
from silif_plugins.deploy import Hearing, quantise, to_web
from silif_plugins.sparch import SpArchNet
from silif_plugins.training import from_pretrained, load_split

from .browser import BROWSER, Browser

pytest.importorskip("ziglang")

NODE = shutil.which("node")
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


@pytest.fixture
def hears():
    """A network that hears a second of a tone: samples, front end, their energies, and the network."""
    generator, hear = np.random.default_rng(0), front_end("log-mel", rate=8000, bands=12)
    tone = 9000 * np.sin(2 * np.pi * TONE * np.arange(8000) / 8000)
    samples = (tone + generator.normal(0, 300, 8000)).astype(np.int16)
    energies = torch.from_numpy(hear(samples / 32768, 8000))[None]
    net = SpArchNet(12, (16,), 5)
    for _ in range(3):
        net(energies)
    torch.nn.init.constant_(net.hidden[0].current.norm.weight, 6.0)
    return samples, hear, energies, net.eval()


TONE = 1000  # Hz


def batch(net, hear, samples):
    """What the network makes of samples as one batch: the trace, and its scores at the end."""
    trace, _ = net.run(torch.from_numpy(Hearing(hear, net).units(samples))[None])
    return trace, (trace.scores[0, -1].double() / 65536).tolist()


@pytest.mark.skipif(NODE is None, reason="there is no Node")
@pytest.mark.parametrize("state", ["float32", "int16"])
def test_sound(hears, tmp_path, state):
    samples, hear, energies, net = hears
    small = quantise(net, calibration=energies, state=state)
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
    trace, wanted = batch(small, hear, samples)
    assert scores == wanted
    assert spikes == trace.spikes[0][0].int().tolist()
    assert trace.spikes[0].any()
    units = Hearing(hear, small).units(samples)
    assert events == [[band, unit] for band, unit in enumerate(units[-1].tolist())]


LISTEN = """(() => {
    const network = silif.network, begin = network.begin.bind(network), sample = network.sample.bind(network);
    window.pieces = [];
    network.begin = () => { pieces.push({ samples: [], steps: 0 }); begin(); };
    network.sample = (value) => {
        const piece = pieces[pieces.length - 1], told = sample(value);
        piece.samples.push(value);
        if (told) Object.assign(piece, { steps: piece.steps + 1, scores: told.scores, decision: told.decision });
        return told;
    };
    document.getElementById("speed").value = "100";
})()"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_a_file_and_the_microphone_in_a_browser(hears, tmp_path):
    """A chosen file is heard as the batch hears it; the microphone, which plays that file, too, sample by sample."""
    samples, hear, energies, net = hears
    small = quantise(net, calibration=energies)
    to_web(small, tmp_path / "web", frames=energies, labels=[0], classes=CLASSES, front_end=hear)
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    microphone = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path}/tone.wav",
    ]
    with Browser(tmp_path / "profile", *microphone) as browser:
        browser.open(f"file://{tmp_path}/web/index.html")
        browser.run(LISTEN)
        browser.choose("#file", tmp_path / "tone.wav")
        browser.until("document.body.dataset.heard")
        file = browser.run("pieces[0]")
        said = browser.run("document.body.dataset.heard")
        browser.click("#microphone")
        browser.until("pieces.length > 4")  # of the file two, as it fills a piece to its end
        played = browser.run("pieces[3]")
    assert file["scores"] == batch(small, hear, samples)[1]
    assert said.startswith(f"{CLASSES[file['decision']]}, ")
    assert played["steps"] == file["steps"] == 98
    heard = np.array(played["samples"])
    integers = np.floor(heard * 32768 + 0.5).clip(-32768, 32767).astype(np.int16)  # as Math.round does
    assert played["scores"] == batch(small, hear, integers)[1]
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(spectrum.argmax() * 8000 / len(heard) - TONE) < 5
    assert np.abs(heard).max() > 0.1


def test_a_page_of_a_shipped_network_is_small(tmp_path):
    """Weights and WebAssembly, and what shows them."""
    net, config, classes, _ = from_pretrained("silif-spoken-digits")
    test = load_split(config, "test")
    files = to_web(
        quantise(net, 8), tmp_path, frames=test.take(20).frames, labels=test.labels[:20].tolist(), classes=classes
    )
    sizes = {file.name: file.stat().st_size for file in files}
    assert sum(sizes.values()) - sizes["recordings.js"] < 100_000
    assert sum(sizes.values()) < 200_000


def test_arguments(made, frames, tmp_path):
    net = quantise(made())
    with pytest.raises(ValueError, match="classes: got 1 names"):
        to_web(net, tmp_path / "out", frames=frames, labels=[0] * 4, classes=["yes"])
    with pytest.raises(ValueError, match="labels: got 3 for 4 recordings"):
        to_web(net, tmp_path / "out", frames=frames, labels=[0] * 3, classes=CLASSES)
    assert not (tmp_path / "out").exists()
