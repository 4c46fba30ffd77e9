"""How sure the order of contenders is: Welch's t-test over seeds, with Holm's correction for the number of tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .. import tables
from ..optional import require

Pair = tuple[str, str]


class Difference(NamedTuple):
    """Two contenders beside each other.

    Attributes:
        lower: Name of the one with the lower mean.
        higher: Name of the other.
        points: Difference of their mean test accuracies in percent.
        p: Of Welch's t-test over the seeds.
        corrected: The same after Holm's correction for all tests that were made together.
    """

    lower: str
    higher: str
    points: float
    p: float
    corrected: float


def differences(results: Sequence[Mapping[str, Any]], against: str | None = None) -> list[Difference]:
    """Test neighbours in the order of mean accuracy, and every contender against one of them.

    It says how sure the order is for other initial weights; not for other data. Contenders with a single run take no
    part.

    Args:
        results: As :func:`.comparison.compare` returns them.
        against: Name of the one that all are tested against; by default the best.

    Examples:
        >>> runs = {"LIF": (0.70, 0.72, 0.71), "AdLIF": (0.80, 0.81, 0.79), "SiLIF": (0.86, 0.85, 0.87)}
        >>> found = differences(
        ...     [{"neuron": name, "test_accuracy": each} for name, seeds in runs.items() for each in seeds]
        ... )
        >>> [(each.lower, each.higher, round(each.points), each.corrected < 0.05) for each in found]
        [('LIF', 'AdLIF', 9, True), ('AdLIF', 'SiLIF', 6, True), ('LIF', 'SiLIF', 15, True)]
    """
    test = require("scipy.stats", extra="train", purpose="Testing differences").ttest_ind
    accuracies: dict[str, list[float]] = {}
    for result in results:
        accuracies.setdefault(str(result["neuron"]), []).append(float(result["test_accuracy"]))
    accuracies = {name: values for name, values in accuracies.items() if len(values) > 1}
    means = {name: sum(values) / len(values) for name, values in accuracies.items()}
    order = sorted(accuracies, key=means.__getitem__)
    pairs: dict[Pair, None] = dict.fromkeys(pairwise(order))
    if order:
        middle = against if against in means else order[-1]
        for each in order:
            if each != middle:
                one, two = sorted((each, middle), key=order.index)
                pairs[one, two] = None
    found = {(one, two): _p(test, accuracies[two], accuracies[one]) for one, two in pairs}
    corrected = holm(found)
    return [
        Difference(one, two, 100 * (means[two] - means[one]), p, corrected[one, two]) for (one, two), p in found.items()
    ]


def _p(test: Any, one: Sequence[float], two: Sequence[float]) -> float:
    if len({*one}) == len({*two}) == 1:  # no spread at all: the test would divide by it
        return float(one[0] == two[0])
    return float(test(one, two, equal_var=False).pvalue)


def holm(tests: Mapping[Pair, float]) -> dict[Pair, float]:
    """Holm's correction of several p values (Holm, 1979).

    Examples:
        >>> holm({("a", "b"): 0.01, ("b", "c"): 0.04, ("a", "c"): 0.03})
        {('a', 'b'): 0.03, ('a', 'c'): 0.06, ('b', 'c'): 0.06}
    """
    corrected, floor = {}, 0.0
    for rank, (pair, p) in enumerate(sorted(tests.items(), key=lambda test: test[1])):
        floor = max(floor, min(1.0, p * (len(tests) - rank)))
        corrected[pair] = floor
    return corrected


def differences_table(found: Sequence[Difference], *, markdown: bool = True) -> str:
    """Lay differences out as a table.

    Examples:
        >>> print(differences_table([Difference("LIF", "SiLIF", 12.04, 0.00086, 0.0069)]))
        | lower | higher | difference of means | Welch's p | with Holm's correction |
        |-------|--------|---------------------|-----------|------------------------|
        | LIF   | SiLIF  | +12.0 points        | 0.00086   | 0.0069                 |
    """
    rows = [("lower", "higher", "difference of means", "Welch's p", "with Holm's correction")]
    rows += [
        (each.lower, each.higher, f"{each.points:+.1f} points", f"{each.p:.2g}", f"{each.corrected:.2g}")
        for each in found
    ]
    return tables.table(rows, markdown=markdown)
