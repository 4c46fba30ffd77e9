"""``silif export`` and ``silif stream``, from a run."""

import json
import shutil
import subprocess
import wave
from importlib.util import find_spec

import numpy as np
import pytest

from silif_plugins.cli import main
from silif_plugins.datasets import SequentialDigits
from silif_plugins.training import load_network

QUICK = ["--epochs", "1", "--hidden-sizes", "8", "--json"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", *QUICK, "--data", "sequential-digits", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """A run on recordings, by log-mel energies."""
    folder, generator = tmp_path_factory.mktemp("heard"), np.random.default_rng(0)
    for speaker in ("george", "jackson", "lucas", "theo"):
        for digit in (3, 7):
            for take in range(2):
                sound = 9000 * np.sin(np.arange(2400) * digit / 20) + generator.normal(0, 100, 2400)
                with wave.open(str(folder / f"{digit}_{speaker}_{take}.wav"), "wb") as file:
                    file.setnchannels(1)
                    file.setsampwidth(2)
                    file.setframerate(8000)
                    file.writeframes(sound.astype("<i2").tobytes())
    options = ["--data", str(folder), "--data-options", "front_end=log-mel,bands=12,max_time=0.3"]
    assert main(["train", *QUICK, *options, "--out", str(folder / "run")]) == 0
    return folder


def export(capsys, *arguments):
    code = main(["export", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, json.loads(out) if code == 0 else err


def test_c(run, tmp_path, capsys):
    options = ["--bits", "4", "--state", "int16", "--vectors", "2", "--no-report", "--name", "net"]
    code, said = export(capsys, run, "--to", "c", "--out", tmp_path / "c", *options)
    assert code == 0
    assert (said["bits"], said["state"], said["input"]) == ("4", "int16", "events")
    assert 0 <= said["test_accuracy"] <= 1
    assert {file.name for file in (tmp_path / "c").iterdir()} == {"net.h", "net.c", "net_vectors.h", "net_check.c"}
    if shutil.which("cc"):
        build = "cc -std=c99 -O1 -ffp-contract=off -o check net.c net_check.c && ./check"
        done = subprocess.run(build, shell=True, cwd=tmp_path / "c", capture_output=True, text=True, check=True)
        assert done.stdout.startswith("0 of ")


@pytest.mark.skipif(not (find_spec("ziglang") and find_spec("unicorn")), reason="needs ziglang and unicorn")
def test_sound(heard, tmp_path, capsys):
    code, said = export(capsys, heard / "run", "--to", "c", "--out", tmp_path / "c", "--vectors", "1")
    assert code == 0
    assert said["input"] == "log-mel"
    assert said["cortex-m4f"].startswith("0 of ")
    assert "of the front end" in said["cortex-m4f"]
    assert "silif_sample" in (tmp_path / "c" / "silif.h").read_text()


@pytest.mark.skipif(not find_spec("ziglang"), reason="needs ziglang")
def test_web(run, tmp_path, capsys):
    code, said = export(capsys, run, "--to", "web", "--out", tmp_path / "web", "--recordings", "12")
    assert code == 0
    assert len(said["files"]) == 5
    if (node := shutil.which("node")) is None:
        return
    program = """
        const { Network } = require("./network.js"), net = require("./net.js"), recordings = require("./recordings.js");
        Network.load(net).then((network) => console.log(JSON.stringify(recordings.map((recording) => {
            const told = network.recognise(recording);
            return [recording.label, told.decision, told.confidence, told.scores, told.spikes.map((each) => [...each])];
        }))));
    """
    (tmp_path / "web" / "test.js").write_text(program)
    done = subprocess.run([node, "test.js"], cwd=tmp_path / "web", capture_output=True, text=True, check=True)
    from silif_plugins.deploy import prepared
    from silif_plugins.deploy.exponential import confidence
    from silif_plugins.formats import Model

    net, test, _ = prepared(Model.load(run), None, "float32", 256)
    first = [int((test.labels == label).nonzero()[0]) for label in range(10)]
    told = json.loads(done.stdout)
    assert [each[0] for each in told] == [*range(10), 0, 1]
    trace, _ = net.run(test.frames[first].float())
    for place in range(10):
        _, decision, sure, scores, spikes = told[place]
        assert decision == int(trace.scores[place, -1].argmax())
        assert sure == int(confidence(trace.scores[place, -1])) / 65536
        assert scores == (trace.scores[place, -1].double() / 65536).tolist()
        assert spikes == trace.spikes[0][place].int().tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "rust"], "to: got 'rust'; it must be one of "),
        (["--to", "c", "--bits", "1"], "bits: got '1'; it must be"),
        (["--to", "c", "--state", "int8"], "state: got 'int8'; it must be one of float32, int16, int32"),
        (["--to", "c", "--vectors", "0"], "vectors: got 0; it must be 1 to"),
        (["--to", "c", "--calibrate", "0"], "calibrate: got 0"),
        (["--to", "c", "--name", "A B"], "name: got 'A B'"),
        (["--to", "web", "--name", "a"], "name: web has no such option"),
    ],
)
def test_mistakes(run, tmp_path, capsys, arguments, message):
    code, said = export(capsys, run, "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert message in said
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_named(tmp_path, capsys):
    options = ["--data", "sequential-digits", "--recurrent", "--out", str(tmp_path / "run")]
    assert main(["train", *QUICK, *options]) == 0
    capsys.readouterr()
    code, said = export(capsys, tmp_path / "run", "--to", "c", "--out", tmp_path / "out")
    assert code == 2
    assert "hidden.0: has recurrent weights, which cannot be exported" in said
    assert not (tmp_path / "out").exists()


class Input:
    """Standard input with bytes."""

    def __init__(self, path, content):
        path.write_bytes(content)
        self.buffer = path.open("rb")


def stream(capsys, monkeypatch, path, content, *arguments):
    monkeypatch.setattr("sys.stdin", Input(path / "input", content))
    code = main(["stream", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_frames_on_stdin(run, tmp_path, capsys, monkeypatch):
    test = SequentialDigits("test")
    frames, _ = test[0]
    lines = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in frames.tolist())
    code, said, _ = stream(capsys, monkeypatch, tmp_path, f"# one\n{lines}\n".encode(), run, "--input", "frames")
    assert code == 0
    assert [each["steps"] for each in said] == [test.steps]
    net, _, _ = load_network(run)
    assert said[0]["label"] == int(net(frames[None]).scores.argmax())


def test_events_on_stdin(run, tmp_path, capsys, monkeypatch):
    code, said, _ = stream(capsys, monkeypatch, tmp_path, b"0.001 3\n0.02, 4\n\n0.05 1\n", run, "--bits", "4")
    assert code == 0
    assert len(said) == 1
    assert said[0]["time"] == pytest.approx(0.06)


def test_samples_on_stdin(heard, tmp_path, capsys, monkeypatch):
    with wave.open(str(heard / "3_george_0.wav")) as file:
        content = file.readframes(2400)
    code, said, _ = stream(capsys, monkeypatch, tmp_path, 2 * content + b"\0", heard / "run", "--input", "pcm")
    assert code == 0
    assert said[0]["steps"] == 28
    assert said[-1]["time"] == pytest.approx(0.58)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"0.1\n", [], "stdin, line 1: got [0.1]; an event is a time in seconds and a channel"),
        (b"0.1 1\n\n0.2 one\n", [], "stdin, line 3: could not convert string to float: 'one'"),
        (b"0.1 99\n", [], "stdin, line 1: channels: got 99"),
        (b"nan 1\n", [], "stdin, line 1: times: got nan"),
        (b"0.1 inf\n", [], "stdin, line 1: got"),
        (b"\xff\xfe\n", [], "stdin, line 1: could not convert"),
        (b"1 2 3\n", ["--input", "frames"], "stdin, line 1: frames: got shape (1, 3)"),
        (b"", ["--input", "sound"], "input: got 'sound'; it must be one of events, frames, pcm"),
        (b"", ["--input", "pcm"], "front_end: sequential-digits has none"),
        (b"", ["--confidence", "2"], "confidence: got 2.0"),
        (b"", ["--bits", "12"], "bits: got '12'; it must be 2 to 8, or ternary"),
    ],
)
def test_wrong_input(run, tmp_path, capsys, monkeypatch, content, options, message):
    code, _, err = stream(capsys, monkeypatch, tmp_path, content, run, *options)
    assert code == 2
    assert message in " ".join(err.split())
