"""Recipes trained again: what fails is told, and does not keep the others from being trained."""

import pytest

from silif_plugins.paper import comparison, recipes, reproduce
from silif_plugins.training import Diverged, TrainConfig, compare

SMALL = {"data": "sequential-digits", "hidden_sizes": (8,), "epochs": 1}
TOO_FAST = 1e37


@pytest.mark.slow
def test_a_run_that_diverges_leaves_the_others_alone(tmp_path):
    configs = [
        TrainConfig(neuron="LIF", learning_rate=TOO_FAST, **SMALL),
        TrainConfig(neuron="SiLIF", **SMALL),
    ]
    with pytest.raises(Diverged, match=r"LIF-seed0: the loss is (nan|inf) in epoch 1; try a lower learning rate"):
        compare(configs, tmp_path)
    assert (tmp_path / "SiLIF-seed0" / "result.json").exists()

    chosen = [recipes.describe(recipes.find(f"sequential-digits/{name}")) for name in ("lif", "rf")]
    done = reproduce(chosen, {}, tmp_path / "again", seeds=1, changes={**SMALL, "learning_rate": TOO_FAST})
    rows = comparison(done).splitlines()
    for name, row, note in zip(("lif", "rf"), rows[2:4], rows[5:7], strict=True):
        assert row.split("|")[1:3] == [f" sequential-digits/{name} ".ljust(len(row.split("|")[1])), " diverged "]
        assert note.startswith(f"sequential-digits/{name}: diverged, {tmp_path}")
