"""C99 of a quantised network: one header and one source, without heap or libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..dynamics import StateSpace
from .exponential import FRACTION, LARGEST_DISTANCE, LOG2E, ONE, TABLE, TABLE_BITS, log2e
from .hearing import Hearing, hearing_header, hearing_source
from .quantised import CURRENT_BITS, QuantisedLayer, QuantisedNet, in_float32

NAME = re.compile(r"[a-z][a-z0-9_]*")


def c_name(name: str) -> str:
    """Return a prefix for C names if it is one.

    Raises:
        ValueError: If it is not made of small letters, digits and underscores.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name: got {name!r}; it must be small letters, digits and underscores, a letter first")
    return name


def header(net: QuantisedNet, name: str, classes: Sequence[str] = (), hearing: Hearing | None = None) -> str:
    """Write the header: sizes, the state of a network, and its functions.

    Args:
        net: The network.
        name: Prefix of all names.
        classes: Names of the classes.
        hearing: The front end, if it is to hear samples.
    """
    upper, real = name.upper(), net.state == "float32"
    fields = [f"    int16_t input[{net.num_inputs}]; /* counts of this step */"]
    for index, layer in enumerate(net.layers):
        outputs, inputs = layer.weight.shape
        kind = "float" if real else f"{net.state}_t"
        fields.append(f"    /* {layer.name} */")
        if layer.delays is None:
            fields.append(f"    int32_t sum_{index}[{outputs}];")
        elif layer.delays.dim() == 1:
            fields.append(f"    int32_t sum_{index}[{outputs}];")
            past = "int16_t" if index == 0 else "uint8_t"
            fields.append(f"    {past} past_{index}[{layer.max_delay + 1}][{inputs}];")
        else:
            fields.append(f"    int32_t ahead_{index}[{layer.max_delay + 1}][{outputs}];")
        states = [f"mem_{index}[{outputs}]"]
        if _has_second(layer):
            states.append(f"ada_{index}[{outputs}]")
        fields.append(f"    {kind} {', '.join(states)};")
        if layer is not net.readout:
            fields.append(f"    uint8_t spk_{index}[{outputs}]; /* spikes of the last step */")
    hidden = sum(len(layer.weight) for layer in net.hidden)
    names = (
        f"/* Names of the classes. */\nextern const char *const {name}_classes[{upper}_CLASSES];\n" if classes else ""
    )
    return f"""\
/* A spiking network of {net.num_inputs}-{"-".join(str(len(layer.weight)) for layer in net.layers)}, \
states {net.state}. Written by silif_plugins; not to be edited.

   In every time step: {name}_event for each channel that has events, then {name}_step.
   Compile with -ffp-contract=off, and without -ffast-math: then every spike is that of Python's quantised network. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {upper}_INPUTS {net.num_inputs}
#define {upper}_CLASSES {net.num_classes}
#define {upper}_HIDDEN {hidden}
#define {upper}_LIMIT {net.input_limit} /* counts of a channel in one step are cut here */

typedef struct {{
{chr(10).join(fields)}
    /* the decision */
    uint64_t scores[{net.num_classes}]; /* sums of shares, {FRACTION} bits after the point */
    uint32_t steps;
}} {name}_state;

{names}/* Begin a sequence. */
void {name}_reset({name}_state *net);

/* Events of a channel in the coming step; more of them add up. What is no channel is left out. */
void {name}_event({name}_state *net, unsigned channel, int count);

/* Take a time step. */
void {name}_step({name}_state *net);

/* The class with the highest score, the first of several. */
unsigned {name}_decision(const {name}_state *net);

/* Its probability, as training has it: 0 to 65536. */
uint32_t {name}_confidence(const {name}_state *net);
{"" if hearing is None else hearing_header(hearing, name)}
#ifdef __cplusplus
}}
#endif
#endif
"""


