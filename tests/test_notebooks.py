"""Notebooks are the tutorials: the same blocks in the same order, and they run."""

import importlib.util
import json
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("docs_notebooks", ROOT / "docs" / "_build" / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_code_cells_are_the_blocks_of_the_page(page, hook):
    """The build of the pages, or test_docs.py, runs those."""
    text = page.read_text()
    found = re.findall(r"^```python([^\n]*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    blocks = [code.rstrip() for options, code in found if "exec" not in options or 'source="above"' in options]
    made = hook.notebook(text)
    if not blocks:
        assert made is None
        return
    first, *code = ["".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"]
    assert first.startswith('%pip install -q "silif_plugins[')
    assert [cell.replace("SVG(plots.svg(figure))", "print(plots.svg(figure))") for cell in code] == blocks
    words = [cell["source"] for cell in made["cells"] if cell["cell_type"] == "markdown"]
    assert not any("```python" in each or "][silif_plugins" in each or ".md)" in each for each in words)
    assert words[0].startswith("# ")
    assert json.loads(json.dumps(made))["nbformat"] == 4
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])


def test_tables_of_results_stand_in_the_notebook(hook):
    made = hook.notebook((ROOT / "docs" / "tutorials" / "voices.md").read_text())
    assert any("| neuron" in cell["source"] for cell in made["cells"] if cell["cell_type"] == "markdown")


def test_equations_and_links_are_those_of_notebooks(hook):
    made = hook.notebook(
        "# A\n\n\\(a\\) of [`x`][silif_plugins.x], [b](c.md#d), [e](https://e.org)\n\n```python\n1\n```\n"
    )
    assert made["cells"][1]["source"] == "# A\n\n$a$ of `x`, b, [e](https://e.org)"


@pytest.mark.slow
def test_a_notebook_runs(hook, monkeypatch, tmp_path):
    """As Jupyter would run it, but for its first line, which installs."""
    pytest.importorskip("matplotlib")
    shown = []
    display = types.ModuleType("IPython.display")
    display.SVG = shown.append
    if importlib.util.find_spec("IPython") is None:  # matplotlib asks for it
        package = types.ModuleType("IPython")
        package.version_info, package.get_ipython = (9,), lambda: None
        monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    made = hook.notebook((ROOT / "docs" / "tutorials" / "stability.md").read_text())
    names = {"__name__": "__main__"}
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            code = "\n".join(line for line in cell["source"].splitlines() if not line.startswith("%pip"))
            exec(compile(code, "cell", "exec"), names)
    assert len(shown) == 1
    assert shown[0].startswith("<svg")


def test_examples_and_results_come_with_the_pages(hook):
    files = pytest.importorskip("mkdocs.structure.files")
    config = pytest.importorskip("mkdocs.config.defaults").MkDocsConfig(str(ROOT / "mkdocs.yml"))
    config.load_dict({"site_name": "x", "docs_dir": str(ROOT / "docs")})
    config.validate()
    config.plugins._current_plugin = "hook"
    found = {file.src_uri for file in hook.on_files(files.Files([]), config=config)}
    assert {"examples/shd.py", "results/zoo_spoken_digits.md", "tutorials/speech.ipynb"} <= found
    assert "tutorials/add-neuron.ipynb" not in found
