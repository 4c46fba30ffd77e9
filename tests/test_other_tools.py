"""The documentation's blocks that need other tools run where these are installed; a block's title names its tool."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r'^```py title="(\w+)"\n(.*?)^```', re.DOTALL | re.MULTILINE)
TOOLS = BLOCK.findall((DOCS / "tutorials" / "other-tools.md").read_text())


def tool(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    except RuntimeError as error:  # installed, but what it stands on is broken
        pytest.skip(f"{name} cannot be imported: {error}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "block"), TOOLS[1:], ids=[name for name, _ in TOOLS[1:]])
def test_block_runs(name, block, tmp_path, monkeypatch):
    tool(name)
    if name == "neurobench":
        tool("snntorch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = {"__name__": "docs"}
    for code in (TOOLS[0][1], block):
        exec(compile(code, name, "exec"), names)


def test_every_tool_is_shown():
    assert [name for name, _ in TOOLS] == ["torch", "lightning", "accelerate", "skorch", "optuna", "neurobench"]


FORMATS = BLOCK.findall((DOCS / "tutorials" / "formats.md").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "block"), FORMATS, ids=[name for name, _ in FORMATS])
def test_formats(name, block, tmp_path):
    from silif_plugins.formats import export
    from silif_plugins.training import from_pretrained, load_split

    tool(name)
    if name == "onnxruntime":
        tool("onnxscript")
    net, config, classes, results = from_pretrained("silif-spoken-digits")
    frames, label = load_split(config, "test")[7]
    known = {"net": net, "config": config, "classes": classes, "results": results, "export": export}
    exec(compile(block, name, "exec"), {**known, "folder": tmp_path, "frames": frames, "label": label})
