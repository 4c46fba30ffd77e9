"""A network in static memory, behind functions without structs: what wasm and emulators call."""

from __future__ import annotations

from .quantised import QuantisedNet

FUNCTIONS = ("begin", "event", "step", "spikes", "scores", "steps", "decision", "confidence", "excite")


def port_functions(hears: bool) -> tuple[str, ...]:
    """Return their names, those of a network that hears samples or that does not."""
    return (*FUNCTIONS, "sample", "bands") if hears else FUNCTIONS


def port_source(net: QuantisedNet, name: str, *, hears: bool = False) -> str:
    """Write the functions, and a table of their addresses, where a program for a bare chip begins.

    ``excite`` makes all neurons fire in the next step, to count what that costs.
    """
    sizes = [len(layer.weight) for layer in net.hidden]
    copies = "\n".join(
        f"    for (unsigned i = 0; i < {size}; i++)\n        fired[{sum(sizes[:index])} + i] = net.spk_{index}[i];"
        for index, size in enumerate(sizes)
    )
    high = {"float32": "1e9f", "int16": "32767", "int32": "1 << 30"}[net.state]
    excited = "\n".join(
        f"    for (unsigned i = 0; i < {size}; i++) {{\n"
        f"        net->mem_{index}[i] = {high};\n"
        f"        net->spk_{index}[i] = 0;\n    }}"
        for index, size in enumerate(sizes)
    ).replace("net->", "net.")
    table = ", ".join(f"(const void *)port_{function}" for function in port_functions(hears))
    place, begin, sample = f"static {name}_state net;", f"{name}_reset(&net)", ""
    if hears:
        place, begin = f"static {name}_listener listener;\n#define net listener.net", f"{name}_begin(&listener)"
        sample = f"int port_sample(int sample)\n{{\n    return {name}_sample(&listener, (int16_t)sample);\n}}\n\n"
        sample += "const int16_t *port_bands(void)\n{\n    return listener.bands;\n}\n\n"
    return f"""\
/* Written by silif_plugins; not to be edited. See port.py there. */
#include "{name}.h"

{place}
static uint8_t fired[{name.upper()}_HIDDEN];

void port_begin(void)
{{
    {begin};
}}

void port_event(unsigned channel, int count)
{{
    {name}_event(&net, channel, count);
}}

void port_step(void)
{{
    {name}_step(&net);
}}

/* Of all hidden layers in the last step, a byte for each neuron. */
const uint8_t *port_spikes(void)
{{
{copies}
    return fired;
}}

const uint64_t *port_scores(void)
{{
    return net.scores;
}}

unsigned port_steps(void)
{{
    return net.steps;
}}

unsigned port_decision(void)
{{
    return {name}_decision(&net);
}}

unsigned port_confidence(void)
{{
    return {name}_confidence(&net);
}}

void port_excite(void)
{{
{excited}
}}

{sample}const void *const port_table[] = {{{table}}};
"""
