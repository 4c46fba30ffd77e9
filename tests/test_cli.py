"""The command line as a user meets it: results, exit codes, recipes, messages."""

import io
import json
import os
import re
import subprocess
import sys
import time
import wave
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import silif_plugins
from silif_plugins.cli import COMMANDS, help_of, main
from silif_plugins.cli import compare as compare_command
from silif_plugins.cli import train as train_command
from silif_plugins.cli import zoo as zoo_command
from silif_plugins.datasets import Recordings, write_recordings
from silif_plugins.paper import recipes
from silif_plugins.training import TrainConfig, checkpoint

QUICK = ["--epochs", "1", "--hidden-sizes", "8", "--data", "sequential-digits"]


def run(capsys, *arguments):
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        code = exit.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def plan(*arguments):
    """Settings, folder and source of the run that a command would start."""
    return train_command.plan(train_command.parser().read([str(argument) for argument in arguments]))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_train_then_evaluate(capsys, tmp_path):
    code, out, _ = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert code == 0
    result = json.loads(out)
    assert result["neuron"] == "SiLIF"
    code, out, _ = run(capsys, "evaluate", tmp_path / "run")
    assert code == 0
    assert json.loads(out)["accuracy"] == result["test_accuracy"]
    code, out, _ = run(capsys, "evaluate", tmp_path / "run" / "best.safetensors", "--split", "valid")
    assert json.loads(out)["accuracy"] == result["valid_accuracy"]

    code, _, err = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert code == 2
    assert "holds a run already" in err
    code, out, _ = run(capsys, "train", *QUICK, "--out", tmp_path / "run", "--resume")
    assert code == 0
    assert json.loads(out)["test_accuracy"] == result["test_accuracy"]


def test_the_neurons_recipe_gives_the_defaults(tmp_path):
    own = yaml.safe_load(recipes.find("spoken-digits/lif").read_text())
    config, folder, source = plan("--neuron", "LIF")
    assert config.learning_rate == own["learning_rate"]
    assert str(folder) == "runs/spoken-digits/LIF-seed0"
    assert source.told([]) == f"recipe spoken-digits/lif (learning_rate {own['learning_rate']})"
    config, _, source = plan("--neuron", "LIF", "--learning_rate", "0.5")
    assert config.learning_rate == 0.5
    assert source.told(["learning_rate"]) == "recipe spoken-digits/lif"
    config, folder, _ = plan("--seed", "1", "sequential-digits/rf")
    assert config.options["neuron_options"] == {"dt": 0.05}
    assert str(folder) == "runs/sequential-digits/rf/seed1"
    mine = tmp_path / "mine.yaml"
    mine.write_text("neuron: C-SiLIF\nepochs: 7\n")
    config, _, source = plan("--seed", "5", mine)
    assert (config.label, config.epochs, config.seed, config.learning_rate) == ("C-SiLIF", 7, 5, 0.03)
    assert source.told([]) == f"recipe {mine} (epochs 7)"


@pytest.mark.parametrize(
    ("typed", "name", "value"),
    [
        (["--hidden-sizes", "64,32"], "hidden_sizes", (64, 32)),
        (["--hidden_sizes", "[64, 32]"], "hidden_sizes", (64, 32)),
        (["--hidden-sizes=64"], "hidden_sizes", (64,)),
        (["--published"], "published", True),
        (["--no-published"], "published", False),
        (["--steps", "none"], "steps", None),
        (["--steps", "50"], "steps", 50),
        (["--learning-rate", "1e-3"], "learning_rate", 0.001),
        (["--augment", "drop=0.1,time_jitter=1e-3"], "augment", {"drop": 0.1, "time_jitter": 0.001}),
        (["--augment", "drop=0.1", "--augment", "time_jitter=2"], "augment", {"drop": 0.1, "time_jitter": 2}),
        (["--augment", '{"drop": 0.1}'], "augment", {"drop": 0.1}),
        (["--neuron-options", "dt=[0.01,0.1],gate=false"], "neuron_options", {"dt": [0.01, 0.1], "gate": False}),
        (["sequential-digits/rf", "--neuron-options", "threshold=2"], "neuron_options", {"dt": 0.05, "threshold": 2}),
    ],
)
def test_values_as_people_type_them(typed, name, value):
    assert plan(*typed)[0].settings()[name] == value