def source(net: QuantisedNet, name: str, classes: Sequence[str] = (), hearing: Hearing | None = None) -> str:
    """Write the source; the arguments are those of `header`."""
    float_guard = """
#include <float.h>

#if defined(__FAST_MATH__) || (defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16)
#error "float operations must be rounded one by one: no -ffast-math, no x87"
#endif
"""
    parts = [
        f"""\
/* Written by silif_plugins; not to be edited. See {name}.h. */
#include "{name}.h"
{float_guard if net.state == "float32" else ""}
#define SCALE {1 << CURRENT_BITS} /* units of a current in a level of the weights */
"""
    ]
    if classes:
        quoted = ", ".join(_quoted(each) for each in classes)
        parts.append(f"const char *const {name}_classes[{name.upper()}_CLASSES] = {{{quoted}}};\n")
    parts += [_level_reader(bits) for bits in sorted({packing(layer) for layer in net.layers} - {8})]
    parts += [_row_adder(bits) for bits in sorted({packing(each) for each in net.layers if not per_synapse(each)})]
    if net.state != "float32":
        parts.append(_CUT)
    for index, layer in enumerate(net.layers):
        parts += [_weights(index, layer), _neuron_tables(index, layer), _layer(net, name, index, layer)]
    parts.append(_decision(net, name))
    if hearing is not None:
        parts.append(hearing_source(hearing, name))
    return "\n".join(parts)


_CUT = """\
static int32_t cut(int64_t state, int32_t limit)
{
    return state > limit ? limit : state < -limit ? -limit : (int32_t)state;
}
"""


def per_synapse(layer: QuantisedLayer) -> bool:
    """Whether each synapse has a delay of its own."""
    return layer.delays is not None and layer.delays.dim() == 2


def packing(layer: QuantisedLayer) -> int:
    """Return the bits that a weight takes in memory: 8, 4 or 2."""
    return 2 if layer.bits == "ternary" else 4 if layer.bits <= 4 else 8


def packed(layer: QuantisedLayer) -> Tensor:
    """Return the weights as they stand in memory, a row for each input: bytes, [inputs, bytes of a row].

    Examples:
        >>> weight = torch.tensor([[-3], [2], [1]])
        >>> zero = torch.zeros(3)
        >>> layer = QuantisedLayer("", weight, 4, zero, zero, None, StateSpace.of())
        >>> [hex(byte) for byte in packed(layer)[0].tolist()]
        ['0x2d', '0x1']
    """
    rows, bits = layer.weight.T, packing(layer)
    if bits == 8:
        return rows
    each = 8 // bits
    rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % each))
    codes = rows + 1 if bits == 2 else rows & 15
    shifts = torch.arange(each) * bits
    return (codes.unflatten(1, (-1, each)) << shifts).sum(dim=2)


def _level(bits: int, row: str = "row") -> str:
    """How C reads the level of output i in a row of weights."""
    return f"{row}[i]" if bits == 8 else f"level_{bits}({row}, i)"


def _level_reader(bits: int) -> str:
    each = 8 // bits
    code = f"row[i / {each}] >> (i % {each} * {bits}) & {(1 << bits) - 1}"
    value = f"(({code}) ^ 8) - 8" if bits == 4 else f"({code}) - 1"
    return f"""\
static int32_t level_{bits}(const uint8_t *row, unsigned i)
{{
    return {value};
}}
"""


def _row_adder(bits: int) -> str:
    return f"""\
/* Visit the row of weights of an input that has events; a weight has {bits} bits. */
static void add_row_{bits}(int32_t *sum, const {_row_type(bits)} *row, unsigned outputs, int32_t count)
{{
    for (unsigned i = 0; i < outputs; i++)
        sum[i] += count * {_level(bits)};
}}
"""


def _row_type(bits: int) -> str:
    return "int8_t" if bits == 8 else "uint8_t"


