import json

import pytest
import torch

from silif_plugins.cli import main
from silif_plugins.sparch import CheckpointError
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