def test_options_stand_anywhere(capsys, tmp_path):
    quick = ["--epochs", 1, "--hidden-sizes", 8, "--out", tmp_path / "run"]
    code, out, err = run(capsys, "--verbose", "train", "--seed", 1, "sequential-digits/lif", *quick)
    assert code == 0
    assert (json.loads(out)["seed"], json.loads(out)["neuron"]) == (1, "LIF")
    assert "recipe sequential-digits/lif" in err
    for arguments in (["evaluate", "--split", "valid"], ["--split", "valid", "evaluate"], ["--json", "evaluate"]):
        code, out, _ = run(capsys, *arguments, tmp_path / "run", "--verbose")
        assert code == 0
        assert json.loads(out)["split"] == ("valid" if "valid" in arguments else "test")


def test_people_read_a_summary_and_programs_json(capsys, tmp_path, monkeypatch):
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", terminal)
        assert main(["train", *QUICK, "--out", str(tmp_path / "run")]) == 0
    text = terminal.getvalue()
    assert "test accuracy" in text
    assert text.endswith(f"\nnext: silif evaluate {tmp_path / 'run'}\n")
    assert "{" not in text
    _, out, _ = run(capsys, "evaluate", tmp_path / "run", "--no-json")
    assert out.startswith("SiLIF on sequential-digits, test set of 400 samples\naccuracy ")
    assert f"next: silif train --init {tmp_path / 'run'} --epochs 5" in out
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", Terminal())
        assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
        assert json.loads(sys.stdout.getvalue())["data"] == "sequential-digits"


def test_progress_is_lines_where_there_is_no_terminal(capsys, tmp_path, monkeypatch):
    _, _, err = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert "SiLIF seed 0  epoch 1/1  loss " in err
    assert all(len(line) <= 80 for line in err.splitlines() if str(tmp_path) not in line)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert main(["train", *QUICK, "--out", str(tmp_path / "other")]) == 0
    assert "epoch 1/1" not in terminal.getvalue()  # a bar instead
    assert "100%" in terminal.getvalue()


def test_resume_takes_the_runs_own_settings_and_more_epochs(capsys, tmp_path):
    assert run(capsys, "train", *QUICK, "--out", tmp_path / "run", "--neuron", "LIF")[0] == 0
    code, out, err = run(capsys, "train", "--resume", "--out", tmp_path / "run", "--epochs", 3)
    assert code == 0
    assert (json.loads(out)["epochs"], json.loads(out)["neuron"]) == (3, "LIF")
    assert "epoch 1/3" not in err
    assert "epoch 2/3" in err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["epochs"] == 3
    code, out, _ = run(capsys, "train", "--resume", "--out", tmp_path / "run")
    assert (code, json.loads(out)["epochs"]) == (0, 3)
    code, _, err = run(capsys, "train", "--resume", "--out", tmp_path / "run", "--epochs", 2)
    assert code == 2
    assert "epochs: the run has 3, you gave 2" in err
    (tmp_path / "run" / "config.json").write_text("{")
    code, _, err = run(capsys, "train", "--resume", "--out", tmp_path / "run")
    assert code == 2
    assert "config.json: damaged" in err


def test_a_network_is_trained_further(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "train", *QUICK, "--out", "first")[0] == 0
    quick = ["--epochs", 1, "--learning-rate", "1e-12", "--recalibrate", 0]
    code, out, err = run(capsys, "train", "--init", "first", *quick)
    assert code == 0
    assert json.loads(out)["folder"] == "runs/sequential-digits/SiLIF-seed0-tuned"
    assert "checkpoint first (hidden_sizes 8)" in " ".join(err.split())
    folders = ("first", json.loads(out)["folder"])
    first, second = (checkpoint.load(f"{folder}/best.safetensors")[0] for folder in folders)
    name = "model.hidden.0.current.weights.weight"
    assert first[name].allclose(second[name], atol=1e-6)
    code, _, err = run(capsys, "train", "--init", "first", *QUICK, "--neuron", "LIF", "--out", "third")
    assert code == 2
    assert "init: first is a network of SiLIF; you gave one of LIF" in err
    assert run(capsys, "train", "--init", "nowhere", *QUICK)[0] == 2
    code, _, err = run(capsys, "train", "--init", "first", "--data", "spoken-digits", "--epochs", 1, "--out", "third")
    assert code == 2
    assert "init: first does not fit: hidden.0." in err
    assert not (tmp_path / "third").exists()


