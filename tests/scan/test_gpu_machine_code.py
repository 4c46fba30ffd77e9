"""The kernels, compiled for GPUs that are not there: nothing spills, and loads are asked for long before their use."""

import json
import os
import subprocess
import sys

import pytest

from silif_plugins.scan.gpu import AHEAD, GPUS, resident_lanes

pytest.importorskip("triton", reason="Triton is not installed: it compiles the kernels for NVIDIA's and AMD's GPUs")

CODE = """
import json, sys
from silif_plugins.scan.gpu.machine_code import compiled
print(json.dumps([compiled(name, target, **constants)[:3] for name, target, constants in json.loads(sys.argv[1])]))
"""


def machine_code(*requests):
    """Registers, spilled bytes and loads in flight of (kernel, target, constants): in a process that compiles."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", CODE, json.dumps(requests)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["sm_80", "sm_90", "gfx942"])
def test_nothing_spills_and_a_chunk_is_read_ahead(target):
    odd = {"MASKED": True}  # T is no multiple of 16, or sequences have lengths: the harder case
    requests = [(name, target, odd) for name in AHEAD]
    for (name, _, _), (registers, spills, in_flight) in zip(requests, machine_code(*requests), strict=True):
        assert spills == 0
        assert in_flight >= (AHEAD[name] if target != "gfx942" else 14)
        assert registers <= (80 if name == "forward" else 255) if target != "gfx942" else 512


@pytest.mark.slow
def test_a_hard_reset_spills_nothing_either():
    requests = [("forward", "sm_90", {"HARD": True}), ("backward", "sm_90", {"HARD": True})]
    for (name, _, _), (registers, spills, in_flight) in zip(requests, machine_code(*requests), strict=True):
        assert spills == 0
        assert in_flight >= AHEAD[name]
        assert resident_lanes(GPUS["H100 SXM"], registers) >= 32768


@pytest.mark.slow
@pytest.mark.parametrize(("target", "neurons"), [("sm_80", 512), ("sm_90", 512), ("sm_90", 1024)])
def test_recurrent_kernels_spill_nothing(target, neurons):
    requests = [(f"recurrent {way}", target, {"BLOCK": neurons}) for way in ("forward", "backward")]
    for registers, spills, in_flight in machine_code(*requests):
        assert spills == 0
        assert registers <= (255 if neurons <= 512 else 128)  # what 16 warps leave each other
        assert in_flight >= 16


def test_loads_in_flight_are_counted():
    """In a loop that waits for each load at once there is one; two where the second is asked for before that."""
    done = machine_code_of_text()
    assert done == [1, 2, 1, 2]


def machine_code_of_text():
    code = """
import json
from silif_plugins.scan.gpu.machine_code import in_flight_amd, in_flight_nvidia
load, other, use, branch = "@P0 LDG.E R1, desc[UR4][R8.64]", "LDG.E R2, desc[UR4][R6.64]", "FADD R3, R1, R2", "BRA"
print(json.dumps([
    in_flight_nvidia([[load, use, other, use, branch]]), in_flight_nvidia([[load, other, use, branch]]),
    in_flight_amd([["global_load_dword v1", "s_waitcnt vmcnt(0)", "global_store_dword v[2:3], v1"]]),
    in_flight_amd([["global_load_dword v1", "global_store_dword v[2:3], v1", "s_waitcnt vmcnt(2)"]]),
]))
"""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
