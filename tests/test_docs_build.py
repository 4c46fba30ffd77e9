"""What the documentation's build checks beside MkDocs: links to other sites, and references in docstrings."""

import importlib.util
import inspect
import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from silif_plugins import cli

HOOKS = Path(__file__).parents[1] / "docs" / "_build"


def load(name):
    spec = importlib.util.spec_from_file_location(f"docs_build_{name}", HOOKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def links(tmp_path, monkeypatch):
    """The hook, in a repository with a README that has three links."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.md").touch()
    (tmp_path / "README.md").write_text("[a](there.md#part) [b](gone.md) [c](https://example.org/home)")
    for text in ("CONTRIBUTING.md", "CHANGELOG.md"):
        (tmp_path / text).write_text("[top](#top)")
    return load("links")


def page(name):
    return SimpleNamespace(file=SimpleNamespace(src_uri=name))


def test_links_of_the_readme(links, caplog):
    links.on_pre_build()
    assert [record.getMessage() for record in caplog.records] == ["README.md: links to gone.md, which does not exist"]
    assert links.external == {"https://example.org/home": {"README.md"}}


def test_links_to_other_sites_are_listed(links, caplog):
    links.on_post_page('<a href="https://example.org/b">b</a> <a href="own.html">c</a>', page=page("one.md"))
    links.on_post_page('<a href="https://example.org/b">b</a>', page=page("two.md"))
    with caplog.at_level(logging.INFO):
        links.on_post_build()
    assert [record.getMessage() for record in caplog.records][1:] == ["  https://example.org/b (one.md, two.md)"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://example.org/x.js"></script>',
        '<link rel="stylesheet" href="//example.org/x.css">',
        '<img src="http://example.org/x.png">',
    ],
)
def test_nothing_is_loaded_from_other_sites(links, caplog, element):
    links.on_post_page(element, page=page("one.md"))
    assert "from another site" in caplog.text
    assert links.external == {}


def test_references_in_docstrings_become_links(tmp_path, monkeypatch):
    griffe = pytest.importorskip("griffe")
    monkeypatch.chdir(tmp_path)  # griffe looks for packages here first
    docstrings = load("docstrings")
    code = {
        "__init__.py": "from .running import run\nfrom .running import Runner",
        "running.py": '''
def run():
    """Run; see :class:`Runner`, :func:`silif_plugins.other` and :class:`torch.nn.Module`::

        run()

    That is all.
    """

class Runner:
    def go(self):
        """As :meth:`stop`, and :func:`nothing`."""

    def stop(self):
        """Stop."""
''',
    }
    extensions = griffe.load_extensions(docstrings.References)
    with griffe.temporary_visited_package("silif_plugins", code, extensions=extensions) as package:
        assert package["run"].docstring.value == (
            "Run; see [`Runner`][silif_plugins.running.Runner], [`silif_plugins.other`][silif_plugins.other] and "
            "`torch.nn.Module`:\n\n    run()\n\nThat is all."
        )
        go = package["Runner"].members["go"].docstring.value
        assert go == "As [`stop`][silif_plugins.running.Runner.stop], and [`nothing`][nothing]."


def test_named_neurons_show_the_arguments_of_their_models():
    """As their signature at run time does; in the code they stand behind `**options`."""
    griffe = pytest.importorskip("griffe")
    pytest.importorskip("snntorch")
    from silif_plugins.snntorch.named import NAMED

    extensions = griffe.load_extensions(load("docstrings").References)
    root = Path(__file__).parents[1]
    package = griffe.load("silif_plugins", search_paths=[root], docstring_parser="google", extensions=extensions)
    for cls in NAMED.values():
        *shown, last = (p.name for p in package["snntorch"][cls.__name__].parameters if p.name != "self")
        assert last == "options"
        of_model = set(inspect.signature(cls.model).parameters) - {"threshold"}
        assert of_model <= set(shown) <= set(inspect.signature(cls).parameters)


def test_drawings_are_part_of_their_page(tmp_path):
    """Under the words of the page, and in its ink: the style of the whole drawing is left out, others stay."""
    for folder in ("images", "deep"):
        (tmp_path / folder).mkdir()
    theme = "<style>svg{color:#555}@media(prefers-color-scheme:dark){svg{color:#bbb}}</style>"
    style = f"{theme}<style>.a{{opacity:0}}</style>"
    (tmp_path / "images" / "one.svg").write_text(f'<?xml version="1.0"?>\n<svg width="5">{style}</svg>\n')
    content = '<p><img alt="a &amp; b" src="../images/one.svg" /> <img alt="" src="two.png"></p>'
    made = load("inline_svg").on_page_content(content, page=page("deep/one.md"), config={"docs_dir": tmp_path})
    drawing = '<svg role="img" aria-label="a &amp; b" width="5"><style>.a{opacity:0}</style></svg>'
    assert made == f'<p>{drawing} <img alt="" src="two.png"></p>'


def test_bars_are_drawn_from_the_tables_of_the_page():
    tables = load("page_tables")
    table = tables.numbers("explanations/performance.md", 0)
    assert table["SiLIF"] == {"[250, 32, 512]": 1.0, "[250, 128, 512]": 1.0, "[1000, 16, 256]": 1.0}
    assert "snn.Leaky in a loop, with unbind" in table
    assert set(tables.turned(table)["[250, 32, 512]"]) == set(table)


def test_the_page_of_the_command_line_shows_every_command():
    """Under a heading of its own: a line that says what it does, an example, and its options on demand."""
    text = (HOOKS.parent / "reference" / "cli.md").read_text()
    sections = dict(re.findall(r"^### silif ([\w-]+)\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE))
    assert set(sections) == set(cli.COMMANDS)
    for command, section in sections.items():
        assert re.match(r"\n[A-Z][^\n]+", section), command
        assert re.search(rf"^```text\n(?:cat \S+ \| )?silif {command}\b", section, re.MULTILINE), command
        assert section.count(f'print(options("{command}"))') == 1
    folded = load("command_help").options("report")
    assert folded.startswith("<details><summary>")
    assert "--out FILE" in folded


def test_the_page_of_recipes_has_all_of_them():
    pytest.importorskip("yaml")
    from silif_plugins.paper import recipes

    text = (HOOKS.parent / "reference" / "recipes.md").read_text()
    tables = "".join(map(load("recipe_tables").section, re.findall(r'print\(section\("([\w-]+)"\)\)', text)))
    assert [name for name in recipes.names() if f"`silif train {name}`" not in tables] == []
    assert "80.11\u00a0±\u00a00.31\u00a0% (table\u00a01)" in tables


@pytest.mark.parametrize("name", ["table1", "table2", "table6", "table7"])
def test_tables_of_the_paper_have_the_rows_of_its_recipes(name):
    pytest.importorskip("yaml")
    from silif_plugins.paper import recipes

    table = load("published_tables").section(name)
    assert [recipe.name for recipe in recipes.in_set(name) if f"`silif reproduce {recipe.name}`" not in table] == []
    assert "settings" not in table
    assert name != "table1" or "| 80.11 ± 0.31 % | `silif reproduce ssc/silif-10ms` |" in table


def test_numbers_in_tables_keep_their_units():
    made = load("units").on_page_content("<p>5 % of</p><td>208k ± 10k, 5.1 ± 0.2 % of it</td>")
    assert made == "<p>5 % of</p><td>208k\u00a0±\u00a010k, 5.1\u00a0±\u00a00.2\u00a0% of it</td>"


def test_pages_of_the_reference_begin_with_what_is_used_first():
    griffe = pytest.importorskip("griffe")
    docstrings = load("docstrings")
    root = Path(__file__).parents[1]
    package = griffe.load(
        "silif_plugins", search_paths=[root], extensions=griffe.load_extensions(docstrings.References)
    )
    for name, first in docstrings.FIRST.items():
        members = [each for each in package[name].members.values() if each.is_alias]
        order = [each.name for each in sorted(members, key=lambda each: each.alias_lineno)]
        assert order[: len(first)] == list(first)
    neurons = [each for each in package["neurons"].members.values() if each.is_alias]
    assert max(neurons, key=lambda each: each.alias_lineno).name in ("COUPLING", "SPIKE_COUPLING", "Init", "Learn")


def test_the_figure_of_the_readme_is_made_of_its_table():
    """The file is written by the script; what it reads is the table beside the figure."""
    pytest.importorskip("matplotlib")
    found = load("readme_figure").summaries()
    assert [each.neuron for each in found] == ["LIF", "RF", "AdLIF", "cAdLIF", "SiLIF", "C-SiLIF"]
    text = (HOOKS.parents[1] / "README.md").read_text()
    for each in found:
        row = next(line for line in text.splitlines() if line.startswith(f"| {each.neuron} "))
        assert f"| {100 * each.accuracy:.1f} ± {100 * each.accuracy_sd:.1f} %" in row
        assert f"{each.synaptic_operations / 1e3:.0f}k ± {each.synaptic_operations_sd / 1e3:.0f}k" in row
    assert (HOOKS.parent / "images" / "accuracy_against_operations.svg").read_text().startswith("<?xml")
