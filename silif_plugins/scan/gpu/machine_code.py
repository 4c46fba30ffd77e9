"""What compilers make of the kernels, without a GPU: registers, spills, and loads that are on their way at once.

    python -m silif_plugins.scan.gpu.machine_code

It reads the machine's own instructions: SASS, from the disassembler that Triton brings along, and AMD's assembler.
"""

# Triton's language has no types for mypy.
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from . import kernels, recurrent_kernels
from .traffic import BLOCK

TARGETS = {"sm_80": ("cuda", 80, 32), "sm_90": ("cuda", 90, 32), "gfx942": ("hip", "gfx942", 64)}
"""GPUs: A100, H100 and MI300, as back end, architecture and lanes of a warp."""

KERNELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "forward": (kernels.forward_kernel, {"TRACE": False, "GATED": False, "WIDTH": 0.5}),
    "backward": (
        kernels.backward_kernel,
        {
            "SURROGATE": 0,
            "SHAPE1": 0.5,
            "SHAPE2": 0.0,
            "SPIKES": True,
            "FINAL": False,
            "TRACE": False,
            "CURRENT": True,
            "DETACHED": False,
        },
    ),
    "recurrent forward": (recurrent_kernels.totals_kernel, {"BLOCK": 512}),
    "recurrent backward": (
        recurrent_kernels.recurrent_backward_kernel,
        {
            "SURROGATE": 0,
            "SHAPE1": 0.5,
            "SHAPE2": 0.0,
            "SPIKES": True,
            "FINAL": False,
            "TRACE": False,
            "DETACHED": False,
            "BLOCK": 512,
        },
    ),
}
"""The kernels, with the constants of an ordinary training step."""


class MachineCode(NamedTuple):
    """What a kernel has become for a target.

    Attributes:
        registers: Of a lane.
        spills: Bytes of local memory of a lane: registers that did not fit.
        in_flight: The most loads from global memory that a lane has on their way at once in a loop.
        instructions: Of the longest loop, which runs a chunk of steps.
        text: The machine's instructions.
    """

    registers: int
    spills: int
    in_flight: int
    instructions: int
    text: str


def compiled(name: str, target: str, dtype: str = "fp32", **constants: Any) -> MachineCode:
    """Compile a kernel for a GPU that need not be there.

    Args:
        name: One of :data:`KERNELS`.
        target: ``"sm_80"``, ``"sm_90"`` or ``"gfx942"``.
        dtype: Of the numbers, ``"fp32"`` or ``"fp64"``.
        **constants: Constants of the kernel that are not to be those of an ordinary training step.
    """
    kernel, ordinary = KERNELS[name]
    backend, arch, lanes = TARGETS[target]
    shared = {"HARD": False, "LENGTHS": False, "MASKED": False, "BLOCK": BLOCK}
    known = {key: value for key, value in (shared | ordinary | constants).items() if key in kernel.arg_names}
    types = dict.fromkeys(kernel.arg_names, f"*{dtype}") | dict.fromkeys(kernels.NUMBERS, "i32")
    types |= {"lengths": "*i64", "gates": "*u8", "events": "*i32"} | dict.fromkeys(known, "constexpr")
    source = ASTSource(kernel, {argument: types[argument] for argument in kernel.arg_names}, known)
    warps = recurrent_kernels.warps(known["BLOCK"]) if "recurrent" in name else BLOCK // lanes
    options = {"num_warps": warps, "enable_fp_fusion": False}
    if name == "recurrent forward" and backend == "cuda":
        options["maxnreg"] = recurrent_kernels.REGISTERS
    asm = triton.compile(source, target=GPUTarget(backend, arch, lanes), options=options).asm
    if backend == "hip":
        text = asm["amdgcn"]
        found = {key: int(value) for key, value in re.findall(r"^\s+\.(\w+):\s+(\d+)$", text, re.MULTILINE)}
        loops = loops_of(text, r"(\.LBB\w+):", r"\s+([a-z].*)", r"s_c?branch\S* (\.LBB\w+)")
        registers, spills = found["vgpr_count"], found["private_segment_fixed_size"]
        return MachineCode(registers, spills, in_flight_amd(loops), max(map(len, loops)), text)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.cubin")
        file.write_bytes(asm["cubin"])
        usage, text = _tool("cuobjdump", "-res-usage", str(file)), _tool("nvdisasm", "-c", str(file))
    used = {key: int(value) for key, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", usage)}
    loops = loops_of(text, r"\s*(\.L\w+):", r"\s*/\*[0-9a-f]+\*/\s+(.*?)\s*;", r"BRA.*`\((\.L\w+)\)")
    return MachineCode(used["REG"], used["STACK"] + used["LOCAL"], in_flight_nvidia(loops), max(map(len, loops)), text)


def _tool(name: str, *arguments: str) -> str:
    """Run a program of the CUDA toolkit that Triton brings along."""
    program = Path(triton.__file__).parent / "backends/nvidia/bin" / name
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def loops_of(text: str, label: str, instruction: str, branch: str) -> list[list[str]]:
    """The instructions of each loop: from a label to a jump back to it. The patterns tell what is which."""
    code: list[str] = []
    labels: dict[str, int] = {}
    loops = []
    for line in text.splitlines():
        if found := re.match(label, line):
            labels[found[1]] = len(code)
        elif found := re.match(instruction, line):
            code.append(found[1])
            if (jump := re.search(branch, found[1])) and jump[1] in labels:
                loops.append(code[labels[jump[1]] :])
    return loops


def in_flight_nvidia(loops: Iterable[list[str]]) -> int:
    """Count loads in flight in SASS: LDG from where it stands to the first instruction that names what it loads."""
    best = 0
    for loop in loops:
        waiting: set[str] = set()
        for text in loop * 2:  # what the first round asks for, the second one waits for
            load = re.match(r"(?:@!?U?P\d+ )?LDG\.\S+ (R\d+), (.*)", text)
            waiting -= set(re.findall(r"\bR\d+", load[2] if load else text))
            waiting |= {load[1]} if load else set()
            best = max(best, len(waiting))
    return best


def in_flight_amd(loops: Iterable[list[str]]) -> int:
    """Count loads in flight in AMD's assembler: s_waitcnt vmcnt(n) waits until all accesses but the last n are done."""
    best = 0
    for loop in loops:
        waiting: deque[bool] = deque()
        for text in loop * 2:
            if text.startswith(("global_load", "global_store")):
                waiting.append(text.startswith("global_load"))
            elif count := re.match(r"s_waitcnt.*vmcnt\((\d+)\)", text):
                while len(waiting) > int(count[1]):
                    waiting.popleft()
            best = max(best, sum(waiting))
    return best


def main() -> None:
    """Print the table."""
    print("| kernel | target | registers | spilled bytes | loads in flight |\n|---|---|---|---|---|")
    cases: list[tuple[str, dict[str, Any]]]
    cases = [("", {}), (", hard reset", {"HARD": True}), (", odd length", {"MASKED": True})]
    for name in KERNELS:
        for title, constants in cases:
            if title == ", odd length" and "recurrent" in name:
                continue
            for target in TARGETS:
                made = compiled(name, target, **constants)
                numbers = made.registers, made.spills, made.in_flight
                print(f"| {name}{title} | {target} | {' | '.join(map(str, numbers))} |", flush=True)


if __name__ == "__main__":
    main()
