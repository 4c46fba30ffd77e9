"""The command line as a user meets it: results, exit codes, recipes, messages."""

import json
import os
import subprocess
import sys
import wave

import h5py
import numpy as np
import pytest
import yaml

from silif_plugins import recipes
from silif_plugins.cli import build_parser, main
from silif_plugins.datasets import Recordings, write_recordings
from silif_plugins.training import checkpoint

QUICK = ["--epochs", "1", "--hidden-sizes", "[8]", "--data", "sequential-digits"]


def run(capsys, *arguments):
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        code = exit.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


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
    from silif_plugins.cli import _parse

    own = yaml.safe_load(recipes.find("spoken-digits/lif").read_text())
    assert _parse(["train", "--neuron", "LIF"]).train.learning_rate == own["learning_rate"]
    assert _parse(["train", "--neuron", "LIF", "--learning_rate", "0.5"]).train.learning_rate == 0.5
    assert _parse(["train", "--recipe", "sequential-digits/rf"]).train.neuron_options == {"dt": 0.05}
    mine = tmp_path / "mine.yaml"
    mine.write_text("neuron: C-SiLIF\nepochs: 7\n")
    settings = _parse(["train", f"--recipe={mine}", "--seed", "5"]).train
    assert (settings.neuron, settings.epochs, settings.seed, settings.learning_rate) == ("C-SiLIF", 7, 5, 0.03)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--neuron", "GRU"], "neuron: got 'GRU'; it must be one of"),
        (["train", "--data", "imagenet"], "imagenet"),
        (["train", "--epochs", "0"], "epochs: got 0"),
        (["train", "--epochs", "many"], "epochs"),
        (["train", "--recipe", "nothing"], "recipe: got 'nothing'; it must be a file or one of"),
        (["train", "nothing"], "recipe: got 'nothing'; it must be a file or one of"),
        (["train", "shd/c-silif-512"], "run 'silif download shd FOLDER'"),
        (
            ["train", "gsc/silif-512", "--data", "."],
            "has no validation_list.txt, testing_list.txt. To get it",
        ),
        (["train", "ssc/silif-4ms", "--data", "nowhere"], "there is no folder nowhere. To get it"),
        (["train", "ssc/silif-delays"], "recipe ssc/silif-delays: needs synaptic delays, which this version"),
        (["train", "--data", "shd"], "shd, Spiking Heidelberg Digits: this data set does not come with the package"),
        (["recipes", "table9"], "recipe: got 'table9'; it must be a file or one of"),
        (["reproduce", "table1"], "then give --data.ssc FOLDER"),
        (["reproduce", "table1"], "then give --data.gsc FOLDER"),
        (["reproduce", "spoken-digits/lif", "--seeds", "0"], "seeds, jobs: got 0 and 1"),
        (["reproduce", "spoken-digits/lif", "--set.epochz", "3"], "epochz: unknown setting"),
        (["download", "gsc", "folder"], "data set: got 'gsc'; it must be shd or ssc"),
        (["train", "--threads", "0"], "threads: got 0"),
        (["train", "--colour", "red"], "colour"),
        (["evaluate", "no/such/run"], "no such checkpoint"),
        (["compare", "--seeds", "0"], "seeds"),
        (["compare", "--neurons", "[LIF,GRU]"], "neuron: got 'GRU'"),
        (["compare", "--set.epochz", "3"], "epochz: unknown setting"),
        (["fly"], "fly"),
    ],
)
def test_user_errors_have_exit_code_2_and_say_what(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_a_recipe_with_an_unknown_key_is_named(capsys, tmp_path):
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text("neuron: SiLIF\nlearning_rat: 0.1\n")
    code, _, err = run(capsys, "train", "--recipe", recipe)
    assert code == 2
    assert "learning_rat" in err
    assert "wrong.yaml" in err
    recipe.write_text("neuron: [SiLIF\n")
    code, _, err = run(capsys, "train", "--recipe", recipe)
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
    assert not [path for path in (tmp_path / "run").iterdir() if path.suffix in (".safetensors", ".json", ".tmp")]


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
    assert build_parser().prog == "silif"


def test_generate_then_train(capsys, tmp_path):
    pytest.importorskip("espeakng_loader")
    folder = tmp_path / "digits"
    code, out, _ = run(capsys, "generate", folder, "--utterances", 40, "--channels", 70)
    assert code == 0
    assert out.split() == [str(folder / f"spoken_digits_{split}.h5") for split in ("train", "valid", "test")]
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
    for name, more in (("as published", []), ("ours", ["--published", "false"])):
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
    assert len(out.splitlines()) == len(recipes.names()) + 1
    code, out, _ = run(capsys, "recipes", "table6")
    (line,) = (line for line in out.splitlines() if line.startswith("shd/c-silif-512"))
    assert " ".join(line.split()) == (
        "shd/c-silif-512 C-SiLIF 4 ms 350,268 accuracy 95.55 ± 0.28 % 2, 5, 6, 7 data shd"
    )
    (line,) = (line for line in out.splitlines() if line.startswith("shd/d-cadlif"))
    assert line.endswith("data shd, synaptic delays")
    code, out, _ = run(capsys, "recipes", "table7")
    (line,) = (line for line in out.splitlines() if line.startswith("shd/c-silif-512"))
    assert "sparsity 80.25 ± 0.33 %" in line
    code, out, _ = run(capsys, "recipes", "shd/c-silif-512")
    assert "Table 7, SHD C-SiLIF: sparsity 80.25 ± 0.33 %" in out
    assert "published (test-selection): the epoch was chosen on the test set" in out
    assert "data: Spiking Heidelberg Digits; run 'silif download shd FOLDER'" in out


@pytest.mark.slow
def test_reproduce_prints_measured_beside_published(shd, capsys, tmp_path):
    settings = ["--set.epochs", 1, "--set.hidden_sizes", "[8]", "--set.steps", 20, "--set.max_time", 1.0]
    code, out, _ = run(
        capsys, "reproduce", "shd/silif-512", "shd/se-adlif-1", "--data.shd", shd, "--seeds", 2, *settings,
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0
    rows = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in out.splitlines()[:4]
    }
    assert rows["shd/se-adlif-1"][:2] == ["not run", "94.59 ± 0.27 %"]
    accuracy, _, _, sparsity, _, _, seeds = rows["shd/silif-512"]
    assert "±" in accuracy
    assert (sparsity, seeds) == ("98.66 ± 0.09 %", "2")
    assert "shd/silif-512: epoch chosen on the held-out speakers 3 of the training set." in out
    assert "shd/se-adlif-1: not run, it needs symplectic Euler" in out
    assert "Published (test-selection): the epoch was chosen on the test set" in out
    assert "Not the published settings" in out
    assert (tmp_path / "out" / "shd-silif-512-shd-se-adlif-1.md").read_text().strip() == out.strip()
    assert len(list((tmp_path / "out" / "shd" / "silif-512").glob("*/result.json"))) == 2


@pytest.mark.slow
def test_compare_prints_a_table_and_draws(capsys, tmp_path):
    code, out, _ = run(
        capsys, "compare", "--data", "sequential-digits", "--set.epochs", 1, "--out", tmp_path, "--jobs", 1
    )
    assert code == 0
    assert "| LIF " in out
    assert "| SiLIF " in out
    assert (tmp_path / "accuracy_against_operations.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--hidden_sizes", "[100000000,100000000]"], "hidden_sizes: got (100000000, 100000000); their weights would"),
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
