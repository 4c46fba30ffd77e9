"""The command line as a user meets it: results, exit codes, recipes, messages."""

import json

import h5py
import pytest
import yaml

from silif_plugins import recipes
from silif_plugins.cli import build_parser, main
from silif_plugins.training import TrainConfig

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


def test_every_shipped_recipe_is_valid():
    assert len(recipes.names()) >= 12
    for name in recipes.names():
        settings = yaml.safe_load(recipes.find(name).read_text())
        config = TrainConfig.from_mapping(settings)
        config.network(5, 3)
        assert name == f"{config.data}/{config.neuron.lower()}"


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


@pytest.mark.slow
def test_compare_prints_a_table_and_draws(capsys, tmp_path):
    code, out, _ = run(
        capsys, "compare", "--data", "sequential-digits", "--set.epochs", 1, "--out", tmp_path, "--jobs", 1
    )
    assert code == 0
    assert "| LIF " in out
    assert "| SiLIF " in out
    assert (tmp_path / "accuracy_against_operations.png").stat().st_size > 5000
