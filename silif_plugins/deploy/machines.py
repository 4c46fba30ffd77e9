"""Where exported networks run to be compared with Python: this machine, wasm, and emulated microcontrollers."""

from __future__ import annotations

import ctypes
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..datasets import FrontEnd
from ..optional import require
from . import toolchain
from .c_export import to_c
from .port import port_functions, port_source
from .quantised import QuantisedNet

NAME = "silif"


class Outcome(NamedTuple):
    """What a machine gives.

    Attributes:
        spikes: Of all hidden layers, [B, T, neurons], booleans.
        scores: After the last step, [B, C], as `Trace` has them.
        instructions: Of every step, [B, T], where they are counted; else None.
    """

    spikes: Tensor
    scores: Tensor
    instructions: Tensor | None = None


class Machine(Protocol):
    """Something that has the functions of `silif_plugins.deploy.port`, and memory."""

    def call(self, function: str, *arguments: int) -> int:
        """Call one of them; what it returns is an address or a number."""

    def read(self, address: int, size: int) -> bytes:
        """Read memory."""


def run_on(machine: Machine, net: QuantisedNet, frames: Tensor) -> Outcome:
    """Run sequences [B, T, num_inputs] on a machine, one after the other."""
    counts = net.counts(frames)
    neurons, classes = sum(len(layer.weight) for layer in net.hidden), net.num_classes
    spikes = torch.zeros(*counts.shape[:2], neurons, dtype=torch.bool)
    scores = torch.zeros(len(counts), classes, dtype=torch.int64)
    instructions = torch.zeros(counts.shape[:2], dtype=torch.int64)
    for sample, sequence in enumerate(counts):
        machine.call("begin")
        for step, row in enumerate(sequence):
            before = getattr(machine, "instructions", 0)
            for channel in row.nonzero().flatten().tolist():
                machine.call("event", channel, int(row[channel]))
            machine.call("step")
            instructions[sample, step] = getattr(machine, "instructions", 0) - before
            fired = machine.read(machine.call("spikes"), neurons)
            spikes[sample, step] = torch.frombuffer(bytearray(fired), dtype=torch.uint8).bool()
        content = machine.read(machine.call("scores"), 8 * classes)
        scores[sample] = torch.tensor(struct.unpack(f"<{classes}Q", content))
    counted = getattr(machine, "counts_instructions", False)
    return Outcome(spikes, scores, instructions if counted else None)


def run_on_sound(machine: Machine, net: QuantisedNet, samples: ArrayLike) -> Outcome:
    """Run a machine that has a front end on a recording, a batch of one: integers of 16 bits at its rate."""
    neurons, classes = sum(len(layer.weight) for layer in net.hidden), net.num_classes
    machine.call("begin")
    spikes, instructions, before = [], [], getattr(machine, "instructions", 0)
    for sample in np.asarray(samples, np.int16).tolist():
        if machine.call("sample", sample):
            spikes.append(torch.frombuffer(bytearray(machine.read(machine.call("spikes"), neurons)), dtype=torch.uint8))
            instructions.append(getattr(machine, "instructions", 0) - before)
            before = getattr(machine, "instructions", 0)
    scores = torch.tensor(struct.unpack(f"<{classes}Q", machine.read(machine.call("scores"), 8 * classes)))
    counted = getattr(machine, "counts_instructions", False)
    fired = torch.stack(spikes).bool() if spikes else torch.zeros(0, neurons, dtype=torch.bool)
    return Outcome(fired[None], scores[None], torch.tensor(instructions)[None] if counted else None)


class Host:
    """This machine: a shared library by its C compiler; with a front end it hears samples."""

    def __init__(self, net: QuantisedNet, front_end: FrontEnd | None = None) -> None:
        with tempfile.TemporaryDirectory() as place:
            folder = _written(net, place, front_end)
            arguments = [*toolchain.FLAGS, "-shared", "-fPIC", "-o", "net.so", f"{NAME}.c", "port.c"]
            toolchain.host(arguments, folder)
            self.library = ctypes.CDLL(str(folder / "net.so"))
        for name in ("spikes", "scores"):
            getattr(self.library, f"port_{name}").restype = ctypes.c_void_p

    def call(self, function: str, *arguments: int) -> int:
        """Call a function of the port."""
        return getattr(self.library, f"port_{function}")(*arguments) or 0

    def read(self, address: int, size: int) -> bytes:
        """Read memory."""
        return ctypes.string_at(address, size)


class Wasm:
    """A WebAssembly module in wasmtime; ``module`` are its bytes."""

    def __init__(self, net: QuantisedNet, front_end: FrontEnd | None = None) -> None:
        self.module = wasm_module(net, front_end)
        wasmtime = require("wasmtime", extra="deploy", purpose="Running WebAssembly")
        self.store = wasmtime.Store()
        instance = wasmtime.Instance(self.store, wasmtime.Module(self.store.engine, self.module), [])
        self.exports = instance.exports(self.store)

    def call(self, function: str, *arguments: int) -> int:
        """Call a function of the port."""
        return self.exports[f"port_{function}"](self.store, *arguments) or 0

    def read(self, address: int, size: int) -> bytes:
        """Read memory."""
        return bytes(self.exports["memory"].read(self.store, address, address + size))


