"""The command line: ``silif COMMAND``, one module a command.

Results go to stdout, progress and logs to stderr. Exit code 0: done; 1: the machine failed (such as a full disk), or
what was asked is not so (a neuron is unstable); 2: the user can mend it; 130: interrupted. Nothing here imports torch
before a command does: help is there at once.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

from .. import __version__
from ..hints import did_you_mean
from .output import Answer, show
from .parser import Parser, UsageError

__all__ = ["COMMANDS", "help_of", "main"]

COMMANDS = {
    "demo": "Recognise spoken digits.",
    "train": "Train a network.",
    "evaluate": "Evaluate a trained network.",
    "stability": "Say whether its neurons are stable.",
    "report": "Write a page about a run.",
    "predict": "Say what recordings are.",
    "compare": "Compare neurons.",
    "zoo": "Compare all neurons, each at its best learning rate.",
    "ablate": "Leave features of C-SiLIF and SiLIF out.",
    "export": "Write a trained network for others.",
    "stream": "Recognise what comes on stdin.",
    "figures": "Draw the figures of the paper.",
    "recipes": "List the recipes.",
    "reproduce": "Train what was published again.",
    "download": "Download SHD or SSC.",
    "generate": "Make more spoken digits.",
    "train-sdn": "Train a surrogate dynamic network.",
}
"""What each command does; the module of its name, with _ for -, has ``parser`` and ``run``."""

_LIST = "\n".join(f"  {name:<11}{does}" for name, does in COMMANDS.items())
HELP = f"""\
usage: silif COMMAND [options]

Train, evaluate and compare SiLIF and other spiking neurons.

commands:
{_LIST}

options, before or after the command:
  --help     The options of a command: silif train --help.
  --verbose  Log more to stderr.
  --json     Results as JSON, as in a pipe; --no-json: as on a terminal.
  --version  Print the version.

To begin with: silif train"""

HELPS = ("--help", "-h")

USER_ERRORS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    atexit.register(gc.freeze)  # else the interpreter looks for garbage at its end, in all of PyTorch: up to a second
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("interrupted; finished epochs are kept: run it again (silif train: with --resume)")
        return 130
    except USER_ERRORS as error:
        _complain(f"error: {error}")
        return 2
    except BrokenPipeError:  # whoever reads our results, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes at exit
        return 0
    except OSError as error:
        _complain(f"failed: {error}")
        return 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("out of memory|can't allocate memory", str(error)):
            raise
        _complain(f"error: not enough memory; take fewer steps, smaller layers or batches ({error})")
        return 2
    return code


def _complain(message: str) -> None:
    print(f"silif: {message}", file=sys.stderr)


def _run(arguments: list[str]) -> int:
    if not arguments or "--version" in arguments or all(each in HELPS for each in arguments):
        print(__version__ if "--version" in arguments else HELP)
        return 0
    name = _name(arguments)
    arguments.remove(name)
    if any(each in HELPS for each in arguments):
        print(help_of(name, [each for each in arguments if each not in HELPS]), end="")
        return 0
    command = _command(name)
    settings = command.parser().read(arguments)
    with _logging(settings.verbose):
        answer: Answer | None = command.run(settings)
        if answer is None:
            return 0
        show(answer, settings.json)
        return answer.code


def _name(arguments: Sequence[str]) -> str:
    """Find the command: the first argument, or the first that is one where options come before it."""
    words = [each for each in arguments if not each.startswith("-")]
    if arguments[0].startswith("-"):
        words = [each for each in words if each in COMMANDS] or words
    if not words:
        hint = did_you_mean(arguments[0], ("--help", "--verbose", "--version")) or "; 'silif --help' lists them"
        raise UsageError(f"{arguments[0]}: no command is given{hint}")
    if words[0] not in COMMANDS:
        hint = did_you_mean(words[0], COMMANDS) or "; 'silif --help' lists them"
        raise UsageError(f"{words[0]}: no such command{hint}")
    return words[0]


def help_of(name: str, arguments: Sequence[str] = ()) -> str:
    """Return the help of a command; what else is given may change the defaults that it shows."""
    parser: Parser = _command(name).parser(arguments)
    return parser.format_help()


def _command(name: str) -> ModuleType:
    return importlib.import_module(f".{name.replace('-', '_')}", __name__)


@contextlib.contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    """Send the package's log to stderr; progress is part of it where there is no terminal to draw a bar on."""
    logger, handler = logging.getLogger("silif_plugins"), logging.StreamHandler(sys.stderr)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose or not sys.stderr.isatty() else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
