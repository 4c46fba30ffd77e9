"""Compilers: Zig's, which comes as a Python package and knows every target, or the host's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..optional import require

FLAGS = ("-std=c99", "-Os", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
"""Of every compilation: without the last one a chip that has fused multiply-add would give other spikes."""

CHIPS = {
    "cortex-m4f": ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"),
    "cortex-m0+": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
}
"""Bare chips, and how Zig names them: with floating point in hardware, and without."""

WASM = ("-target", "wasm32-freestanding", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all")

FLASH, RAM = 0x1_0000, 0x2000_0000
"""Where code and constants of a bare chip are, and where its memory is."""

SCRIPT = f"""\
SECTIONS {{
    . = {FLASH:#x};
    .text : {{ *(.text*) }}
    .rodata : {{ KEEP(*(.rodata.port_table*)) *(.rodata*) }}
    .ARM.exidx : {{ *(.ARM.exidx*) }}
    . = {RAM:#x};
    .data : {{ *(.data*) }}
    .bss : {{ *(.bss*) *(COMMON) }}
}}
"""


def zig(arguments: Sequence[str], folder: Path) -> None:
    """Run Zig's C compiler in a folder.

    Raises:
        ModuleNotFoundError: If it is not installed.
        RuntimeError: If it fails, with what it said.
    """
    require("ziglang", extra="deploy", purpose="Compiling for chips and browsers")
    _run([sys.executable, "-m", "ziglang", "cc", *arguments], folder)


def host(arguments: Sequence[str], folder: Path) -> None:
    """Run the C compiler of this machine, cc, or Zig's if there is none; see `zig`."""
    own = shutil.which("cc") or shutil.which("gcc")
    if own is None:
        zig(arguments, folder)
    else:
        _run([own, *arguments], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


def chip(name: str, sources: Sequence[str], folder: Path, output: str) -> None:
    """Link a program for a bare chip, an ELF file whose entry is the table of `silif_plugins.deploy.port`."""
    (folder / "chip.ld").write_text(SCRIPT)
    linked = ("-Wl,-T,chip.ld", "-Wl,-e,port_table", "-Wl,--gc-sections", "-ffunction-sections", "-fdata-sections")
    zig([*CHIPS[name], *FLAGS, "-ffreestanding", "-g0", *linked, "-o", output, *sources], folder)


def wasm(functions: Sequence[str], sources: Sequence[str], folder: Path, output: str) -> None:
    """Link a WebAssembly module that exports functions and its memory."""
    exports = f"-Wl,{','.join(f'--export=port_{name}' for name in functions)}"
    zig([*WASM, *FLAGS, "-ffreestanding", "-g0", exports, "-o", output, *sources], folder)
