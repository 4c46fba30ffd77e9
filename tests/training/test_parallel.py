"""Two processes on a CPU (gloo) train as one does: same loss, same weights, up to rounding."""

import dataclasses
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.multiprocessing

from silif_plugins.datasets import FrameDataset
from silif_plugins.training import RunError, Splits, train
from silif_plugins.training.parallel import SharedBatchNorm

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without distributed")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def in_two_processes(function, *arguments):
    torch.multiprocessing.spawn(_worker, (free_port(), function, arguments), nprocs=2)


def _worker(rank, port, function, arguments):
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    function(rank, *arguments)


def of_different_lengths(samples, seed):
    random = np.random.default_rng(seed)
    lengths = random.integers(5, 40, samples)
    frames = np.zeros((samples, 40, 8), np.float32)
    for frame, length in zip(frames, lengths, strict=True):
        frame[:length] = random.normal(0, 2, (length, 8))
    return FrameDataset(frames, np.arange(samples) % 4, classes="abcd", lengths=lengths)


def _train(rank, config, folder, splits, epochs):
    for number in epochs:  # the later ones resume
        train(dataclasses.replace(config, epochs=number), folder, data=splits, resume=True)


def history(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["frames", "lengths"])
def test_two_processes_give_the_result_of_one(kind, config, splits, tmp_path, weights):
    if kind == "lengths":
        splits = Splits(*(of_different_lengths(number, seed) for seed, number in enumerate((90, 31, 30))))
    # Batches of 19: neither they nor what is left at the end can be halved; the last training batch holds one.
    config = dataclasses.replace(config, dropout=0.0, batch_size=19, epochs=3, gradient_clip=1.0)
    samples = 19 * 4 + 1
    splits = dataclasses.replace(splits, train=splits.train.take(samples))
    train(config, tmp_path / "one", data=splits)
    in_two_processes(_train, config, tmp_path / "two", splits, [3])
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=2e-3, abs=1e-6)
    one, two = weights(tmp_path / "one" / "last.safetensors"), weights(tmp_path / "two" / "last.safetensors")
    for name, value in one.items():
        if name.startswith("model.") and value.is_floating_point():
            torch.testing.assert_close(two[name], value, rtol=1e-2, atol=2e-3)
    assert json.loads((tmp_path / "two" / "result.json").read_text())["test_accuracy"] == pytest.approx(
        json.loads((tmp_path / "one" / "result.json").read_text())["test_accuracy"], abs=0.02
    )


def loss(output):
    """Squares, with another weight for each feature: without it no gradient would pass the norm."""
    return output.transpose(0, 1).flatten(1).square().sum(dim=1) @ torch.arange(1.0, 4)


def _normalise(rank, inputs, folder):
    torch.distributed.init_process_group("gloo")
    norm = SharedBatchNorm(3, momentum=0.1)
    mine = inputs[: 5 if rank == 0 else 0] if rank == 0 else inputs[5:]
    mine = mine.clone().requires_grad_()
    output = norm(mine)
    loss(output).backward()
    state = {"output": output.detach(), "gradient": mine.grad, "mean": norm.running_mean, "variance": norm.running_var}
    torch.save(state, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 3), (12, 3, 4)])
def test_batch_norm_over_processes_is_that_of_the_whole_batch(shape, tmp_path):
    inputs = torch.randn(shape) * 5 + 2
    in_two_processes(_normalise, inputs, tmp_path)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    norm = torch.nn.BatchNorm1d(3, momentum=0.1)
    whole = inputs.clone().requires_grad_()
    output = norm(whole)
    loss(output).backward()
    torch.testing.assert_close(torch.cat([part["output"] for part in parts]), output.detach())
    torch.testing.assert_close(torch.cat([part["gradient"] for part in parts]), whole.grad, atol=1e-5, rtol=1e-4)
    for part in parts:
        torch.testing.assert_close(part["mean"], norm.running_mean)
        torch.testing.assert_close(part["variance"], norm.running_var)


def _refused(rank, config, folder, splits):
    with pytest.raises(RunError, match="holds a run already"):
        train(config, folder, data=splits)


@pytest.mark.slow
def test_two_processes_resume_and_refuse_as_one(config, splits, tmp_path, weights):
    config = dataclasses.replace(config, epochs=2, initial_state="uniform")
    in_two_processes(_train, config, tmp_path / "whole", splits, [2])
    in_two_processes(_train, config, tmp_path / "again", splits, [2])
    one, two = (weights(tmp_path / name / "last.safetensors") for name in ("whole", "again"))
    assert all(torch.equal(one[name], two[name]) for name in one)  # dropout and all
    in_two_processes(_refused, config, tmp_path / "whole", splits)


@pytest.mark.slow
def test_torchrun(tmp_path):
    """As the user starts it; one process prints the result."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    settings = ["--data", "sequential-digits", "--hidden-sizes", "[8]", "--epochs", "1", "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, "-m", "silif_plugins.cli", "train", *settings], capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["epochs"] == 1
    assert (tmp_path / "run" / "best.safetensors").exists()