def _weights(index: int, layer: QuantisedLayer) -> str:
    rows = packed(layer)
    kind = _row_type(packing(layer))
    text = f"/* {layer.name} */\n" + _table(f"{kind} weight_{index}[{rows.shape[0]}][{rows.shape[1]}]", rows)
    if layer.delays is not None:
        delays = layer.delays if layer.delays.dim() == 1 else layer.delays.T
        kind = "uint8_t" if layer.max_delay < 256 else "uint16_t"
        shape = "".join(f"[{size}]" for size in delays.shape)
        text += _table(f"{kind} delay_{index}{shape}", delays)
    return text


def _table(declaration: str, values: Tensor) -> str:
    if values.dim() == 1:
        return f"static const {declaration} = {{\n{_lines(values.tolist())}\n}};\n"
    rows = (f"{{{', '.join(map(str, row))}}}" for row in values.tolist())
    return f"static const {declaration} = {{\n" + ",\n".join(f"    {row}" for row in rows) + "\n};\n"


def _lines(values: Iterable[object]) -> str:
    words = [str(value) for value in values]
    return ",\n".join("    " + ", ".join(words[i : i + 8]) for i in range(0, len(words), 8))


FLOAT_NAMES = {"a11": "a11", "a12": "a12", "a21": "a21", "a22": "a22", "g1": "b1", "g2": "b2"}


def _coefficients(layer: QuantisedLayer) -> dict[str, Tensor]:
    """Return what the neurons of a layer are multiplied by, in the type of their states."""
    if layer.fixed is not None:
        return {name: getattr(layer.fixed, name) for name in (*FLOAT_NAMES, "r1", "r2", "threshold")}
    space: StateSpace = in_float32(layer.space)
    named = {name: getattr(space, field) for name, field in FLOAT_NAMES.items()}
    return {**named, "r1": space.r1, "r2": space.r2, "threshold": space.threshold}


def _literal(value: float | int) -> str:
    """Write a number so that C reads it exactly."""
    return str(value) if isinstance(value, int) else f"{value.hex()}f"


def _is_constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _neuron_tables(index: int, layer: QuantisedLayer) -> str:
    """Write the coefficients that differ between neurons, and the biases."""
    kind = "float" if layer.fixed is None else "int32_t"
    text = _table(f"int32_t bias_{index}[{len(layer.bias)}]", layer.bias)
    for name in _used(layer):
        values = _coefficients(layer)[name]
        if not _is_constant(values):
            words = [_literal(value) for value in values.tolist()]
            text += f"static const {kind} {name}_{index}[{len(words)}] = {{\n{_lines(words)}\n}};\n"
    return text


def _has_second(layer: QuantisedLayer) -> bool:
    """Whether the second state reaches the first: it is left out otherwise."""
    return bool(_coefficients(layer)["a12"].any())


def _used(layer: QuantisedLayer) -> list[str]:
    """Coefficients that are not zero throughout."""
    coefficients = _coefficients(layer)
    names = ["a11", "a12", "g1"] + (["a21", "a22", "g2"] if _has_second(layer) else [])
    if not bool(layer.space.threshold.isposinf().all()):
        names += ["r1", "r2"] if _has_second(layer) else ["r1"]
    used = [name for name in names if bool(coefficients[name].any())]
    return used if "r1" not in names else [*used, "threshold"]


def _word(index: int, layer: QuantisedLayer, name: str) -> str:
    """How C names a coefficient: a number where all neurons have it, or an entry of a table."""
    values = _coefficients(layer)[name]
    return _literal(values[0].item()) if _is_constant(values) else f"{name}_{index}[i]"


def _layer(net: QuantisedNet, name: str, index: int, layer: QuantisedLayer) -> str:
    return f"""\
static void layer_{index}({name}_state *net)
{{
{_inputs(net, index, layer)}
    for (unsigned i = 0; i < {len(layer.weight)}; i++) {{
{_neuron(net, index, layer)}
    }}
}}
"""