def test_failed_runs_leave_no_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "train", *QUICK, "--learning-rate", "1e30")[0] == 2
    assert run(capsys, "train", "--hidden-sizes", "1000000000,1000000000")[0] == 2
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    assert run(capsys, "train", *QUICK, "--learning-rate", "1e30", "--out", "mine")[0] == 2
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_no_such_device(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("silif_plugins.training.devices.devices", lambda: ["cpu", "cuda:0", "cuda:1"])
    for device in ("cuda:2", "gpu", "mps", "meta"):
        code, out, err = run(capsys, "train", "--device", device)
        assert (code, out) == (2, "")
        assert err == f"silif: error: device: got {device!r}; this machine has cpu, cuda:0, cuda:1\n"
    from silif_plugins.training.devices import check_device

    for device in ("cpu", "cuda", "cuda:1"):
        check_device(device)


def test_help_is_there_at_once():
    code = "import sys; from silif_plugins.cli import main; main(['--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *text, torch_is_there = done.stdout.splitlines()
    assert torch_is_there == "False"
    assert all(any(line.split()[:1] == [command] for line in text) for command in COMMANDS)
    before = time.perf_counter()
    subprocess.run([sys.executable, "-m", "silif_plugins.cli", "trian"], capture_output=True, check=False)
    assert time.perf_counter() - before < 2  # 0.1 s where the machine is free; torch alone takes longer


def test_silif_alone_prints_the_help(capsys):
    code, out, _ = run(capsys)
    assert code == 0
    assert out == run(capsys, "--help")[1] == run(capsys, "-h")[1]
    assert "silif train" in out
    assert run(capsys, "--version")[1].strip() == silif_plugins.__version__


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_and_comes_from_anywhere(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert out == run(capsys, "--help", command)[1] == help_of(command)
    assert max(map(len, out.splitlines())) <= 80
    assert out.startswith(f"usage: silif {command} ")


def test_the_shown_default_is_the_used_one():
    shown = " ".join(help_of("train").split())
    assert f"Of Adam. Default: {plan()[0].learning_rate}." in shown
    shown = " ".join(help_of("train", ["gsc/silif-512"]).split())
    assert "--epochs N Passes over the training set. Default: 100." in shown
    shown = " ".join(help_of("train", ["--neuron", "RF"]).split())
    assert "Default: dt=0.05." in shown
    assert help_of("train", ["--neuron", "GRU"]) == help_of("train")
    assert "Of Adam. Default: the recipe's." in " ".join(help_of("compare").split())


@pytest.mark.parametrize("arguments", [[], ["table6"], ["shd/c-silif-512"], ["spiking-ssm-table3"]], ids=str)
def test_recipes_fit_80_columns(arguments, capsys):
    _, out, _ = run(capsys, "recipes", *arguments, "--no-json")
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--neuron", "GRU"], "neuron: got 'GRU'; it must be one of"),
        (["train", "--neuron", "SiLF"], "did you mean SiLIF?"),
        (["trian"], "trian: no such command; did you mean train?"),
        (["--verbos"], "--verbos: no command is given; did you mean --verbose?"),
        (["train", "--epochz", "3"], "--epochz: no such option of silif train; did you mean --epochs?"),
        (["train", "--hiden_sizes", "3"], "did you mean --hidden-sizes?"),
        (["train", "--epoch", "3"], "did you mean --epochs?"),
        (["train", "--epochs"], "--epochs: expected one argument; see silif train --help"),
        (["train", "spoken-digit/silif"], "did you mean spoken-digits/silif?"),
        (["train", "silif"], "did you mean free-spoken-digits/silif or sequential-digits/silif"),
        (["train", "--data", "spokn-digits"], "did you mean spoken-digits?"),
        (["train", "--published", "false"], "settings that are yes or no are written --published, --no-published"),
        (["evaluate"], "the following arguments are required: run"),
        (["evaluate", "one", "two"], "two: one argument too many for silif evaluate; usage: silif evaluate RUN"),
        (["evaluate", "one", "--split", "tset"], "it must be train, valid or test; did you mean test?"),
        (["train", "--data", "imagenet"], "imagenet"),
        (["train", "--epochs", "0"], "epochs: got 0"),
        (["train", "--epochs", "many"], "epochs"),
        (["train", "nothing"], "recipe: got 'nothing'; it must be a file or one that 'silif recipes' lists"),
        (["train", "shd/c-silif-512"], "run 'silif download shd FOLDER'"),
        (
            ["train", "gsc/silif-512", "--data", "."],
            "has no validation_list.txt, testing_list.txt. To get it",
        ),
        (["train", "ssc/silif-4ms", "--data", "nowhere"], "there is no folder nowhere. To get it"),
        (["train", "ssc/silif-delays", "--data", "nowhere"], "there is no folder nowhere. To get it"),
        (["train", "--data", "shd"], "shd, Spiking Heidelberg Digits: this data set does not come with the package"),
        (["recipes", "table3"], "recipe: got 'table3'; sets of recipes are table1, table2"),
        (["reproduce", "table1"], "then give --data.ssc FOLDER"),
        (["reproduce", "table1"], "then give --data.gsc FOLDER"),
        (["reproduce", "spoken-digits/lif", "--seeds", "0"], "seeds, jobs: got 0 and 1"),
        (["reproduce", "spoken-digits/lif", "--epochz", "3"], "did you mean --epochs?"),
        (["download", "gsc", "folder"], "data set: got 'gsc'; it must be shd or ssc"),
        (["train", "--threads", "0"], "threads: got 0"),
        (["train", "--colour", "red"], "colour"),
        (["evaluate", "no/such/run"], "no such checkpoint"),
        (["compare", "--seeds", "0"], "seeds"),
        (["compare", "--neurons", "LIF,GRU"], "neuron: got 'GRU'"),
        (["compare", "--neurons", "LIF", "SiLF"], "did you mean SiLIF?"),
        (["compare", "--neurons", ","], "neurons: got none"),
        (["compare", "--seed", "3"], "did you mean --seeds?"),
        (["fly"], "fly: no such command; 'silif --help' lists them"),
    ],
)
def test_user_errors_have_exit_code_2_and_say_what(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
    assert err.count("\n") <= 1 + err.count("To get it: ")
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_with_an_unknown_key_is_named(capsys, tmp_path):
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text("neuron: SiLIF\nlearning_rat: 0.1\n")
    code, _, err = run(capsys, "train", recipe)
    assert code == 2
    assert "learning_rat: unknown setting; did you mean learning_rate?" in err
    assert "wrong.yaml" in err
    recipe.write_text("neuron: [SiLIF\n")
    code, _, err = run(capsys, "train", recipe)
    assert code == 2
    assert "wrong.yaml" in err


def test_damaged_data_are_named(capsys, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with h5py.File(folder / "digits_train.h5", "w") as file:
        file["labels"] = [0, 1]
    code, _, err = run(capsys, "train", "--data", folder, "--out", tmp_path / "run")
    assert code == 2
    assert "digits_train.h5" in err
    assert "spikes" in err
    (folder / "digits_train.h5").write_bytes((folder / "digits_train.h5").read_bytes()[:300])
    code, _, err = run(capsys, "train", "--data", folder, "--out", tmp_path / "run")
    assert code == 2
    assert "digits_train.h5" in err


def test_the_machines_errors_have_exit_code_1(capsys, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, _, err = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert code == 1
    assert "No space left on device" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "table2"]], ids=["at once", "at the end"])
