import json

import pytest
import torch
from torch import nn

from silif_plugins.cli import main
from silif_plugins.sparch import CheckpointError
from silif_plugins.synapses import levels, row_steps
from silif_plugins.training import (
    TrainConfig,
    evaluate,
    from_pretrained,
    load_split,
    save_pretrained,
    shipped,
)
from silif_plugins.training.pretrained import CARD, CONFIG, SHIPPED, WEIGHTS

CLASSES = ["a", "b", "c"]


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    config = TrainConfig(neuron="C-SiLIF", hidden_sizes=(8,), neuron_options={"dt": (0.01, 5.0)}, seed=3)
    net = config.network(140, 3).eval()
    folder = tmp_path / "my: net"
    save_pretrained(net, folder, config=config, classes=CLASSES, results={"accuracy": 0.75}, notes="Of no use.")
    return net, config, folder


def test_comes_back_as_it_was(saved):
    net, config, folder = saved
    found = from_pretrained(folder)
    assert found.config.to_json() == config.to_json()
    assert found.classes == tuple(CLASSES)
    assert found.results == {"accuracy": 0.75}
    assert not found.net.training
    for name, value in net.state_dict().items():
        assert torch.equal(value, found.net.state_dict()[name])


@pytest.mark.parametrize("connection", ["linear", "axonal", "delayed"])
def test_weights_of_few_bits(connection, tmp_path):
    options = {} if connection == "linear" else {"max_delay": 5, "round_in_eval": True}
    config = TrainConfig(hidden_sizes=(64,), connection=connection, connection_options=options)
    net = config.network(140, 3).eval()
    for folder, bits in (("float", None), ("few", 4)):
        save_pretrained(net, tmp_path / folder, config=config, classes=CLASSES, bits=bits)
    assert "weights of 4 bits" in (tmp_path / "few" / CARD).read_text()
    # Delays of synapses are not weights: they stay as they are.
    share = 0.7 if connection == "delayed" else 0.4
    assert (tmp_path / "few" / WEIGHTS).stat().st_size < share * (tmp_path / "float" / WEIGHTS).stat().st_size
    state, rounded = net.state_dict(), 0
    for name, value in from_pretrained(tmp_path / "few").net.state_dict().items():
        if name.endswith("weight") and value.dim() == 2:
            steps = row_steps(state[name], 4)
            assert torch.equal(value, levels(state[name], steps, 4) * steps.unsqueeze(1))
            rounded += 1
        else:
            assert torch.equal(value, state[name])
    assert rounded == 2
    with pytest.raises(ValueError, match="bits: got 9"):
        save_pretrained(net, tmp_path / "none", config=config, classes=CLASSES, bits=9)
    assert not (tmp_path / "none").exists()


def test_the_card_is_what_hubs_read(saved):
    yaml = pytest.importorskip("yaml")
    text = (saved[2] / CARD).read_text()
    front = yaml.safe_load(text.split("---")[1])
    (index,) = front["model-index"]
    assert index["name"] == "my: net"
    (result,) = index["results"]
    assert result["dataset"]["name"] == "spoken-digits"
    assert result["metrics"] == [{"type": "accuracy", "value": 0.75}]
    assert text.endswith("Of no use.\n")
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(text)
    assert card.data.eval_results[0].metric_value == 0.75
    assert card.data.library_name == "silif_plugins"


def test_damage_is_noticed(saved):
    folder = saved[2]
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged, its SHA-256"):
        from_pretrained(folder)
    facts = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**facts, "format": 2}))
    with pytest.raises(CheckpointError, match=r"config\.json: not a network of this version"):
        from_pretrained(folder)
    (folder / CONFIG).write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json: damaged"):
        from_pretrained(folder)


def test_errors_name_what_there_is(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none of those shipped, .*did you mean silif-spoken-digits"):
        from_pretrained("silif-spoken-digit")
    net, config, _ = saved
    with pytest.raises(ValueError, match=r"readout\.current\.norm\.bias: got shape"):
        save_pretrained(net, tmp_path / "other", config=config, classes=["a", "b"])
    assert not (tmp_path / "other").exists()


def test_from_a_hub(saved, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(saved[2])

    monkeypatch.setattr(hub, "snapshot_download", download)
    assert from_pretrained("someone/something").classes == tuple(CLASSES)
    assert asked == [("someone/something", [WEIGHTS, CONFIG, CARD])]


@pytest.fixture
def model(saved):
    pytest.importorskip("huggingface_hub")
    from silif_plugins.training.hub import HubModel

    return HubModel.from_pretrained(saved[2])


def test_models_of_a_hub_are_the_same_folders(saved, model, tmp_path):
    net, config, folder = saved
    assert (model.classes, model.results, model.config.to_json()) == (
        tuple(CLASSES),
        {"accuracy": 0.75},
        config.to_json(),
    )
    inputs = (torch.rand(2, 20, 140) < 0.1).float()
    assert torch.equal(model(inputs).scores, net(inputs).scores)
    assert torch.equal(model(inputs, torch.tensor([20, 7])).scores, net(inputs, torch.tensor([20, 7])).scores)
    model.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / CONFIG).read_bytes() == (folder / CONFIG).read_bytes()
    assert (tmp_path / "again" / WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes()
    assert from_pretrained(tmp_path / "again").classes == tuple(CLASSES)


def test_pushing_to_a_hub(model, monkeypatch):
    """What goes out is a folder that `from_pretrained` reads; nothing is sent from here."""
    hub, pushed = pytest.importorskip("huggingface_hub"), {}

    def upload(self, *, repo_id, folder_path, **_):
        pushed[repo_id] = from_pretrained(folder_path), (folder_path / CARD).read_text()
        return "where it is"

    monkeypatch.setattr(
        hub.HfApi, "create_repo", lambda self, repo_id, **_: hub.RepoUrl(f"https://huggingface.co/{repo_id}")
    )
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload)
    assert model.push_to_hub("someone/digits") == "where it is"
    found, card = pushed["someone/digits"]
    assert found.classes == tuple(CLASSES)
    assert nn.utils.parameters_to_vector(found.net.parameters()).equal(
        nn.utils.parameters_to_vector(model.net.parameters())
    )
    assert "# digits" in card


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_the_number_on_the_card(name):
    found = from_pretrained(name)
    figures = evaluate(found.net, load_split(found.config, "test"))
    assert figures.accuracy == pytest.approx(found.results["accuracy"], abs=2 / 960)
    assert figures.synaptic_operations == pytest.approx(found.results["synaptic_operations"], rel=0.001)
    assert f"value: {found.results['accuracy']}" in (SHIPPED / name / CARD).read_text()


def test_demo(capsys):
    assert main(["demo", "--utterances", "3", "--seed", "1", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert len(answers) == 3
    assert all(set(each) == {"utterance", "said", "heard", "share"} for each in answers)
    assert main(["demo", "--utterances", "3", "--no-json"]) == 0
    assert "of 3 right; 88.4% of the whole test set" in capsys.readouterr().out
    assert main(["demo", "--net", "silif"]) == 2
    assert main(["demo", "--utterances", "0"]) == 2
