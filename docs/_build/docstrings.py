"""Docstrings as Markdown: the objects that they name become links, and the build checks that there is such an object.

In docstrings a reference is written as editors and Sphinx know it, with a role and the name, such as :func:`scan`.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe

PACKAGE = "silif_plugins"
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`([\w.]+)`")
HOSTED = re.compile(r"hosts\(neurons\.(\w+)")
LITERAL_BLOCK = re.compile(r"::(?=\n\n {4})")


class References(griffe.Extension):
    """Makes links of the roles in docstrings, and shows the arguments that named neurons hand on."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the docstrings of a package that has been read."""
        if pkg.path != PACKAGE:
            return
        for each in _objects(pkg):
            if each.docstring:
                text = LITERAL_BLOCK.sub(":", each.docstring.value)
                each.docstring.value = ROLE.sub(lambda match, place=each: _link(match[1], place), text)
        for each in _objects(pkg):
            if each.is_class:
                _show_arguments_of_model(each, pkg)


def _show_arguments_of_model(neuron: griffe.Class, package: griffe.Module) -> None:
    """Give a named neuron of snnTorch the arguments that its constructor hands on to its model, as at run time."""
    for decorator in neuron.decorators:
        if found := HOSTED.match(str(decorator.value)):
            shown = neuron.members["__init__"].parameters
            rest = shown[-1]
            names = {parameter.name for parameter in shown} | {"threshold"}
            of_model = package["neurons"][found[1]].parameters
            shown._params[-1:] = [parameter for parameter in of_model if parameter.name not in names]
            shown.add(rest)


def _link(name: str, place: griffe.Object) -> str:
    if name.startswith(PACKAGE):
        target = name
    else:
        try:
            target = place.resolve(name)
        except griffe.NameResolutionError:
            target = name
    # Other packages' pages are not here; a name of ours that leads nowhere makes the build fail.
    return f"`{name}`" if "." in name and not target.startswith(PACKAGE) else f"[`{name}`][{target}]"


def _objects(parent: griffe.Object) -> Iterator[griffe.Object]:
    yield parent
    for member in parent.members.values():
        if not member.is_alias:
            yield from _objects(member)