def test_a_reader_that_stops_reading_is_no_error(arguments):
    """As in silif recipes | head: writing fails, at the latest when Python flushes what it has kept back."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        command = [sys.executable, "-m", "silif_plugins.cli", *arguments]
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_interruption(capsys, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("silif_plugins.training.run.evaluate", interrupt)
    code, _, err = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert code == 130
    assert "--resume" in err


def test_help_lists_the_settings(capsys):
    code, out, _ = run(capsys, "train", "--help")
    assert code == 0
    assert "Neuron model of the hidden layers" in out


def test_generate_then_train(capsys, tmp_path):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path / "digits"
    code, out, _ = run(capsys, "generate", folder, "--utterances", 40, "--channels", 70)
    assert code == 0
    assert json.loads(out) == [str(folder / f"spoken_digits_{split}.h5") for split in ("train", "valid", "test")]
    code, out, _ = run(
        capsys, "train", "--data", folder, "--steps", 20, "--pool", 2, "--epochs", 1, "--out", tmp_path / "run"
    )
    assert code == 0
    assert json.loads(out)["parameters"] == (35 * 128 + 128 * 128 + 128 * 20) + 2 * (128 * 2 + 128 * 5) + 3 * 20
    assert run(capsys, "generate", folder, "--utterances", 0)[0] == 2


def test_a_recipe_by_its_name(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "train", "sequential-digits/lif", "--epochs", 1, "--hidden-sizes", "[8]")
    assert code == 0
    result = json.loads(out)
    assert (result["neuron"], result["folder"]) == ("LIF", "runs/sequential-digits/lif/seed0")
    own = tmp_path / "own.yaml"
    own.write_text("neuron: LIF\ndata: sequential-digits\nhidden_sizes: [8]\nepochs: 1\n")
    code, out, _ = run(capsys, "train", own, "--neuron", "RF", "--out", tmp_path / "run")
    assert code == 0
    assert json.loads(out)["neuron"] == "RF"


@pytest.fixture
def shd(tmp_path):
    """A folder as SHD's, small."""
    random = np.random.default_rng(0)
    for split, number in (("train", 40), ("test", 20)):
        recordings = Recordings(
            [random.uniform(0, 1, 50) for _ in range(number)],
            [random.integers(0, 700, 50) for _ in range(number)],
            np.arange(number) % 20,
            classes=[str(name) for name in range(20)],
            num_channels=700,
            speakers=np.arange(number) % 4,
        )
        (tmp_path / "shd").mkdir(exist_ok=True)
        write_recordings(tmp_path / "shd" / f"shd_{split}.h5", recordings)
    return tmp_path / "shd"


