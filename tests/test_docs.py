"""What the documentation shows works: every Python block runs, here or where it is built, and every command is one."""

import importlib.util
import re
import shlex
import sys
import tomllib
import types
from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("yaml")

from silif_plugins import cli
from silif_plugins.cli import ablate, base, compare, train, zoo
from silif_plugins.datasets import SOURCES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EVERY_PAGE = sorted(DOCS.rglob("*.md"))
PAGES = [page for page in EVERY_PAGE if re.search(r"^```python(?! exec)", page.read_text(), re.MULTILINE)]
"""Those with blocks that the build does not execute: it does so with the others, and fails where one fails."""

TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *EVERY_PAGE]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def _sparch(monkeypatch):
    """A module where that of SpArch would be."""
    spec = importlib.util.spec_from_file_location("sparch.models.snns", Path(__file__).parent / "sparch_stand_in.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("sparch", "sparch.models"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "sparch.models.snns", module)
    sys.modules["sparch"].models = sys.modules["sparch.models"]
    sys.modules["sparch.models"].snns = module


@pytest.mark.slow
@pytest.mark.usefixtures("_sparch")
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(DOCS / "_build")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict[str, object] = {"__name__": "docs"}
    blocks = re.findall(r"^```python[^\n]*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    with mock.patch.dict(SOURCES):  # a page may register a data set
        for block in blocks:
            exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=name_of)
def test_every_page_is_in_the_navigation(page):
    assert page.relative_to(DOCS).as_posix() in (ROOT / "mkdocs.yml").read_text()


def commands(text):
    """Command lines in indented and fenced blocks, and in running text."""
    prose = re.sub(r"^```python.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    lines = re.findall(r"^ *((?:silif|pip|make|python -m) .*)$", prose, re.MULTILINE)
    spans = re.findall(r"`((?:silif|pip|make) [^`]*)`", prose)
    return [" ".join(span.split()) for span in spans] + [line for line in lines if "`" not in line]


COMMANDS = sorted({(name_of(text), command) for text in TEXTS for command in commands(text.read_text())})


def test_commands_are_found():
    found = " ".join(command for _, command in COMMANDS)
    for word in ("silif train", "silif compare", "silif evaluate", "pip install", "make test"):
        assert word in found


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_exist(page, command, monkeypatch):
    monkeypatch.setattr(base, "check", lambda *_: None)  # data sets that are not here
    monkeypatch.setattr(base, "of_checkpoint", lambda _: base.Base({}))  # nor are runs
    program, *arguments = shlex.split(command, comments=True)
    if program == "silif":
        name = cli._name(arguments)
        arguments.remove(name)
        if "--help" in arguments:
            assert cli.help_of(name)
        else:
            settings = cli._command(name).parser().read(arguments)
            if name == "train" and not any(argument.isupper() for argument in arguments):  # FOLDER and the like
                train.plan(settings)
            elif name == "compare":
                compare.configs(settings)
            elif name == "zoo":
                zoo.runs(settings)
            elif name == "ablate":
                ablate.runs(settings)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for names in re.findall(r"\[([\w,]+)\]", command):
            assert set(names.split(",")) <= extras.keys()
    else:
        module = ROOT / arguments[1].replace(".", "/")
        assert (module / "__main__.py").is_file() or module.with_suffix(".py").is_file()
