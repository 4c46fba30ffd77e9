"""Parameters that learn in their own way, and modules that follow the training: of the test's own, and delays."""

import pytest
import torch
from torch import nn

from silif_plugins.training import TrainConfig, train
from silif_plugins.training import run as run_module
from silif_plugins.training.optimisation import Optimisation


class Slow(nn.Module):
    def __init__(self, schedule):
        super().__init__()
        self.weight, self.own = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
        self.schedule, self.told, self.steps = schedule, [], 0

    def optimizer_groups(self):
        return [{"params": [self.own], "lr": 0.5, **self.schedule}]

    def begin_epoch(self, done):
        self.told.append(done)

    def after_step(self):
        self.steps += 1


@pytest.mark.parametrize("own", [None, "constant", "cosine", "one-cycle"])
@pytest.mark.parametrize("main", ["constant", "cosine", "one-cycle"])
def test_groups_have_rates_and_schedules_of_their_own(main, own):
    net = nn.Sequential(Slow({} if own is None else {"schedule": own}))
    optimisation = Optimisation(net, TrainConfig(epochs=4, schedule=main, learning_rate=0.1, weight_decay=0.2), 5)
    rates = []
    for epoch in range(4):
        optimisation.begin_epoch(epoch)
        for _ in range(5):
            (net[0].weight.sum() + net[0].own.sum()).backward()
            optimisation.step()
            rates.append(optimisation.rates())
        optimisation.end_epoch(0.5)
    assert (net[0].told, net[0].steps) == ([0, 0.25, 0.5, 0.75], 20)
    assert [each.param_groups[0]["weight_decay"] for each in optimisation.optimizers] == [0.2, 0]
    for index, (schedule, first) in enumerate([(main, 0.1), (own or main, 0.5)]):
        course = [each[index] for each in rates]
        if schedule == "constant":
            assert set(course) == {first}
        elif schedule == "cosine":
            assert course[0] == first
            assert course == sorted(course, reverse=True)
            assert course[-1] < 0.2 * first
        else:
            assert max(course) == pytest.approx(first, rel=0.05)
            assert course.index(max(course)) == pytest.approx(5, abs=2)


DELAYS = {"max_delay": 6, "narrowing": 0.5, "delay_rate": 0.2, "kept": 0.5, "round_in_eval": True}


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
@pytest.mark.parametrize("kind", ["delayed", "axonal"])
def test_delays_narrow_and_resume_bit_for_bit(kind, schedule, config, splits, tmp_path, weights, monkeypatch):
    config = TrainConfig(
        **{**config.settings(), "schedule": schedule, "epochs": 4, "connection": kind, "connection_options": DELAYS}
    )
    train(config, tmp_path / "whole", data=splits)

    class Killed(Exception):
        pass

    original, passes = run_module._Run._pass, []

    def dies(self, epoch):
        passes.append(epoch)
        if len(passes) > 3:
            raise Killed
        return original(self, epoch)

    monkeypatch.setattr(run_module._Run, "_pass", dies)
    with pytest.raises(Killed):
        train(config, tmp_path / "killed", data=splits)
    monkeypatch.undo()
    train(config, tmp_path / "killed", data=splits, resume=True)
    whole, killed = (weights(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, value in whole.items():
        assert torch.equal(value, killed[name]), name
    delays = [name for name in whole if name.startswith("model.") and name.endswith(".delay")]
    assert delays
    for name in delays:
        delay, mask = whole[name], whole[f"{name.removesuffix('delay')}mask"]
        assert whole[f"{name.removesuffix('delay')}sigma"].item() == pytest.approx(0.23)
        assert mask.float().mean() == pytest.approx(0.5, abs=0.01)
        assert (delay[~mask] == 0).all()
        assert delay.min() >= 0
        assert delay.max() <= 6


def test_a_longer_run_keeps_its_delays(config, splits, tmp_path):
    options = {"connection": "axonal", "connection_options": {"max_delay": 6, "delay_schedule": "constant"}}
    config = TrainConfig(**{**config.settings(), **options, "epochs": 1})
    train(config, tmp_path, data=splits)
    longer = TrainConfig(**{**config.settings(), "epochs": 2})
    assert train(longer, tmp_path, data=splits, resume=True, extend=True)["epochs"] == 2