class Cortex:
    """A microcontroller in Unicorn's emulator: Cortex-M4F, or M0+ for states in integers.

    Args:
        net: The network.
        chip: ``"cortex-m4f"`` or ``"cortex-m0+"``.
        front_end: What the network was trained with, to hear samples; it must be log-mel.
        count: Whether to count instructions, which takes some twenty times as long. They are counts, not times:
            divisions, loads and flash that waits take more than a cycle each.

    Attributes:
        instructions: Executed until now.
        flash: Bytes of code and constants, with all that is linked.
        ram: Bytes of the network's state.
        stack: Bytes of stack that were used at most.
    """

    def __init__(
        self,
        net: QuantisedNet,
        chip: str = "cortex-m4f",
        front_end: FrontEnd | None = None,
        *,
        count: bool = False,
    ) -> None:
        if chip not in toolchain.CHIPS:
            raise ValueError(f"chip: got {chip!r}; it must be one of {', '.join(toolchain.CHIPS)}")
        unicorn = require("unicorn", extra="deploy", purpose="Emulating microcontrollers")
        arm = require("unicorn.arm_const", extra="deploy", purpose="Emulating microcontrollers")
        with tempfile.TemporaryDirectory() as place:
            folder = _written(net, place, front_end)
            toolchain.chip(chip, [f"{NAME}.c", "port.c"], folder, "net.elf")
            content = (folder / "net.elf").read_bytes()
        self.arm, self.counts_instructions, self.instructions = arm, count, 0
        self.emulator: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        cpu = arm.UC_CPU_ARM_CORTEX_M4 if chip == "cortex-m4f" else arm.UC_CPU_ARM_CORTEX_M0
        self.emulator.ctl_set_cpu_model(cpu)
        self.emulator.mem_map(toolchain.FLASH, _FLASH_SIZE)
        self.emulator.mem_map(toolchain.RAM, _RAM_SIZE)
        self.flash, self.ram = 0, 0
        entry = self._load(content)
        names = port_functions(front_end is not None)
        addresses = struct.unpack(f"<{len(names)}I", self.read(entry, 4 * len(names)))
        self.functions = dict(zip(names, addresses, strict=True))
        if count:
            self._lengths: dict[int, int] = {}
            self.emulator.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        self.emulator.mem_write(toolchain.RAM + _RAM_SIZE // 2, _FILL * (_RAM_SIZE // 2))

    def _load(self, content: bytes) -> int:
        """Copy an ELF file's segments into memory; return the address of its entry."""
        entry, offset = struct.unpack_from("<II", content, 24)
        size, number = struct.unpack_from("<HH", content, 42)
        for index in range(number):
            kind, at, address, _, stored, whole = struct.unpack_from("<6I", content, offset + index * size)
            if kind != _PT_LOAD:
                continue
            self.emulator.mem_write(address, content[at : at + stored])
            if address < toolchain.RAM:
                self.flash += stored
            else:
                self.ram += whole
        return int(entry)

    def call(self, function: str, *arguments: int) -> int:
        """Call a function of the port."""
        arm, emulator = self.arm, self.emulator
        for register, argument in zip((arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1), arguments, strict=False):
            emulator.reg_write(register, argument & 0xFFFFFFFF)
        emulator.reg_write(arm.UC_ARM_REG_SP, toolchain.RAM + _RAM_SIZE)
        emulator.reg_write(arm.UC_ARM_REG_LR, _RETURN | 1)
        emulator.emu_start(self.functions[function] | 1, _RETURN)
        return int(emulator.reg_read(arm.UC_ARM_REG_R0))

    def read(self, address: int, size: int) -> bytes:
        """Read memory."""
        return bytes(self.emulator.mem_read(address, size))

    @property
    def stack(self) -> int:
        """Bytes of stack that were used at most."""
        content = self.read(toolchain.RAM + _RAM_SIZE // 2, _RAM_SIZE // 2)
        return len(content.lstrip(_FILL))

    def _block(self, emulator: Any, address: int, size: int, _: object) -> None:
        """Count the instructions of a block as it begins: of four bytes if its first five bits say so."""
        if address not in self._lengths:
            words = struct.unpack(f"<{size // 2}H", self.read(address, size))
            place = number = 0
            while place < len(words):
                place += 2 if words[place] >> 11 in (0b11101, 0b11110, 0b11111) else 1
                number += 1
            self._lengths[address] = number
        self.instructions += self._lengths[address]


_FLASH_SIZE, _RAM_SIZE = 0x40_0000, 0x40_0000
_RETURN = toolchain.FLASH + _FLASH_SIZE - 0x1000
_PT_LOAD = 1
_FILL = b"\xa5"


def wasm_module(net: QuantisedNet, front_end: FrontEnd | None = None) -> bytes:
    """Compile a network to a WebAssembly module with the functions of `silif_plugins.deploy.port`."""
    with tempfile.TemporaryDirectory() as place:
        folder = _written(net, place, front_end)
        toolchain.wasm(port_functions(front_end is not None), [f"{NAME}.c", "port.c"], folder, "net.wasm")
        return (folder / "net.wasm").read_bytes()


def _written(net: QuantisedNet, place: str, front_end: FrontEnd | None) -> Path:
    folder = Path(place)
    to_c(net, folder, name=NAME, front_end=front_end)
    (folder / "port.c").write_text(port_source(net, NAME, hears=front_end is not None))
    return folder
