"""Docstrings as Markdown: the objects that they name become links, and the build checks that there is such an object.

In docstrings a reference is written as editors and Sphinx know it, with a role and the name, such as :func:`scan`.
"""

import re
from collections.abc import Iterator
from typing import Any

import griffe

PACKAGE = "silif_plugins"
FIRST = {
    "neurons": (
        *("SiLIF", "CSiLIF", "CAdLIF", "AdLIF", "LIF", "RF", "ALIF", "SEAdLIF", "BRF", "HRF", "PRF", "S5RF", "RAFNode"),
        *("FITS", "FITSTS", "DRF", "DLinOSS", "GeneralResetNeuron", "LI", "Neuron", "register_neuron", "neuron_class"),
    ),
    "snntorch": ("SiLIF", "CSiLIF", "replace", "from_leaky", "over_time", "reset", "CAdLIF", "AdLIF", "RF"),
    "norse": ("SiLIF", "CSiLIF", "replace", "from_lif", "SiLIFParameters", "CSiLIFParameters"),
    "sparch": ("SpArchNet", "SpArchOutput", "load_official", "save_official", "register"),
    "training": ("TrainConfig", "train", "load_network", "Trained", "evaluate", "compare", "zoo"),
    "datasets": ("load", "SpokenDigits", "SequentialDigits", "SHD", "SSC", "SpeechCommands", "FrameDataset"),
    "synapses": ("SpikeLinear", "spike_linear", "DelayedLinear", "AxonalLinear", "DendriticLinear"),
    "dynamics": ("StateSpace", "Dynamics", "HardReset", "ModalSpace", "DenseSpace", "eigenvalues", "is_stable"),
    "scan": ("scan", "step", "scan_with_gate", "scan_layer"),
    "ssm": ("S4DNet", "SpikingSSMNet", "MambaNet"),
    "formats": ("export", "check_nir", "Exporter", "register_exporter"),
    "deploy": ("quantise", "to_c", "Stream", "chip_report"),
    "metrics": ("OperationCount", "Operations", "synaptic_operations", "sparsity", "firing_rates"),
    "plots": ("raster", "traces", "accuracy_against_operations", "grouped_bars", "save", "svg"),
}
"""What a page of the reference begins with, in the order of use; constants and names of types come last."""

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
        for name, first in FIRST.items():
            if name in pkg.members:
                _put_first(pkg[name], first)


def _put_first(module: griffe.Module, first: tuple[str, ...]) -> None:
    """Order what a package shows; pages take the order of the lines in which it is imported."""
    for member in module.members.values():
        if member.is_alias and _is_constant(member):
            member.alias_lineno += 10_000
    for place, name in enumerate(first):
        module[name].alias_lineno = place - len(first)


def _is_constant(alias: griffe.Alias) -> bool:
    try:
        return alias.is_attribute
    except griffe.AliasResolutionError:  # of another package
        return False


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