def _inputs(net: QuantisedNet, index: int, layer: QuantisedLayer) -> str:
    """Visit the rows of the inputs that have events."""
    outputs, inputs = layer.weight.shape
    given, adder = "net->input" if index == 0 else f"net->spk_{index - 1}", f"add_row_{packing(layer)}"
    size = layer.max_delay + 1
    if layer.delays is None:
        return f"""\
    for (unsigned j = 0; j < {inputs}; j++)
        if ({given}[j])
            {adder}(net->sum_{index}, weight_{index}[j], {outputs}, {given}[j]);"""
    if layer.delays.dim() == 1:
        return f"""\
    const unsigned now = net->steps % {size};
    for (unsigned j = 0; j < {inputs}; j++) {{
        net->past_{index}[now][j] = {given}[j];
        const int32_t arrived = net->past_{index}[(now + {size} - delay_{index}[j]) % {size}][j];
        if (arrived)
            {adder}(net->sum_{index}, weight_{index}[j], {outputs}, arrived);
    }}"""
    weight = _level(packing(layer), f"weight_{index}[j]")
    return f"""\
    const unsigned now = net->steps % {size};
    for (unsigned j = 0; j < {inputs}; j++)
        if ({given}[j])
            for (unsigned i = 0; i < {outputs}; i++)
                net->ahead_{index}[(now + delay_{index}[j][i]) % {size}][i] += {given}[j] * {weight};"""


def _neuron(net: QuantisedNet, index: int, layer: QuantisedLayer) -> str:
    total = f"net->ahead_{index}[now][i]" if per_synapse(layer) else f"net->sum_{index}[i]"
    spikes, second = layer is not net.readout, _has_second(layer)
    real = layer.fixed is None
    kind = "float" if real else "int32_t"
    lines = [
        f"const {kind} current = {'(float)' if real else ''}({total} * SCALE + bias_{index}[i]);",
        f"const {kind} mem = net->mem_{index}[i];",
        *([f"const {kind} ada = net->ada_{index}[i];"] if second else []),
        _next_state(index, layer, "m", ("a11", "a12", "g1")),
        *([_next_state(index, layer, "a", ("a21", "a22", "g2"))] if second else []),
    ]
    used = _used(layer)
    resets = [(state, name) for state, name in (("m", "r1"), ("a", "r2")) if spikes and name in used]
    if resets:
        lines.append(f"if (net->spk_{index}[i]) {{")
        lines += [f"    {state} += {_word(index, layer, name)};" for state, name in resets]
        lines.append("}")
    stored = "{}" if real else f"({net.state}_t)cut({{}}, {0 if layer.fixed is None else layer.fixed.limit})"
    lines.append(f"net->mem_{index}[i] = {stored.format('m')};")
    if second:
        lines.append(f"net->ada_{index}[i] = {stored.format('a')};")
    if spikes:
        lines.append(f"net->spk_{index}[i] = net->mem_{index}[i] > {_word(index, layer, 'threshold')};")
    lines.append(f"{total} = 0;")
    return "\n".join(f"        {line}" for line in lines)


def _next_state(index: int, layer: QuantisedLayer, state: str, names: tuple[str, str, str]) -> str:
    """Write the sum of a state's terms, in the order of ``StateSpace.step``."""
    used, factors = _used(layer), ("mem", "ada", "current")
    terms = [
        f"{'' if layer.fixed is None else '(int64_t)'}{_word(index, layer, name)} * {factor}"
        for name, factor in zip(names, factors, strict=True)
        if name in used
    ]
    if layer.fixed is None:
        return f"float {state} = {' + '.join(terms) or '0.0f'};"
    return f"int64_t {state} = ({' + '.join([*terms, str(layer.fixed.half)])}) >> {layer.fixed.shift};"