def test_the_papers_recipe_on_a_users_files(shd, capsys, tmp_path):
    quick = ["--epochs", 1, "--hidden-sizes", "[8]", "--steps", 20]
    code, out, _ = run(capsys, "train", "shd/c-silif-512", "--data", shd, *quick, "--out", tmp_path / "run")
    assert code == 0
    result = json.loads(out)
    assert result["selected_on"] == "held-out speakers 3 of the training set"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["published"], config["pool"], config["initial_state"]) == (True, 5, "uniform")
    arguments = ["train", "shd/c-silif-512", "--data", shd, *quick, "--selection", "published"]
    code, out, _ = run(capsys, *arguments, "--out", tmp_path / "other")
    assert json.loads(out)["selected_on"] == "test set, as published"
    code, out, _ = run(capsys, "evaluate", tmp_path / "run", "--split", "valid")
    assert json.loads(out)["accuracy"] == result["valid_accuracy"]


def test_speech_commands_from_a_users_folder(capsys, tmp_path):
    """Clips of different lengths, from wav files to a result."""
    random = np.random.default_rng(0)
    folder = tmp_path / "gsc"
    for word in ("yes", "no"):
        (folder / word).mkdir(parents=True)
        for number in range(6):
            with wave.open(str(folder / word / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
                file.writeframes(random.integers(-9000, 9000, 2000 + 300 * number).astype("<i2").tobytes())
    for name, number in (("validation_list", 0), ("testing_list", 1)):
        (folder / f"{name}.txt").write_text(f"yes/{number}.wav\nno/{number}.wav\n")
    quick = ["--data", folder, "--epochs", 1, "--hidden-sizes", "[8]", "--initial-state", "zeros"]
    for name, more in (("as published", []), ("ours", ["--no-published"])):
        code, out, _ = run(capsys, "train", "gsc/silif-512", *quick, *more, "--out", tmp_path / name)
        assert code == 0
        result = json.loads(out)
        assert result["parameters"] == 40 * 8 + 8 * 2 + 8 * (2 + 5) + 3 * 2  # weights, norm and neurons, readout
        assert result["selected_on"] == "validation set"
        code, out, _ = run(capsys, "evaluate", tmp_path / name)
        assert json.loads(out)["loss"] == pytest.approx(result["test_loss"])


def test_recipes_are_listed(capsys):
    code, out, _ = run(capsys, "recipes")
    assert code == 0
    assert [each["name"] for each in json.loads(out)] == recipes.names()
    assert len(out.splitlines()) == len(recipes.names()) + 2  # a line for each, to grep and head
    code, out, _ = run(capsys, "recipes", "table6", "--no-json")
    (line,) = (line for line in out.splitlines() if line.startswith("shd/c-silif-512"))
    assert " ".join(line.split()) == ("shd/c-silif-512 C-SiLIF 95.55 ± 0.28 % 2,5,6,7")
    code, out, _ = run(capsys, "recipes", "table7", "--no-json")
    (line,) = (line for line in out.splitlines() if line.startswith("shd/c-silif-512"))
    assert "80.25 ± 0.33 % *" in line
    code, out, _ = run(capsys, "recipes", "spiking-ssm-table4", "--no-json")
    (line,) = (line for line in out.splitlines() if line.startswith("wikitext-103/"))
    assert "language-model perplexity 33.94 SpikingSSM 4" in " ".join(line.split())
    code, out, _ = run(capsys, "recipes", "lra-text/spiking-ssm-vt", "--no-json")
    assert "table SpikingSSM 3: TEXT, SpikingSSM-VT, spiking rate 0.06: accuracy 80.41 %, sparsity 94 %" in " ".join(
        out.split()
    )
    code, out, _ = run(capsys, "recipes", "shd/c-silif-512", "--no-json")
    assert "table 7: SHD C-SiLIF: sparsity 80.25 ± 0.33 %" in out
    assert "test-selection: the epoch was chosen on the test set" in out
    assert "next: silif train shd/c-silif-512 --data FOLDER" in out
    assert "data: Spiking Heidelberg Digits; run 'silif download shd FOLDER'" in out


@pytest.mark.slow
def test_reproduce_prints_measured_beside_published(shd, capsys, tmp_path):
    settings = ["--epochs", 1, "--hidden-sizes", 8, "--steps", 20, "--max-time", 1.0]
    code, out, _ = run(
        capsys, "reproduce", "shd/silif-512", "--data.shd", shd, "--seeds", 2, *settings,
        "--out", tmp_path / "out", "--no-json",
    )  # fmt: skip
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80 or str(tmp_path) in max(out.splitlines(), key=len)
    out = (tmp_path / "out" / "shd-silif-512.md").read_text()
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in out.splitlines()[:3]
    }
    accuracy, _, _, sparsity, _, _, seeds = rows["shd/silif-512"]
    assert "±" in accuracy
    assert (sparsity, seeds) == ("98.66 ± 0.09 %", "2")
    assert "shd/silif-512: epoch chosen on the held-out speakers 3 of the training set." in out
    assert "Published (test-selection): the epoch was chosen on the test set" in out
    assert "Not the published settings" in out
    assert len(list((tmp_path / "out" / "shd" / "silif-512").glob("*/result.json"))) == 2


@pytest.mark.slow
def test_compare_prints_a_table_and_draws(capsys, tmp_path):
    code, out, _ = run(
        capsys, "compare", "--data", "sequential-digits", "--epochs", 1, "--out", tmp_path, "--jobs", 1, "--no-json"
    )
    assert code == 0
    assert [line.split()[:1] for line in out.splitlines()[:3]] == [["neuron"], ["LIF"], ["SiLIF"]]
    assert max(map(len, out.splitlines()[:3])) <= 80
    assert "| SiLIF " in (tmp_path / "table.md").read_text()
    assert "next: silif evaluate" in out
    code, out, err = run(capsys, "compare", *QUICK[:2], "--data", "sequential-digits", "--out", tmp_path)
    assert [(each["neuron"], each["accuracy_sd"]) for each in json.loads(out)] == [("LIF", None), ("SiLIF", None)]
    assert "compare: LIF on sequential-digits, recipe sequential-digits/lif (learning_rate 0.03)" in " ".join(
        err.split()
    )
    assert (tmp_path / "accuracy_against_operations.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--hidden_sizes", "[100000000,100000000]"], "network: its weights would take"),
        (["--data", "spoken-digits", "--steps", "1000000000000"], "steps and 140 channels would take"),
    ],
)
def test_settings_that_need_terabytes_are_the_users_to_mend(options, says, capsys, tmp_path):
    code, out, err = run(capsys, "train", *QUICK, *options, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError("no"), 2), (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2)]
)
def test_want_of_memory_is_the_users_to_mend(error, code, capsys, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("silif_plugins.training.run._Run.fit", fail)
    got, _, err = run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    assert got == code
    assert "not enough memory; take fewer steps, smaller layers or batches" in err


def test_a_network_that_has_diverged_is_not_evaluated_to_nan(capsys, tmp_path):
    assert run(capsys, "train", *QUICK, "--out", tmp_path / "run")[0] == 0
    tensors, facts = checkpoint.load(tmp_path / "run" / "best.safetensors")
    tensors["model.readout.current.norm.running_mean"].fill_(float("nan"))
    checkpoint.save(tmp_path / "run" / "best.safetensors", tensors, facts)
    code, out, err = run(capsys, "evaluate", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "the loss is nan; the network has diverged" in err


def test_a_run_that_diverges_ends_with_an_error(capsys, tmp_path):
    code, out, err = run(capsys, "train", *QUICK, "--learning_rate", "1e30", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "try a lower learning rate" in err


def test_stability_says_which_neurons_are_not_and_fails(capsys, tmp_path):
    run(capsys, "train", *QUICK, "--out", tmp_path / "stable")
    code, out, _ = run(capsys, "stability", tmp_path / "stable")
    assert code == 0
    assert (json.loads(out)["stable"], json.loads(out)["untold"]) == (True, [])
    # More than two states, which the diagnosis does not look into.
    run(capsys, "train", *QUICK, "--neuron", "D-RF", "--out", tmp_path / "modes")
    code, out, _ = run(capsys, "stability", tmp_path / "modes")
    assert (code, json.loads(out)["stable"], json.loads(out)["untold"]) == (0, True, [])
    # AdLIF with a < -(1 - β) grows without bound.
    options = "a=-1.0,decay_w=0.99"
    run(capsys, "train", *QUICK, "--neuron", "AdLIF", "--neuron-options", options, "--out", tmp_path / "unstable")
    code, out, _ = run(capsys, "stability", tmp_path / "unstable", "--no-json")
    assert code == 1
    assert re.search(r"\n[1-9]\d* neurons are unstable\n", out)


def test_evaluate_counts_operations(capsys, tmp_path):
    run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    _, out, _ = run(capsys, "evaluate", tmp_path / "run", "--operations")
    found = json.loads(out)
    weights = [each for name, each in found["layers"].items() if name.endswith("weights")]
    assert sum(each["macs"] + each["acs"] for each in weights) == pytest.approx(found["synaptic_operations"])
    assert found["not_counted"] == {}
    assert all(found["layers"][name]["macs"] > 0 for name in ("hidden.0", "readout"))


def test_networks_are_compared_with_neurons():
    """Options that only some of them have are theirs alone."""
    read = compare_command.parser().read
    given = ["--data", "sequential-digits", "--hidden-sizes", "8", "--width", "4"]
    found, names = compare_command.configs(read(["--neurons", "LIF,s4d", *given]))
    assert [each.label for each in found] == names == ["LIF", "s4d"]
    assert [each.options.get("hidden_sizes") for each in found] == [(8,), None]
    assert found[1].options["width"] == 4
    with pytest.raises(ValueError, match="membrane: is an option of none of LIF, s4d"):
        compare_command.configs(read(["--neurons", "LIF,s4d", "--membrane", "sdn"]))


def test_every_system_takes_part_in_a_zoo():
    """All neurons, with recurrent weights, with each kind of delays, and the other networks: by one name."""
    found, rates = zoo_command.runs(zoo_command.parser().read(["--neurons", "every-system", "--epochs", "3"]))
    wanted = "LIF RF AdLIF cAdLIF SiLIF C-SiLIF RadLIF SE-adLIF BRF S5-RF FiTS s4d spiking-ssm mamba s5-rf"
    assert {*wanted.split(), "SiLIF+axonal", "SiLIF+dendritic", "SiLIF+synaptic"} <= found.keys()
    assert found["SiLIF+synaptic"]["connection"] == "delayed"
    assert found["LIF"].get("connection", "linear") == "linear"
    assert {each["epochs"] for each in found.values()} == {3}
    assert rates == [0.01, 0.03, 0.1, 0.3]
    for settings in found.values():
        assert "learning_rate" not in settings
        assert TrainConfig(**settings).network(5, 3) is not None


def test_delays_of_a_contender_can_be_changed():
    read = compare_command.parser().read
    found, names = compare_command.configs(
        read(["--neurons", "lif,silif+axonal", "--connection-options", "max_delay=9"])
    )
    assert names == ["LIF", "SiLIF+axonal"]
    assert found[1].options["connection_options"] == {"max_delay": 9, "round_in_eval": True}
    with pytest.raises(ValueError, match="delays are SiLIF\\+axonal, SiLIF\\+dendritic, SiLIF\\+synaptic"):
        compare_command.configs(read(["--neurons", "SiLIF+late"]))


@pytest.mark.slow
def test_an_ablation_and_its_figures(capsys, tmp_path):
    options = ["--data", "sequential-digits", "--hidden-sizes", "6", "--epochs", "1", "--rates", "0.03"]
    options += ["--beyond", "0", "--seeds", "1", "--jobs", "1", "--out", tmp_path]
    code, out, _ = run(capsys, "ablate", "figure6", *options)
    found = json.loads(out)
    assert code == 0
    assert [each["neuron"] for each in found][::5] == ["RF", "C-SiLIF"]
    assert found[-1]["published"] == [95.6, 0.3]
    assert "| C-SiLIF " in (tmp_path / "table.md").read_text()
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert len(lines) == 6
    code, again, _ = run(capsys, "ablate", "figure6", *options)
    assert json.loads(again) == found
    assert (tmp_path / "results.jsonl").read_text().splitlines() == lines
    code, out, _ = run(capsys, "figures", tmp_path / "results.jsonl", "--out", tmp_path / "drawn", "--formats", "svg")
    assert [each["figure"] for each in json.loads(out)] == ["figure6", "ablation-c-silif"]
    assert (tmp_path / "drawn" / "figure6.svg").stat().st_size > 5000


def test_figures_of_a_run(capsys, tmp_path):
    run(capsys, "train", *QUICK, "--out", tmp_path / "run")
    _, out, _ = run(capsys, "figures", tmp_path / "run", "--out", tmp_path / "drawn")
    found = {each["figure"]: each["files"] for each in json.loads(out)}
    assert {"figure2", "figure5", "raster", "traces", "parameters-layer1"} <= found.keys()
    assert all(Path(file).stat().st_size > 1000 for files in found.values() for file in files)
    code, _, err = run(capsys, "figures", tmp_path / "run", "--formats", "gif")
    assert (code, "formats: got gif; it must be some of png, svg, pdf" in err) == (2, True)
    (tmp_path / "results.jsonl").write_text("nothing")
    code, _, err = run(capsys, "figures", tmp_path / "results.jsonl")
    assert (code, "no JSON" in err) == (2, True)


def test_train_sdn(capsys, tmp_path):
    code, out, _ = run(capsys, "train-sdn", "--tau", "0.2", "--steps", "3", "--out", tmp_path / "sdn.json")
    assert code == 0
    found = json.loads(out)
    assert 0.9 < found["no_memory"] < found["no_reset"] < 1
    assert json.loads((tmp_path / "sdn.json").read_text())["tau"] == 0.2
    code, _, err = run(capsys, "train-sdn", "--tau", "1")
    assert code == 2
    assert "must be positive, tau below 1" in err
