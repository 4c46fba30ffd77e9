"""The structure of the package: imports point down, without circles, and every name is what it says."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import silif_plugins

PACKAGE = Path(silif_plugins.__file__).parent

LAYERS = [
    {"files", "hints", "memory", "optional", "tables"},
    {"kernels", "surrogate", "swapping"},
    {"dynamics"},
    {"scan", "synapses"},
    {"neurons"},
    {"datasets", "diagnosis", "exchange", "metrics", "testing"},
    {"norse", "snntorch", "sparch", "ssm"},
    {"plots", "training"},
    {"formats", "paper", "report"},
    {"deploy"},
    {"cli"},
]
"""From the ground up. What stands in one line imports nothing of the others there: so hosts never import each other."""

TOOLBOXES = {"kernels"}
"""Packages whose modules are their face."""


def modules():
    """All modules of the package: their names, by file."""
    names = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        names[file] = ".".join(("silif_plugins", *parts[: -1 if parts[-1] == "__init__" else None]))
    return names


MODULES = modules()
PACKAGES = sorted(name for file, name in MODULES.items() if file.name == "__init__.py")


def imports_of(file):
    """Modules of the package that a file imports, wherever the import stands but under TYPE_CHECKING."""
    tree = ast.parse(file.read_text())
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    here = MODULES[file].split(".")
    base = here if file.name == "__init__.py" else here[:-1]
    known = set(MODULES.values())
    for node in ast.walk(tree):
        if id(node) in typing or not isinstance(node, (ast.ImportFrom, ast.Import)):
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in known)
            continue
        start = base[: len(base) - node.level + 1] if node.level else []
        origin = ".".join([*start, *([node.module] if node.module else [])])
        for name in node.names:
            if f"{origin}.{name.name}" in known:
                yield f"{origin}.{name.name}"
            elif origin in known:
                shown = name.name in silif_plugins.__all__ or name.name.startswith("__")
                assert origin != "silif_plugins" or shown, f"{file}: there is no {name.name}"
                yield origin


def place(module):
    """The folder, or file, of the package's first level that a module is in."""
    return module.split(".")[1] if "." in module else ""


def test_every_folder_has_its_layer():
    found = {place(module) for module in MODULES.values()} - {""}
    assert found == set().union(*LAYERS)
    assert sum(len(layer) for layer in LAYERS) == len(found)


@pytest.mark.parametrize("name", sorted(set().union(*LAYERS)))
def test_imports_point_down(name):
    height = {each: level for level, layer in enumerate(LAYERS) for each in layer}
    for file, module in MODULES.items():
        if place(module) == name:
            for imported in imports_of(file):
                other = place(imported)
                assert other in ("", name) or height[other] < height[name], f"{module} imports {imported}"


def test_no_circle_of_files():
    graph = {module: {other for other in imports_of(file) if other != module} for file, module in MODULES.items()}
    while leaves := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in leaves}
    circular = {module: sorted(others & graph.keys()) for module, others in graph.items()}
    assert not circular


def test_packages_import_each_other_by_their_faces():
    """From another package comes what its ``__init__`` shows, and nothing from its inner files."""
    for file, module in MODULES.items():
        for imported in imports_of(file):
            package, _, name = imported.rpartition(".")
            inner = package != "silif_plugins" and "." in imported and place(imported) != place(module)
            face = imported in PACKAGES or place(imported) in TOOLBOXES
            shown = not inner or face or name in getattr(importlib.import_module(package), "__all__", ())
            assert shown, f"{module} imports {imported}"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_shows_is_there(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


def test_no_module_is_hidden_by_a_name():
    """``import silif_plugins.scan.gpu as g`` gives the module: no function of a package has the name of a file."""
    code = """
import importlib, pkgutil, sys
import silif_plugins
hidden, skipped = [], []
for found in pkgutil.walk_packages(silif_plugins.__path__, "silif_plugins."):
    parent, _, name = found.name.rpartition(".")
    if name == "__main__" or found.name.startswith("silif_plugins.sparch.__main__"):
        continue
    try:
        module = importlib.import_module(found.name)
    except ImportError as error:
        skipped.append(found.name)
        continue
    if getattr(sys.modules[parent], name) is not module:
        hidden.append(found.name)
print(*hidden)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