def _decision(net: QuantisedNet, name: str) -> str:
    last, classes = len(net.layers) - 1, net.num_classes
    if net.readout.fixed is None:
        kind = "float"
        distance = f"""\
        const float scaled = (highest - net->mem_{last}[i]) * {_literal(torch.tensor(LOG2E).item())};
        distance[i] = scaled < {LARGEST_DISTANCE >> FRACTION}.0f ? (uint32_t)(scaled * {1 << FRACTION}.0f) \
: {LARGEST_DISTANCE};"""
    else:
        kind, point = f"{net.state}_t", int(net.readout.fixed.e1[0])
        distance = f"""\
        const uint64_t scaled = (uint64_t)((int64_t)highest - net->mem_{last}[i]) * {log2e(14)} << {FRACTION} \
>> {14 + point};
        distance[i] = scaled < {LARGEST_DISTANCE} ? (uint32_t)scaled : {LARGEST_DISTANCE};"""
    return f"""\
/* 2^-(i / {1 << TABLE_BITS}) */
static const uint16_t powers[{len(TABLE)}] = {{
{_lines(TABLE)}
}};

/* 2^-distance; {FRACTION} bits of the distance are after the point, {ONE.bit_length() - 1} of the result. */
static uint32_t power(uint32_t distance)
{{
    if (distance >= {LARGEST_DISTANCE})
        return 0;
    const uint32_t fraction = distance & {(1 << FRACTION) - 1}, rest = fraction & \
{(1 << (FRACTION - TABLE_BITS)) - 1};
    const uint32_t place = fraction >> {FRACTION - TABLE_BITS};
    const uint32_t line = powers[place] * ({1 << (FRACTION - TABLE_BITS)} - rest) + powers[place + 1] * rest;
    return line >> ({FRACTION - TABLE_BITS} + (distance >> {FRACTION}));
}}

/* Add the softmax of the readout to the scores. */
static void count_shares({name}_state *net)
{{
    uint32_t distance[{classes}], total = 0;
    {kind} highest = net->mem_{last}[0];
    for (unsigned i = 1; i < {classes}; i++)
        if (net->mem_{last}[i] > highest)
            highest = net->mem_{last}[i];
    for (unsigned i = 0; i < {classes}; i++) {{
{distance}
        distance[i] = power(distance[i]);
        total += distance[i];
    }}
    for (unsigned i = 0; i < {classes}; i++)
        net->scores[i] += (distance[i] << {FRACTION}) / total;
}}

void {name}_reset({name}_state *net)
{{
    unsigned char *bytes = (unsigned char *)net; /* zeros are rest, for all types in it */
    for (unsigned i = 0; i < sizeof *net; i++)
        bytes[i] = 0;
}}

void {name}_event({name}_state *net, unsigned channel, int count)
{{
    if (channel >= {name.upper()}_INPUTS)
        return;
    const int limit = {name.upper()}_LIMIT;
    count = count > limit ? limit : count < -limit ? -limit : count;
    count += net->input[channel];
    net->input[channel] = (int16_t)(count > limit ? limit : count < -limit ? -limit : count);
}}

void {name}_step({name}_state *net)
{{
{chr(10).join(f"    layer_{index}(net);" for index in range(last + 1))}
    for (unsigned j = 0; j < {name.upper()}_INPUTS; j++)
        net->input[j] = 0;
    count_shares(net);
    net->steps++;
}}

unsigned {name}_decision(const {name}_state *net)
{{
    unsigned best = 0;
    for (unsigned i = 1; i < {classes}; i++)
        if (net->scores[i] > net->scores[best])
            best = i;
    return best;
}}

uint32_t {name}_confidence(const {name}_state *net)
{{
    const uint64_t highest = net->scores[{name}_decision(net)];
    uint32_t total = 0;
    for (unsigned i = 0; i < {classes}; i++) {{
        uint64_t distance = highest - net->scores[i];
        distance = distance < {LARGEST_DISTANCE} ? distance : {LARGEST_DISTANCE};
        total += power((uint32_t)(distance * {log2e(16)} >> 16));
    }}
    return {ONE << FRACTION}u / total;
}}
"""


def _quoted(text: str) -> str:
    """Write a C string; what is not plain ASCII in octal."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'
